"""The way to MLflow: one client, and errors that tell a service that is away from bad input."""

import logging
import os
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import httpx
import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import RequestException

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Machine

AWAY = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
"""Error codes of MLflow that are no fault of who asks."""

SETTINGS = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is the command's, and may be JSON
}


@contextmanager
def connected(machine: Machine) -> Iterator[MlflowClient]:
    """A client of the MLflow server, or of SQLite under `machine.home`; MLflow's own calls go there too.

    Loggers, variables and MLflow's address are afterwards as they were.

    Raises:
        InputError: what answers is no MLflow server, or it refuses what was asked.
        UnavailableError: nothing answers there now, or only that it cannot.
    """
    uri = machine.mlflow_uri
    if uri.startswith("http"):
        check_server(uri)
    else:
        (machine.home / "mlflow").mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_variables(SETTINGS))
        stack.enter_context(_tracking_at(uri))
        try:
            yield MlflowClient(uri, uri)
        except (MlflowException, RequestException) as error:
            raise explained(error, uri, machine.tracking_uri is not None) from error


def experiment_id(client: MlflowClient, name: str, machine: Machine) -> str:
    """The id of the experiment of this name, which is created where there is none.

    Raises:
        InputError: it was deleted in MLflow.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        # without a server the artifacts go beside the database, not into the current folder
        artifacts = machine.home / "mlflow" / "artifacts"
        location = None if machine.mlflow_uri.startswith("http") else artifacts.as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return experiment_id(client, name, machine)  # another process was first
    if found.lifecycle_stage != "active":
        where = "" if machine.tracking_uri else f"MLFLOW_TRACKING_URI={shlex.quote(machine.mlflow_uri)} "
        raise InputError(
            f"registration.experiment: {name} was deleted in MLflow; restore it with {where}mlflow experiments"
            f" restore -x {found.experiment_id}, or write another name"
        )
    return str(found.experiment_id)


def explained(error: Exception, uri: str, is_set: bool) -> InputError | UnavailableError:
    """An error of MLflow in one line, its kind by whether trying again may help.

    Only an address that a person has set, `is_set`, may be the fault.
    """
    reason = " ".join(str(error).split())[:200]
    code = getattr(error, "error_code", "INTERNAL_ERROR")
    is_sqlite_path = uri.startswith("sqlite") and "locked" not in reason
    if code in AWAY and not is_sqlite_path:
        return UnavailableError(f"MLflow at {shown(uri)}: cannot answer now ({reason}); try again later")
    remedy = "check MLFLOW_TRACKING_URI and what was asked" if is_set else "check what was asked"
    return InputError(f"MLflow at {shown(uri)}: {reason}; {remedy}, which may have been deleted in MLflow")


def shown(uri: str) -> str:
    """An address without the password in it."""
    return str(httpx.URL(uri).copy_with(userinfo=b"")) if uri.startswith("http") else uri.rpartition("@")[2]


def check_server(uri: str) -> None:
    """Ask once whether an MLflow server answers, for MLflow itself asks for minutes.

    Raises:
        InputError: what answers is no MLflow server.
        UnavailableError: nothing answers there now, or only that it cannot.
    """
    try:
        httpx.get(f"{uri.rstrip('/')}/health", timeout=5).raise_for_status()
    except httpx.HTTPError as error:
        raise (UnavailableError if is_away(error) else InputError)(
            f"MLFLOW_TRACKING_URI: no MLflow server answers at {shown(uri)}"
            f" ({type(error).__name__}); start it, or unset the variable to use SQLite under var/"
        ) from error


def is_away(error: httpx.HTTPError) -> bool:
    """Whether a server may answer later."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code == 429
    return not isinstance(error, httpx.UnsupportedProtocol)


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow reports its migrations, guesses and downloads; none of it is for whoever runs `mer`."""
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in ("mlflow", "alembic")}
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
            yield
    finally:
        for logger, level in loggers.items():
            logger.setLevel(level)


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Environment variables set for a while, where a person has not set them."""
    added = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _tracking_at(uri: str) -> Iterator[None]:
    """MLflow's own address for a while: it resolves `models:/` there, and remembers it in a variable."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None: as if it had never been set
