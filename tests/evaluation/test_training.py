"""Cross-validation, and training from a workspace's files to the files of a model."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline

from mer_tasks.classifiers.support_vectors import SupportVectorClassifier
from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.comparison import refit_gain
from mer_tasks.evaluation.folds import split
from mer_tasks.evaluation.inputs import model_inputs
from mer_tasks.evaluation.result import (
    HOLDOUT,
    ModelResult,
    fold_folder,
    read_result,
    registered_folder,
    result_identity,
)
from mer_tasks.evaluation.scores import score
from mer_tasks.evaluation.training import FittedFold, Pairs, cross_validate, describe_songs, train_model
from mer_tasks.models import build_model
from mer_tasks.persistence import load_fitted
from mer_tasks.settings import Machine, Params, load_params
from mer_tasks.workspace import Workspace
from tests.evaluation.workspaces import make_workspace, quick_params, songs_of, summary_of
from tests.systems import ROOT, SYSTEMS, built, four_clouds, shape_of

LOGISTIC = {"system": "logistic_regression", "reads": "summary", "C": 0.5, "max_iter": 200}
NETWORK = {
    "system": "neural_network",
    "reads": "summary",
    "hidden": [16],
    "lr": 0.02,
    "epochs": 6,
    "batch_size": 16,
    "step_size": 4,
    "gamma": 0.5,
}
MODELS: dict[str, dict[str, Any]] = {
    "linear": LOGISTIC,
    "network": NETWORK,
    "on_spotify": {**LOGISTIC, "reads": "spotify"},
}

# Cross-validation


def pairs_of(n: int) -> Pairs:
    """Three folds of rows that are not beside each other, the last two rows of all in none."""
    rows = np.arange(n - 2)
    return [(rows[rows % 3 != fold], rows[rows % 3 == fold]) for fold in range(3)]


def validated(
    system: str, X: np.ndarray, y: np.ndarray, pairs: Pairs, seed: int = 0, keep_best: bool = False
) -> list[FittedFold]:
    return cross_validate(lambda fold: built(system, seed + fold), X, y, pairs, seed, keep_best, "test")


def easy(system: str, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    return four_clouds(n, shape_of(system))


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_fold_predicts_the_rows_that_it_was_not_trained_on(system: str) -> None:
    X, y = easy(system)
    pairs = pairs_of(60)
    fitted = validated(system, X, y, pairs)
    assert [fold.rows.tolist() for fold in fitted] == [test.tolist() for _, test in pairs]
    for fold, (_, test) in zip(fitted, pairs, strict=True):
        assert np.array_equal(fold.probabilities, fold.model.predict_proba(X[test]))
        assert fold.accuracy(y) == pytest.approx(fold.model.score(X[test], y[test]))
    assert len({id(fold.model) for fold in fitted}) == 3


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_of_the_scored_rows_enters_the_fit(system: str) -> None:
    """Other moods and shifted values in a fold's test rows leave its model as it was."""
    X, y = easy(system)
    pairs = pairs_of(60)
    shifted, moods = X.copy(), y.copy()
    test = pairs[0][1]
    shifted[test] += 1000
    moods[test] = (moods[test] + 1) % 4
    before, after = (validated(system, *data, pairs[:1])[0].model for data in ((X, y), (shifted, moods)))
    probe, _ = four_clouds(40, shape_of(system), seed=9)
    assert np.array_equal(before.predict_proba(probe), after.predict_proba(probe))


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_training_rows_do_enter_the_fit(system: str) -> None:
    X, y = easy(system)
    pairs = pairs_of(60)
    other = y.copy()
    other[pairs[0][0]] = (other[pairs[0][0]] + 1) % 4
    one, two = (validated(system, X, moods, pairs[:1])[0] for moods in (y, other))
    assert one.accuracy(y) > 0.6 and two.accuracy(y) < 0.4


