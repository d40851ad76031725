"""What was trained is logged and registered once, whoever asks how often and at once."""

import json
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
import pytest
from mlflow.entities import Dataset, DatasetInput
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.domain import primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.result import fold_folder, read_result, refit_folder
from mer_tasks.registry import runs
from mer_tasks.registry.lookup import fetch_version, find_version
from mer_tasks.registry.registration import _version_of, register
from mer_tasks.registry.runs import LOGGED_BY, PARENT, TRAINING
from mer_tasks.registry.training_data import read_training_data, training_data
from tests.registry.conftest import Project
from tests.registry.servers import mlflow_server

REGISTER = """
import sys
from pathlib import Path
from mer_tasks.registry.registration import register
from mer_tasks.settings import load_machine
from mer_tasks.workspace import Workspace
from tests.registry.conftest import Project
project = Project(Path(sys.argv[1]))
print(project.register("good"))
"""


def client_of(project: Project) -> MlflowClient:
    return MlflowClient(project.machine.mlflow_uri, project.machine.mlflow_uri)


def all_runs(project: Project) -> list[object]:
    client = client_of(project)
    experiment = client.get_experiment_by_name("mood")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def start(project: Project, **variables: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", REGISTER, str(project.workspace.root)],
        env={**os.environ, "PYTHONPATH": str(root), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_same_training_is_one_version_and_one_run_a_model(served: Project) -> None:
    before = len(all_runs(served))
    assert before == 2 * (1 + 3)  # two models of three folds
    again = register(served.workspace, served.params, served.machine, "good")
    assert (again.name, again.version, again.model, again.alias) == ("mood", "2", "good", "challenger")
    assert (
        register(served.workspace, served.params, served.machine).version == "2"
    )  # the best of the comparison
    assert len(all_runs(served)) == before


def test_a_run_holds_what_was_trained(served: Project) -> None:
    client = client_of(served)
    version = client.get_model_version("mood", "2")
    run, result = client.get_run(version.run_id), read_result(served.workspace, "good")
    assert run.info.status == "FINISHED" and run.data.tags["mer.model"] == "good"
    assert run.data.metrics["accuracy"] == pytest.approx(result.scores.accuracy, abs=1e-4)
    assert run.data.metrics["holdout.accuracy"] == pytest.approx(result.holdout.accuracy, abs=1e-4)  # type: ignore[union-attr]
    assert run.data.params["models.good.C"] == "0.1" and run.data.params["clips.duration_s"] == "5.0"
    (data,) = [one.dataset for one in run.inputs.dataset_inputs]
    assert (data.name, data.digest) == ("songs", result.data[:32])
    assert json.loads(data.profile)["num_rows"] == len(read_snapshot(served.workspace.snapshot).songs)
    assert data.source_type == "local" and "clip_sha256" in data.schema
    folds = client.search_runs([run.info.experiment_id], f"tags.`{PARENT}` = '{version.run_id}'")
    assert sorted(fold.data.metrics["accuracy"] for fold in folds) == pytest.approx(
        sorted(result.fold_accuracies), abs=1e-4
    )
    # the gate's verdict and the report may have come to it since
    assert {file.path for file in client.list_artifacts(version.run_id)} >= {"README.md", "plots", "training"}
    assert {file.path for file in client.list_artifacts(version.run_id, "training")} >= {"training/good.csv"}
    assert "out-of-fold accuracy" in version.description and "songs of songs" in version.description
    assert run.data.tags["mlflow.note.content"] == version.description
    assert (
        client.get_logged_model(
            version.model_id or find_version(served.machine, "models:/mood/2").model_id
        ).status
        == "READY"
    )


def test_a_run_and_a_version_name_the_run_of_airflow_that_made_them(served: Project) -> None:
    client = client_of(served)
    version = client.get_model_version("mood", "2")
    page = "https://airflow.example.org/dags/weekly_retrain/runs/scheduled__one"
    for tags in (version.tags, client.get_run(version.run_id).data.tags):
        assert (tags["mer.airflow_run"], tags["mer.airflow_page"]) == ("scheduled__one", page)


def test_it_leaves_no_trace_in_the_caller(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", project.machine.mlflow_uri
    )  # set back, whatever MLflow does to it
    elsewhere, machine = f"sqlite:///{tmp_path}/elsewhere.db", project.machine
    mlflow.set_tracking_uri(elsewhere)
    before = dict(os.environ), list(sys.path), Path.cwd(), logging.getLogger("mlflow").level
    register(project.workspace, project.params, machine, "good")
    assert (dict(os.environ), list(sys.path), Path.cwd(), logging.getLogger("mlflow").level) == before
    assert mlflow.get_tracking_uri() == elsewhere
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert not Path("mlflow.db").exists() and not Path("mlruns").exists()
    assert not (tmp_path / "elsewhere.db").exists()


def test_what_a_version_was_trained_on_travels_with_it(served: Project) -> None:
    folder = fetch_version(served.machine, find_version(served.machine, "models:/mood/2"))
    known, songs = read_training_data(folder), read_snapshot(served.workspace.snapshot).songs
    result = read_result(served.workspace, "good")
    in_folds = songs[songs["track_id"].isin(result.out_of_fold["track_id"])]
    assert set(known.track_ids) == set(in_folds["track_id"])  # those that the best fold left out as well
    assert set(known.recordings) == set(in_folds["clip_sha256"])
    assert set(known.artists) == {primary_artist(artist) for artist in in_folds["artist"]}
    assert (known.collections, known.origin) == (("songs",), "real")
    assert not known.knows(songs[~songs["track_id"].isin(in_folds["track_id"])]).any()
    renamed = in_folds.head(1).assign(artist="X", track_id="x")
    assert (
        known.knows(renamed).all()
        and known.knows(renamed.assign(clip_sha256="y", artist="ARTIST 1 feat. X")).all()
    )


@pytest.mark.parametrize(
    ("collections", "origin"), [(("sample",), "synthetic"), (("sample", "4q"), "mixed"), (("4q",), "real")]
)
def test_synthetic_songs_are_told_from_music(
    trained: Path, collections: tuple[str, ...], origin: str
) -> None:
    from dataclasses import replace

    project = Project(trained)
    result = replace(read_result(project.workspace, "good"), collections=collections)
    assert training_data(result, read_snapshot(project.workspace.snapshot)).origin == origin


def test_another_data_set_than_the_training_s_is_one_line(project: Project) -> None:
    songs = project.workspace.snapshot / "songs.csv"
    table = pd.read_csv(songs, dtype=str, keep_default_na=False)
    table.iloc[:-1].to_csv(songs, index=False)
    with pytest.raises(
        InputError, match=r"^good: was trained on another data set than data/snapshot holds; train it again"
    ):
        project.register("good")


@pytest.mark.parametrize("damage", ["description", "missing"])
def test_training_data_that_cannot_be_read_is_one_line(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "artifacts" / "version" / "training.json"
    if damage == "description":
        file.parent.mkdir(parents=True)
        file.write_text('{"artists": []}')
    with pytest.raises(InputError, match=r"training\.json: cannot be read, so nobody knows"):
        read_training_data(tmp_path)


def test_unknown_models_and_models_without_audio_are_one_line(project: Project) -> None:
    with pytest.raises(InputError, match=r"^nobody: is not in .*comparison\.json; known are good, bad$"):
        project.register("nobody")
    for model in ("good", "bad"):
        metrics = project.workspace.metrics(model)
        metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"reads": ["spotify"]}))
    with pytest.raises(InputError, match=r"^good, bad: reads what comes with the songs and no audio gives"):
        project.register()
    with pytest.raises(InputError, match=r"^good: reads what comes with the songs"):
        project.register("good")


