"""The databases of a play: SQLite as `make run` has it, or a PostgreSQL that is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.postgres_process import PostgresProcess


class Database:
    """The embedded default. `environ` is what the processes are started with."""

    environ: dict[str, str]

    def __init__(self) -> None:
        self.environ = {}

    def restart(self) -> bool:
        """Restart it without a goodbye; False where there is nothing to restart."""
        return False


class Postgres(Database):
    """A PostgreSQL that is killed and started again. Raises PartMissingError."""

    def __init__(self, folder: Path) -> None:
        self._server = PostgresProcess(folder, keeps_commits=True)
        self._server.start()
        self._server.make_database("progrock")
        self.environ = {"DATABASE_URL": self._server.url_of("progrock")}

    def restart(self) -> bool:
        """End it without a goodbye, and start it on what it wrote."""
        self._server.kill()
        self._server.start()
        return True

    def close(self) -> None:
        """End it."""
        self._server.stop()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server for a while. Raises PartMissingError."""
    with TemporaryDirectory(prefix="progrock-") as folder:
        Path(folder).chmod(0o711)  # root runs it as another user, who has to get in
        database = Postgres(Path(folder, "postgres"))
        try:
            yield database
        finally:
            database.close()
