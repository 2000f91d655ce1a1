"""The Django application."""

from django.apps import AppConfig


class ProgRockConfig(AppConfig):
    """Registers the system checks and hints when Django starts."""

    name = "progrock"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from progrock import checks  # noqa: F401, PLC0415 - registers on import
        from progrock.live import rights_hints  # noqa: PLC0415

        rights_hints.connect()
