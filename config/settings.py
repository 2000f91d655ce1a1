"""All settings, each from the environment; docs/configuration.md has a row for each.

The embedded default (`make run`) and production differ in these values only. Production, that is
any process that the launcher did not start, refuses to start without SECRET_KEY.
"""

from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from config import env, layers
from progrock.logs import configure as configure_logs

BASE_DIR = Path(__file__).resolve().parent.parent

# The launcher sets this: one machine, loopback, its own Redis and SQLite.
EMBEDDED = env.flag("PROGROCK_EMBEDDED", default=False)
DATA_DIR = env.path("PROGROCK_DATA", BASE_DIR / "var")

DEBUG = False
SECRET_KEY = env.text("SECRET_KEY")
if not SECRET_KEY and env.text("SECRET_KEY_FILE"):
    SECRET_KEY = Path(env.text("SECRET_KEY_FILE")).read_text(encoding="utf-8").strip()
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Set it to a long random text, for example the output of: "
        'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
    )
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "progrock",
]
MIDDLEWARE = [
    "progrock.api.middleware.problem_documents",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "progrock.api.other_sites.cross_origin_reads",  # behind the one that refuses a foreign Host
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "progrock.dashboard.policy.content_security_policy",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- the database: the truth -----------------------------------------------------------------
_database: dict[str, Any] = (
    dict(dj_database_url.parse(env.text("DATABASE_URL")))
    if env.text("DATABASE_URL")
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "progrock.sqlite3"}
)
DATABASES = {"default": _database}
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {
        # Every transaction takes the write lock when it begins, so that none fails half way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
        ),
    }
    _database["CONN_MAX_AGE"] = None
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database.setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": env.integer("DATABASE_POOL", 20, low=2, high=1000),
        "timeout": 10,
    }
    _database["CONN_HEALTH_CHECKS"] = True
else:
    raise ImproperlyConfigured("DATABASE_URL: use a sqlite:/// or a postgres:// address.")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: the broker, the layer, the pulse; may be emptied at any moment --------------------
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
CHANNEL_LAYER_URL = env.text("CHANNEL_LAYER_URL", REDIS_URL)
CHANNEL_LAYERS = {"default": layers.layer_of(CHANNEL_LAYER_URL, _database)}
if CHANNEL_LAYER_URL == layers.DATABASE:
    INSTALLED_APPS.append(layers.TABLES)

_broker = env.text("CELERY_BROKER_URL", REDIS_URL)
if _broker.startswith("unix://"):  # Celery spells a Redis socket differently from redis-py
    _broker = "redis+socket://" + _broker.removeprefix("unix://").replace("?db=", "?virtual_host=")
CELERY_BROKER_URL = _broker
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Far above each countdown (at most 60 s), so that no waiting tick is delivered twice.
    "visibility_timeout": 3600,
    "socket_keepalive": True,
    "socket_connect_timeout": 3,
    "socket_timeout": 3,  # a Redis that hangs holds up no answer for longer
}
CELERY_TASK_DEFAULT_QUEUE = "progrock"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 5 if EMBEDDED else 25
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "tasks.maintenance.sweep",
        "schedule": 5.0,
        "options": {"expires": 15},
    },
    "prune": {
        "task": "tasks.maintenance.prune",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}

# --- ProgRock itself; read through progrock.conf ----------------------------------------------
PROGROCK_BACKENDS = env.path("PROGROCK_BACKENDS", BASE_DIR / "examples" / "backends.toml")
PROGROCK_ANONYMOUS = env.flag("PROGROCK_ANONYMOUS", default=EMBEDDED)
PROGROCK_SHARDS = env.integer("PROGROCK_SHARDS", 1, low=1, high=256)
PROGROCK_EVENTS_KEPT = env.integer("PROGROCK_EVENTS_KEPT", 1000, low=10, high=1_000_000)
PROGROCK_METRICS = env.choice(
    "PROGROCK_METRICS", "everybody" if EMBEDDED else "staff", ("staff", "everybody", "nobody")
)
PROGROCK_HEARTBEAT = env.integer("PROGROCK_HEARTBEAT", 15, low=1, high=300)

# --- pages ------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / "staticfiles")
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = EMBEDDED  # serve the tree as it lies
WHITENOISE_MAX_AGE = 0  # asked for anew each time (304): no page mixes old and new modules
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY", default=False) else None
)
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.flag("SECURE_COOKIES", default=False)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

LOGGING_CONFIG = None
configure_logs(level=env.text("LOG_LEVEL", "INFO"))
