"""The way to MLflow."""

import logging
import os
import warnings
from pathlib import Path

import httpx
import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.domain import InputError, UnavailableError
from mer_tasks.settings import Machine


def connect(machine: Machine, experiment: str | None = None) -> MlflowClient:
    """Point MLflow at its server, or at SQLite under `machine.home`, and choose the experiment.

    Raises:
        InputError: what answers is no MLflow server.
        UnavailableError: nothing answers there now, or only that it cannot.
    """
    uri = machine.mlflow_uri
    _quieten()
    if uri.startswith("http"):
        _check_server(uri)
    else:
        (machine.home / "mlflow").mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        client = MlflowClient()
        if experiment:
            artifacts = machine.home / "mlflow" / "artifacts"
            _choose_experiment(client, experiment, artifacts, is_server=uri.startswith("http"))
    except MlflowException as error:
        reason = " ".join(str(error).split())[:150]
        raise InputError(
            f"MLFLOW_TRACKING_URI: MLflow cannot use it ({reason}); give an http address"
        ) from error
    return client


def _quieten() -> None:
    """MLflow tells of its migrations, guesses and downloads; none of it is for whoever runs `mer`."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def _check_server(uri: str) -> None:
    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise (UnavailableError if _is_away(error) else InputError)(
            f"MLFLOW_TRACKING_URI: no MLflow server answers at {httpx.URL(uri).copy_with(userinfo=b'')}"
            f" ({type(error).__name__}); start it, or unset the variable to use SQLite under var/"
        ) from error


def _is_away(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return not isinstance(error, httpx.UnsupportedProtocol)


def _choose_experiment(client: MlflowClient, name: str, artifacts: Path, is_server: bool) -> None:
    """Without a server the artifacts go beside the database, not into the current folder."""
    if client.get_experiment_by_name(name) is None and not is_server:
        client.create_experiment(name, artifact_location=artifacts.as_uri())
    mlflow.set_experiment(name)
