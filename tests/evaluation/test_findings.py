"""What a person is told of a comparison."""

import pandas as pd
import pytest

from mer_tasks.evaluation.findings import FAR, far_shares, findings

EVEN = ["sad", "happy", "energetic", "calm"] * 25


@pytest.mark.parametrize(("n_moved", "is_far"), [(0, False), (15, False), (16, True), (37, True)])
def test_shares_are_far_where_more_than_so_many_songs_would_have_to_move(n_moved: int, is_far: bool) -> None:
    assert FAR == 0.15
    others = [place for place, mood in enumerate(EVEN) if mood != "energetic"][:n_moved]
    predicted = ["energetic" if place in others else mood for place, mood in enumerate(EVEN)]
    text = far_shares(pd.Series(predicted), pd.Series(EVEN))
    assert (text is not None) == is_far
    if text and n_moved == 37:
        assert "62% energetic (of 25%)" in text and text.endswith("distance 0.37, more than 0.15")


def test_an_unbalanced_training_makes_unbalanced_predictions_no_finding() -> None:
    moods = pd.Series(["energetic"] * 62 + ["sad"] * 38)
    assert far_shares(moods, moods) is None


@pytest.mark.parametrize(("low", "rules"), [(0.24, []), (0.26, ["shuffled labels"])])
def test_shuffled_labels_that_are_predicted_are_a_leak(low: float, rules: list[str]) -> None:
    rows = [
        {"baseline": "majority", "accuracy": 0.25},
        {"baseline": "shuffled labels", "accuracy": 0.3, "accuracy_low": low},
    ]
    assert [one["rule"] for one in findings({}, rows)] == rules
