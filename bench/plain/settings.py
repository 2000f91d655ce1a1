"""Settings of the plain design; the same database options, Redis and layer as ProgRock's own."""

import os

import dj_database_url

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "channels", "bench.plain"]
ROOT_URLCONF = "bench.plain.routing"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"], conn_max_age=None)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
        ),
    }

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]]},
    }
}
CELERY_BROKER_URL = "redis+socket://" + os.environ["REDIS_URL"].removeprefix("unix://")
CELERY_RESULT_BACKEND = CELERY_BROKER_URL  # that celery-progress reads; the polls keep nothing
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_SEND_TASK_EVENTS = False

BACKEND_URL = os.environ["BACKEND_URL"]
POLL_SECONDS = float(os.environ["POLL_SECONDS"])
THREADS = 32  # of a task that asks for all jobs
IN_THREADS = bool(os.environ["IN_THREADS"])
