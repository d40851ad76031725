"""What a terminal, a message or a log is shown of texts and addresses from outside."""

import re
from unicodedata import category

JOINERS = "\u200c\u200d"
"""Invisible, but part of how Persian, Indian languages and emoji are written."""


NO_PORT = r"(?!\*\*\*@|\d*(?:[/?#\s]|$))"
"""After a colon: what is no port, so that it is a password, were it with an unescaped / or ?."""


def printable(text: str) -> str:
    """The text on one line, with escapes for what steers a terminal, turns its text round or is half a character."""
    return "".join(c if _is_shown(c) else c.encode("unicode_escape").decode() for c in text)


def on_one_line(text: str, longest: int | None = None) -> str:
    """The text without line breaks, control and invisible characters, of at most `longest` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if longest is None or len(line) <= longest else f"{line[: longest - 1]}…"


def without_passwords(text: str) -> str:
    """The text with the password of every URL in it replaced by ***."""
    ordinary = re.sub(r"(://[^/\s:@?#]*:)[^/\s?#]*@", r"\1***@", text)
    return re.sub(rf"(://[^/\s:@?#]*:){NO_PORT}\S*@", r"\1***@", ordinary)


def without_user(url: str) -> str:
    """An address without user and password; either may be a key."""
    ordinary = re.sub(r"//[^/\s?#]*@", "//", url)
    return re.sub(rf"//[^/\s:@?#]*:{NO_PORT}\S*@", "//", ordinary)


def _is_shown(c: str) -> bool:
    return c.isprintable() or category(c) == "Zs" or c in JOINERS
