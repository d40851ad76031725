"""Leaks planted on purpose: each would give noise a good score, and the protocol must not."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mer_tasks.catalog.clips import record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.domain import MOODS, Clip, ClipOutcome
from mer_tasks.evaluation.folds import folds, split
from mer_tasks.evaluation.training import cross_validate
from mer_tasks.settings import EvaluationSettings, Params
from tests.systems import SYSTEMS, built, shape_of

N_ARTISTS, SONGS_EACH = 40, 4
N = N_ARTISTS * SONGS_EACH
CHANCE = 0.25
NEAR = 0.12
"""Three standard deviations of the accuracy of guesses on this many songs."""


def songs_of_artists() -> pd.DataFrame:
    """Songs whose mood their artist gives; every other one has a guest."""
    artists = [f"Artist {place // SONGS_EACH}" + " feat. Guest" * (place % 2) for place in range(N)]
    moods = [MOODS[place // SONGS_EACH % 4] for place in range(N)]
    return pd.DataFrame({"track_id": [f"t{place}" for place in range(N)], "artist": artists, "mood": moods})


def accuracy(model: Pipeline, X: np.ndarray, songs: pd.DataFrame, evaluation: EvaluationSettings) -> float:
    y = songs["mood"].map(MOODS.index).to_numpy()
    fitted = cross_validate(lambda _: model, X, y, folds(songs, evaluation), 0, False, "planted")
    return float(np.mean([fold.accuracy(y) for fold in fitted]))


@pytest.fixture
def evaluation(params: Params) -> EvaluationSettings:
    return params.evaluation


def test_an_artist_across_folds_is_prevented(evaluation: EvaluationSettings) -> None:
    songs, rng = songs_of_artists(), np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(N_ARTISTS, 60)), SONGS_EACH, axis=0) + rng.normal(size=(N, 60)) / 10
    model = make_pipeline(LogisticRegression(max_iter=200))
    ungrouped = evaluation.model_copy(update={"protocol": "paper"})
    assert accuracy(model, X, songs, ungrouped) > 0.9  # the leak is one
    assert accuracy(model, X, songs, evaluation) == pytest.approx(CHANCE, abs=NEAR)


def test_a_selection_outside_the_folds_shows_and_one_inside_does_not_leak(
    evaluation: EvaluationSettings,
) -> None:
    songs, rng = songs_of_artists(), np.random.default_rng(1)
    songs["mood"] = rng.permutation(songs["mood"].to_numpy())
    X, y = rng.normal(size=(N, 4000)), songs["mood"].map(MOODS.index).to_numpy()
    classifier = LogisticRegression(max_iter=200)
    outside = SelectKBest(k=20).fit_transform(X, y)
    assert accuracy(make_pipeline(classifier), outside, songs, evaluation) > 0.5  # the leak is one
    inside = make_pipeline(SelectKBest(k=20), classifier)
    assert accuracy(inside, X, songs, evaluation) == pytest.approx(CHANCE, abs=NEAR)


class FirstLevel(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """The first level of a stack: the probabilities of a model that is fitted with it."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> "FirstLevel":
        self.model_ = LogisticRegression(max_iter=200).fit(X, y)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = self.model_.predict_proba(X)
        return probabilities


STEPS: dict[str, Callable[[], Any]] = {
    "a scaler": StandardScaler,
    "a selection": lambda: SelectKBest(k=3),
    "a stack": FirstLevel,
}


def changes_with_scored_songs(step: Any, is_outside: bool, evaluation: EvaluationSettings) -> bool:
    """Whether other numbers and moods of the songs that a fold scores change its model.

    The step is fitted on all songs where it `is_outside` of the folds. `test_training.py` asks the same of every system.
    """
    songs, X = songs_of_artists(), np.random.default_rng(4).normal(size=(N, 8))
    y = songs["mood"].map(MOODS.index).to_numpy()
    pairs = folds(songs, evaluation)[:1]
    others, moods = X.copy(), y.copy()
    others[pairs[0][1]] += 5
    moods[pairs[0][1]] = (moods[pairs[0][1]] + 1) % 4
    weights = []
    for rows, labels in ((X, y), (others, moods)):
        read = step.fit_transform(rows, labels) if is_outside else rows
        model = make_pipeline(*([] if is_outside else [step]), LogisticRegression(max_iter=200))
        (fold,) = cross_validate(lambda _, model=model: model, read, labels, pairs, 0, False, "")
        weights.append(fold.model[-1].coef_)
    return not np.array_equal(*weights)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_outside_the_folds_shows_and_one_inside_does_not_leak(
    name: str, evaluation: EvaluationSettings
) -> None:
    assert changes_with_scored_songs(STEPS[name](), True, evaluation)  # the leak is one
    assert not changes_with_scored_songs(STEPS[name](), False, evaluation)


