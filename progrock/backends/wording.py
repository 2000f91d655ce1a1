"""Say what would be right, behind a sentence that says what is wrong."""

import difflib
from collections.abc import Iterable


def near(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean "…"?' where a known word is near, else '; known: …'."""
    words = [str(each) for each in known]
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known: {', '.join(words)}" if words else ""
