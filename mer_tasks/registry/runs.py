"""One MLflow run a trained model, its folds nested: settings, scores, curves, pictures and the data's identity.

The run of a network begins with its first epoch and has the curves of its folds; `log_training` adds the rest.
"""

import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
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

CURVES = "mer.curves"
"""The tag of a run that began while a network trained: what of, and once that has ended the training's identity."""

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
    replaced, and the one that showed its curves goes on. Of two processes that log it at once, the first's is kept.
    """
    identity = result_identity(workspace, result.model)
    if finished := _first_finished(client, experiment, TRAINING, identity):
        return finished
    for run in _runs_with(client, experiment, TRAINING, identity):
        if _is_abandoned(run):
            delete_run(client, experiment, run.info.run_id)
    delete_unfinished_curves(client, experiment, result.model)
    run_id = _begin(client, experiment, workspace, result, identity)
    _log(client, experiment, run_id, workspace, result)
    first = _first_finished(client, experiment, TRAINING, identity) or run_id
    if first != run_id:
        delete_run(client, experiment, run_id)
    return first


def begin_curves(client: MlflowClient, experiment: str, model: str, training: str) -> str:
    """The run for the curves of a network's training, known by a hash of what it begins with; its id.

    One that was killed goes on in its run; those of the model's other trainings that were abandoned are deleted.
    """
    tags = {"mer.model": model, CURVES: training, LOGGED_BY: _this_process()} | airflow_tags()
    begun = [run for run in _runs_with(client, experiment, CURVES, training) if _may_go_on(run)]
    run_id = str(begun[0].info.run_id) if begun else None
    delete_unfinished_curves(client, experiment, model, but=run_id)
    if run_id is None:
        return str(client.create_run(experiment, tags=tags, run_name=model).info.run_id)
    _reopen(client, run_id, tags)
    return run_id


def log_curve(client: MlflowClient, run_id: str, fold: int, curve: Curve) -> None:
    """Log those epochs of a fold that a run does not have yet, as `fold 0/train_loss` and so on."""
    prefix = f"fold {fold}/"
    known = {metric.step for metric in client.get_metric_history(run_id, f"{prefix}train_loss")}
    _log_values(client, run_id, {}, {}, [row for row in curve if row["epoch"] not in known], prefix)


def end_curves(client: MlflowClient, experiment: str, run_id: str, workspace: Workspace, model: str) -> None:
    """Name the training that has ended as what it came to; a run of the same that is there already is kept instead."""
    identity = result_identity(workspace, model)
    there = {_first_finished(client, experiment, tag, identity) for tag in (TRAINING, CURVES)}
    if there - {None, run_id}:
        delete_run(client, experiment, run_id)
        return
    client.set_tag(run_id, CURVES, identity)
    client.set_terminated(run_id)


def delete_unfinished_curves(
    client: MlflowClient, experiment: str, model: str, but: str | None = None
) -> None:
    """Delete the runs with curves of the model's trainings that nobody logs any more, `but` one.

    Nothing is lost: a training that goes on knows its epochs.
    """
    for run in client.search_runs([experiment], f"tags.`{CURVES}` != '' and tags.`mer.model` = '{model}'"):
        if _is_abandoned(run) and run.info.run_id != but:
            delete_run(client, experiment, run.info.run_id)


def delete_run(client: MlflowClient, experiment: str, run_id: str) -> None:
    """Delete a run and the runs of its folds."""
    for fold in client.search_runs([experiment], f"tags.`{PARENT}` = '{run_id}'"):
        client.delete_run(fold.info.run_id)
    client.delete_run(run_id)


def _begin(
    client: MlflowClient, experiment: str, workspace: Workspace, result: ModelResult, identity: str
) -> str:
    """The run of a training that is to be logged: the one with its curves, or a new one."""
    tags = _tags(result, workspace) | {TRAINING: identity, LOGGED_BY: _this_process()}
    run_id = _first_finished(client, experiment, CURVES, identity)
    if run_id is None:
        return str(client.create_run(experiment, tags=tags, run_name=result.model).info.run_id)
    _reopen(client, run_id, tags)
    return run_id


def _reopen(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    client.set_tag(run_id, LOGGED_BY, tags[LOGGED_BY])  # first: a run in work that nobody logs is abandoned
    client.update_run(run_id, status="RUNNING")
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def _log(
    client: MlflowClient, experiment: str, run_id: str, workspace: Workspace, result: ModelResult
) -> None:
    try:
        for fold, curve in enumerate(result.curves):
            log_curve(client, run_id, fold, curve)
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


def _runs_with(client: MlflowClient, experiment: str, tag: str, identity: str) -> Iterable[Run]:
    return client.search_runs([experiment], f"tags.`{tag}` = '{identity}'")


def _first_finished(client: MlflowClient, experiment: str, tag: str, identity: str) -> str | None:
    """The run that counts: of several finished ones the first that was, which no later one can take over."""
    finished = [run for run in _runs_with(client, experiment, tag, identity) if run.info.status == "FINISHED"]
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


def _may_go_on(run: Run) -> bool:
    """Whether this process may go on in a run: its own, an abandoned one, or one of the same run of Airflow.

    That trains a model once at a time, so an earlier try, on whichever machine, has ended.
    """
    ours = airflow_tags().get(AIRFLOW_RUN)
    is_ours = run.data.tags.get(LOGGED_BY) == _this_process() or (
        ours and run.data.tags.get(AIRFLOW_RUN) == ours
    )
    return bool(is_ours) or _is_abandoned(run)


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
    prefix: str = "",
) -> None:
    """Log parameters, scores, and a curve whose names get this prefix."""
    now = int(time.time() * 1000)
    values = [Metric(name, value, now, 0) for name, value in scores.items()]
    for row in curve:
        step = int(row["epoch"])
        values += [
            Metric(f"{prefix}{name}", value, now, step) for name, value in row.items() if name != "epoch"
        ]
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
