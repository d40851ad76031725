"""Reliability and selective answers, against values worked out by hand and what must hold of any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_tasks.evaluation.calibration import calibration_error, confidence, reliability, risk_coverage

PAIRS = st.lists(st.tuples(st.booleans(), st.floats(0.25, 1)), min_size=1, max_size=50)


def test_confidence_is_the_largest_probability() -> None:
    assert confidence(np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])).tolist() == [0.4, 0.7]


def test_a_small_case_by_hand() -> None:
    correct, sure = np.array([1, 0, 1, 1]), np.array([0.91, 0.92, 0.5, 1.0])
    assert reliability(correct, sure) == pytest.approx(
        np.array([[0.5, 1.0, 1], [0.915, 0.5, 2], [1.0, 1.0, 1]])
    )
    assert calibration_error(correct, sure) == pytest.approx((0.5 + 2 * 0.415) / 4)
    assert risk_coverage(correct, sure) == pytest.approx(np.array([1, 1 / 2, 2 / 3, 3 / 4]))


def test_a_model_as_sure_as_it_is_right_has_hardly_an_error() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.25, 1, 100_000)
    assert calibration_error(rng.random(100_000) < sure, sure) < 0.01
    assert calibration_error(rng.random(100_000) < sure / 2, sure) > 0.2


@given(pairs=PAIRS)
def test_bins_hold_every_song_and_the_whole_is_the_accuracy(pairs: list[tuple[bool, float]]) -> None:
    correct, sure = (np.array(values, dtype=float) for values in zip(*pairs, strict=True))
    assert reliability(correct, sure)[:, 2].sum() == len(pairs)
    assert 0 <= calibration_error(correct, sure) <= 1
    assert risk_coverage(correct, sure)[-1] == pytest.approx(correct.mean())


def test_the_order_of_equally_sure_songs_does_not_matter() -> None:
    sure = np.full(6, 0.5)
    for correct in ([1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]):
        assert risk_coverage(np.array(correct), sure) == pytest.approx(np.full(6, 0.5))
