"""The way to MLflow: one client, and errors that tell a service that is away from bad input."""

import fcntl
import logging
import os
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import mlflow
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from mer_tasks.catalog.database import UNAVAILABLE
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.login import LOGIN_REMEDY, login
from mer_tasks.registry.reachable import check_server
from mer_tasks.settings import Machine
from mer_tasks.temporary import may_pass, status_may_pass
from mer_tasks.text import without_user

AWAY = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
"""Error codes of MLflow that are no fault of who asks."""

STATUS = re.compile(r"failed with error code (\d{3}) ")
"""How MLflow words a refusal that is not one of its own, such as a proxy's."""

NO_JSON = "not in a valid JSON format"
"""How it words an answer of something that is no MLflow server."""

SETTINGS = {
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is the command's, and may be JSON
}

IMPATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""For who would rather do without an answer than wait for it."""


@contextmanager
def connected(machine: Machine) -> Iterator[MlflowClient]:
    """A client of the MLflow server, or of SQLite under `machine.home`; MLflow's own calls go there too.

    Loggers, variables and MLflow's address are afterwards as they were.

    Raises:
        InputError: what answers is no MLflow server, or it refuses what was asked.
        UnavailableError: nothing answers there now, or only that it cannot.
    """
    with _no_warnings(), _tracking_at(machine.mlflow_uri), _client(machine, SETTINGS) as client:
        yield client


@contextmanager
def connected_aside(machine: Machine) -> Iterator[MlflowClient]:
    """The same for a thread beside the work: calls end within seconds, and what Python warns of is left alone.

    Raises:
        InputError: as `connected`.
        UnavailableError: as `connected`.
    """
    with _client(machine, SETTINGS | IMPATIENT) as client:
        yield client


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
    reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
    if _may_pass(error, uri):
        return UnavailableError(
            f"MLflow at {without_user(uri)}: cannot answer now ({reason}); try again later"
        )
    status = STATUS.search(reason)
    if status and status[1] in ("401", "403"):
        return InputError(f"MLflow at {without_user(uri)}: answers {status[1]}; {LOGIN_REMEDY}")
    remedy = "check MLFLOW_TRACKING_URI and what was asked" if is_set else "check what was asked"
    return InputError(
        f"MLflow at {without_user(uri)}: {reason}; {remedy}, which may have been deleted in MLflow"
    )


def _may_pass(error: Exception, uri: str) -> bool:
    """Whether MLflow may answer later what it did not answer now."""
    if uri.startswith("sqlite"):
        return "locked" in str(error)
    if isinstance(error, SQLAlchemyError):
        return any(part in str(error) for part in UNAVAILABLE)
    cause = error if isinstance(error, RequestException) else error.__cause__ or error.__context__
    if isinstance(cause, RequestException):
        return may_pass(cause)
    if found := STATUS.search(str(error)):
        return status_may_pass(int(found[1]))
    is_anothers = isinstance(error, RestException) and "error_code" not in error.json
    return getattr(error, "error_code", None) in AWAY and not is_anothers and NO_JSON not in str(error)


@contextmanager
def _client(machine: Machine, variables: Mapping[str, str]) -> Iterator[MlflowClient]:
    uri = machine.mlflow_uri
    check_server(uri)
    with _quiet_loggers(), _variables(variables):
        try:
            yield _open(machine)
        except (MlflowException, RequestException, SQLAlchemyError) as error:
            raise explained(error, uri, machine.tracking_uri is not None) from error


def _open(machine: Machine) -> MlflowClient:
    """A client; the tables of a database on this machine are made by one process at a time, as MLflow's would clash."""
    uri = machine.mlflow_uri
    if uri.startswith("http"):
        login()  # a file that MLflow cannot read is one line
        return MlflowClient(uri, uri)
    folder = machine.home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)  # the folder itself: who may only read needs no file of its own
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return MlflowClient(uri, uri)
    finally:
        os.close(lock)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """MLflow warns of its guesses; none of it is for whoever runs `mer`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="mlflow")
        yield


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Nor are the migrations and downloads that it reports."""
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in ("mlflow", "alembic")}
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
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
