"""The demo's servers: Airflow and MLflow on this machine only, each in a session of its own."""

import base64
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from mer_tasks.files import write_text
from mer_tasks.settings import Machine

PROGRAMS = Path(sys.executable).parent
LOOPBACK = "127.0.0.1"
RECORD = "demo.pids"
GRACE_S = 5.0
"""How long a server may take to end by itself."""


class ServerError(Exception):
    """A server did not come up, or ended; the message names it and holds the last it printed."""


class Servers:
    """The processes of one demo: started one by one, all gone when the block is left.

    Each is the leader of a session, so that whatever it starts can be found and ended with it. Their ids are
    written to `demo.pids`, for `end_leftovers`.
    """

    def __init__(self, project: Path, machine: Machine) -> None:
        """Choose ports and what the servers need to know; start nothing."""
        self.project, self.machine, self.home = project, machine, machine.home
        self._record = machine.home / RECORD
        self.airflow_url = f"http://{LOOPBACK}:{free_port(8080)}"
        self.mlflow_url = f"http://{LOOPBACK}:{free_port(5000)}"
        self.environment = _environment(project, machine, self.airflow_url, self.mlflow_url)
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._jobs: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Begin; nothing runs yet."""
        (self.home / "logs").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process that was started, and all that those started."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # impatience must not leave one behind
        children = {child.pid: child.create_time() for child in psutil.Process().children()}
        end_sessions({**_recorded(self._record), **children})
        for process in [*self._servers.values(), *self._jobs.values()]:
            process.wait()
        self._record.unlink(missing_ok=True)
        signal.signal(signal.SIGINT, before)

    def start_job(self, name: str, *command: str, log: bool = True) -> None:
        """Start a program that ends by itself; its output goes to `logs/<name>.log`, or to the terminal."""
        self._jobs[name] = self._spawn(name, command, log)

    def start_server(self, name: str, *command: str) -> None:
        """Start a program that stays up; its output goes to `logs/<name>.log`."""
        self._servers[name] = self._spawn(name, command, log=True)

    def start_mlflow(self) -> None:
        """Start the MLflow server; its files are where `mer` without a server looks for them as well."""
        folder = self.home / "mlflow"
        folder.mkdir(exist_ok=True)
        self.start_server(
            "mlflow",
            "mlflow",
            "server",
            *("--host", LOOPBACK, "--port", self.mlflow_url.rpartition(":")[2], "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
            *("--default-artifact-root", (folder / "artifacts").as_uri(), "--no-serve-artifacts"),
        )

    def start_airflow(self) -> None:
        """Start Airflow's four components; its database must be there."""
        port = self.airflow_url.rpartition(":")[2]
        self.start_server(
            "api-server", "airflow", "api-server", "--host", LOOPBACK, "--port", port, "--workers", "1"
        )
        self.start_server("scheduler", "airflow", "scheduler", "--skip-serve-logs")
        self.start_server("dag-processor", "airflow", "dag-processor")
        self.start_server("triggerer", "airflow", "triggerer", "--skip-serve-logs")

    def finish(self, name: str, timeout_s: float) -> None:
        """Wait until a job has ended.

        Raises:
            ServerError: it failed or took longer, or a server ended.
        """
        self.wait_until(lambda: self._jobs[name].poll() is not None, name, timeout_s)

    def wait_until(self, ready: Callable[[], bool], what: str, timeout_s: float) -> None:
        """Wait until something is ready.

        Raises:
            ServerError: it took longer, a server ended, or a job failed.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.pause(0.3)
            if time.monotonic() > deadline:
                raise ServerError(f"{what} took more than {timeout_s:.0f} s; see {self.home / 'logs'}")
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Wait a moment.

        Raises:
            ServerError: a server ended, or a job failed.
        """
        time.sleep(seconds)
        for name, process in [*self._servers.items(), *self._jobs.items()]:
            if process.poll() or (process.returncode == 0 and name in self._servers):
                printed = "\n".join(self.log_of(name).read_text(errors="replace").splitlines()[-15:])
                raise ServerError(f"{name} ended (exit code {process.returncode})\n{printed}")

    def log_of(self, name: str) -> Path:
        """The file that holds what a program printed."""
        return self.home / "logs" / f"{name}.log"

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to the demo, itself included."""
        return [psutil.Process(), *_members(_recorded(self._record))]

    def _spawn(self, name: str, command: tuple[str, ...], log: bool) -> subprocess.Popen[bytes]:
        with self.log_of(name).open("wb") as file:
            process = subprocess.Popen(
                [PROGRAMS / command[0], *command[1:]],
                cwd=self.project,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file if log else None,
                stderr=subprocess.STDOUT if log else None,
                start_new_session=True,
            )
        record = {**_recorded(self._record), process.pid: psutil.Process(process.pid).create_time()}
        write_text(self._record, json.dumps(record))
        return process


def free_port(preferred: int) -> int:
    """The preferred port of the loopback interface if it is free, else any free one."""
    try:
        probe = socket.create_server((LOOPBACK, preferred))
    except OSError:
        probe = socket.create_server((LOOPBACK, 0))
    with probe:
        return int(probe.getsockname()[1])


def end_leftovers(home: Path) -> None:
    """End what a demo left behind that was itself killed."""
    end_sessions(_recorded(home / RECORD))
    (home / RECORD).unlink(missing_ok=True)


def end_sessions(sessions: dict[int, float]) -> None:
    """End every process of these sessions: asked first, killed when they do not end."""
    for process in _members(sessions):
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while _members(sessions) and time.monotonic() < deadline:
        time.sleep(0.1)
    while left := _members(sessions):
        for process in left:
            _signal(process, signal.SIGKILL)
        time.sleep(0.1)


def _members(sessions: dict[int, float]) -> list[psutil.Process]:
    """The living processes of the sessions, given as the id and start time of each one's leader."""
    ours = {pid for pid, started in sessions.items() if not _used_again(pid, started)}
    return [process for process in psutil.process_iter() if _session(process) in ours and _lives(process)]


