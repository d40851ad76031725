"""Scores against values worked out by hand, scikit-learn's and a brute-force bootstrap."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from sklearn.metrics import classification_report, f1_score, log_loss, r2_score, top_k_accuracy_score

from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.evaluation.scores import Scores, mean_interval, score, score_predictions
from mer_tasks.settings import Params

MOOD = st.sampled_from(MOODS)


def sure(predicted: Sequence[str], probability: float = 0.7) -> np.ndarray:
    """Probabilities, shape (n, 4), that give each song its predicted mood with this one."""
    rest = (1 - probability) / 3
    return np.array([[probability if mood == one else rest for mood in MOODS] for one in predicted])


def scored(
    truth: Sequence[str], predicted: Sequence[str], artists: Sequence[str], n_resamples: int = 100
) -> Scores:
    """Scores where each prediction is as sure as the others."""
    return score(truth, predicted, sure(predicted), artists, n_resamples, 0)


def test_scores_of_a_small_case_by_hand() -> None:
    truth = ["sad", "sad", "happy", "happy", "energetic", "calm"]
    predicted = ["sad", "calm", "happy", "happy", "happy", "calm"]
    scores = scored(truth, predicted, list("abcdef"), 500)
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
    scores = scored(truth, predicted, [str(place) for place in range(len(pairs))], 20)
    report = classification_report(truth, predicted, output_dict=True, zero_division=0)
    present = sorted(set(truth))
    assert scores.macro_f1 == pytest.approx(np.mean([report[mood]["f1-score"] for mood in present]))
    assert scores.recall == pytest.approx({mood: report[mood]["recall"] for mood in present})
    assert scores.accuracy == pytest.approx(np.mean([one == other for one, other in pairs]))
    assert 0 <= scores.accuracy_low <= scores.accuracy_high <= 1


def test_a_mood_without_songs_has_no_recall() -> None:
    scores = scored(["sad", "happy"], ["sad", "calm"], ["a", "b"])
    assert scores.recall == {"sad": 1.0, "happy": 0.0}
    assert scores.macro_f1 == pytest.approx(0.5)


@pytest.mark.parametrize("n", [2, 12, 400])
def test_all_songs_right_or_wrong_have_an_interval_too(n: int) -> None:
    artists = [f"artist {place}" for place in range(n)]
    right, wrong = (scored(["sad"] * n, [mood] * n, artists) for mood in ("sad", "calm"))
    exact = beta.ppf(0.025, n, 1)  # Clopper and Pearson
    assert (right.accuracy_low, right.accuracy, right.accuracy_high) == (pytest.approx(exact), 1.0, 1.0)
    assert (wrong.accuracy_low, wrong.accuracy, wrong.accuracy_high) == (0.0, 0.0, pytest.approx(1 - exact))


def test_the_interval_of_macro_f1_is_a_bootstrap_over_artists() -> None:
    rng = np.random.default_rng(4)
    artists = rng.integers(25, size=150).astype(str)
    truth = rng.choice(list(MOODS), 150)
    predicted = np.where(rng.random(150) < 0.6, truth, rng.choice(list(MOODS), 150))
    scores = scored(truth, predicted, artists, 2000)
    names, values = np.unique(artists), []
    for _ in range(1000):
        rows = np.concatenate([np.flatnonzero(artists == name) for name in rng.choice(names, len(names))])
        values.append(f1_score(truth[rows], predicted[rows], average="macro", zero_division=0))
    expected = np.quantile(values, [0.025, 0.975])
    assert (scores.macro_f1_low, scores.macro_f1_high) == pytest.approx(tuple(expected), abs=0.02)


def test_scores_of_the_probabilities_are_scikit_learns() -> None:
    rng = np.random.default_rng(6)
    truth, probabilities = rng.choice(list(MOODS), 60), rng.dirichlet([1] * 4, 60)
    predicted = np.array(MOODS)[probabilities.argmax(axis=1)]
    scores = score(truth, predicted, probabilities, rng.integers(20, size=60).astype(str), 20, 0)
    in_order = [MOODS.index(mood) for mood in sorted(MOODS)]
    assert scores.log_loss == pytest.approx(log_loss(truth, probabilities[:, in_order], labels=sorted(MOODS)))
    places = [MOODS.index(mood) for mood in truth]
    assert scores.top2_accuracy == pytest.approx(
        top_k_accuracy_score(places, probabilities, k=2, labels=range(4))
    )


def test_a_probability_of_nothing_for_the_right_mood_is_no_endless_loss() -> None:
    assert 13 < score(["sad"], ["calm"], sure(["calm"], 1.0), ["a"], 20, 0).log_loss < 14


def test_valence_and_arousal_count_by_their_sign() -> None:
    truth = ["happy", "happy", "happy", "happy"]
    scores = scored(truth, ["happy", "energetic", "calm", "sad"], list("abcd"))
    assert (scores.valence_accuracy, scores.arousal_accuracy) == (0.5, 0.5)
    assert scored(["happy"], ["energetic"], ["a"]).arousal_accuracy == 1.0
    assert scored(["happy"], ["calm"], ["a"]).valence_accuracy == 1.0


def test_r2_on_the_plane_is_scikit_learns() -> None:
    rng = np.random.default_rng(8)
    truth, probabilities = rng.choice(list(MOODS), 60), rng.dirichlet([1] * 4, 60)
    predicted = np.array(MOODS)[probabilities.argmax(axis=1)]
    scores = score(truth, predicted, probabilities, rng.integers(20, size=60).astype(str), 20, 0)
    centres = 0.5 * np.array([QUADRANT[mood] for mood in MOODS])
    points, wanted = probabilities @ centres, np.array([QUADRANT[mood] for mood in truth]) * 0.5
    assert scores.valence_r2 == pytest.approx(r2_score(wanted[:, 0], points[:, 0]))
    assert scores.arousal_r2 == pytest.approx(r2_score(wanted[:, 1], points[:, 1]))
    assert scored(["happy", "calm"], ["calm", "calm"], ["a", "b"]).valence_r2 == 0.0


def test_the_surer_half_is_scored_apart() -> None:
    predicted = ["sad"] * 4
    probabilities = np.concatenate([sure(predicted[:2], 0.9), sure(predicted[2:], 0.4)])
    scores = score(["sad", "sad", "calm", "happy"], predicted, probabilities, list("abcd"), 20, 0)
    assert (scores.accuracy, scores.surest_half_accuracy) == (0.5, 1.0)


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
    predicted = ["sad"] * 4 + ["calm"] * 4
    table = pd.DataFrame({"mood": ["sad"] * 8, "predicted": predicted})
    table[list(MOODS)] = sure(predicted)
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
    scores = scored(truth, predicted, rng.integers(9, size=33).astype(str))
    written = json.loads(json.dumps({"model": "other key", **scores.as_json()}))
    assert Scores.from_json(written).as_json() == scores.as_json()
    assert Scores.from_json(written).accuracy == pytest.approx(scores.accuracy, abs=5e-5)
    assert len(str(written["accuracy"])) <= 6 and isinstance(written["n"], int)
    del written["recall"]
    with pytest.raises(KeyError, match="recall"):
        Scores.from_json(written)
