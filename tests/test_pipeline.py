"""Workspaces: real `dvc` in small projects, with the real params.yaml."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mer_tasks import layout
from mer_tasks.catalog.database import Catalog
from mer_tasks.domain import InputError
from mer_tasks.files import sha256_of
from mer_tasks.settings import Machine, load_params
from mer_tasks.workspace import CommandError, create_workspace, prune_workspaces, reproduce, run, run_folder

ROOT = Path(__file__).parents[1]

STAGES = """\
stages:
  snapshot:
    cmd: echo ran >> {log}; cp data/catalog.revision data/snapshot; echo made the snapshot
    deps:
      - data/catalog.revision
    params:
      - snapshot
    outs:
      - data/snapshot
  slow:
    cmd: touch begun; sleep 60
    deps:
      - data/snapshot
    outs:
      - data/slow
  wrong:
    cmd: 'echo "mer: songs.csv: no such file; give another" >&2; exit 2'
    deps:
      - data/snapshot
  broken:
    cmd: 'echo "RuntimeError: out of memory" >&2; exit 1'
    deps:
      - data/snapshot
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in [name for name in os.environ if name.startswith("MER_")]:
        monkeypatch.delenv(name)
    return Machine(home=tmp_path / "home")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the real settings and stages that are done in no time."""
    project = tmp_path / "project"
    (project / ".dvc").mkdir(parents=True)
    (project / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (project / "dvc.yaml").write_text(STAGES.format(log=tmp_path / "log"), encoding="utf-8")
    return project


def runs_of_snapshot(project: Path) -> int:
    return len((project.parent / "log").read_text().splitlines())


def test_a_run_id_becomes_one_safe_folder(tmp_path: Path) -> None:
    ids = ["manual__2026-11-22T19:00:00+00:00", "a/b", "a_b", "../..", "..", "x" * 250, "y\n"]
    folders = [run_folder(tmp_path, run_id) for run_id in ids]
    assert len(set(folders)) == len(ids)
    assert {folder.parent for folder in folders} == {tmp_path / "runs"}
    assert all(
        folder.name.isascii() and len(folder.name) < 100 and "." not in folder.name for folder in folders
    )
    assert run_folder(tmp_path, ids[0]) == folders[0]


def test_a_workspace_has_the_settings_of_its_run_and_keeps_the_comments(
    project: Path, machine: Machine
) -> None:
    overrides = {
        "snapshot.as_of": "2026-11-22",
        "train.models": ["neural_network"],
        "resnet18.weights": "none",
    }
    workspace = create_workspace(project, machine.home / "runs" / "one", overrides, machine)
    params, before = load_params(workspace / "params.yaml"), load_params(project / "params.yaml")
    assert str(params.snapshot.as_of) == "2026-11-22"
    assert params.train.models == ("neural_network",)
    changed = ("snapshot", "train", "resnet18")
    assert params.model_copy(update={name: getattr(before, name) for name in changed}) == before
    written = (workspace / "params.yaml").read_text(encoding="utf-8")
    comments = [
        line.split("#")[1] for line in (project / "params.yaml").read_text().splitlines() if "#" in line
    ]
    assert comments
    assert [comment for comment in comments if comment not in written] == []
    assert (workspace / "dvc.yaml").read_bytes() == (project / "dvc.yaml").read_bytes()
    revision = (workspace / layout.REVISION).read_text(encoding="utf-8")
    assert revision == Catalog.open(machine.catalog_url).revision() + "\n"


def test_the_real_pipeline_is_read_by_dvc_in_a_workspace(machine: Machine) -> None:
    workspace = create_workspace(ROOT, machine.home / "runs" / "one", {"train.models": ["resnet18"]}, machine)
    stages = run(["dvc", "stage", "list", "--name-only"], workspace, machine)
    assert stages == ["snapshot", "validate", "features", "train@resnet18", "evaluate"]


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        ({"snapshot.as_off": "latest"}, "snapshot.as_off: unknown key; did you mean as_of?"),
        ({"snapshots.as_of": "latest"}, "snapshots.as_of: params.yaml has no section 'snapshots'"),
        ({"snapshot.as_of": "2026-13-01"}, "snapshot.as_of"),
        ({"train.models": ["svm"]}, "train.models"),
        ({"evaluation.folds": 1}, "evaluation.folds"),
    ],
)
def test_wrong_settings_are_named_and_leave_no_workspace(
    project: Path, machine: Machine, overrides: dict[str, object], complaint: str
) -> None:
    folder = machine.home / "runs" / "one"
    with pytest.raises(InputError, match=complaint.replace("?", r"\?")) as error:
        create_workspace(project, folder, overrides, machine)
    assert "\n" not in str(error.value)
    assert not folder.exists()


def test_a_run_keeps_its_settings_whatever_becomes_of_the_project(project: Path, machine: Machine) -> None:
    folder = create_workspace(project, machine.home / "runs" / "one", {"evaluation.folds": 3}, machine)
    again = create_workspace(project, folder, {"evaluation.folds": 4}, machine)
    assert again == folder
    assert load_params(folder / "params.yaml").evaluation.folds == 3


def test_what_a_killed_creation_left_is_replaced(project: Path, machine: Machine) -> None:
    folder = machine.home / "runs" / "one"
    leftover = folder.with_name(f".unfinished-{folder.name}")
    (leftover / ".dvc").mkdir(parents=True)
    (leftover / "params.yaml").write_text("half", encoding="utf-8")
    create_workspace(project, folder, {}, machine)
    assert load_params(folder / "params.yaml") == load_params(project / "params.yaml")
    assert not leftover.exists()


def test_weights_are_found_from_any_folder(project: Path, machine: Machine) -> None:
    (project / "resnet.pth").write_bytes(b"weights")
    folder = create_workspace(
        project, machine.home / "runs" / "one", {"resnet18.weights": "resnet.pth"}, machine
    )
    assert load_params(folder / "params.yaml").resnet18.weights == str(project / "resnet.pth")


def test_dvc_sees_the_weights_that_the_machine_chose(
    project: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MER_RESNET18_WEIGHTS", "none")
    folder = create_workspace(project, machine.home / "runs" / "one", {}, Machine(home=machine.home))
    assert load_params(folder / "params.yaml").resnet18.weights == "none"


def test_two_runs_share_what_was_computed_and_get_the_same_lock(project: Path, machine: Machine) -> None:
    first, second = (create_workspace(project, machine.home / "runs" / name, {}, machine) for name in "ab")
    hashes = {reproduce(workspace, "snapshot", machine) for workspace in (first, second)}
    assert hashes == {sha256_of(second / "dvc.lock")}
    assert runs_of_snapshot(project) == 1
    assert (second / "data/snapshot").read_bytes() == (first / "data/snapshot").read_bytes()
    assert (project / ".dvc" / "cache" / "runs").is_dir()


def test_other_settings_are_computed_anew(project: Path, machine: Machine) -> None:
    for name, day in (("a", "latest"), ("b", "2026-11-22")):
        workspace = create_workspace(project, machine.home / "runs" / name, {"snapshot.as_of": day}, machine)
        reproduce(workspace, "snapshot", machine)
    assert runs_of_snapshot(project) == 2


def test_a_project_without_a_cache_of_its_own_uses_one_under_home(project: Path, machine: Machine) -> None:
    (project / ".dvc").rmdir()
    workspace = create_workspace(project, machine.home / "runs" / "one", {}, machine)
    reproduce(workspace, "snapshot", machine)
    assert (machine.home / "dvc-cache" / "files").is_dir()


def test_output_goes_to_the_log_line_by_line(
    project: Path, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = create_workspace(project, machine.home / "runs" / "one", {}, machine)
    with caplog.at_level(logging.INFO):
        reproduce(workspace, "snapshot", machine)
    assert "made the snapshot" in caplog.messages


def test_bad_input_is_told_from_other_failures_in_mers_own_words(project: Path, machine: Machine) -> None:
    workspace = create_workspace(project, machine.home / "runs" / "one", {}, machine)
    with pytest.raises(InputError, match=r"^mer: songs\.csv: no such file; give another$"):
        reproduce(workspace, "wrong", machine)
    with pytest.raises(
        CommandError, match=r"^RuntimeError: out of memory \(dvc repro broken exited with 1\)$"
    ):
        reproduce(workspace, "broken", machine)


@pytest.mark.parametrize(
    "away",
    [{"MER_DATABASE_URL": "postgresql://127.0.0.1:9/mer"}, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}],
    ids=["database", "MLflow"],
)
def test_what_is_away_is_no_bad_input(
    project: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch, away: dict[str, str]
) -> None:
    for name, value in away.items():
        monkeypatch.setenv(name, value)
    command = ["mer", "snapshot"] if "MER_DATABASE_URL" in away else ["mer", "predict", "song.mp3"]
    with pytest.raises(CommandError, match=r"^mer: [^\n]* \(mer [^\n]* exited with 75\)$"):
        run(command, project, machine)


def test_the_mer_of_this_environment_runs_with_the_machines_home(
    project: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(InputError, match=r"^mer: collection none:"):
        run(["mer", "clips", "--collection", "none"], project, machine)
    assert (machine.home / "catalog.db").is_file()


def test_a_lock_whose_owner_died_does_not_block(project: Path, machine: Machine) -> None:
    workspace = create_workspace(project, machine.home / "runs" / "one", {}, machine)
    reproduce(workspace, "snapshot", machine)
    # as DVC writes it; the process that has this id now is another one: ours
    held = {"write": {str(workspace / "data/snapshot"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    (workspace / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(held), encoding="utf-8")
    (workspace / "data/snapshot").unlink()
    reproduce(workspace, "snapshot", machine)
    assert (workspace / "data/snapshot").is_file()


@pytest.fixture
def at_work(project: Path, machine: Machine) -> Iterator[psutil.Process]:
    """Another process that reproduces the slow stage of the workspace `one`, and is in the middle of it."""
    workspace = create_workspace(project, machine.home / "runs" / "one", {}, machine)
    code = (
        "import sys; from pathlib import Path; from mer_tasks.settings import Machine;"
        " from mer_tasks.workspace import reproduce;"
        " reproduce(Path(sys.argv[1]), 'slow', Machine(home=Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(workspace), str(machine.home)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while not (workspace / "begun").is_file():
            assert process.poll() is None
            time.sleep(0.1)
        yield psutil.Process(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_stage_waits_for_the_dvc_at_work_even_if_the_one_who_started_it_was_killed(
    at_work: psutil.Process, machine: Machine
) -> None:
    workspace = machine.home / "runs" / "one"
    (dvc,) = at_work.children()
    at_work.kill()
    threading.Timer(1, dvc.kill).start()
    reproduce(workspace, "snapshot", machine)
    assert not dvc.is_running() or dvc.status() == psutil.STATUS_ZOMBIE


def test_an_interrupted_stage_leaves_no_process(at_work: psutil.Process) -> None:
    started = at_work.children(recursive=True)
    assert [process.name() for process in started][-1] == "sleep"
    at_work.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs([at_work, *started], timeout=10)
    assert alive == []


def test_only_the_oldest_workspaces_are_pruned(project: Path, machine: Machine) -> None:
    folders = [create_workspace(project, machine.home / "runs" / name, {}, machine) for name in "cab"]
    assert prune_workspaces(machine.home / "runs", keep=2) == folders[:1]
    assert sorted((machine.home / "runs").iterdir()) == sorted(folders[1:])
    assert prune_workspaces(machine.home / "runs", keep=2) == []
