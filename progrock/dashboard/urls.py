"""The addresses of the pages."""

from django.urls import path

from progrock.dashboard import views

urlpatterns = [
    path("", views.index, name="index"),
    path("start", views.start, name="start"),
    path("backends", views.backends, name="backends"),
    path("jobs/<uuid:job>", views.job, name="job"),
]