def test_a_stack_on_predictions_of_songs_known_to_the_first_level_gives_noise_a_good_score(
    evaluation: EvaluationSettings,
) -> None:
    songs, rng = songs_of_artists(), np.random.default_rng(5)
    songs["mood"] = rng.permutation(songs["mood"].to_numpy())
    X, y = rng.normal(size=(N, 100)), songs["mood"].map(MOODS.index).to_numpy()
    second = LogisticRegression(max_iter=200)
    in_fold = FirstLevel().fit_transform(X, y)
    assert accuracy(make_pipeline(second), in_fold, songs, evaluation) > 0.6  # the leak is one
    inside = make_pipeline(FirstLevel(), second)
    assert accuracy(inside, X, songs, evaluation) == pytest.approx(CHANCE, abs=NEAR)


class Spy(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A step that remembers the first column of the rows that it was fitted on."""

    def fit(self, X: np.ndarray, y: Any = None) -> "Spy":
        self.rows_ = set(X[:, 0].astype(int))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X


def test_no_step_is_fitted_on_songs_that_are_scored(evaluation: EvaluationSettings) -> None:
    songs = songs_of_artists()
    y = songs["mood"].map(MOODS.index).to_numpy()
    X = np.column_stack([np.arange(N), np.random.default_rng(2).normal(size=(N, 3))])
    pairs = folds(songs, evaluation)
    fitted = cross_validate(
        lambda _: make_pipeline(Spy(), StandardScaler(), LogisticRegression()), X, y, pairs, 0, False, "spied"
    )
    for fold, (train, test) in zip(fitted, pairs, strict=True):
        assert fold.model[0].rows_ == set(train)
        assert fold.model[0].rows_.isdisjoint(test)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_finds_nothing_in_noise(name: str, evaluation: EvaluationSettings) -> None:
    songs, rng = songs_of_artists(), np.random.default_rng(3)
    songs["mood"] = rng.permutation(songs["mood"].to_numpy())
    X = rng.normal(size=(N, *shape_of(name))).astype(np.float32)
    y = songs["mood"].map(MOODS.index).to_numpy()
    pairs = folds(songs, evaluation.model_copy(update={"folds": 2}))
    fitted = cross_validate(lambda fold: built(name, fold), X, y, pairs, 0, False, name)
    assert np.mean([fold.accuracy(y) for fold in fitted]) == pytest.approx(CHANCE, abs=NEAR)


def test_the_holdout_shares_no_artist_with_the_folds_however_guests_are_written(
    evaluation: EvaluationSettings,
) -> None:
    songs = songs_of_artists()
    parts = split(songs, evaluation.model_copy(update={"holdout_share": 0.3}))
    names = [
        {songs["artist"][row].split(" feat.")[0] for row in rows} for rows in (parts.folds, parts.holdout)
    ]
    assert names[0] and names[1] and names[0].isdisjoint(names[1])


def test_twins_under_two_artists_names_would_leak(evaluation: EvaluationSettings) -> None:
    songs, rng = songs_of_artists(), np.random.default_rng(6)
    half = N // 2
    moods = np.tile(rng.permutation(songs["mood"].to_numpy()[:half]), 2)
    X = np.tile(rng.normal(size=(half, 60)), (2, 1)) + rng.normal(size=(N, 60)) / 100
    model = make_pipeline(LogisticRegression(C=100, max_iter=500))
    assert accuracy(model, X, songs.assign(mood=moods), evaluation) > 0.5


def test_twins_under_two_artists_names_are_one_song_before_there_are_folds(
    params: Params, tmp_path: Path
) -> None:
    """The same bytes, and another encoding of the same recording; a third song is neither."""
    rng = np.random.default_rng(7)
    recording = rng.integers(2**32, size=240, dtype=np.uint64).astype("<u4")
    encoded_anew = recording ^ np.where(rng.random(240) < 0.3, 1 << rng.integers(32, size=240), 0).astype(
        "<u4"
    )
    other = rng.integers(2**32, size=240, dtype=np.uint64).astype("<u4")
    clips = {"a": ("1", recording), "b": ("1", recording), "c": ("2", encoded_anew), "d": ("3", other)}
    catalog, file = Catalog.open(f"sqlite:///{tmp_path / 'catalog.db'}"), tmp_path / "songs.csv"
    rows = [f"{name},Title {name},Artist {name},sad,http://h/{name}" for name in clips]
    file.write_text("\n".join(["track_id,title,artist,mood,url", *rows]) + "\n")
    import_songs(catalog, file, "x")
    for name, (sha256, numbers) in clips.items():
        clip = Clip(sha256 * 64, 0.0, 30.0, 22050, 1, -14.0, numbers.tobytes())
        record_clip(catalog, ClipOutcome(name, clip), "r", datetime.now(UTC))
    settings = params.snapshot.model_copy(update={"collections": ("x",), "as_of": "latest"})
    snapshot = take_snapshot(catalog, settings, "r")
    assert snapshot.songs["track_id"].tolist() == ["a", "d"]
    assert snapshot.left_out["reason"].tolist() == ["same song as a"] * 2
