"""The Celery application. Workers run it with the threads pool: see docs/decisions/0005."""

import os

from celery import Celery
from celery.signals import setup_logging, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("progrock", include=["tasks.polling", "tasks.starting", "tasks.maintenance"])
app.config_from_object("django.conf:settings", namespace="CELERY")


@worker_ready.connect
def reload_on_hangup(**_: object) -> None:
    """Take up changed backends on SIGHUP, in place of Celery's own restart."""
    from progrock.signals import reload_on_hangup as install  # noqa: PLC0415 - needs Django

    install()


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Leave logging as the settings made it: Celery adds no handlers of its own."""
