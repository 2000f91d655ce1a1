"""`python -m examples.renderer`: run the service until SIGINT or SIGTERM."""

import errno
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn

from examples.renderer.app import create_app
from examples.renderer.errors import RendererError, SettingsError
from examples.renderer.settings import Settings, read_settings
from examples.renderer.store import Store

log = logging.getLogger("examples.renderer")

OPEN_REQUESTS_SECONDS = 1
END_WITHIN_SECONDS = 2.5
# Longer than pollers keep idle connections, so that it is they who close them: no race.
KEEP_ALIVE_SECONDS = 75


class _Server(uvicorn.Server):
    """A server that is gone soon after the signal, even when a thread hangs on a dead disk."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        guard = threading.Timer(END_WITHIN_SECONDS, os._exit, args=[1])
        guard.daemon = True
        guard.start()
        super().handle_exit(sig, frame)


def main() -> int:
    """Run the service; gives the exit code, 2 when it could not start."""
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="renderer: %(message)s")
    log.setLevel(logging.INFO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        settings = read_settings(os.environ)
        store = Store(settings.data)
        store.open()
        listener = listen(settings)
    except RendererError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"RENDERER_DATA {settings.data} cannot be used: {error.strerror}.")
    serve(settings, store, listener)
    return 0


def serve(settings: Settings, store: Store, listener: socket.socket) -> None:
    """Serve on the listener until a signal comes."""
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{port}"
    app = create_app(settings, settings.public_url or address, store)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=OPEN_REQUESTS_SECONDS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
    )
    log.info("ready on %s, workers: %d, data in %s", address, settings.workers, settings.data)
    server.run(sockets=[listener])


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the host and port of the settings, or a SettingsError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    where = f"RENDERER_HOST {settings.host}, RENDERER_PORT {settings.port}"
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"{where}: the port is taken; choose another one.") from error
        raise SettingsError(f"{where}: cannot listen there: {error.strerror}.") from error


def _refuse(reason: str) -> int:
    print(f"renderer: {reason}", file=sys.stderr)
    return 2


def _leave(_: int, __: FrameType | None) -> None:
    """End with code 0: before the server takes over the signals, and when it gives them back."""
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
