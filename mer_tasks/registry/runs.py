"""One MLflow run a trained model, its folds nested: settings, scores, curves, pictures and the data's identity."""

import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.airflow_run import airflow_run
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.evaluation.result import ModelResult, result_identity
from mer_tasks.files import sha256_of
from mer_tasks.networks.curve import Curve
from mer_tasks.registry.card import model_card, short_card
from mer_tasks.settings import load_machine
from mer_tasks.workspace import Workspace

TRAINING = "mer.training"
"""The tag with a training's identity: a hash of what it left behind, so that nothing is logged twice."""

LOGGED_BY = "mer.logged_by"
"""The tag of a run with the host, process and start of who logs it."""

AIRFLOW_RUN, AIRFLOW_PAGE = "mer.airflow_run", "mer.airflow_page"
"""The tags of a run and a version with the id and the address of the run in Airflow that made them."""

PARENT = "mlflow.parentRunId"

FORGOTTEN_S = 24 * 3600.0
"""A run that another host has been logging for longer was abandoned."""

DESCRIPTION = "mlflow.note.content"
"""The tag that MLflow's page of a run shows as its description."""

DIGEST = 32
"""So many characters of the data set's identity MLflow keeps; 36 are the most."""

BATCH = 900
"""MLflow takes a thousand metrics at once."""


def log_training(client: MlflowClient, experiment: str, workspace: Workspace, result: ModelResult) -> str:
    """Log a training as a run of the experiment with this id; return the run's id.

    The same training gives the same run: a finished one is found again, one that was abandoned half-way is
    replaced. Of two processes that log it at once, the first's is kept.
    """
    identity = result_identity(workspace, result.model)
    if finished := _finished(client, experiment, identity):
        return finished
    for run in _runs_of(client, experiment, identity):
        if _is_abandoned(run):
            delete_run(client, experiment, run.info.run_id)
    run_id = _log(client, experiment, workspace, result, identity)
    first = _finished(client, experiment, identity) or run_id
    if first != run_id:
        delete_run(client, experiment, run_id)
    return first


def delete_run(client: MlflowClient, experiment: str, run_id: str) -> None:
    """Delete a run and the runs of its folds."""
    for fold in client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'"):
        client.delete_run(fold.info.run_id)
    client.delete_run(run_id)


