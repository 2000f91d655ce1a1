"""One readable log out of what several children print, which nothing can hold up.

Children write into pipes, the launcher reads them at once, and a thread of its own writes: a
terminal that is paused, or a reader that is slow, holds up neither the launcher nor a child.
"""

import contextlib
import os
import queue
import re
import select
import threading
from collections.abc import Iterable, Mapping

LONGEST_LINE = 2000  # bytes
MOST_WAITING_LINES = 5000
KEPT_FREE = 500  # of them for the launcher's own sentences, which a flood must not push out
WIDTH = len("renderer")
OWN_NAME = "launcher"
_COLOURS = {
    "redis": 31,
    "worker": 32,
    "beat": 33,
    "web": 36,
    "renderer": 35,
    "migrate": 34,
    OWN_NAME: 1,
}
# What a child prints may come from a stranger; it must not steer the terminal.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LineSplitter:
    """Cuts a stream of bytes into printable lines of bounded length."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._held = b""
        self._cut_bytes = 0

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that end in this piece."""
        *ended, rest = data.split(b"\n")
        lines = []
        for piece in ended:
            self._hold(piece)
            lines.append(self._take())
        self._hold(rest)
        return lines

    def rest(self) -> list[str]:
        """Return what came after the last line end; call it at the end of the stream."""
        return [self._take()] if self._held else []

    def _hold(self, piece: bytes) -> None:
        room = self._longest - len(self._held)
        self._held += piece[:room]
        self._cut_bytes += max(0, len(piece) - room)

    def _take(self) -> str:
        line = printable(self._held.decode("utf-8", "replace").rstrip("\r"))
        if self._cut_bytes:
            line += f" … ({self._cut_bytes} bytes cut)"
        self._held, self._cut_bytes = b"", 0
        return line


def printable(text: str) -> str:
    """Return the text with control characters spelled out; a tab stays."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def wants_colour(environ: Mapping[str, str], descriptor: int) -> bool:
    """Tell whether to colour: a terminal that can, and no NO_COLOR (no-color.org)."""
    return (
        os.isatty(descriptor)
        and not environ.get("NO_COLOR")
        and environ.get("TERM") not in {None, "", "dumb"}
    )


class Log:
    """Writes prefixed lines to a file descriptor from a thread; never blocks its caller.

    When too many lines wait, new ones are left out, and a line says how many.
    """

    def __init__(self, descriptor: int, *, colour: bool) -> None:
        self._descriptor = descriptor
        self._colour = colour
        self._waiting: queue.Queue[str | None] = queue.Queue(MOST_WAITING_LINES)
        self._left_out = 0
        self._is_broken = False
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Write a sentence of the launcher's own; one line each."""
        for line in text.splitlines():
            self._put(OWN_NAME, line)

    def add(self, name: str, lines: Iterable[str]) -> None:
        """Write lines that a child printed."""
        for line in lines:
            if self._waiting.qsize() >= MOST_WAITING_LINES - KEPT_FREE:
                self._left_out += 1
            else:
                self._tell_left_out()
                self._put(name, line)

    def close(self, timeout: float) -> None:
        """Write what still waits, for at most so many seconds."""
        self._tell_left_out()
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=timeout)
            self._thread.join(timeout)

    def _tell_left_out(self) -> None:
        if self._left_out:
            count, self._left_out = self._left_out, 0
            self.say(f"{count} lines left out: they came faster than they can be written.")

    def _put(self, name: str, line: str) -> None:
        try:
            self._waiting.put_nowait(self._prefixed(name, line))
        except queue.Full:
            self._left_out += 1

    def _prefixed(self, name: str, line: str) -> str:
        label = f"{name:<{WIDTH}} |"
        if self._colour:
            label = f"\x1b[{_COLOURS.get(name, 0)}m{label}\x1b[0m"
        return f"{label} {line}\n"

    def _write_all(self) -> None:
        while (line := self._waiting.get()) is not None:
            data = bytearray(line.encode("utf-8", "replace"))
            ends = False
            with contextlib.suppress(queue.Empty):
                while len(data) < 1 << 16:
                    following = self._waiting.get_nowait()
                    if following is None:
                        ends = True
                        break
                    data += following.encode("utf-8", "replace")
            self._write(bytes(data))
            if ends:
                return

    def _write(self, data: bytes) -> None:
        # A reader that went away (`make run | head`, a closed terminal) takes the log with it,
        # not the service.
        while data and not self._is_broken:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody made the shared terminal non-blocking
                select.select([], [self._descriptor], [], 1)
            except OSError:
                self._is_broken = True
