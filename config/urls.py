"""Where each address goes."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from progrock.api import health, metrics
from progrock.api.urls import api

urlpatterns = [
    path("", include("progrock.dashboard.urls")),
    path("login/", LoginView.as_view(template_name="progrock/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/v1/", csrf_exempt(health.nothing)),
    path("api/v1/", api.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
]