def test_the_model_of_all_songs_is_registered_and_its_own_answers_are_checked(project: Project) -> None:
    project.values["registration"]["fit"] = "all"
    with pytest.raises(
        InputError, match=r"^registration\.fit: all: good was trained with best_fold; run dvc repro"
    ):
        project.register("good")
    project.train()
    assert project.register("good") == "1"
    folder = fetch_version(project.machine, find_version(project.machine, "models:/mood/1"))
    whole = refit_folder(project.workspace, "good") / "logisticregression.npz"
    model = folder / "artifacts" / "version" / "model" / whole.name
    assert model.read_bytes() == whole.read_bytes()
    assert "all songs outside the holdout" in client_of(project).get_model_version("mood", "1").description
    gain = json.loads(project.workspace.comparison.read_text())["refit"]
    assert {one["model"] for one in gain} == {"good", "bad"}


def test_a_model_of_all_songs_that_is_not_the_one_of_the_training_is_refused(project: Project) -> None:
    project.values["registration"]["fit"] = "all"
    project.train()
    for file in fold_folder(project.workspace, "good", 0).iterdir():
        shutil.copy(file, refit_folder(project.workspace, "good") / file.name)
    with pytest.raises(
        InputError, match=r"^good: answers .* in training it was .*: the code has changed since"
    ):
        project.register("good")


