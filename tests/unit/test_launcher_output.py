"""Lines in, lines out: cut, made harmless, prefixed, and never in anybody's way."""

import os
import threading

import pytest

from progrock.launcher import output
from progrock.launcher.output import LineSplitter, Log, wants_colour


def read_all(descriptor: int) -> list[str]:
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read().decode().splitlines()


def test_lines_come_whole_however_the_pieces_are_cut() -> None:
    splitter = LineSplitter()
    pieces = [b"fi", b"rst\nsec", b"ond\n\nla", b"st"]
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    assert [*lines, *splitter.rest()] == ["first", "second", "", "last"]
    assert splitter.rest() == []


def test_a_character_cut_in_two_is_put_together() -> None:
    splitter = LineSplitter()
    euro = "€".encode()
    assert splitter.feed(euro[:1]) == []
    assert splitter.feed(euro[1:] + b"\n") == ["€"]


def test_an_endless_line_is_cut_and_takes_no_memory() -> None:
    splitter = LineSplitter(longest=10)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    assert splitter.feed(b"\nnext\n") == ["x" * 10 + " … (999990 bytes cut)", "next"]


def test_a_child_cannot_steer_the_terminal() -> None:
    assert LineSplitter().feed(b"\x1b[2Jgone\x07\ttab\r\n") == ["\\x1b[2Jgone\\x07\ttab"]


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert LineSplitter().feed(b"\xff\xfe!\n") == ["\ufffd\ufffd!"]


def test_each_line_carries_the_name_of_its_child() -> None:
    reading, writing = os.pipe()
    log = Log(writing, colour=False)
    log.add("web", ["one", "two"])
    log.say("first\nsecond")
    log.close(5)
    os.close(writing)
    assert read_all(reading) == [
        "web      | one",
        "web      | two",
        "launcher | first",
        "launcher | second",
    ]


def test_colour_stays_in_the_prefix() -> None:
    reading, writing = os.pipe()
    log = Log(writing, colour=True)
    log.add("web", ["one"])
    log.close(5)
    os.close(writing)
    assert read_all(reading) == ["\x1b[36mweb      |\x1b[0m one"]


def test_a_reader_that_stalls_holds_up_nobody_and_what_was_left_out_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "MOST_WAITING_LINES", 100)
    monkeypatch.setattr(output, "KEPT_FREE", 50)
    reading, writing = os.pipe()
    log = Log(writing, colour=False)
    # Nobody reads: the pipe fills, then the queue. The last call returns all the same.
    for _ in range(2000):
        log.add("web", ["x" * 1000])
    log.say("a sentence of the launcher's own still has a place")
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(read_all(reading)))
    reader.start()
    log.close(5)
    os.close(writing)
    reader.join(5)
    written = sum(line.startswith("web") for line in lines)
    left_out = [line for line in lines if "lines left out" in line]
    assert f"launcher | {2000 - written} lines left out: " in left_out[0]
    assert any("still has a place" in line for line in lines)


def test_a_reader_that_went_away_takes_only_the_log_with_it() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = Log(writing, colour=False)
    log.say("to nobody")
    log.say("to nobody again")
    log.close(5)
    os.close(writing)


def test_colour_is_for_terminals_that_want_it() -> None:
    reading, writing = os.pipe()
    controller, terminal = os.openpty()
    try:
        assert wants_colour({"TERM": "xterm"}, terminal)
        assert not wants_colour({"TERM": "xterm", "NO_COLOR": "1"}, terminal)
        assert not wants_colour({"TERM": "dumb"}, terminal)
        assert not wants_colour({"TERM": "xterm"}, writing)
    finally:
        for descriptor in (reading, writing, controller, terminal):
            os.close(descriptor)
