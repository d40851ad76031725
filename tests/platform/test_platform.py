"""The services of docker-compose.yml, built and started for real: `make test-platform`.

The tests run in this order: each goes on from the state that the one before it left.
"""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

ROOT = Path(__file__).parents[2]
QUICK = {"models": ["musicnn_svm", "logistic_regression"], "size": "quick"}
DATABASES = {"airflow", "catalog", "mlflow", "results"}

pytestmark = [pytest.mark.platform, pytest.mark.timeout(3600)]


class Platform:
    """An installation in a folder of its own: its commands, Airflow's API and MLflow's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "docker" / "secrets"
        self.ports = {"AIRFLOW_PORT": _free_port(), "MLFLOW_PORT": _free_port()}
        lines = [f"{name}={value}" for name, value in self.ports.items()]
        (folder / ".env").write_text(
            "\n".join(["COMPOSE_PROJECT_NAME=mer-test-platform", "MER_RESNET18_WEIGHTS=none", *lines, ""])
        )

    def run(self, *command: str, check: bool = True) -> str:
        """What a command of the project's folder prints."""
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def mer(self, *arguments: str) -> str:
        """What a `mer` command prints in a worker."""
        return self.run("docker/compose", "exec", "-T", "worker", "mer", *arguments)

    def sql(self, query: str, role: str = "postgres", database: str = "postgres") -> str:
        """The answer of PostgreSQL, one row a line."""
        psql = (
            "psql",
            "--username",
            role,
            "--dbname",
            database,
            "--tuples-only",
            "--no-align",
            "--command",
            query,
        )
        return self.run("docker/compose", "exec", "-T", "postgres", *psql)

    def airflow(self, method: str, path: str, body: object = None) -> Any:
        """An answer of Airflow's API to its first user."""
        page = f"http://127.0.0.1:{self.ports['AIRFLOW_PORT']}"
        password = (self.secrets / "airflow_admin_password").read_text()
        token = _ask("POST", f"{page}/auth/token", {"username": "admin", "password": password})[
            "access_token"
        ]
        return _ask(method, f"{page}/api/v2/{path}", body, f"Bearer {token}")

    def trigger(self, **conf: object) -> str:
        """Start weekly_retrain and return the run's id."""
        run = self.airflow(
            "POST", "dags/weekly_retrain/dagRuns", {"logical_date": None, "conf": QUICK | conf}
        )
        return str(run["dag_run_id"])

    def tasks(self, run: str) -> dict[str, dict[str, Any]]:
        """The newest try of each task of a run, a mapped one by its name and index."""
        found = self.airflow("GET", f"dags/weekly_retrain/dagRuns/{run}/taskInstances?limit=200")[
            "task_instances"
        ]
        return {f"{one['task_id']}{one['map_index'] if one['map_index'] >= 0 else ''}": one for one in found}

    def until(
        self, run: str, holds: Callable[[dict[str, dict[str, Any]]], bool], seconds: float = 1500
    ) -> None:
        """Wait until the tasks of a run are in some state."""
        end = time.monotonic() + seconds
        while not holds(tasks := self.tasks(run)):
            states = {name: one["state"] for name, one in tasks.items()}
            assert time.monotonic() < end, states
            time.sleep(1)

    def ended(self, run: str, seconds: float = 1800) -> str:
        """The state in which a run ends."""
        end = time.monotonic() + seconds
        while (state := self.airflow("GET", f"dags/weekly_retrain/dagRuns/{run}")["state"]) in {
            "queued",
            "running",
        }:
            assert time.monotonic() < end, {name: one["state"] for name, one in self.tasks(run).items()}
            time.sleep(2)
        return str(state)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@retry(retry=retry_if_exception_type(OSError), wait=wait_fixed(2), stop=stop_after_attempt(60), reraise=True)
def _ask(method: str, url: str, body: object = None, authorization: str = "") -> Any:
    """The JSON that a URL answers; a server that is being started is asked again."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": authorization} if authorization else {}
    )
    try:
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code >= 500 or error.code == 401:  # whose database is away knows no one
            raise
        raise AssertionError(f"{method} {url}: {error.code} {error.read().decode()[:500]}") from error


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The services, started by `make up` from a copy of the project; their volumes go at the end."""
    folder = tmp_path_factory.mktemp("platform") / "project"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    it = Platform(folder)
    try:
        yield it
    finally:
        it.run("docker/compose", "down", "--volumes", "--timeout", "5", check=False)


def test_up_says_where_the_pages_are(platform: Platform) -> None:
    said = platform.run("make", "up")
    assert f"http://127.0.0.1:{platform.ports['AIRFLOW_PORT']}" in said
    assert f"http://127.0.0.1:{platform.ports['MLFLOW_PORT']}" in said
    assert platform.airflow("GET", "version")["version"]
    password = (platform.secrets / "airflow_admin_password").read_text()
    assert password and password not in said


def test_mlflow_asks_who_one_is(platform: Platform) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        url = f"http://127.0.0.1:{platform.ports['MLFLOW_PORT']}/api/2.0/mlflow/experiments/search?max_results=1"
        urllib.request.urlopen(url, timeout=30)
    assert refused.value.code == 401
    assert "problem" not in platform.mer("doctor").lower()


def test_no_secret_can_be_seen_from_outside(platform: Platform) -> None:
    ids = platform.run("docker/compose", "ps", "-q").split()
    seen = platform.run("docker/compose", "config") + platform.run("docker", "inspect", *ids)
    seen += platform.run("docker/compose", "logs", "--no-color")
    for file in platform.secrets.iterdir():
        for word in file.read_text().replace("@", " ").replace(":", " ").split():
            assert len(word) < 20 or word.startswith("mlflow_tracking_") or word not in seen, file.name


