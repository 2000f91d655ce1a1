"""The Celery application. Workers run it with the threads pool: see docs/decisions/0005."""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("progrock", include=["tasks.polling", "tasks.starting", "tasks.maintenance"])
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Leave logging as the settings made it: Celery adds no handlers of its own."""
