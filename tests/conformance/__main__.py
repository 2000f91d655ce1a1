"""`python -m tests.conformance URL`: the protocol's tests against a server that runs somewhere.

The server offers the example backends, as `make run` does, and lets everybody in. With
`--closed URL` and its tokens, the rules of admission are tried as well. What stands behind `--`
goes to pytest.
"""

import argparse
import sys
from pathlib import Path

import pytest

from tests.conformance.target import ClosedTarget, Target, Visitor, Work, bundled


class Given:
    """Tells the fixtures which server to test."""

    def __init__(self, target: Target) -> None:
        self.target = target


def main(arguments: list[str]) -> int:
    """Run the tests and return pytest's exit code."""
    own, _, for_pytest = _split(arguments)
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("url", help="the open server, such as http://127.0.0.1:8000")
    parser.add_argument("--closed", metavar="URL", help="a server that wants to know who is there")
    for who, meaning in (
        ("staff", "a user who may log in at /admin/, as NAME:TOKEN:PASSWORD"),
        ("one", "a user who is no staff, as NAME:TOKEN"),
        ("other", "another such user, as NAME:TOKEN"),
    ):
        parser.add_argument(f"--{who}", metavar="NAME:TOKEN", help=meaning, type=_visitor)
    given = parser.parse_args(own)
    closed = None
    if given.closed:
        if not (given.staff and given.one and given.other):
            parser.error("--closed needs --staff, --one and --other")
        closed = ClosedTarget(
            url=given.closed.rstrip("/"),
            work=Work(backend="flaky", params={"rows": 1000, "pause_ms": 20}),
            staff=given.staff,
            one=given.one,
            other=given.other,
        )
    target = bundled(given.url.rstrip("/"), closed)
    return pytest.main([str(Path(__file__).parent), *for_pytest], plugins=[Given(target)])


def _visitor(text: str) -> Visitor:
    name, token, password, *_ = [*text.split(":", 2), "", ""]
    if not token:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:TOKEN")
    return Visitor(name=name, token=token, password=password)


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    if "--" not in arguments:
        return arguments, "", []
    at = arguments.index("--")
    return arguments[:at], "--", arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