def test_a_role_is_no_superuser_and_reaches_its_own_database_alone(platform: Platform) -> None:
    roles = platform.sql(
        "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolcanlogin"
    )
    assert sorted(roles.split()) == sorted([*(f"{name}|f|f|f" for name in DATABASES), "postgres|t|t|t"])
    assert_databases_are_closed(platform)


def assert_databases_are_closed(platform: Platform) -> None:
    """See that each role can connect to its own database and to no other's."""
    reached = platform.sql(
        "SELECT rolname, datname FROM pg_roles, pg_database WHERE rolcanlogin AND NOT rolsuper "
        "AND datname <> 'template0' AND has_database_privilege(rolname, datname, 'CONNECT') "
        "AND datname NOT IN ('postgres', 'template1')"
    )
    assert {tuple(line.split("|")) for line in reached.split()} == {(name, name) for name in DATABASES}


def test_the_databases_take_every_letter(platform: Platform) -> None:
    encodings = platform.sql("SELECT datname, pg_encoding_to_char(encoding) FROM pg_database")
    assert {f"{name}|UTF8" for name in DATABASES} <= set(encodings.split())


def test_a_run_goes_from_songs_to_a_model_in_service(platform: Platform) -> None:
    platform.mer("sample")
    platform.airflow("PATCH", "dags/weekly_retrain", {"is_paused": False})
    run = platform.trigger()
    assert platform.ended(run) == "success", {name: one["state"] for name, one in platform.tasks(run).items()}
    assert {one["queue"] for one in platform.tasks(run).values()} >= {"default"}
    assert "champion" in platform.mer("ledger")
    found = platform.run(
        "docker/compose",
        "exec",
        "-T",
        "worker",
        "sh",
        "-c",
        "mer predict $(ls -d /var/lib/mer/clips/*/* | head -1)",
    )
    assert any(mood in found for mood in ("sad", "happy", "energetic", "calm"))


def test_a_run_survives_what_happens_to_its_services(platform: Platform) -> None:
    """PostgreSQL is started again in mid-run, a worker is killed while it trains, and all of it is stopped and started."""
    run = platform.trigger(models=["musicnn_svm", "neural_network"], size="full")
    _until_running(platform, run, "features")
    platform.run("docker/compose", "restart", "--timeout", "5", "postgres")
    _until_running(platform, run, "train")
    platform.run("docker/compose", "kill", "worker")
    platform.run("docker/compose", "up", "-d", "--no-deps", "worker")
    platform.until(
        run,
        lambda tasks: any(
            name.startswith("train") and one["state"] == "success" for name, one in tasks.items()
        ),
    )
    platform.run("make", "down")
    platform.run("make", "up")
    assert platform.ended(run) == "success", {name: one["state"] for name, one in platform.tasks(run).items()}


def _until_running(platform: Platform, run: str, task: str) -> None:
    platform.until(
        run,
        lambda tasks: any(name.startswith(task) and one["state"] == "running" for name, one in tasks.items()),
    )


def test_what_is_backed_up_comes_back(platform: Platform) -> None:
    count = ("SELECT count(*) FROM tracks", "postgres", "catalog")
    ledger, songs = platform.mer("ledger"), platform.sql(*count)
    runs = platform.airflow("GET", "dags/weekly_retrain/dagRuns")["total_entries"]
    listed = "find /var/lib/mer/clips /opt/airflow/logs -type f | sort | xargs sha256sum"
    files = platform.run("docker/compose", "exec", "-T", "worker", "sh", "-c", listed)
    platform.run("docker/backup", "backup")
    assert (platform.folder / "backup" / "mlflow.tar").stat().st_size > 100_000
    platform.run("docker/compose", "down", "--volumes", "--timeout", "5")
    platform.run("docker/restore", "backup")
    assert_databases_are_closed(platform)
    assert (platform.mer("ledger"), platform.sql(*count)) == (ledger, songs)
    assert platform.airflow("GET", "dags/weekly_retrain/dagRuns")["total_entries"] >= runs
    again = platform.run("docker/compose", "exec", "-T", "worker", "sh", "-c", listed)
    assert set(files.splitlines()) <= set(again.splitlines())
    platform.mer(
        "predict",
        *platform.run(
            "docker/compose", "exec", "-T", "worker", "sh", "-c", "ls -d /var/lib/mer/clips/*/* | head -1"
        ).split(),
    )
    refused = subprocess.run(
        ["docker/restore", "backup"], cwd=platform.folder, check=False, capture_output=True, text=True
    )
    assert refused.returncode == 2 and "--replace" in refused.stderr.splitlines()[-1]


def test_secrets_are_changed_while_all_of_it_stands(platform: Platform) -> None:
    names = [file.name for file in platform.secrets.iterdir() if file.name.endswith("_database_url")]
    names += [
        "postgres_password",
        "broker_url",
        "airflow_jwt_secret",
        "airflow_secret_key",
        "mlflow_secret_key",
    ]
    before = {name: (platform.secrets / name).read_text() for name in names}
    platform.run("docker/rotate", *names)
    assert not [name for name in names if (platform.secrets / name).read_text() == before[name]]
    run = platform.trigger()
    assert platform.ended(run) == "success"


def test_down_keeps_the_data(platform: Platform) -> None:
    ledger = platform.mer("ledger")
    platform.run("make", "down")
    assert not platform.run("docker/compose", "ps", "-q").split()
    platform.run("make", "up")
    assert platform.mer("ledger") == ledger