def test_a_model_that_sets_songs_apart_is_given_their_artists(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = easy("svm")
    seen: list[list[str]] = []
    real = SupportVectorClassifier._folds

    def folds(self: SupportVectorClassifier, y: np.ndarray, groups: np.ndarray) -> list[Any]:
        seen.append(groups.tolist())
        return real(self, y, groups)

    monkeypatch.setattr(SupportVectorClassifier, "_folds", folds)
    artists = np.array([f"artist {i // 2}" for i in range(len(y))])
    pairs = pairs_of(len(y))
    cross_validate(lambda fold: built("svm", fold), X, y, pairs, 0, False, "test", artists)
    assert seen == [artists[train].tolist() for train, _ in pairs]


@pytest.mark.parametrize("system", ["logistic_regression", "neural_network"])
def test_the_scaler_has_the_statistics_of_the_training_rows(system: str) -> None:
    X, y = easy(system)
    pairs = pairs_of(60)
    X[pairs[1][1], 5] += 500  # the test rows of fold 1
    for fold, (train, _) in zip(validated(system, X, y, pairs), pairs, strict=True):
        scaler = fold.model[0]
        assert scaler.mean_ == pytest.approx(X[train].astype(float).mean(axis=0), abs=1e-5)
        assert scaler.scale_ == pytest.approx(X[train].astype(float).std(axis=0), rel=1e-4)
    assert [fold.model[0].mean_[5] > 100 for fold in validated(system, X, y, pairs)] == [True, False, True]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_same_seed_gives_the_same_numbers_again(system: str) -> None:
    X, y = easy(system)
    pairs = pairs_of(60)
    first, again = (validated(system, X, y, pairs, seed=3) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)
        assert one.curve == other.curve


def test_a_network_follows_the_seed_and_not_what_was_trained_before() -> None:
    X, y = easy("neural_network")
    pairs = pairs_of(60)
    whole = validated("neural_network", X, y, pairs, seed=3)
    alone = validated("neural_network", X, y, pairs[:1], seed=3)
    other = validated("neural_network", X, y, pairs[:1], seed=4)
    assert np.array_equal(whole[0].probabilities, alone[0].probabilities)
    assert not np.array_equal(alone[0].probabilities, other[0].probabilities)


def test_each_fold_is_built_by_its_number() -> None:
    X, y = easy("logistic_regression")
    folds: list[int] = []

    def build(fold: int) -> Pipeline:
        folds.append(fold)
        return built("logistic_regression", fold)

    fitted = cross_validate(build, X, y, pairs_of(60), 0, keep_best_epoch=False, what="test")
    assert folds == [0, 1, 2]
    assert [fold.curve for fold in fitted] == [[], [], []]


def noise(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have nothing to do with their moods: which epoch is best is luck."""
    X, _ = easy("neural_network", n)
    return X, np.random.default_rng(5).integers(4, size=n)


def test_the_papers_protocol_keeps_the_best_epoch_and_ours_the_last() -> None:
    X, y = noise()
    pairs = pairs_of(60)
    for keep_best in (True, False):
        for fold in validated("neural_network", X, y, pairs, keep_best=keep_best):
            scores = [row["valid_accuracy"] for row in fold.curve]
            assert fold.accuracy(y) == pytest.approx(max(scores) if keep_best else scores[-1])
            if fold.rows[0] == 0:
                assert max(scores) > scores[-1]  # so that the two differ


def test_a_network_draws_its_curve_and_keeps_no_data() -> None:
    X, y = easy("neural_network")
    for fold in validated("neural_network", X, y, pairs_of(60)):
        assert [row["epoch"] for row in fold.curve] == list(range(1, 13))
        columns = {"epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy"}
        assert all(set(row) == columns for row in fold.curve)
        assert fold.curve[-1]["train_loss"] < fold.curve[0]["train_loss"]
        assert fold.curve[-1]["valid_accuracy"] == pytest.approx(fold.accuracy(y))
        assert fold.model[-1].train_split is None


@pytest.mark.parametrize(
    ("collections", "words"),
    [
        (("sample",), "synthetic songs (the project's samples)"),
        (("4q",), "songs of 4q"),
        (("4q", "mine"), "songs of 4q, mine"),
        (("4q", "sample"), "songs of 4q, sample, partly synthetic"),
    ],
)
def test_synthetic_songs_are_named_as_such(collections: tuple[str, ...], words: str) -> None:
    assert describe_songs(collections) == words


# From a workspace's files to a model's


@pytest.fixture(scope="module")
def settings() -> Params:
    return quick_params(load_params(ROOT / "params.yaml"), MODELS)


@pytest.fixture(scope="module")
def computer(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(home=tmp_path_factory.mktemp("home"), device="cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, settings: Params) -> Workspace:
    """A workspace with data and no model."""
    return make_workspace(tmp_path_factory.mktemp("data"), settings)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, data: Workspace, settings: Params, computer: Machine
) -> tuple[Workspace, dict[str, ModelResult]]:
    """A workspace in which every model is trained, and their results."""
    folder = shutil.copytree(data.root, tmp_path_factory.mktemp("trained"), dirs_exist_ok=True)
    workspace = Workspace(Path(folder))
    return workspace, {model: train_model(workspace, settings, computer, model) for model in MODELS}


@pytest.fixture
def workspace(data: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the data, for a test that trains on its own."""
    return Workspace(Path(shutil.copytree(data.root, tmp_path / "project")))


def changed(params: Params, **evaluation: Any) -> Params:
    return params.model_copy(update={"evaluation": params.evaluation.model_copy(update=evaluation)})


def predictions_csv(workspace: Workspace, model: str) -> pd.DataFrame:
    return pd.read_csv(workspace.predictions(model))


@pytest.mark.parametrize("model", MODELS)
def test_every_song_is_in_one_split(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]], settings: Params
) -> None:
    table = predictions_csv(trained[0], model)
    assert table["track_id"].is_unique and table["track_id"].is_monotonic_increasing
    assert set(table["split"]) == {"fold-0", "fold-1", "fold-2", HOLDOUT}
    songs = songs_of(32)
    if model == "on_spotify":
        songs = songs[songs["valence"].notna()].reset_index(drop=True)
    parts = split(songs, settings.evaluation)
    assert set(table["track_id"]) == set(songs["track_id"].drop(index=parts.unused))
    apart = set(table.loc[table["split"] == HOLDOUT, "track_id"])
    assert apart == set(songs["track_id"].iloc[parts.holdout]) and len(apart) >= 6
    truth = songs.set_index("track_id").loc[table["track_id"]]
    assert table["mood"].tolist() == truth["mood"].tolist()
    assert table["artist"].tolist() == truth["artist"].tolist()


