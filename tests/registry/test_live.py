"""A network's curves in a real MLflow store while it trains, and that all of it ends in one run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from mer_tasks.evaluation.result import read_result
from mer_tasks.evaluation.training import train_model
from mer_tasks.networks.curve import Curve
from mer_tasks.registry import live, runs
from mer_tasks.registry.connection import experiment_id
from mer_tasks.registry.live import live_curves
from mer_tasks.settings import Machine, Params, load_params
from mer_tasks.workspace import Workspace
from tests.evaluation.test_training import NETWORK, files_below
from tests.evaluation.workspaces import make_workspace, quick_params
from tests.systems import ROOT

MODEL = "network"
N_EPOCHS, N_FOLDS = 12, 3
TRAIN = f"""
import sys, time
from mer_tasks.cli import main
from mer_tasks.registry.live import LiveCurves

told = LiveCurves.__call__

def stay(self, training, fold, curve):
    told(self, training, fold, curve)
    if (fold, len(curve)) == (1, 3):
        time.sleep(600)

LiveCurves.__call__ = stay
sys.argv = ["mer", "train", "{MODEL}"]
main()
"""
"""`mer train` that stays where the third epoch of its second fold has ended."""

AWAY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def settings() -> Params:
    """A network that takes seconds to train."""
    network = {**NETWORK, "epochs": N_EPOCHS, "step_size": 9}
    return quick_params(load_params(ROOT / "params.yaml"), {MODEL: network})


@pytest.fixture(scope="module")
def untold(tmp_path_factory: pytest.TempPathFactory, settings: Params) -> Workspace:
    """A workspace whose network was trained without MLflow."""
    workspace = make_workspace(tmp_path_factory.mktemp("untold"), settings)
    workspace.params_file.write_text(settings.model_dump_json())  # JSON is YAML
    train_model(workspace, settings, Machine(home=workspace.root / "none", device="cpu"), MODEL)
    return workspace


@pytest.fixture
def workspace(untold: Workspace, tmp_path: Path) -> Workspace:
    """The same, not trained."""
    left_out = shutil.ignore_patterns("models", "metrics", "predictions")
    return Workspace(Path(shutil.copytree(untold.root, tmp_path / "project", ignore=left_out)))


@pytest.fixture
def machine(workspace: Workspace, empty_registry: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One with an MLflow store, which is looked at often."""
    monkeypatch.setattr(live, "EVERY_S", 0.05)
    home = workspace.root / "var"
    (home / "mlflow").mkdir(parents=True)
    shutil.copy(empty_registry, home / "mlflow" / "mlflow.db")
    return Machine(home=home, device="cpu")


@pytest.fixture
def client(machine: Machine) -> MlflowClient:
    return MlflowClient(machine.mlflow_uri, machine.mlflow_uri)


