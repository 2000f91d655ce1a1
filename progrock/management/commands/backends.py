"""`manage.py backends check|list`: for whoever describes a backend."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from progrock import conf
from progrock.backends.errors import DescriptionError
from progrock.backends.loading import Backends, load


class Command(BaseCommand):
    """Looks at descriptions of backends without starting anything."""

    help = "Check and list the configured backends."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        check = actions.add_parser("check", help="say everything that is wrong in a file")
        check.add_argument("file", nargs="?", help="default: the configured one")
        actions.add_parser("list", help="show the configured backends")

    def handle(self, *args: Any, **options: Any) -> None:
        file = Path(options.get("file") or conf.backends_file())
        try:
            found = load(file, os.environ)
        except DescriptionError as exc:
            raise CommandError(str(exc)) from exc
        if options["action"] == "list":
            self._list(found)
        else:
            self.stdout.write(f"{file} is right: {len(found.by_name)} backend(s).")

    def _list(self, found: Backends) -> None:
        width = max((len(name) for name in found.by_name), default=0)
        for name, backend in found.by_name.items():
            mark = "*" if name == found.default else " "
            self.stdout.write(f"{mark} {name:{width}}  {backend.base_url}  {backend.title}")
        self.stdout.write("* is the default, for a start that names none.")
