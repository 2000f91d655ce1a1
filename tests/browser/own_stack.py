"""A stack of its own whose backends a test plays: forms of every kind, and any trouble."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.launcher_process import Launcher
from tests.scripted_backend import ScriptedBackend

SECRET = "a-secret-of-the-service"
BACKENDS = Path(__file__).with_name("backends.toml")


@dataclass(frozen=True, kw_only=True)
class OwnStack:
    """The running stack, and the service that its backends are on."""

    launcher: Launcher
    service: ScriptedBackend


@contextmanager
def own_stack(folder: Path) -> Iterator[OwnStack]:
    """Run a stack with the backends above."""
    with ScriptedBackend() as service:
        environ = {"PROGROCK_BACKENDS": str(BACKENDS), "KEY": SECRET, "SERVICE_URL": service.url}
        with Launcher(folder / "data", environ=environ) as launcher:
            launcher.start()
            yield OwnStack(launcher=launcher, service=service)