def wait_for(is_so: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 300
    while not is_so():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


def runs_of(client: MlflowClient) -> list[Run]:
    """The runs of trainings, without those of folds."""
    found = client.get_experiment_by_name("mood")
    every = client.search_runs([found.experiment_id]) if found else []
    return [run for run in every if runs.PARENT not in run.data.tags]


def steps(client: MlflowClient, run_id: str, fold: int, name: str = "valid_accuracy") -> list[int]:
    return [metric.step for metric in client.get_metric_history(run_id, f"fold {fold}/{name}")]


def train(
    workspace: Workspace, settings: Params, machine: Machine, seen: Callable[[int, Curve], None]
) -> None:
    """Train as `mer train` does; `seen` is called after each epoch, while the training waits."""
    with live_curves(workspace, settings, machine, MODEL) as watch:

        def watched(training: str, fold: int, curve: Curve) -> None:
            watch(training, fold, curve)
            seen(fold, curve)

        train_model(workspace, settings, machine, MODEL, watched)


def logged(workspace: Workspace, settings: Params, machine: Machine, client: MlflowClient) -> str:
    """Log the finished training as `mer register` does; the run's id."""
    experiment = experiment_id(client, settings.registration.experiment, machine)
    return runs.log_training(client, experiment, workspace, read_result(workspace, MODEL))


def assert_is_whole(client: MlflowClient, run_id: str) -> None:
    """See that the only run is finished and has each epoch of each fold once, and the mean."""
    (run,) = runs_of(client)
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    for fold in range(N_FOLDS):
        for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
            assert steps(client, run_id, fold, name) == list(range(1, N_EPOCHS + 1))
    assert len(client.get_metric_history(run_id, "valid_accuracy")) == N_EPOCHS
    assert "accuracy" in run.data.metrics and f"models.{MODEL}.lr" in run.data.params
    folds = client.search_runs([run.info.experiment_id], f"tags.`{runs.PARENT}` = '{run_id}'")
    assert {fold.info.status for fold in folds} == {"FINISHED"} and len(folds) == N_FOLDS


def assert_is_the_same(workspace: Workspace, untold: Workspace) -> None:
    for place in (Path("models"), Path("metrics"), Path("data/predictions")):
        assert files_below(workspace.root / place) == files_below(untold.root / place)


def test_the_curves_grow_while_a_network_trains_and_the_result_is_logged_in_their_run(
    workspace: Workspace, settings: Params, machine: Machine, client: MlflowClient, untold: Workspace
) -> None:
    seen: list[str] = []

    def look(fold: int, curve: Curve) -> None:
        if (fold, len(curve)) in ((0, 1), (0, 8), (2, 5)):
            wait_for(
                lambda: (
                    runs_of(client) and len(steps(client, runs_of(client)[0].info.run_id, fold)) == len(curve)
                )
            )
            (run,) = runs_of(client)
            assert run.info.status == "RUNNING" and run.data.tags["mer.model"] == MODEL
            metric = client.get_metric_history(run.info.run_id, f"fold {fold}/train_loss")[-1]
            assert metric.value == curve[-1]["train_loss"]
            seen.append(run.info.run_id)

    train(workspace, settings, machine, look)
    assert len(seen) == 3 and len(set(seen)) == 1
    assert [run.info.status for run in runs_of(client)] == ["FINISHED"]
    assert_is_the_same(workspace, untold)

    assert logged(workspace, settings, machine, client) == seen[0]
    assert_is_whole(client, seen[0])
    train(workspace, settings, machine, lambda fold, curve: None)  # once more, to the same end
    assert logged(workspace, settings, machine, client) == seen[0]
    assert_is_whole(client, seen[0])


def test_a_killed_training_goes_on_in_its_run(
    workspace: Workspace, settings: Params, machine: Machine, client: MlflowClient, untold: Workspace
) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MER_HOME": str(machine.home), "MER_DEVICE": "cpu"}
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN],
        cwd=workspace.root,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(
        lambda: runs_of(client) and steps(client, runs_of(client)[0].info.run_id, 1) == [1, 2, 3], process
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (run,) = runs_of(client)
    assert run.info.status == "RUNNING"

    train(workspace, settings, machine, lambda fold, curve: None)
    assert_is_the_same(workspace, untold)
    assert logged(workspace, settings, machine, client) == run.info.run_id
    assert_is_whole(client, run.info.run_id)


def test_a_run_is_gone_on_with_where_nobody_else_can_be_training(
    settings: Params, machine: Machine, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = experiment_id(client, settings.registration.experiment, machine)
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "weekly_retrain")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_RUN_ID", "one")
    first = runs.begin_curves(client, experiment, MODEL, "a training")
    assert runs.begin_curves(client, experiment, MODEL, "a training") == first
    client.set_tag(first, runs.LOGGED_BY, "elsewhere 1 1.0")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_RUN_ID", "two")
    other = runs.begin_curves(client, experiment, MODEL, "a training")
    assert other != first
    client.set_tag(other, runs.LOGGED_BY, "elsewhere 2 1.0")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_RUN_ID", "one")
    client.set_terminated(runs.begin_curves(client, experiment, MODEL, "another"), "FAILED")
    assert (
        runs.begin_curves(client, experiment, MODEL, "a training") == first
    )  # its next try, on another machine
    assert {run.info.run_id for run in runs_of(client)} == {first, other}  # the third was abandoned


def test_an_abandoned_training_gives_way_to_another(
    workspace: Workspace, settings: Params, machine: Machine, client: MlflowClient
) -> None:
    def fail(fold: int, curve: Curve) -> None:
        if (fold, len(curve)) == (1, 3):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(workspace, settings, machine, fail)
    (failed,) = runs_of(client)
    assert failed.info.status == "FAILED" and steps(client, failed.info.run_id, 1) == [1, 2, 3]

    evaluation = settings.evaluation.model_copy(update={"seed": 21})
    train(
        workspace, settings.model_copy(update={"evaluation": evaluation}), machine, lambda fold, curve: None
    )
    (other,) = runs_of(client)
    assert other.info.run_id != failed.info.run_id and other.info.status == "FINISHED"


def test_without_mlflow_there_is_one_line_and_all_is_logged_at_the_end(
    workspace: Workspace,
    settings: Params,
    machine: Machine,
    client: MlflowClient,
    untold: Workspace,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.05)
    away = machine.model_copy(update={"tracking_uri": AWAY})
    train(workspace, settings, away, lambda fold, curve: time.sleep(0.01))
    (line,) = [record.getMessage() for record in caplog.records if record.name == live.__name__]
    assert AWAY in line and line.endswith(f"; mer register will log the curves of {MODEL}")
    assert_is_the_same(workspace, untold)
    assert_is_whole(client, logged(workspace, settings, machine, client))
