"""Names of artists as they are compared."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_tasks.domain import normalised, primary_artist

WORDS = st.text(st.sampled_from("abcXYZ&+,-.'é"), min_size=1, max_size=8)
JOINTS = st.sampled_from(
    [" ", " feat. ", " ft ", " Featuring ", " (feat. ", " [with ", " with ", ") ", "] ", "("]
)
CREDITS = st.lists(st.one_of(WORDS, JOINTS), min_size=1, max_size=8).map("".join)


@pytest.mark.parametrize(
    "credit",
    [
        "X feat. Y",
        "X feat Y",
        "X ft. Y",
        "X ft Y & Z",
        "X featuring Y",
        "X FEATURING Y",
        "X (feat. Y)",
        "X (ft. Y)",
        "X (featuring Y, Z)",
        "X [with Y]",
        "X (with Y)",
        "  X  ( With  Y ) ",
        "X feat.Y",
        "X (feat. Y) feat. Z",
    ],
)
def test_guests_are_left_out(credit: str) -> None:
    assert primary_artist(credit) == "x"


@pytest.mark.parametrize(
    "name",
    [
        "Simon & Garfunkel",
        "Tyler, The Creator",
        "Florence + The Machine",
        "Alphafeature",
        "Little Feat",
        "Feature Film",
        "Ftampa",
        "Man With A Mission",
        "Withered (Band)",
        "Feat. Nobody",
        "(feat. Nobody)",
        "",
    ],
)
def test_other_names_stay_whole(name: str) -> None:
    assert primary_artist(name) == normalised(name)


def test_what_follows_guests_in_brackets_stays() -> None:
    assert primary_artist("X (feat. Y) & Z") == "x & z"


@given(st.one_of(CREDITS, st.text()))
def test_an_artist_without_guests_has_none_to_leave_out(credit: str) -> None:
    artist = primary_artist(credit)
    assert primary_artist(artist) == artist
    assert bool(artist) == bool(normalised(credit))


@given(CREDITS, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_case_and_spaces_do_not_matter(credit: str, respell: Callable[[str], str]) -> None:
    assert primary_artist(f" {respell(credit)}".replace(" ", "  ")) == primary_artist(credit)
