"""The plain design's ASGI application."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.plain.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import include, path  # noqa: E402

from bench.plain.consumers import JobConsumer  # noqa: E402

urlpatterns = [path("celery-progress/", include("celery_progress.urls"))]
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter([path("ws/jobs/<uuid:job>/", JobConsumer.as_asgi())]),
    }
)
