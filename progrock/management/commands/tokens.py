"""`manage.py tokens create USER`: Bearer tokens for programs."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from progrock.identity import create_token


class Command(BaseCommand):
    """Makes a token and prints it once; only its digest is kept."""

    help = "Manage the Bearer tokens that programs log in with."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a token for a user, and print it")
        create.add_argument("user", help="the user's name; made by manage.py createsuperuser")
        create.add_argument("--name", default="", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        model = get_user_model()
        name = options["user"]
        user = model.objects.filter(**{model.USERNAME_FIELD: name}).first()
        if user is None:
            raise CommandError(
                f"There is no user {name!r}. Make one: manage.py createsuperuser --username {name}"
            )
        self.stdout.write(create_token(user, options["name"]))
        self.stderr.write("Keep it: it is not shown again.")
