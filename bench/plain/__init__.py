"""The plain design: what Django, Channels and Celery lead to by their own manuals.

Written to be good of its kind: WAL and open connections for SQLite, only the changed columns
saved, no result backend, quiet logs. A Celery worker runs it as `celery -A bench.plain worker`.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.plain.settings")

app = Celery("plain", include=["bench.plain.tasks"])
app.config_from_object("django.conf:settings", namespace="CELERY")
