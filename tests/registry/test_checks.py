"""The conditions of the gate: what exceeds a bound is refused, what may be luck is not."""

import numpy as np
import pandas as pd
import pytest

from mer_tasks.catalog.dataset import SONG_COLUMNS
from mer_tasks.domain import MOODS
from mer_tasks.evaluation.calibration import calibration_error
from mer_tasks.registry import checks
from mer_tasks.settings import Params

EACH = 15
"""Songs a mood, as in a holdout of sixty."""


def answers(
    wrong: dict[str, int] | None = None, sure: float = 0.7, called: str | None = None
) -> pd.DataFrame:
    """Songs of as many artists, right but for so many of each mood, which are called by another mood's name."""
    rows = []
    for place, mood in enumerate(MOODS):
        for song in range(EACH):
            other = called or MOODS[(place + 1 + song % 3) % 4]
            guess = other if song < (wrong or {}).get(mood, 0) else mood
            probabilities = {name: sure if name == guess else (1 - sure) / 3 for name in MOODS}
            rows.append({"artist": f"{mood} {song}", "mood": mood, "predicted": guess, **probabilities})
    return pd.DataFrame(rows)


def songs(collections: list[str], lufs: list[float] | None = None) -> pd.DataFrame:
    table = pd.DataFrame(index=range(4 * EACH), columns=list(SONG_COLUMNS)).astype(SONG_COLUMNS)
    table["collections"] = collections
    if lufs is not None:
        table["clip_loudness_lufs"] = lufs
    return table


def refused(found: object) -> list[str]:
    return [check.name for check in found if not check.passed]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("lost", "is_refused"),
    [
        (1, False),  # 7 points: within the bound
        (2, False),  # 13 points, but one in four has it by luck
        (3, True),
        (15, True),
    ],
)
def test_a_mood_may_not_lose_more_than_the_bound_but_by_luck(
    params: Params, lost: int, is_refused: bool
) -> None:
    found = checks.losses(answers({"calm": lost}), answers(), songs(["a"] * 60), params.promotion)
    assert refused(found) == (["mood calm"] if is_refused else [])


def test_a_loss_beside_a_gain_in_the_same_mood_is_luck(params: Params) -> None:
    old, new = answers({"calm": 4}), answers({"calm": 8})
    new.loc[new["artist"].isin([f"calm {song}" for song in range(2)]), "predicted"] = "calm"
    found = {check.name: check for check in checks.losses(new, old, songs(["a"] * 60), params.promotion)}
    assert found["mood calm"].passed and "p 0.344" in found["mood calm"].measured


def test_slices_are_watched_as_moods_are(params: Params) -> None:
    old, new = answers(), answers({"sad": 2, "happy": 2, "calm": 2})
    collections = ["small|all" if song % EACH < 3 else "all" for song in range(4 * EACH)]
    quiet_first = [float(song % EACH) for song in range(4 * EACH)]
    found = refused(checks.losses(new, old, songs(collections, quiet_first), params.promotion))
    assert found == ["collection small", "loudness quiet"]


def test_few_songs_of_one_artist_are_no_evidence(params: Params) -> None:
    old, new = answers(), answers({"sad": 15})
    for table in (old, new):
        table["artist"] = table["mood"]
    assert refused(checks.losses(new, old, songs(["a"] * 60), params.promotion)) == []


def test_being_sure_without_being_right_is_refused(params: Params) -> None:
    old = answers(dict.fromkeys(MOODS, 4))  # right in 73 %, sure of 70 %
    for sure, expected in ((0.7, True), (0.75, True), (0.95, False)):
        new = answers(dict.fromkeys(MOODS, 4), sure=sure)
        check = checks.calibration(new, old, params.evaluation, params.promotion)
        assert check.passed == expected
        error = calibration_error(checks.right(new), np.full(60, sure))
        assert (
            check.measured == f"{error:.3f}, was {calibration_error(checks.right(old), np.full(60, 0.7)):.3f}"
        )


def test_calibration_counts_the_songs_that_both_answer(params: Params) -> None:
    old, new = answers(), answers(sure=0.99)
    new.loc[:20, ["predicted", *MOODS]] = ["none", *[np.nan] * 4]
    assert checks.calibration(new, old, params.evaluation, params.promotion).measured.startswith(
        "0.010, was 0.3"
    )
    new[list(MOODS)] = np.nan
    assert not checks.calibration(new, old, params.evaluation, params.promotion).passed


def test_a_mood_that_is_everywhere_or_nowhere_is_implausible(params: Params) -> None:
    always = answers(dict.fromkeys(MOODS, 15), called="happy")
    assert refused(checks.shares(always, params.promotion)) == [f"share of {mood}" for mood in MOODS]
    never = answers({"sad": 15}, called="calm")
    assert refused(checks.shares(never, params.promotion)) == ["share of sad", "share of calm"]
    assert refused(checks.shares(answers({"sad": 10}, called="calm"), params.promotion)) == []


@pytest.mark.parametrize(("n_wrong", "passes"), [(0, True), (8, True), (11, False), (15, False)])
def test_the_floor_is_for_the_interval(params: Params, n_wrong: int, passes: bool) -> None:
    check = checks.floor(answers(dict.fromkeys(MOODS, n_wrong)), params.evaluation, params.promotion)
    assert check.passed == passes
