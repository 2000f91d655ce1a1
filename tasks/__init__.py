"""The Celery tasks: they parse, call one function, and decide nothing."""
