"""Texts from outside cannot steer a terminal or show a password, and nobody's language is lost."""

import pytest

from mer_tasks.text import on_one_line, printable, without_passwords, without_user


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:s3cret@h/db", "postgresql://u:***@h/db"),
        ("redis://:s3cret@h:6379/0", "redis://:***@h:6379/0"),
        ("x smtp://u:p@s3cret@h:25 y http://h:80/a", "x smtp://u:***@h:25 y http://h:80/a"),
        ("http://h:8080/a?b=c@d", "http://h:8080/a?b=c@d"),
        ("http://h:80", "http://h:80"),
        ("http://u:s3/cr?et@h/a x", "http://u:***@h/a x"),
        ("db://u:s3@cret@h:1/db", "db://u:***@h:1/db"),
    ],
)
def test_passwords_in_urls_are_hidden(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
    assert without_passwords(shown) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:s3cret@h/a", "https://h/a"),
        ("https://k3y@h:80", "https://h:80"),
        ("https://h/@channel", "https://h/@channel"),
        ("https://h:80/@channel", "https://h:80/@channel"),
        ("https://u:s3?cr/et@h/a", "https://h/a"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_an_address_without_its_user(url: str, shown: str) -> None:
    assert without_user(url) == shown


def test_a_long_text_of_several_lines_is_cut_to_one() -> None:
    assert on_one_line(" two\nlines\x1b[2J ") == "two lines [2J"
    assert on_one_line("a" * 11, 10) == "a" * 9 + "…"
    assert on_one_line("a" * 10, 10) == "a" * 10
