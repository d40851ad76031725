"""From a version's address to its files, without importing MLflow where that can be: its import costs seconds.

MLflow's documented REST API answers for servers, its tables for SQLite; MLflow itself for everything else.
"""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.login import LOGIN_REMEDY, login
from mer_tasks.registry.process import DESCRIPTION, VersionError, check_files
from mer_tasks.settings import Machine
from mer_tasks.text import without_user

if TYPE_CHECKING:
    import httpx

SEAL = "mer.version"
"""The tag of a version with the SHA-256 of its `version.json`, which has those of all its files."""

ADDRESS = re.compile(r"models:/(?P<name>[^/@:]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")

OTHER_LOGINS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH")
"""With one of these MLflow itself is asked: it knows every way to log in."""

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for a model or version that is not there, and for an alias that is not."""

READY = "READY"
"""The status of a version that is registered; others are pending or failed."""

DELETED = "Deleted_Internal"
"""The stage of a version that was deleted; its row stays."""


@dataclass(frozen=True)
class FoundVersion:
    """A version in the registry: its name and number, where its files are, and the hash that seals them."""

    name: str
    number: str
    location: str
    seal: str | None

    def __str__(self) -> str:
        """How errors call it."""
        return f"{self.name} version {self.number}"

    @property
    def model_id(self) -> str:
        """The id of its files: MLflow's, or a hash of where they are."""
        found = re.search(r"m-[0-9a-f]{32}", self.location)
        return found[0] if found else sha256(self.location.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _Address:
    text: str
    name: str
    alias: str | None
    number: str | None

    def absent(self, why: str = "no such version") -> InputError:
        return InputError(f"{self.text}: {why}; run mer register and mer promote, or name another model")

    def dangling(self, number: str) -> InputError:
        return InputError(
            f"{self.text}: is version {number}, which was deleted in MLflow; put another one there with"
            " mer rollback, or mer promote --version N --force"
        )

    def found(self, number: str, location: str, seal: str | None, status: str | None) -> "FoundVersion":
        """The version, unless MLflow has not registered it to the end."""
        if status not in (None, READY):
            raise InputError(
                f"{self.text}: version {number} is {status} in MLflow; delete it there and run mer register,"
                " or name another one"
            )
        return FoundVersion(self.name, number, location, seal)


def find_version(machine: Machine, uri: str) -> FoundVersion:
    """The version at `models:/NAME@ALIAS` or `models:/NAME/NUMBER`.

    Raises:
        InputError: the address is none, there is no such version, or it was deleted.
        UnavailableError: MLflow cannot be reached now.
    """
    match = ADDRESS.fullmatch(uri)
    if not match:
        raise InputError(f"{uri}: not a model's address; write models:/NAME@ALIAS or models:/NAME/NUMBER")
    address = _Address(uri, match["name"], match["alias"], match["number"])
    if any(os.environ.get(name) for name in OTHER_LOGINS):
        return _ask_mlflow(machine, address)
    if machine.mlflow_uri.startswith("http"):
        return _ask_server(machine.mlflow_uri, address)
    if machine.mlflow_uri.startswith("sqlite:///"):
        return _ask_sqlite(machine, address)
    return _ask_mlflow(machine, address)


def champion_id(machine: Machine, name: str) -> str | None:
    """The `model_id` of a model's version in service; None where there is none.

    Raises:
        UnavailableError: MLflow cannot be reached now.
    """
    try:
        return find_version(machine, f"models:/{name}@champion").model_id
    except InputError:
        return None


def has_champion(machine: Machine, name: str) -> bool:
    """Whether a version of a model is in service.

    Raises:
        UnavailableError: MLflow cannot be reached now.
    """
    return champion_id(machine, name) is not None


def fetch_version(machine: Machine, found: FoundVersion) -> Path:
    """The folder with a version's files, checked: its own where it is on this machine, else a copy kept under `home`.

    Raises:
        InputError: the files are gone, altered, or were not registered by mer.
        UnavailableError: the place where they are cannot be reached now.
    """
    folder = _local_folder(found.location)
    if folder is None or not folder.is_dir():
        folder = machine.home / "mlflow" / "versions" / found.model_id
        _fetch_copy(machine, found, folder)
    check_seal(found, folder)
    return folder


def _fetch_copy(machine: Machine, found: FoundVersion, folder: Path) -> None:
    """Fetch a version's files where they are not yet, or no longer whole."""
    if folder.is_dir():
        try:
            check_seal(found, folder)
        except InputError:
            shutil.rmtree(folder)
    if not folder.is_dir():
        _download(machine, found, folder)


def check_seal(found: FoundVersion, folder: Path) -> None:
    """Compare a version's files with what was registered.

    Raises:
        InputError: they are not those.
    """
    description = folder / DESCRIPTION
    if not description.is_file():
        raise InputError(
            f"{found}: was not registered by this mer, {folder} has no {DESCRIPTION}; name another one"
        )
    if found.seal is not None and sha256(description.read_bytes()).hexdigest() != found.seal:
        raise InputError(
            f"{found}: {description} was altered after it was registered; delete the version in MLflow, then run mer register"
        )
    try:
        check_files(folder)
    except VersionError as error:
        raise InputError(f"{found}: {error}") from error


def _ask_sqlite(machine: Machine, address: _Address) -> FoundVersion:
    path = Path(unquote(machine.mlflow_uri.removeprefix("sqlite:///").partition("?")[0])).absolute()
    if not path.is_file():
        raise address.absent(f"nothing is registered, there is no {path}")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            return _read_tables(connection, address)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise UnavailableError(f"{path}: is busy ({error}); try again later") from error
        return _ask_mlflow(machine, address)  # tables of another version of MLflow
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: not MLflow's database ({error}); check MLFLOW_TRACKING_URI") from error


def _read_tables(connection: sqlite3.Connection, address: _Address) -> FoundVersion:
    number = address.number
    if number is None:
        row = connection.execute(
            "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ? AND workspace = 'default'",
            (address.name, address.alias),
        ).fetchone()
        if row is None:
            raise address.absent()
        number = str(row[0])
    row = connection.execute(
        "SELECT COALESCE(storage_location, source), current_stage, status FROM model_versions"
        " WHERE name = ? AND version = ? AND workspace = 'default'",
        (address.name, int(number)),
    ).fetchone()
    if row is None or row[1] == DELETED:
        raise address.absent() if address.alias is None else address.dangling(number)
    seal = connection.execute(
        "SELECT value FROM model_version_tags"
        " WHERE name = ? AND version = ? AND key = ? AND workspace = 'default'",
        (address.name, int(number), SEAL),
    ).fetchone()
    return address.found(number, row[0], seal[0] if seal else None, row[2])


def _ask_server(uri: str, address: _Address) -> FoundVersion:
    import httpx

    from mer_tasks.temporary import may_pass

    where = f"MLflow at {without_user(uri)}"
    try:
        if not httpx.URL(uri).host:
            raise httpx.UnsupportedProtocol("no host")
        base_url = f"{uri.rstrip('/')}/api/2.0/mlflow/"
        with httpx.Client(base_url=base_url, auth=login(), timeout=30) as client:
            return _read_server(client, address, where)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        problem = f"{where}: does not answer ({type(error).__name__})"
        if may_pass(error):
            raise UnavailableError(f"{problem}; start it, or try again later") from error
        raise InputError(f"{problem}; check MLFLOW_TRACKING_URI") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: is no MLflow server; check MLFLOW_TRACKING_URI") from error


def _read_server(client: "httpx.Client", address: _Address, where: str) -> FoundVersion:
    if address.alias is not None:
        query = {"name": address.name, "alias": address.alias}
        found = _get(client, "registered-models/alias", query, address, where)["model_version"]
    else:
        query = {"name": address.name, "version": str(address.number)}
        found = _get(client, "model-versions/get", query, address, where)["model_version"]
    query = {"name": address.name, "version": str(found["version"])}
    location = _get(client, "model-versions/get-download-uri", query, address, where)["artifact_uri"]
    tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
    return address.found(query["version"], str(location), tags.get(SEAL), found.get("status"))


def _get(
    client: "httpx.Client", path: str, query: Mapping[str, str], address: _Address, where: str
) -> dict[str, Any]:
    """The server's answer, an object; errors as `mer` has them."""
    from mer_tasks.temporary import status_may_pass

    response = client.get(path, params=query)
    if status_may_pass(response.status_code):
        raise UnavailableError(f"{where}: answers {response.status_code} now; try again later")
    if response.status_code in (401, 403):
        raise InputError(f"{where}: answers {response.status_code}; {LOGIN_REMEDY}")
    answer: dict[str, Any] = response.json()
    if response.status_code >= 400:
        raise _refusal(answer, address, where)
    return answer


def _refusal(answer: Mapping[str, Any], address: _Address, where: str) -> InputError:
    """What a server that does not give what was asked for means."""
    message = " ".join(str(answer.get("message")).split())
    if deleted := re.search(r"Model Version \(name=.*, version=(\d+)\) not found", message):
        return address.absent() if address.alias is None else address.dangling(deleted[1])
    if answer.get("error_code") in ABSENT:
        return address.absent()
    return InputError(f"{where}: refuses ({message[:150]}); check MLFLOW_TRACKING_URI")


def _ask_mlflow(machine: Machine, address: _Address) -> FoundVersion:
    from mer_tasks.registry.aliases import Aliases
    from mer_tasks.registry.connection import connected

    with connected(machine) as client:
        number = address.number or Aliases(client, address.name).number_at(str(address.alias))
        if number is None:
            raise address.absent()
        found = Aliases(client, address.name).version(number)
        location = client.get_model_version_download_uri(address.name, number)
    return address.found(number, location, found.tags.get(SEAL), found.status)


def _local_folder(location: str) -> Path | None:
    """The folder that a location on this machine names."""
    parts = urlparse(location)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(location) if not parts.scheme else None


def _download(machine: Machine, found: FoundVersion, folder: Path) -> None:
    """Copy a version's files to `folder`, which is there as a whole or not at all."""
    import mlflow.artifacts

    from mer_tasks.registry.connection import connected
    from mer_tasks.temporary import may_pass

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder.parent) as temporary:
        with connected(machine):
            address, copy = f"models:/{found.name}/{found.number}", Path(temporary, "version")
            copy.mkdir()
            try:
                mlflow.artifacts.download_artifacts(address, dst_path=str(copy))
            except OSError as error:  # which all of requests' errors are
                problem = f"{found}: its files at {found.location} cannot be had"
                if may_pass(error):
                    raise UnavailableError(f"{problem} now ({error}); try again later") from error
                raise InputError(f"{problem} ({error}); see whether they are still there") from error
        check_seal(found, copy)
        try:
            copy.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was first
                raise
