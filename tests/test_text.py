"""Names from outside cannot steer a terminal, and nobody's language is lost."""

import pytest

from mer_tasks.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Motörhead - Ace of Spades", "Motörhead - Ace of Spades"),
        ("日本 עברית عربى 🎵", "日本 עברית عربى 🎵"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),  # Persian needs its joiner
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("half \udcff", r"half \udcff"),
        ("\x9b31m", r"\x9b31m"),
    ],
)
def test_what_is_shown_of_a_name(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
