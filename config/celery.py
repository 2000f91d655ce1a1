"""The Celery application. Workers run it with the threads pool: see docs/decisions/0005."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready, worker_shutdown

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

DRAIN_SECONDS = 4.0 if os.environ.get("PROGROCK_EMBEDDED") else 20.0

app = Celery("progrock", include=["tasks.polling", "tasks.starting", "tasks.maintenance"])
app.config_from_object("django.conf:settings", namespace="CELERY")


@worker_init.connect
def require_backends(**_: object) -> None:
    """End at once where the description of the backends is not right."""
    from progrock.backends import registry  # noqa: PLC0415 - needs Django

    registry.require()


@worker_ready.connect
def begin_work(sender: Any, **_: object) -> None:
    """Take up what this worker's predecessor left, and changed backends on SIGHUP."""
    from progrock import collector  # noqa: PLC0415 - needs Django
    from progrock.polling.sweeping import take_over  # noqa: PLC0415
    from progrock.signals import reload_on_hangup  # noqa: PLC0415

    reload_on_hangup()
    take_over(sender.hostname)
    collector.settle()


@worker_shutdown.connect
def end_work(**_: object) -> None:
    """Close what the worker holds open, and take back its sign of life."""
    from progrock import background_loop  # noqa: PLC0415 - needs Django
    from progrock.polling import lane_threads, looks, pulse, staying  # noqa: PLC0415

    pulse.stop()
    staying.stop()
    lane_threads.finish(DRAIN_SECONDS)
    looks.close()
    background_loop.stop()


@setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Leave logging as the settings made it: Celery adds no handlers of its own."""
