"""Scores against values worked out by hand, scikit-learn's and a brute-force bootstrap."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import classification_report

from mer_tasks.domain import MOODS
from mer_tasks.evaluation.scores import Scores, mean_interval, score, score_predictions
from mer_tasks.settings import Params

MOOD = st.sampled_from(MOODS)


def test_scores_of_a_small_case_by_hand() -> None:
    truth = ["sad", "sad", "happy", "happy", "energetic", "calm"]
    predicted = ["sad", "calm", "happy", "happy", "happy", "calm"]
    scores = score(truth, predicted, list("abcdef"), 500, 0)
    assert scores.n == 6
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.recall == {"sad": 0.5, "happy": 1.0, "energetic": 0.0, "calm": 1.0}
    f1 = {"sad": 2 / 3, "happy": 4 / 5, "energetic": 0.0, "calm": 2 / 3}
    assert scores.macro_f1 == pytest.approx(np.mean(list(f1.values())))
    assert scores.accuracy_low < scores.accuracy < scores.accuracy_high


@given(pairs=st.lists(st.tuples(MOOD, MOOD), min_size=1, max_size=40))
@settings(deadline=None, max_examples=60)
def test_macro_f1_is_the_mean_over_the_moods_that_there_are(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = zip(*pairs, strict=True)
    scores = score(truth, predicted, [str(place) for place in range(len(pairs))], 20, 0)
    report = classification_report(truth, predicted, output_dict=True, zero_division=0)
    present = sorted(set(truth))
    assert scores.macro_f1 == pytest.approx(np.mean([report[mood]["f1-score"] for mood in present]))
    assert scores.recall == pytest.approx({mood: report[mood]["recall"] for mood in present})
    assert scores.accuracy == pytest.approx(np.mean([one == other for one, other in pairs]))
    assert 0 <= scores.accuracy_low <= scores.accuracy_high <= 1


def test_a_mood_without_songs_has_no_recall() -> None:
    scores = score(["sad", "happy"], ["sad", "calm"], ["a", "b"], 100, 0)
    assert scores.recall == {"sad": 1.0, "happy": 0.0}
    assert scores.macro_f1 == pytest.approx(0.5)


@pytest.mark.parametrize(("predicted", "accuracy"), [("sad", 1.0), ("calm", 0.0)])
def test_an_interval_of_equal_values_is_their_value(predicted: str, accuracy: float) -> None:
    scores = score(["sad"] * 5, [predicted] * 5, list("abcde"), 100, 0)
    assert (scores.accuracy_low, scores.accuracy, scores.accuracy_high) == (accuracy,) * 3


def test_songs_of_few_artists_give_a_wider_interval_than_as_many_of_many() -> None:
    correct = np.tile([1.0] * 10 + [0.0] * 10, 10)
    few = np.repeat([f"artist {i}" for i in range(20)], 10)
    many = np.array([f"artist {i}" for i in range(200)])
    few_low, few_high = mean_interval(correct, few, 2000, 1)
    many_low, many_high = mean_interval(correct, many, 2000, 1)
    assert few_high - few_low > 2 * (many_high - many_low)


def test_the_interval_is_a_bootstrap_over_artists() -> None:
    rng = np.random.default_rng(3)
    artists = rng.integers(30, size=120).astype(str)
    values = rng.integers(2, size=120).astype(float)
    low, high = mean_interval(values, artists, 4000, 5)
    names = np.unique(artists)
    means = []
    for _ in range(4000):
        drawn = rng.choice(names, len(names))
        means.append(np.concatenate([values[artists == name] for name in drawn]).mean())
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.02)


def test_the_interval_holds_the_true_accuracy_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        skill = rng.beta(7, 3, size=60)  # of each artist's songs; 0.7 on average
        artists = np.repeat(np.arange(60), 4)
        correct = rng.random(240) < skill[artists]
        low, high = mean_interval(correct, artists.astype(str), 400, trial)
        held += low <= 0.7 <= high
    assert 0.90 <= held / 200 <= 0.99


def test_the_interval_follows_the_seed_and_not_the_order_of_songs() -> None:
    rng = np.random.default_rng(1)
    values, artists = rng.integers(2, size=50), rng.integers(9, size=50).astype(str)
    order = rng.permutation(50)
    first = mean_interval(values, artists, 300, 7)
    assert first == mean_interval(values[order], artists[order], 300, 7)
    assert first != mean_interval(values, artists, 300, 8)


def test_songs_with_guests_count_with_their_artist(params: Params) -> None:
    table = pd.DataFrame({"mood": ["sad"] * 8, "predicted": ["sad"] * 4 + ["calm"] * 4})
    one, with_guests, apart = (
        score_predictions(table.assign(artist=artists), params.evaluation)
        for artists in (
            ["X"] * 4 + ["Y"] * 4,
            [f"x feat. {n}" for n in range(4)] + [f"Y (ft. {n})" for n in range(4)],
            [f"X{n}" for n in range(8)],
        )
    )
    assert one == with_guests
    assert apart.accuracy_high - apart.accuracy_low < one.accuracy_high - one.accuracy_low


def test_scores_come_back_from_json_to_four_digits() -> None:
    rng = np.random.default_rng(2)
    truth, predicted = (rng.choice(list(MOODS), 33) for _ in range(2))
    scores = score(truth, predicted, rng.integers(9, size=33).astype(str), 100, 0)
    written = json.loads(json.dumps({"model": "other key", **scores.as_json()}))
    assert Scores.from_json(written).as_json() == scores.as_json()
    assert Scores.from_json(written).accuracy == pytest.approx(scores.accuracy, abs=5e-5)
    assert len(str(written["accuracy"])) <= 6 and isinstance(written["n"], int)
    del written["recall"]
    with pytest.raises(KeyError, match="recall"):
        Scores.from_json(written)
