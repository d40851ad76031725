"""Scores against values worked out by hand and against a brute-force bootstrap."""

import numpy as np
import pytest

from mer_tasks.evaluation.scores import mean_interval, score


def test_scores_of_a_small_case_by_hand() -> None:
    truth = ["sad", "sad", "happy", "happy", "energetic", "calm"]
    answers = ["sad", "calm", "happy", "happy", "happy", "calm"]
    scores = score(truth, answers, list("abcdef"), 500, 0)
    assert scores.n == 6
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.recall == {"sad": 0.5, "happy": 1.0, "energetic": 0.0, "calm": 1.0}
    f1 = {"sad": 2 / 3, "happy": 4 / 5, "energetic": 0.0, "calm": 2 / 3}
    assert scores.macro_f1 == pytest.approx(np.mean(list(f1.values())))
    assert scores.accuracy_low < scores.accuracy < scores.accuracy_high


def test_a_mood_without_songs_has_no_recall() -> None:
    scores = score(["sad", "happy"], ["sad", "calm"], ["a", "b"], 100, 0)
    assert scores.recall == {"sad": 1.0, "happy": 0.0}
    assert scores.macro_f1 == pytest.approx(0.5)


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