def _log(
    client: MlflowClient, experiment: str, workspace: Workspace, result: ModelResult, identity: str
) -> str:
    tags = _tags(result, workspace) | {TRAINING: identity, LOGGED_BY: _this_process()}
    run_id = str(client.create_run(experiment, tags=tags, run_name=result.model).info.run_id)
    try:
        _log_values(client, run_id, _parameters(result), _scores(result), _mean_curve(result.curves))
        _log_data(client, run_id, _data(result, workspace))
        _log_files(client, run_id, workspace, result)
        client.log_text(run_id, str(model_card(result, workspace)), "README.md")
        for fold, accuracy in enumerate(result.fold_accuracies):
            curve = result.curves[fold] if result.curves else []
            _log_fold(client, experiment, run_id, f"{result.model} fold {fold}", fold, accuracy, curve)
    except BaseException:
        with suppress(Exception):  # what went wrong first is what the caller has to know
            client.set_terminated(run_id, "FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


def _log_data(client: MlflowClient, run_id: str, data: DatasetInput) -> None:
    """Log what a run was trained on; MLflow refuses one of two processes that log a new data set at once."""
    try:
        client.log_inputs(run_id, [data])
    except MlflowException:  # by now the other's is there; any other fault is met again
        client.log_inputs(run_id, [data])


def _log_fold(
    client: MlflowClient, experiment: str, parent: str, name: str, fold: int, accuracy: float, curve: Curve
) -> None:
    run_id = client.create_run(experiment, tags={PARENT: parent}, run_name=name).info.run_id
    _log_values(client, run_id, {"fold": fold}, {"accuracy": accuracy}, curve)
    client.set_terminated(run_id)


def _runs_of(client: MlflowClient, experiment: str, identity: str) -> Iterable[Run]:
    return client.search_runs([experiment], f"tags.`{TRAINING}` = '{identity}'")


def _finished(client: MlflowClient, experiment: str, identity: str) -> str | None:
    """The run that counts: of several finished ones the first that was, which no later one can take over."""
    finished = [run for run in _runs_of(client, experiment, identity) if run.info.status == "FINISHED"]
    first = min(finished, key=lambda run: (run.info.end_time, run.info.run_id), default=None)
    return str(first.info.run_id) if first else None


def _this_process() -> str:
    return f"{socket.gethostname()} {psutil.Process().pid} {psutil.Process().create_time()}"


def _is_abandoned(run: Run) -> bool:
    """Whether nobody logs an unfinished run any more; another host's process cannot be looked at."""
    if run.info.status == "FINISHED":
        return False
    if run.info.status in ("FAILED", "KILLED"):
        return True
    host, _, process = str(run.data.tags.get(LOGGED_BY, "")).partition(" ")
    if host != socket.gethostname():
        return bool(time.time() - run.info.start_time / 1000 > FORGOTTEN_S)
    pid, started = process.split()
    try:
        return psutil.Process(int(pid)).create_time() != float(started)
    except psutil.NoSuchProcess:
        return True


def _tags(result: ModelResult, workspace: Workspace) -> dict[str, str]:
    tags = {
        "mer.model": result.model,
        "mer.system": result.system,
        "mer.songs": result.songs,
        "mer.data": result.data,
        "mer.reads": result.read_together,
        "mer.protocol": result.protocol,
        DESCRIPTION: short_card(result),
    }
    if workspace.lock_file.is_file():
        tags["mer.dvc_lock"] = sha256_of(workspace.lock_file)
    if commit := commit_of_code():
        tags["mer.commit"] = commit
    return tags | airflow_tags()


def airflow_tags() -> dict[str, str]:
    """Which run of Airflow this process works for, as tags; none outside Airflow."""
    run = airflow_run()
    if run is None:
        return {}
    return {AIRFLOW_RUN: run.run_id} | ({AIRFLOW_PAGE: run.page} if run.page else {})


def commit_of_code() -> str | None:
    """The commit of the code: `MER_COMMIT`, which an image carries, or that of the git checkout; else None."""
    if commit := load_machine().commit:
        return commit
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, check=False, capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _parameters(result: ModelResult) -> dict[str, str]:
    """What the model was trained with, which params.yaml may no longer have, nested names joined by a dot."""
    return {name: str(value) for name, value in _flat(result.params).items()}


def _scores(result: ModelResult) -> dict[str, float]:
    nested = result.scores.as_json() | ({"holdout": result.holdout.as_json()} if result.holdout else {})
    return {name: float(value) for name, value in _flat(nested).items()}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _mean_curve(curves: Sequence[Curve]) -> Curve:
    """The folds' curves averaged epoch by epoch."""
    return [
        {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
        for rows in zip(*curves, strict=False)
    ]


def _log_values(
    client: MlflowClient,
    run_id: str,
    parameters: Mapping[str, Any],
    scores: Mapping[str, float],
    curve: Curve,
) -> None:
    now = int(time.time() * 1000)
    values = [Metric(name, value, now, 0) for name, value in scores.items()]
    for row in curve:
        step = int(row["epoch"])
        values += [Metric(name, value, now, step) for name, value in row.items() if name != "epoch"]
    texts = [Param(name, str(value)) for name, value in parameters.items()]
    for start in range(0, len(texts), 100):  # a batch holds a hundred
        client.log_batch(run_id, params=texts[start : start + 100])
    for start in range(0, len(values), BATCH):
        client.log_batch(run_id, metrics=values[start : start + BATCH])


def _data(result: ModelResult, workspace: Workspace) -> DatasetInput:
    """The data set as MLflow shows it: its name, its identity, where it was, its columns, how many songs it has."""
    data = from_pandas(
        read_snapshot(workspace.snapshot).songs,
        source=str(workspace.snapshot / "songs.csv"),
        targets="mood",
        name="-".join(result.collections),
        digest=result.data[:DIGEST],
    )
    return DatasetInput(Dataset(**data.to_dict()), [InputTag("mlflow.data.context", "training")])


def _log_files(client: MlflowClient, run_id: str, workspace: Workspace, result: ModelResult) -> None:
    if workspace.plots(result.model).is_dir():
        client.log_artifacts(run_id, str(workspace.plots(result.model)), "plots")
    for file in (
        workspace.metrics(result.model),
        workspace.predictions(result.model),
        workspace.snapshot / "left_out.csv",
        workspace.params_file,
        workspace.pipeline_file,
        workspace.lock_file,
    ):
        if file.is_file():
            client.log_artifact(run_id, str(file), "training")