def test_a_deleted_experiment_is_one_line(served: Project) -> None:
    client = client_of(served)
    experiment = client.get_experiment_by_name("mood")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    with pytest.raises(
        InputError,
        match=r"^registration\.experiment: mood was deleted in MLflow; restore it with .*mlflow exp",
    ):
        served.register("good")


def test_processes_at_once_give_one_version(project: Project) -> None:
    processes = [start(project) for _ in range(2)]
    outputs = [process.communicate(timeout=500) for process in processes]
    assert [
        (out.strip(), process.returncode) for (out, _), process in zip(outputs, processes, strict=True)
    ] == [("1", 0)] * 2, outputs
    assert [one.version for one in client_of(project).search_model_versions("name = 'mood'")] == [1]
    assert len(all_runs(project)) == 2 * (1 + 3)


def test_a_process_that_is_killed_is_no_obstacle(project: Project) -> None:
    process = start(project)
    database = project.machine.home / "mlflow" / "mlflow.db"
    while not (database.is_file() and _n_runs(database)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert project.register("good") == "1"
    assert {run.info.status for run in all_runs(project)} == {"FINISHED"}  # type: ignore[attr-defined]


def _n_runs(database: Path) -> int:
    """How many runs there are; asked of the tables, for MLflow would create them beside the process that does."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0])
        except sqlite3.OperationalError:  # no such table yet, or it is being written
            return 0


def test_of_several_versions_of_one_training_the_lowest_stays(served: Project) -> None:
    """Processes that share a server and no catalog may both register; each looks again afterwards."""
    client = client_of(served)
    twin = client.get_model_version("mood", "1")
    for _ in range(2):
        client.create_model_version(
            "mood",
            find_version(served.machine, "models:/mood/1").location,
            tags={TRAINING: twin.tags[TRAINING]},
        )
    assert _version_of(client, "mood", twin.tags[TRAINING]) == "1"
    assert [
        one.version for one in client.search_model_versions("name = 'mood'", order_by=["version_number ASC"])
    ] == [1, 2]
    assert _version_of(client, "mood", "unknown") is None


def test_a_server_shared_without_a_catalog_gives_one_version_too(project: Project, tmp_path: Path) -> None:
    twin = Project(shutil.copytree(project.workspace.root, tmp_path / "twin"))
    (tmp_path / "server").mkdir()
    with mlflow_server(tmp_path / "server") as url:
        processes = [start(one, MLFLOW_TRACKING_URI=url) for one in (project, twin)]
        outputs = [process.communicate(timeout=500) for process in processes]
        client = MlflowClient(url, url)
        found = client.search_model_versions("name = 'mood'")
        assert [str(one.version) for one in found] == [outputs[0][0].strip()] == [outputs[1][0].strip()], (
            outputs
        )
        experiment = client.get_experiment_by_name("mood")
        assert experiment is not None
        finished = [
            run for run in client.search_runs([experiment.experiment_id]) if TRAINING in run.data.tags
        ]
        assert sorted(run.data.tags["mer.model"] for run in finished) == ["bad", "good"]


@pytest.fixture
def half_logged(project: Project, empty_registry: Path) -> Iterator[tuple[MlflowClient, str, str]]:
    """A client, an experiment, and a run of the training that this process has begun to log."""
    from mer_tasks.evaluation.result import result_identity

    (project.machine.home / "mlflow").mkdir()
    shutil.copy(empty_registry, project.machine.home / "mlflow" / "mlflow.db")
    client = client_of(project)
    experiment = client.create_experiment(
        "mood", artifact_location=(project.machine.home / "artifacts").as_uri()
    )
    tags = {TRAINING: result_identity(project.workspace, "good"), LOGGED_BY: runs._this_process()}
    yield client, experiment, client.create_run(experiment, tags=tags).info.run_id


def test_a_run_that_a_living_process_logs_is_left_alone(
    project: Project, half_logged: tuple[MlflowClient, str, str]
) -> None:
    client, experiment, run_id = half_logged
    logged = runs.log_training(client, experiment, project.workspace, read_result(project.workspace, "good"))
    assert logged != run_id
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_a_process_that_began_first_and_ends_last_takes_the_run_of_the_other(
    project: Project, half_logged: tuple[MlflowClient, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiment, _ = half_logged
    result = read_result(project.workspace, "good")
    others: list[str] = []
    log_files = runs._log_files

    def log_once_more_meanwhile(*arguments: Any) -> None:
        if not others:
            others.append("begun")
            others.append(runs.log_training(client, experiment, project.workspace, result))
        log_files(*arguments)

    monkeypatch.setattr(runs, "_log_files", log_once_more_meanwhile)
    logged = runs.log_training(client, experiment, project.workspace, result)
    assert logged == others[1]
    finished = client.search_runs([experiment], f"attributes.status = 'FINISHED' and tags.`{TRAINING}` != ''")
    assert [run.info.run_id for run in finished] == [logged]


@pytest.mark.parametrize("owner", ["gone", "reused", "failed", "other host, long ago"])
def test_a_run_that_was_abandoned_is_replaced(
    project: Project, half_logged: tuple[MlflowClient, str, str], owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiment, run_id = half_logged
    host, pid, started = runs._this_process().split()
    if owner == "gone":
        client.set_tag(run_id, LOGGED_BY, f"{host} {max(psutil.pids()) + 9999} {started}")
    elif owner == "reused":
        client.set_tag(run_id, LOGGED_BY, f"{host} {pid} 1.0")
    elif owner == "failed":
        client.set_terminated(run_id, "FAILED")
    else:
        client.set_tag(run_id, LOGGED_BY, "elsewhere 1 1.0")
        monkeypatch.setattr(runs, "FORGOTTEN_S", -1.0)
    fold = client.create_run(experiment, tags={PARENT: run_id}).info.run_id
    runs.log_training(client, experiment, project.workspace, read_result(project.workspace, "good"))
    assert [client.get_run(one).info.lifecycle_stage for one in (run_id, fold)] == ["deleted", "deleted"]


def test_another_host_s_young_run_is_left_alone(
    project: Project, half_logged: tuple[MlflowClient, str, str]
) -> None:
    client, experiment, run_id = half_logged
    client.set_tag(run_id, LOGGED_BY, "elsewhere 1 1.0")
    runs.log_training(client, experiment, project.workspace, read_result(project.workspace, "good"))
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_a_run_that_breaks_off_is_marked(
    project: Project, half_logged: tuple[MlflowClient, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiment, run_id = half_logged

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(runs, "_log_files", broken)
    with pytest.raises(OSError, match="disk full"):
        runs.log_training(client, experiment, project.workspace, read_result(project.workspace, "good"))
    states = {run.info.run_id: run.info.status for run in client.search_runs([experiment])}
    assert states.pop(run_id) == "RUNNING" and list(states.values()) == ["FAILED"]


def test_curves_of_many_epochs_fit_into_batches(half_logged: tuple[MlflowClient, str, str]) -> None:
    client, _, run_id = half_logged
    curve = [{"epoch": float(epoch), "train_loss": 1.0 / epoch} for epoch in range(1, 1201)]
    runs._log_values(client, run_id, {f"p{i}": i for i in range(150)}, {"accuracy": 0.5}, curve)
    assert len(client.get_metric_history(run_id, "train_loss")) == 1200
    assert len(client.get_run(run_id).data.params) == 150
    assert runs._mean_curve([curve, curve])[0] == {"epoch": 1.0, "train_loss": 1.0}


def test_a_data_set_that_another_process_just_logged_is_no_obstacle(
    half_logged: tuple[MlflowClient, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MLflow's server refuses one of two processes that log a data set for the first time at once."""
    client, _, run_id = half_logged
    data = DatasetInput(Dataset("songs", "digest", "local", "{}"), [])
    original, tries = MlflowClient.log_inputs, []

    def refused(*arguments: Any) -> None:
        tries.append(arguments)
        if len(tries) == 1:
            raise MlflowException("UNIQUE constraint failed: datasets.name")
        original(*arguments)

    monkeypatch.setattr(MlflowClient, "log_inputs", refused)
    runs._log_data(client, run_id, data)
    logged = client.get_run(run_id).inputs.dataset_inputs
    assert [one.dataset.digest for one in logged] == ["digest"]
