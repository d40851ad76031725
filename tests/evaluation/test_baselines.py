"""What scores are seen beside: the commonest mood, shuffled labels, and a shallow tree on two numbers."""

from pathlib import Path

import numpy as np
import pytest

from mer_tasks.domain import MOODS, QUADRANT
from mer_tasks.errors import InputError
from mer_tasks.evaluation.baselines import baselines, labels_look_derived, shuffled_labels
from mer_tasks.evaluation.training import train_model
from mer_tasks.settings import Machine, Params
from tests.evaluation.results import predictions, snapshot_of, some_moods
from tests.evaluation.workspaces import make_workspace, quick_params

MOODS_BY_ID = some_moods(80)

NONE = np.full((80, 4), 0.25)
"""The probabilities of no model."""

LOGISTIC = {"system": "logistic_regression", "reads": "summary", "C": 0.5, "max_iter": 200}


def accuracies(params: Params, **columns: dict[str, float]) -> dict[str, float]:
    rows = baselines(
        predictions(MOODS_BY_ID, MOODS_BY_ID),
        snapshot_of(MOODS_BY_ID, **columns).songs,
        params.evaluation,
        NONE,
    )
    return {row["baseline"]: row["accuracy"] for row in rows}


def test_the_majority_is_that_of_the_songs_trained_on(params: Params) -> None:
    moods = {f"t{place:03}": "sad" if place < 24 else MOODS[place % 4] for place in range(40)}
    (row, _) = baselines(predictions(moods, moods), snapshot_of(moods).songs, params.evaluation, NONE[:40])
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
    assert list(accuracies(params, valence=some, energy=some)) == ["majority", "shuffled labels"]


def test_only_a_probe_tells_that_labels_look_derived() -> None:
    assert labels_look_derived([{"baseline": "probe (valence, energy)", "accuracy": 0.95}])
    assert not labels_look_derived([{"baseline": "probe (valence, energy)", "accuracy": 0.8}])
    assert not labels_look_derived([{"baseline": "majority", "accuracy": 0.95}])


def test_shuffled_labels_are_chance_by_the_best_model_without_epochs(
    params: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = params.models["neural_network"].model_dump(mode="json") | {"system": "neural_network"}
    quick = quick_params(params, {"deep": network, "linear": LOGISTIC, "other": LOGISTIC})
    workspace, machine = make_workspace(tmp_path, quick), Machine(home=tmp_path, device="cpu")
    table = train_model(workspace, quick, machine, "linear").out_of_fold
    assert (table["mood"] == table["predicted"]).mean() > 0.6
    found = shuffled_labels(workspace, quick, machine, ["deep", "linear", "other"], table)
    assert "linear, shuffled labels" in capsys.readouterr().err
    assert found.sum(axis=1) == pytest.approx(np.ones(len(table)))
    truth = table["mood"].map(MOODS.index).to_numpy()
    assert (found.argmax(axis=1) == truth).mean() == pytest.approx(0.25, abs=0.15)
    stranger = table.assign(track_id=["of another data set", *table["track_id"][1:]])
    with pytest.raises(InputError, match="linear: was trained on songs that data/features lacks"):
        shuffled_labels(workspace, quick, machine, ["linear"], stranger)
