"""The HTTP side alone, for a WSGI server beside an ASGI server that carries the WebSockets."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

from progrock.backends import registry  # noqa: E402 - needs Django

registry.require()
