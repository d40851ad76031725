"""The paired test of the gate, against its definition, and an interval that few artists cannot make narrow."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_tasks.registry.significance import accuracy_low, sign_flip_p_value
from mer_tasks.settings import EvaluationSettings

EVALUATION = EvaluationSettings(
    protocol="grouped", folds=3, holdout_share=0.1, holdout_per_mood=30, seed=1, bootstrap=500
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 6)), min_size=1, max_size=20))
def test_it_counts_all_changes_of_sign(songs: list[tuple[int, int]]) -> None:
    differences, artists = (np.array(column) for column in zip(*songs, strict=True))
    sums = [differences[artists == artist].sum() for artist in np.unique(artists)]
    totals = [np.dot(signs, sums) for signs in product((-1, 1), repeat=len(sums))]
    expected = np.mean([total >= sum(sums) for total in totals])
    assert sign_flip_p_value(differences, artists.astype(str)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("differences", "artists", "p"),
    [
        ([0, 0, 0], "abc", 1.0),
        ([1], "a", 0.5),
        ([1] * 5, "abcde", 1 / 32),
        ([1] * 5, "aaaaa", 0.5),  # one artist's songs are one piece of evidence
        ([-1] * 5, "abcde", 1.0),
        ([1, -1], "ab", 0.75),
        ([1, -1], "aa", 1.0),
    ],
)
def test_known_cases(differences: list[int], artists: str, p: float) -> None:
    assert sign_flip_p_value(np.array(differences), np.array(list(artists))) == pytest.approx(p)


def test_a_thousand_artists_take_no_time() -> None:
    rng = np.random.default_rng(0)
    p = sign_flip_p_value(rng.integers(-1, 2, 5000), rng.integers(0, 1000, 5000))
    assert 0 <= p <= 1


def test_equal_models_seldom_pass() -> None:
    rng = np.random.default_rng(1)
    artists = np.repeat(np.arange(40), 3)[:120]
    ps = [sign_flip_p_value(rng.choice([-1, 0, 1], 120, p=[0.1, 0.8, 0.1]), artists) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(ps) <= 0.05) <= 0.08


@pytest.mark.parametrize(("n_artists", "passes"), [(1, False), (2, False), (3, True), (30, True)])
def test_few_artists_give_no_narrow_interval(n_artists: int, passes: bool) -> None:
    artists = np.repeat(np.arange(n_artists), 4).astype(str)
    assert (accuracy_low(np.ones(4 * n_artists, bool), artists, EVALUATION) > 0.25) == passes


def test_nothing_right_is_nothing() -> None:
    assert accuracy_low(np.zeros(10, bool), np.arange(10).astype(str), EVALUATION) == 0.0


def test_many_artists_give_the_interval_of_every_score() -> None:
    rng = np.random.default_rng(2)
    low = accuracy_low(rng.random(400) < 0.6, np.arange(400).astype(str), EVALUATION)
    assert 0.52 < low < 0.6
