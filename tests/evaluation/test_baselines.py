"""What needs no model: the commonest mood, and a shallow tree on two numbers."""

import numpy as np
import pytest

from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.evaluation.baselines import baselines, labels_look_derived
from mer_tasks.settings import Params
from tests.evaluation.results import predictions, snapshot_of, some_moods

MOODS_BY_ID = some_moods(80)


def accuracies(params: Params, **columns: dict[str, float]) -> dict[str, float]:
    rows = baselines(
        predictions(MOODS_BY_ID, MOODS_BY_ID), snapshot_of(MOODS_BY_ID, **columns).songs, params.evaluation
    )
    return {row["baseline"]: row["accuracy"] for row in rows}


def test_the_majority_is_that_of_the_songs_trained_on(params: Params) -> None:
    moods = {f"t{place:03}": "sad" if place < 24 else MOODS[place % 4] for place in range(40)}
    (row,) = baselines(predictions(moods, moods), snapshot_of(moods).songs, params.evaluation)
    assert row["baseline"] == "majority"
    assert row["accuracy"] == pytest.approx(28 / 40)  # right on the sad ones only
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]


@pytest.mark.parametrize(
    "columns", [("valence", "energy"), ("annotated_valence", "annotated_arousal")], ids=["spotify", "people"]
)
def test_the_probe_finds_labels_made_from_the_numbers_and_no_others(
    columns: tuple[str, str], params: Params
) -> None:
    rng = np.random.default_rng(0)
    made = {
        name: {song: QUADRANT[mood][axis] * rng.uniform(0.1, 1) for song, mood in MOODS_BY_ID.items()}
        for axis, name in enumerate(columns)
    }
    noise = {name: {song: rng.uniform() for song in MOODS_BY_ID} for name in columns}
    probe = f"probe ({', '.join(columns)})"
    assert accuracies(params, **made)[probe] > 0.95
    assert accuracies(params, **noise)[probe] < 0.5


def test_without_the_numbers_of_every_song_there_is_no_probe(params: Params) -> None:
    some = dict.fromkeys(list(MOODS_BY_ID)[1:], 0.5)
    assert list(accuracies(params, valence=some, energy=some)) == ["majority"]


def test_only_a_probe_tells_that_labels_look_derived() -> None:
    assert labels_look_derived([{"baseline": "probe (valence, energy)", "accuracy": 0.95}])
    assert not labels_look_derived([{"baseline": "probe (valence, energy)", "accuracy": 0.8}])
    assert not labels_look_derived([{"baseline": "majority", "accuracy": 0.95}])