@pytest.mark.parametrize("model", MODELS)
def test_no_artist_is_on_both_sides_of_a_fold_or_of_the_holdout(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]]
) -> None:
    table = predictions_csv(trained[0], model)
    table["primary"] = table["artist"].map(primary_artist)
    assert table["artist"].str.contains("feat.").sum() > 10
    assert (table.groupby("primary")["split"].nunique() == 1).all()


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_the_predictions_that_were_written(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]], settings: Params
) -> None:
    workspace, results = trained
    table = predictions_csv(workspace, model)
    metrics = json.loads(workspace.metrics(model).read_text())
    for part, rows in ((metrics, table["split"] != HOLDOUT), (metrics["holdout"], table["split"] == HOLDOUT)):
        truth, predicted = table.loc[rows, "mood"], table.loc[rows, "predicted"]
        assert part["n"] == rows.sum()
        assert part["accuracy"] == pytest.approx(accuracy_score(truth, predicted), abs=5e-5)
        assert part["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"), abs=5e-5)
        artists = table.loc[rows, "artist"].map(primary_artist)
        evaluation = settings.evaluation
        again = score(
            truth.to_numpy(),
            predicted.to_numpy(),
            table.loc[rows, list(MOODS)].to_numpy(),
            artists.to_numpy(),
            evaluation.bootstrap,
            evaluation.seed,
        )
        assert (part["accuracy_low"], part["accuracy_high"]) == pytest.approx(
            (again.accuracy_low, again.accuracy_high), abs=5e-5
        )
    assert results[model].scores.accuracy > (0.6 if model != "on_spotify" else 0.05)


@pytest.mark.parametrize("model", MODELS)
def test_the_predicted_mood_is_the_most_probable(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]]
) -> None:
    table = predictions_csv(trained[0], model)
    probabilities = table[list(MOODS)].to_numpy()
    assert table["predicted"].tolist() == [MOODS[place] for place in probabilities.argmax(axis=1)]
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(table)), abs=3e-6)


@pytest.mark.parametrize("model", MODELS)
def test_the_best_fold_is_the_most_accurate_and_predicts_the_holdout(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]]
) -> None:
    workspace, results = trained
    table = predictions_csv(workspace, model)
    right = (table["mood"] == table["predicted"]).groupby(table["split"]).mean()
    accuracies = [right[f"fold-{fold}"] for fold in range(3)]
    result = results[model]
    assert result.fold_accuracies == pytest.approx(accuracies)
    assert result.best_fold == int(np.argmax(accuracies))
    assert result.holdout and result.holdout.accuracy == pytest.approx(right[HOLDOUT])


