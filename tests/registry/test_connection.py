"""A service that is away is told from bad input, and MLflow leaves nothing changed behind."""

import logging
import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from requests import ConnectionError as NoConnection
from sqlalchemy.exc import OperationalError

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.connection import connected, experiment_id, explained
from mer_tasks.registry.lookup import find_version
from mer_tasks.settings import Machine
from tests.sources.charts.servers import resetting


@contextmanager
def answering(health: int, everything_else: int, content: bytes = b"<html>") -> Iterator[str]:
    """The address of a server that answers with these codes, and to all but its health with this content."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(health if self.path == "/health" else everything_else)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Location", "/again")
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def at(machine: Machine, uri: str) -> Machine:
    return machine.model_copy(update={"tracking_uri": uri})


def test_sqlite_under_home_is_created(machine: Machine) -> None:
    with connected(machine) as client:
        found = experiment_id(client, "mood", machine)
        assert experiment_id(client, "mood", machine) == found
        location = client.get_experiment(found).artifact_location
    assert location == (machine.home / "mlflow" / "artifacts").as_uri()
    assert (machine.home / "mlflow" / "mlflow.db").is_file()


@pytest.mark.parametrize(
    ("health", "kind"),
    [
        (503, UnavailableError),
        (429, UnavailableError),
        (408, UnavailableError),
        (404, InputError),
        (403, InputError),
        (302, InputError),
    ],
)
def test_a_server_s_answer_says_whether_to_try_again(
    machine: Machine, health: int, kind: type[Exception]
) -> None:
    with (
        answering(health, 200) as uri,
        pytest.raises(kind, match=r"^MLFLOW_TRACKING_URI: no MLflow server answers at http://127") as caught,
        connected(at(machine, uri)),
    ):
        pytest.fail("connected")
    assert type(caught.value) is kind and "\n" not in str(caught.value)


def test_no_server_is_away_and_no_password_is_shown(machine: Machine) -> None:
    with (
        pytest.raises(UnavailableError, match="ConnectError") as caught,
        connected(at(machine, "http://me:secret@127.0.0.1:9")),
    ):
        pytest.fail("connected")
    assert "secret" not in str(caught.value)


def test_an_address_of_no_kind_is_bad_input(machine: Machine) -> None:
    with (
        pytest.raises(InputError, match=r"check MLFLOW_TRACKING_URI"),
        connected(at(machine, "nosuch://x")) as client,
    ):
        client.search_experiments()


@pytest.mark.parametrize(
    ("code", "content", "kind"),
    [
        (503, b"<html>", UnavailableError),
        (500, b'{"detail": "down"}', UnavailableError),
        (408, b"", UnavailableError),
        (425, b"", UnavailableError),
        (429, b"{}", UnavailableError),
        (401, b'{"error": "log in"}', InputError),
        (403, b"<html>", InputError),
        (403, b'{"detail": "no"}', InputError),
        (404, b'{"x": 1}', InputError),
        (413, b"", InputError),
        (200, b"<html>log in", InputError),
        (200, b"[]", InputError),
    ],
)
def test_a_server_may_fail_later(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, code: int, content: bytes, kind: type[Exception]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with answering(200, code, content) as uri:
        with pytest.raises(kind, match=r"^MLflow at http://127"), connected(at(machine, uri)) as client:
            client.get_registered_model("mood")
        with pytest.raises(kind, match=r"http://127"):
            find_version(at(machine, uri), "models:/mood@champion")


@pytest.mark.parametrize("content", [b"{}", b'{"model_version": []}', b'{"model_version": {"version": "1"}}'])
def test_an_answer_of_another_shape_is_no_mlflow_server(machine: Machine, content: bytes) -> None:
    with (
        answering(200, 200, content) as uri,
        pytest.raises(InputError, match="is no MLflow server; check MLFLOW_TRACKING_URI"),
    ):
        find_version(at(machine, uri), "models:/mood@champion")


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
def test_a_connection_that_is_reset_is_away(machine: Machine, first: bytes) -> None:
    with resetting(first) as uri:
        with pytest.raises(UnavailableError, match="no MLflow server answers"), connected(at(machine, uri)):
            pytest.fail("connected")
        with pytest.raises(UnavailableError, match=r"does not answer \(ReadError\)"):
            find_version(at(machine, uri), "models:/mood@champion")


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("http://no-such-host.invalid", UnavailableError),
        ("http://me:secret@127.0.0.1:9", UnavailableError),
        ("http://me:secret@[::1", InputError),
        ("httpx://me:secret@host", InputError),
        ("http://", InputError),
    ],
)
def test_addresses_by_whether_somebody_may_answer_there(
    machine: Machine, uri: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught, connected(at(machine, uri)):
        pytest.fail("connected")
    with pytest.raises(kind) as found:
        find_version(at(machine, uri), "models:/mood@champion")
    assert "secret" not in f"{caught.value} {found.value}"


@pytest.mark.parametrize(
    ("error", "uri", "kind"),
    [
        (MlflowException("database is locked"), "sqlite:///x.db", UnavailableError),
        (MlflowException("unable to open database file"), "sqlite:///x.db", InputError),
        (MlflowException("could not connect"), "postgresql://me:secret@host/x", UnavailableError),
        (NoConnection("refused\nand more"), "http://host", UnavailableError),
        (OperationalError("", {}, OSError("Connection refused")), "postgresql://h/x", UnavailableError),
        (OperationalError("", {}, OSError("password authentication failed")), "postgresql://h/x", InputError),
        (OperationalError("", {}, OSError("database is locked")), "sqlite:///x.db", UnavailableError),
        (OperationalError("", {}, OSError("unable to open database file")), "sqlite:///x.db", InputError),
        (MlflowException.invalid_parameter_value("bad name"), "http://host", InputError),
    ],
)
def test_errors_by_whether_trying_again_may_help(error: Exception, uri: str, kind: type[Exception]) -> None:
    told = explained(error, uri, is_set=True)
    assert type(told) is kind
    assert "\n" not in str(told) and "secret" not in str(told)


def test_what_was_deleted_is_named_and_a_variable_that_nobody_set_is_not_blamed(
    machine: Machine, empty_registry: Path
) -> None:
    (machine.home / "mlflow").mkdir(parents=True)
    shutil.copy(empty_registry, machine.home / "mlflow")
    is_set = at(machine, machine.mlflow_uri)
    with connected(machine) as client:
        found = experiment_id(client, "mood", machine)
        client.delete_experiment(found)
    command = f"mlflow experiments restore -x {found}"
    for one, remedy in (
        (is_set, f"with {command}"),
        (machine, f"with MLFLOW_TRACKING_URI=sqlite:///.*/var/mlflow/mlflow[.]db {command}"),
    ):
        told = (
            f"^registration[.]experiment: mood was deleted in MLflow; restore it {remedy}, or write another"
        )
        with pytest.raises(InputError, match=told), connected(one) as client:
            experiment_id(client, "mood", one)
        with (
            pytest.raises(InputError, match=r"check .*what was asked, which may have been deleted") as caught,
            connected(one) as client,
        ):
            client.get_run("0" * 32)
        assert ("MLFLOW_TRACKING_URI" in str(caught.value)) == (one is is_set)
    with connected(machine) as client:
        client.restore_experiment(found)
        assert experiment_id(client, "mood", machine) == found


def test_nothing_is_changed_afterwards(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GIT_PYTHON_REFRESH", raising=False)
    before = (
        dict(os.environ),
        [logging.getLogger(name).level for name in ("mlflow", "alembic")],
        list(warnings.filters),
    )
    with pytest.raises(ZeroDivisionError), connected(machine):
        assert mlflow.get_tracking_uri() == machine.mlflow_uri
        raise ZeroDivisionError
    after = (
        dict(os.environ),
        [logging.getLogger(name).level for name in ("mlflow", "alembic")],
        list(warnings.filters),
    )
    assert after == before


def test_an_import_changes_nothing(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import logging, os, warnings\n"
        "import mlflow, mlflow.pyfunc, requests, httpx, mer_tasks.evaluation.result\n"
        "state = lambda: (dict(os.environ), {n: getattr(l, 'level', 0) for n, l in logging.root.manager.loggerDict.items()"
        " if n.startswith(('mlflow', 'alembic', 'mer'))}, len(warnings.filters))\n"
        "before = state()\n"
        "import mer_tasks.registry.connection, mer_tasks.registry.promotion, mer_tasks.registry.registration\n"
        "after = state()\n"
        "assert before[0] == after[0], (before[0], after[0])\n"
        "assert all(after[1][n] == level for n, level in before[1].items())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