def _used_again(pid: int, started: float) -> bool:
    """Whether a process with this id is another one, younger than that which was written down."""
    try:
        return abs(psutil.Process(pid).create_time() - started) > 1
    except psutil.NoSuchProcess:
        return False


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _recorded(file: Path) -> dict[int, float]:
    """The sessions written down in `demo.pids`: the id and start time of each one's leader."""
    if not file.is_file():
        return {}
    return {int(pid): started for pid, started in json.loads(file.read_text()).items()}


def _environment(project: Path, machine: Machine, airflow_url: str, mlflow_url: str) -> dict[str, str]:
    """This process's variables without other Airflow, MLflow or catalog settings, and with the demo's own."""
    foreign = ("AIRFLOW", "MLFLOW", "MER_DATABASE_URL")
    home = machine.home / "airflow"
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", os.defpath)]),
        "MER_HOME": str(machine.home),
        **({"MER_RESNET18_WEIGHTS": machine.resnet18_weights} if machine.resnet18_weights else {}),
        "MLFLOW_TRACKING_URI": mlflow_url,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a third of the memory
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(project / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "true",  # no log-in: only this machine reaches it
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow_url}/execution/",
        "AIRFLOW__API__BASE_URL": airflow_url,
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",  # these two: short tasks do not wait
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
        **_secrets(machine.home / "airflow-secrets.json"),
    }


def _secrets(file: Path) -> dict[str, str]:
    """Airflow's keys, drawn once and kept in a file that only its owner reads."""
    if not file.is_file():
        keys = {
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(48),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent)  # mkstemp: mode 600 from the start
        os.write(handle, json.dumps(keys).encode())
        os.close(handle)
        Path(name).replace(file)
    return dict(json.loads(file.read_text()))