@pytest.mark.parametrize("model", ["linear", "network"])
def test_the_model_of_all_songs_is_trained_on_all_but_the_holdout(
    model: str, workspace: Workspace, settings: Params, computer: Machine
) -> None:
    registration = settings.registration.model_copy(update={"fit": "all"})
    every = settings.model_copy(update={"registration": registration})
    before = train_model(workspace, settings, computer, model)
    identity = result_identity(workspace, model)
    result = train_model(workspace, every, computer, model)
    assert before.refit is None and result.refit is not None
    pd.testing.assert_frame_equal(result.predictions, before.predictions)  # the folds are as they were
    assert result_identity(workspace, model) != identity
    stored = read_result(workspace, model)
    assert stored.refit is not None
    pd.testing.assert_frame_equal(stored.refit, result.refit, check_dtype=False, atol=1e-6)
    held_out = stored.refit["split"] == HOLDOUT
    expected = stored.predictions["split"] == HOLDOUT
    assert set(stored.refit["track_id"][held_out]) == set(stored.predictions["track_id"][expected])
    _, inputs = model_inputs(workspace, every, model, computer.feature_store)
    fitted = load_fitted(
        build_model(every.models[model], inputs.shapes, 99, "cpu"), registered_folder(workspace, stored)
    )
    np.testing.assert_allclose(fitted.predict_proba(inputs.X), stored.refit[list(MOODS)], atol=1e-5)


def test_without_a_holdout_all_songs_are_trained_on_and_nothing_is_gained(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    registration = settings.registration.model_copy(update={"fit": "all"})
    every = changed(settings, holdout_share=0.0).model_copy(update={"registration": registration})
    result = train_model(workspace, every, computer, "linear")
    assert result.refit is not None and set(result.refit["split"]) == {"trained"}
    assert refit_gain(result, every.evaluation) == {}


@pytest.mark.parametrize("model", ["linear", "network"])
def test_the_stored_folds_give_the_predictions_that_were_written(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]], settings: Params
) -> None:
    workspace, results = trained
    table = predictions_csv(workspace, model)
    songs = songs_of(32)
    X = pd.DataFrame(summary_of(songs), index=songs["track_id"])
    result = results[model]
    for fold in range(3):
        stored = build_model(settings.models[model], result.shapes, 0, "cpu")
        load_fitted(stored, fold_folder(workspace, model, fold))
        splits = [f"fold-{fold}", *([HOLDOUT] if fold == result.best_fold else [])]
        rows = table[table["split"].isin(splits)]
        probabilities = stored.predict_proba(X.loc[rows["track_id"]].to_numpy())
        assert rows[list(MOODS)].to_numpy() == pytest.approx(probabilities, abs=2e-6)


@pytest.mark.parametrize("model", MODELS)
def test_the_result_is_what_is_read_from_the_files(
    model: str, trained: tuple[Workspace, dict[str, ModelResult]], settings: Params
) -> None:
    workspace, results = trained
    result, back = results[model], read_result(workspace, model)
    rounded = {"scores", "holdout", "fold_accuracies", "predictions"}
    for field in fields(ModelResult):
        if field.name not in rounded:
            assert getattr(back, field.name) == getattr(result, field.name), field.name
    assert back.scores.as_json() == result.scores.as_json()
    pd.testing.assert_frame_equal(back.predictions, result.predictions, check_dtype=False, atol=1e-6)
    assert result.system == settings.models[model].system
    assert result.reads == settings.models[model].reads
    assert result.collections == ("mine",) and result.songs == "songs of mine"
    assert result.shapes == ((len(result.feature_names),),)


def test_settings_that_training_depends_on_are_kept_and_no_others(
    trained: tuple[Workspace, dict[str, ModelResult]], settings: Params
) -> None:
    kept = trained[1]["linear"].params
    # not the day of its songs: the same songs on another day are the same training
    assert set(kept) == {"clips", "evaluation", "features", "models", "representations"}
    assert set(kept["models"]) == {"linear"}
    assert kept["models"]["linear"] == settings.models["linear"].model_dump(mode="json")
    assert json.loads(json.dumps(kept)) == kept


