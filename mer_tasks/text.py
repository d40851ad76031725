"""What a terminal or a log is shown of names from outside."""

from unicodedata import category

JOINERS = "\u200c\u200d"
"""Invisible, but part of how Persian, Indian languages and emoji are written."""


def printable(text: str) -> str:
    """The text on one line, with escapes for what steers a terminal, turns its text round or is half a character."""
    return "".join(c if _is_shown(c) else c.encode("unicode_escape").decode() for c in text)


def _is_shown(c: str) -> bool:
    return c.isprintable() or category(c) == "Zs" or c in JOINERS
