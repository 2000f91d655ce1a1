"""Say what would be right, behind a sentence that says what is wrong."""

import difflib
import re
from collections.abc import Iterable


def near(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean "…"?' where a known word is near, else '; known: …'."""
    words = [str(each) for each in known]
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(words)}" if words else ""


def near_expression(expression: str, roots: Iterable[str]) -> str:
    """Return what most likely is meant by an expression that is no jq; empty where it is unclear.

    `roots` are the keys of the document.
    """
    text = expression.strip()
    if text.startswith("$."):
        return f"\nthis is jq, not JSONPath: {text[1:]}"
    if text.startswith("{") and text.endswith("}"):
        return f"\nthis is jq, not a template: .{text[1:-1].strip().lstrip('.')}"
    if re.match(rf"(?:{'|'.join(roots)})\b", text):
        return f"\nbegin with a dot: .{text}"
    return ""
