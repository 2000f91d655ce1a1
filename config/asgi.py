"""The ASGI entry point: `/prog/` to the consumer, event streams to theirs, HTTP to Django."""

import os
import warnings
from typing import Any, cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# WhiteNoise reads files synchronously; ours are small.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")
django_application = get_asgi_application()  # sets Django up before the consumer is imported

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from progrock import collector  # noqa: E402
from progrock.api.event_streams import EventStreams  # noqa: E402
from progrock.backends import registry  # noqa: E402
from progrock.live.consumer import ProgressConsumer  # noqa: E402
from progrock.live.handshake import Application, Handshake, nothing_here  # noqa: E402
from progrock.signals import reload_on_hangup  # noqa: E402

registry.require()
reload_on_hangup()

routes: list[Any] = [
    path("prog/", cast("Any", ProgressConsumer.as_asgi())),
    re_path("", cast("Any", nothing_here)),
]
application = ProtocolTypeRouter(
    {
        "http": EventStreams(cast("Application", django_application)),
        "websocket": Handshake(cast("Application", URLRouter(routes))),
    }
)
collector.settle()  # all is loaded
