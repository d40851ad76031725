"""The main job on one machine: sample songs in, a registered model in service out, watched in Airflow and MLflow."""

import contextlib
import fcntl
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from mer_tasks.demo.api import Airflow, Task
from mer_tasks.demo.servers import ServerError, Servers, end_leftovers
from mer_tasks.demo.show import Progress, read_scores, score_table
from mer_tasks.demo.timings import Timings
from mer_tasks.domain import SAMPLE_COLLECTION
from mer_tasks.errors import InputError
from mer_tasks.pipeline import run_folder
from mer_tasks.settings import Machine, load_params
from mer_tasks.workspace import Workspace

DAG = "weekly_retrain"
SCORING = "score_tracks"
"""Runs by itself when the retraining has ended, and writes the mood board."""

POOLS = {"gpu": "Training: one slot a GPU", "downloads": "Fetching and cutting songs"}
SHOWN = (
    "logistic_regression",
    "neural_network",
    "resnet18",
    "cnn_gru",
    "valence_arousal",
    "musicnn_svm",
    "mean_of_four",
)
"""The models of params.yaml that it trains: the paper's three, and of what came after one of each kind."""

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


def run(project: Path, machine: Machine, once: bool = False) -> int:
    """Run the demo, stay up until Ctrl-C unless `once`, and return the exit code.

    It has a home and a registry of its own under `MER_HOME`, so that no synthetic song meets real ones. Whatever
    happens, every process that it started is gone when it returns.

    Raises:
        InputError: another demo is running with the same `MER_HOME`.
    """
    console, machine = Console(), demo_machine(machine)
    with _only_demo_in(machine.home):
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGHUP, _interrupt)
        end_leftovers(machine.home)
        with Servers(project, machine) as servers:
            return _attended(servers, console, once)


def demo_machine(machine: Machine) -> Machine:
    """The machine with what belongs to the demo alone: its home, and ResNet-18's random weights unless others are set."""
    weights = machine.resnet18_weights or "none"
    return machine.model_copy(update={"home": machine.home / "demo", "resnet18_weights": weights})


def _attended(servers: Servers, console: Console, once: bool) -> int:
    """The main job and, unless `once`, the wait for Ctrl-C; what stops it is printed, not thrown."""
    try:
        if not _main_job(servers, console):
            return 1
    except KeyboardInterrupt:
        console.print("\nEnding Airflow and MLflow …")
        return INTERRUPTED
    except (ServerError, httpx.HTTPError) as error:
        console.print("\n[red]The demo stopped.[/]")
        console.print(str(error), markup=False, highlight=False)
        return 1
    if not once:
        console.print("\nBoth stay up until Ctrl-C.")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                signal.pause()
        console.print("\nEnding Airflow and MLflow …")
    return 0


def _main_job(servers: Servers, console: Console) -> bool:
    """Start everything, retrain once and show what came out; whether all went well."""
    timings = Timings(servers.processes)
    airflow = Airflow(servers.airflow_url)
    with timings.step("songs and servers"):
        _start(servers, airflow, timings, console)
    console.print(_about_weights(servers.machine.resnet18_weights), highlight=False)
    known = load_params(servers.project / "params.yaml").models
    models = [model for model in SHOWN if model in known] or None
    run_id = airflow.trigger(DAG, {"collections": [SAMPLE_COLLECTION], "models": models})
    console.print(f"Retraining: run {run_id} of {DAG}", highlight=False)
    with timings.step("retraining"):
        failed = _watch(airflow, run_id, servers, timings, console)
    timings.write(servers.home / "demo-timings.json")
    for task in failed:
        console.print(f"\n[red]Task {task.label} failed.[/] The last lines of its log:", highlight=False)
        console.print(airflow.last_words(DAG, run_id, task), markup=False, highlight=False, soft_wrap=True)
    if not failed:
        _show_outcome(airflow, run_id, servers, console)
    return not failed


def _start(servers: Servers, airflow: Airflow, timings: Timings, console: Console) -> None:
    """Bring up Airflow and MLflow while the sample songs are written."""
    console.print(f"Airflow and MLflow are starting; their logs: {servers.home / 'logs'}", highlight=False)
    servers.start_job("sample-songs", "mer", "sample", log=False)
    servers.start_job("airflow-database", "airflow", "db", "migrate")
    with timings.step("airflow db migrate"):
        servers.finish("airflow-database", timeout_s=300)
    servers.start_airflow()
    servers.start_mlflow()
    with timings.step("servers, while songs are written"):
        servers.wait_until(airflow.is_up, "Airflow's API server", timeout_s=300)
        airflow.log_in()
        for dag in (DAG, SCORING):
            servers.wait_until(partial(airflow.knows, dag), f"parsing {dag}", timeout_s=300)
        servers.wait_until(lambda: _answers(f"{servers.mlflow_url}/health"), "MLflow's server", timeout_s=300)
    with timings.step("rest of the songs"):
        servers.finish("sample-songs", timeout_s=1800)
    airflow.give_up_unfinished(DAG)
    airflow.unpause(SCORING)
    for name, description in POOLS.items():
        airflow.add_pool(name, 1, description)


def _about_weights(weights: str | None) -> str:
    if weights == "none":
        return "ResNet-18 starts from random weights: no download in the demo."
    return f"ResNet-18 starts from MER_RESNET18_WEIGHTS: {weights}"


def _watch(airflow: Airflow, run_id: str, servers: Servers, timings: Timings, console: Console) -> list[Task]:
    """Show the run's tasks until it has ended; return those that failed."""
    state = "queued"
    with Progress(console) as progress:
        while state in ("queued", "running"):
            servers.pause(1)
            state = airflow.run_state(DAG, run_id)
            tasks = airflow.tasks(DAG, run_id)
            progress.show(tasks)
    for task in tasks:
        if task.start and task.end:
            timings.add(f"task {task.label}", task.start.timestamp(), task.end.timestamp())
    failed = [task for task in tasks if task.state == "failed"]
    if state != "success" and not failed:
        raise ServerError(f"run {run_id} ended as {state}, though no task failed; see {servers.airflow_url}")
    return failed


def _show_outcome(airflow: Airflow, run_id: str, servers: Servers, console: Console) -> None:
    """The scores, what is registered and in service, and where to look."""
    workspace = Workspace(run_folder(servers.home, run_id))
    console.print()
    console.print(score_table(read_scores(workspace, list(load_params(workspace.params_file).models))))
    version, decision = (airflow.result(DAG, run_id, task) for task in ("register", "promote"))
    name, number = version["name"], version["version"]
    outcome = (
        f"version {number} is {name}@champion" if decision["promoted"] else f"{name}@champion stays as it was"
    )
    for line in (
        f"Registered  {name} version {number} ({version['model']}) as {name}@{version['alias']}",
        f"Promoted    {outcome}: {decision['reason']}",
        f"Airflow     {servers.airflow_url}/dags/{DAG}/runs/{run_id}",
        f"MLflow      {version['version_page']}",
        f"Mood board  {servers.airflow_url}/plugin/mood-board, when {SCORING} has run",
        f"Ask it      MER_HOME={servers.home} mer predict SONG",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _only_demo_in(home: Path) -> Iterator[None]:
    """Hold `demo.lock`, which the system lets go when this process ends, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{home}: a demo is running there; end it with Ctrl-C, or set MER_HOME"
            ) from None
        yield
