"""Reads an event stream (HTML Living Standard, section 9.2.6): pieces of text in, messages out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the stream. `event` is "message" where none was named, `id` the last one."""

    event: str
    data: str
    id: str = ""


class StreamReader:
    """Holds what has come of the message that is not whole yet."""

    def __init__(self) -> None:
        self._rest = ""
        self._event = ""
        self._id = ""
        self._data: list[str] = []

    def feed(self, text: str) -> list[Message]:
        """Take the next piece, and return the messages that are whole with it."""
        text = self._rest + text
        # A carriage return at the end may be half of a line's end.
        held = "\r" if text.endswith("\r") else ""
        lines = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        found = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                found.append(Message(self._event or "message", "\n".join(self._data), self._id))
                self._event, self._data = "", []
            else:
                self._event = ""
        return found

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