def test_pictures_are_drawn_and_curves_only_of_what_has_epochs(
    trained: tuple[Workspace, dict[str, ModelResult]],
) -> None:
    for model in MODELS:
        drawn = {path.name for path in trained[0].plots(model).iterdir()}
        assert drawn == {"calibration.png", "confusion.png", "plane.png"} | (
            {"curves.png"} if model == "network" else set()
        )
    assert [len(curve) for curve in trained[1]["network"].curves] == [6, 6, 6]


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("model", ["linear", "network"])
def test_training_again_gives_the_same_bytes(
    model: str,
    workspace: Workspace,
    settings: Params,
    computer: Machine,
    trained: tuple[Workspace, dict[str, ModelResult]],
) -> None:
    train_model(workspace, settings, computer, model)
    for folder in (workspace.model(model), workspace.plots(model)):
        assert files_below(folder) == files_below(trained[0].root / folder.relative_to(workspace.root))
    assert result_identity(workspace, model) == result_identity(trained[0], model)
    train_model(workspace, changed(settings, seed=21), computer, model)
    assert result_identity(workspace, model) != result_identity(trained[0], model)


def test_nothing_of_an_earlier_training_remains(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    four_folds = changed(settings, folds=4)
    as_network = four_folds.model_copy(update={"models": {"linear": settings.models["network"]}})
    train_model(workspace, as_network, computer, "linear")
    assert fold_folder(workspace, "linear", 3).is_dir()
    assert (workspace.plots("linear") / "curves.png").is_file()
    train_model(workspace, settings, computer, "linear")
    assert {path.name for path in workspace.model("linear").iterdir()} == {
        "fold-0",
        "fold-1",
        "fold-2",
        "result.json",
    }
    assert not list(workspace.model("linear").rglob("*.pt"))
    assert not (workspace.plots("linear") / "curves.png").exists()


def test_without_a_holdout_every_song_is_in_a_fold(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    result = train_model(workspace, changed(settings, holdout_share=0.0), computer, "linear")
    assert result.holdout is None and result.scores.n == 96
    assert "holdout" not in json.loads(workspace.metrics("linear").read_text())
    assert read_result(workspace, "linear").holdout is None


def test_the_papers_protocol_keeps_the_best_epoch_of_each_fold(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    result = train_model(workspace, changed(settings, protocol="paper"), computer, "network")
    assert result.protocol == "paper"
    best = [max(row["valid_accuracy"] for row in curve) for curve in result.curves]
    assert result.fold_accuracies == pytest.approx(best)
    table = result.predictions[result.predictions["split"] != HOLDOUT]
    splits_of_artist = table.groupby(table["artist"].map(primary_artist))["split"].nunique()
    assert splits_of_artist.max() > 1  # as in the paper, an artist may be on both sides


def test_training_that_cannot_begin_leaves_the_earlier_model(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    train_model(workspace, settings, computer, "linear")
    before = files_below(workspace.root)
    with pytest.raises(InputError, match=r"lower evaluation\.folds"):
        train_model(workspace, changed(settings, folds=40), computer, "linear")
    assert files_below(workspace.root) == before


NO_TORCH = """
import sys
from pathlib import Path
from mer_tasks.evaluation.result import fold_folder
from mer_tasks.evaluation.training import train_model
from mer_tasks.models import build_model
from mer_tasks.persistence import load_fitted
from mer_tasks.settings import Machine, load_params
from mer_tasks.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]))
params = load_params(workspace.params_file)
result = train_model(workspace, params, Machine(home=workspace.root / "var"), "linear")
model = load_fitted(build_model(params.models["linear"], result.shapes, 0, "cpu"), fold_folder(workspace, "linear", 0))
assert model.n_features_in_ == result.shapes[0][0]
print(sorted(name for name in ("librosa", "mlflow", "skops", "skorch", "sklearn", "torch") if name in sys.modules))
"""


def test_a_pipeline_without_epochs_needs_no_torch(workspace: Workspace, settings: Params) -> None:
    workspace.params_file.write_text(settings.model_dump_json())  # JSON is YAML
    command = [sys.executable, "-c", NO_TORCH, str(workspace.root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "['sklearn']"


def test_progress_is_shown_by_fold(
    workspace: Workspace, settings: Params, computer: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    train_model(workspace, settings, computer, "linear")
    assert re.search(r"linear: +100%.* 3/3 ", capsys.readouterr().err)
