"""What a page loads before it is painted: its modules are named at once, and below a bound."""

import gzip
import re
from pathlib import Path

import pytest

import progrock

PACKAGE = Path(progrock.__file__).parent
STATIC = PACKAGE / "static" / "progrock"
TEMPLATES = PACKAGE / "templates" / "progrock"
BUDGET_BYTES = 100 * 1024
PAGES = ("job", "start", "backends")
HTML_BYTES = 8 * 1024  # gzipped, of a page with a large snapshot
IMPORT = re.compile(r'^(?:import|export)\s[^;]*?from "(\.[^"]+)";', re.MULTILINE)
ADDRESS = re.compile(r"""<(?:link|script)[^>]*\{% static 'progrock/([^']+)' %\}""")


def imported_by(module: Path) -> set[Path]:
    """Return a module and all that it imports before it runs, however far down."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            names = IMPORT.findall(each.read_text())
            waiting.extend((each.parent / name).resolve() for name in names)
    return found


def named_in(template: str) -> set[Path]:
    return {STATIC / name for name in ADDRESS.findall((TEMPLATES / template).read_text())}


@pytest.mark.parametrize("page", PAGES)
def test_all_modules_of_a_page_are_named_in_its_head(page: str) -> None:
    named = {path for path in named_in(f"_{page}_head.html") if path.suffix == ".js"}
    assert named == imported_by(STATIC / f"{page}-page.js")


@pytest.mark.parametrize("page", PAGES)
def test_the_first_paint_of_a_page_needs_less_than_100_kilobytes(page: str) -> None:
    files = named_in("base.html") | named_in(f"{page}.html") | named_in(f"_{page}_head.html")
    total = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    assert total + HTML_BYTES <= BUDGET_BYTES, f"{total} bytes and the page itself"
