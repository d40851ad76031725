"""The demo's parts, with real processes and a real HTTP server on the loopback interface."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest
from rich.console import Console

from mer_tasks import demo
from mer_tasks.demo.api import Airflow, Task
from mer_tasks.demo.servers import LOOPBACK, RECORD, ServerError, Servers, end_leftovers, free_port
from mer_tasks.demo.show import Progress, score_table
from mer_tasks.demo.timings import Timings
from mer_tasks.errors import InputError
from mer_tasks.settings import Machine

FAMILY = (
    "import os, signal, subprocess, sys, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "os.fork() or os.setpgid(0, 0);"  # as Airflow does with a task
    "print('up', flush=True); time.sleep(300)"
)
"""A server that does not listen to SIGTERM, and whose child is in another process group."""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(home=tmp_path / "home")


def family(servers: Servers) -> list[psutil.Process]:
    """Start FAMILY and return its two processes."""
    servers.start_server("family", "python", "-c", FAMILY)
    servers.wait_until(lambda: servers.log_of("family").read_text() == "up\nup\n", "family", timeout_s=30)
    _, parent, child = servers.processes()
    return [parent, child]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mer_tasks.demo.servers.GRACE_S", 0.5)


def test_every_process_is_gone_when_the_block_is_left(
    tmp_path: Path, machine: Machine, short_grace: None
) -> None:
    with Servers(tmp_path, machine) as servers:
        started = family(servers)
        assert alive(started) == started
    assert alive(started) == []
    assert not (machine.home / RECORD).exists()


def test_what_a_killed_demo_left_is_ended_by_the_next(
    tmp_path: Path, machine: Machine, short_grace: None
) -> None:
    servers = Servers(tmp_path, machine).__enter__()
    parent, child = family(servers)
    parent.kill()
    end_leftovers(machine.home)
    assert alive([child]) == []
    assert not (machine.home / RECORD).exists()


def test_another_process_with_a_recorded_id_is_left_alone(machine: Machine) -> None:
    machine.home.mkdir()
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        long_ago = psutil.Process(other.pid).create_time() - 1000
        (machine.home / RECORD).write_text(json.dumps({other.pid: long_ago}))
        end_leftovers(machine.home)
        assert other.poll() is None
        other.kill()


def test_a_server_that_ends_is_reported_with_its_last_words(tmp_path: Path, machine: Machine) -> None:
    with Servers(tmp_path, machine) as servers, pytest.raises(ServerError, match="no room") as error:
        servers.start_server("mlflow", "python", "-c", "raise SystemExit('no room')")
        servers.wait_until(lambda: False, "mlflow", timeout_s=30)
    assert str(error.value).startswith("mlflow ended (exit code 1)")


def test_a_job_may_end_and_a_late_one_is_named(tmp_path: Path, machine: Machine) -> None:
    with Servers(tmp_path, machine) as servers:
        servers.start_job("songs", "python", "-c", "")
        servers.finish("songs", timeout_s=30)
        servers.pause(0)
        servers.start_job("slow", "python", "-c", "import time; time.sleep(60)")
        with pytest.raises(ServerError, match="slow took more than 0 s"):
            servers.finish("slow", timeout_s=0)


def test_ports_that_are_taken_are_avoided() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port


def test_airflow_gets_nothing_of_another_one_and_keeps_its_secrets(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production/airflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://production")
    monkeypatch.setenv("MER_DATABASE_URL", "postgresql://production/catalog")
    first, second = (Servers(tmp_path, machine).environment for _ in range(2))
    assert "production" not in " ".join(first.values())
    secret = "AIRFLOW__API_AUTH__JWT_SECRET"
    assert first[secret] == second[secret]
    assert Servers(tmp_path, Machine(home=tmp_path / "other")).environment[secret] != first[secret]
    assert (machine.home / "airflow-secrets.json").stat().st_mode & 0o777 == 0o600
    assert first["AIRFLOW__API__BASE_URL"].startswith("http://127.0.0.1:")


def test_two_demos_do_not_share_a_home(tmp_path: Path, machine: Machine) -> None:
    home = demo.demo_machine(machine).home
    assert home.is_relative_to(machine.home) and home != machine.home  # nor does one share it with real songs
    with demo._only_demo_in(home), pytest.raises(InputError, match="a demo is running there"):
        demo.run(tmp_path, machine)


def test_sigterm_before_anything_is_up_leaves_nothing(tmp_path: Path, machine: Machine) -> None:
    """The real demo, ended while Airflow's database and the songs are being written."""
    code = (
        "import sys; from pathlib import Path; from mer_tasks.demo import run; from mer_tasks.settings import Machine;"
        "sys.exit(run(Path(sys.argv[1]), Machine(home=Path(sys.argv[2])), once=True))"
    )
    root = Path(__file__).parents[1]
    for name in ("dags", "params.yaml", "dvc.yaml"):
        (tmp_path / name).symlink_to(root / name)
    command = [sys.executable, "-c", code, str(tmp_path), str(machine.home)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        record = demo.demo_machine(machine).home / RECORD
        while not record.is_file() or len(json.loads(record.read_text())) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == demo.INTERRUPTED
    assert len(started) >= 2
    assert alive(started) == []
    assert not record.exists()


class Busy(BaseHTTPRequestHandler):
    """Answers 500 twice, then well; 409 for what is there; 422 for what is wrong."""

    asked = 0

    def do_GET(self) -> None:
        """Fail twice."""
        type(self).asked += 1
        self._answer(500 if self.asked < 3 else 200)

    def do_POST(self) -> None:
        """A pool that is there is no wrong one."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(409 if body["name"] == "gpu" else 422)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"state": "success"}')

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def busy() -> Iterator[Airflow]:
    server = ThreadingHTTPServer((LOOPBACK, 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Airflow(f"http://{LOOPBACK}:{server.server_port}")
    server.shutdown()


def test_what_may_pass_is_tried_again_and_what_is_wrong_is_not(busy: Airflow) -> None:
    assert busy.run_state("weekly_retrain", "one") == "success"
    assert Busy.asked == 3
    busy.add_pool("gpu", 1, "there already")
    with pytest.raises(httpx.HTTPStatusError, match="422"):
        busy.add_pool("", 1, "wrong")


def task(name: str, state: str, map_index: int = -1) -> Task:
    start = datetime(2026, 11, 22, tzinfo=UTC)
    end = None if state == "running" else start + timedelta(seconds=4.2)
    return Task(name, map_index, name, state, 1, None if state == "waiting" else start, end)


def test_outside_a_terminal_a_line_tells_of_each_start_and_end() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, width=80)) as progress:
        progress.show([task("snapshot", "waiting")])
        progress.show([task("snapshot", "running")])
        progress.show([task("snapshot", "running")])
        progress.show([task("snapshot", "success"), task("validate", "failed")])
    assert out.getvalue().splitlines() == [
        "  snapshot …",
        "  snapshot: success, 4.2 s",
        "  validate: failed, 4.2 s",
    ]


def test_in_a_terminal_the_tasks_are_a_table() -> None:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=80)) as progress:
        progress.show([task("snapshot", "success"), task("validate", "waiting")])
    for text in ("snapshot", "success", "4.2", "validate", "waiting"):
        assert text in out.getvalue()


def test_scores_say_on_what_songs_and_the_best_comes_first() -> None:
    score = {"accuracy_low": 0.5, "accuracy_high": 0.7, "macro_f1": 0.6, "n": 96, "reads": ["summary"]}
    score |= {"songs": "synthetic songs", "protocol": "grouped"}
    scores = {"resnet18": {**score, "accuracy": 0.6}, "neural_network": {**score, "accuracy": 0.612}}
    out = io.StringIO()
    Console(file=out, width=100).print(score_table(scores))
    lines = out.getvalue().splitlines()
    assert "synthetic songs" in lines[0]
    assert [name for line in lines for name in scores if name in line] == ["neural_network", "resnet18"]
    assert "0.500 to 0.700" in out.getvalue()


def test_timings_tell_seconds_and_memory_of_every_step(tmp_path: Path) -> None:
    timings = Timings(lambda: [psutil.Process(os.getpid())])
    with timings.step("waiting"):
        time.sleep(0.2)
    timings.write(tmp_path / "timings.json")
    measured = json.loads((tmp_path / "timings.json").read_text())
    assert list(measured) == ["whole", "waiting"]
    assert measured["waiting"]["seconds"] >= 0.2
    assert measured["whole"]["peak_mb"] > 10
