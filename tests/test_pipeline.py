"""Runs in workspaces of their own: real `dvc` in small projects, with the real params.yaml."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mer_tasks import pipeline
from mer_tasks.catalog.clips import clip_recipe, record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.command import CommandError, run
from mer_tasks.domain import Clip, ClipOutcome
from mer_tasks.dvc_cache import cache_alone, cache_of
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.features.representations import with_needed
from mer_tasks.files import sha256_of
from mer_tasks.pipeline import (
    check_run,
    create_workspace,
    old_workspaces,
    remove_workspace,
    reproduce,
    run_folder,
    write_catalog_state,
    write_state,
)
from mer_tasks.settings import Machine, load_params
from mer_tasks.workspace import Workspace, clip_key
from tests.alerts.servers import raised

ROOT = Path(__file__).parents[1]

STAGES = """\
stages:
  state:
    cmd: mer state
    always_changed: true
    outs:
      - data/state
  snapshot:
    cmd: echo ran >> {log}; cp data/state/catalog data/snapshot; echo made the snapshot
    deps:
      - data/state/catalog
      - data/state/code/snapshot
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
def project(tmp_path: Path) -> Workspace:
    """A project with the real settings and stages that are done in no time."""
    project = tmp_path / "project"
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc" / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    (project / "params.yaml").write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (project / "dvc.yaml").write_text(STAGES.format(log=tmp_path / "log"), encoding="utf-8")
    return Workspace(project)


def open_run(project: Workspace, machine: Machine, name: str = "one", **overrides: object) -> Workspace:
    """The workspace of a run; `section__key` overrides `section.key`."""
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return create_workspace(project, machine.home / "runs" / name, keys, None, machine)


def runs_of_snapshot(project: Workspace) -> int:
    return len((project.root.parent / "log").read_text().splitlines())


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
    project: Workspace, machine: Machine
) -> None:
    overrides = {"snapshot.as_of": "2026-11-22", "representations.resnet18.weights": "none"}
    folder = machine.home / "runs" / "one"
    workspace = create_workspace(project, folder, overrides, ["resnet18"], machine)
    params, before = load_params(workspace.params_file), load_params(project.params_file)
    assert str(params.snapshot.as_of) == "2026-11-22"
    assert list(params.models) == ["resnet18"]
    assert set(params.representations) == with_needed(["resnet18"]) < set(before.representations)
    assert params.representations["resnet18"].weights == "none"  # type: ignore[attr-defined]
    changed = ("snapshot", "models", "representations")
    assert params.model_copy(update={name: getattr(before, name) for name in changed}) == before
    written = workspace.params_file.read_text(encoding="utf-8")
    common = project.params_file.read_text().partition("\nrepresentations:")[0]
    kept = [line.split("#")[1] for line in common.splitlines() if "#" in line]
    assert len(kept) > 20
    assert [comment for comment in kept if comment not in written] == []
    assert workspace.catalog_revision.read_text() == Catalog.open(machine.catalog_url).revision() + "\n"


def test_a_run_keeps_the_catalogs_state_that_it_began_with(project: Workspace, machine: Machine) -> None:
    workspace = open_run(project, machine)
    reproduce(workspace, "snapshot", machine)
    workspace.catalog_revision.write_text("as it was\n")
    reproduce(workspace, "snapshot", machine)
    assert workspace.catalog_revision.read_text() == "as it was\n"
    assert (workspace.root / "data/snapshot").read_text() == "as it was\n"


def test_changed_code_is_run_again_also_in_a_run_that_is_cleared(
    project: Workspace, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_run(project, machine)
    reproduce(workspace, "snapshot", machine)
    reproduce(workspace, "snapshot", machine)
    assert runs_of_snapshot(project) == 1
    monkeypatch.setattr(pipeline, "code_identity", lambda *modules, without: "another")
    reproduce(workspace, "snapshot", machine)
    assert runs_of_snapshot(project) == 2


def test_the_project_itself_sees_a_change_of_the_catalog_and_of_code(
    project: Workspace, machine: Machine
) -> None:
    run(["dvc", "repro", "snapshot"], project.root, machine)
    run(["dvc", "repro", "snapshot"], project.root, machine)
    assert runs_of_snapshot(project) == 1
    songs = project.root / "songs.csv"
    songs.write_text("track_id,title,artist,mood,url\none,One,Ann,sad,https://songs.example/1.mp3\n")
    run(["mer", "import", "songs.csv", "--collection", "mine", "--no-clips"], project.root, machine)
    run(["dvc", "repro", "snapshot"], project.root, machine)
    assert runs_of_snapshot(project) == 2


def test_a_clip_that_was_altered_changes_what_dvc_sees_of_the_catalog(
    project: Workspace, machine: Machine, tmp_path: Path
) -> None:
    catalog = Catalog.open(machine.catalog_url)
    (tmp_path / "songs.csv").write_text("track_id,title,artist,mood,url\na,T,A,sad,http://h/a\n")
    import_songs(catalog, tmp_path / "songs.csv", "sample")
    clip = machine.clip_store.local(clip_key(hashlib.sha256(b"a clip").hexdigest()))
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"a clip")
    cut = Clip(clip.stem, start_s=1.0, duration_s=30.0, sr=44100, channels=1, loudness_lufs=-14.0)
    record_clip(catalog, ClipOutcome("a", cut), clip_recipe(load_params(project.params_file).clips))
    seen = []
    for content in (b"a clip", b"a clip", b"", b""):
        if clip.exists():
            clip.write_bytes(content)
        write_catalog_state(project, machine)
        seen.append(project.catalog_revision.read_text())
    assert (seen[0], seen[2]) == (seen[1], seen[3])
    assert seen[1] != seen[2]
    (alert,) = raised(machine.home)
    assert "a: its clip was altered in the clip store: it is empty" in alert.text


def test_each_stage_of_the_pipeline_has_a_code_identity_of_its_own(
    project: Workspace, machine: Machine
) -> None:
    """Every file of data/state that dvc.yaml names is written, and a model's covers its system alone."""
    params = load_params(project.params_file)
    write_state(project, params, machine)
    (project.root / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    stages = run(["dvc", "stage", "list", "--name-only"], project.root, machine)
    names = {stage.replace("@", "-") for stage in stages} - {"state"}
    written = {path.name for path in (project.root / "data/state/code").iterdir()}
    assert written == names
    texts = {name: project.code_revision(name).read_text() for name in names}
    stages_of_one_code = len(params.models) - len({model.system for model in params.models.values()})
    assert len(set(texts.values())) == len(texts) - stages_of_one_code


def test_weights_that_the_machine_chose_are_part_of_what_features_come_from(
    project: Workspace, machine: Machine
) -> None:
    params, file = load_params(project.params_file), project.code_revision("features")
    write_state(project, params, machine)
    without = file.read_text()
    write_state(project, params, machine.model_copy(update={"resnet18_weights": "none"}))
    assert file.read_text() != without


def test_the_real_pipeline_is_read_by_dvc_in_a_workspace(machine: Machine) -> None:
    folder = machine.home / "runs" / "one"
    workspace = create_workspace(Workspace(ROOT), folder, {}, ["resnet18"], machine)
    stages = run(["dvc", "stage", "list", "--name-only"], workspace.root, machine)
    assert stages == ["snapshot", "validate", "features", "inputs", "train@resnet18", "evaluate"]


@pytest.mark.parametrize(
    ("overrides", "models", "complaint"),
    [
        ({"snapshot.as_off": "latest"}, None, "snapshot.as_off: unknown key; did you mean as_of?"),
        ({"snapshots.as_of": "latest"}, None, "snapshots.as_of: params.yaml has no section 'snapshots'"),
        ({"snapshot.as_of": "2026-13-01"}, None, "snapshot.as_of"),
        ({"models.svm.C": 1}, None, "models.svm.C: params.yaml has no section 'models.svm'"),
        ({}, ["svm"], "models: svm not in params.yaml; known are logistic_regression, neural_network"),
        ({}, [], "models: none is left; name one of logistic_regression, "),
        ({"evaluation.folds": 1}, None, "evaluation.folds"),
    ],
)
def test_wrong_settings_are_named_and_leave_no_workspace(
    project: Workspace,
    machine: Machine,
    overrides: dict[str, object],
    models: list[str] | None,
    complaint: str,
) -> None:
    folder = machine.home / "runs" / "one"
    with pytest.raises(InputError, match=complaint.replace("?", r"\?")) as error:
        create_workspace(project, folder, overrides, models, machine)
    assert "\n" not in str(error.value)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"snapshot.as_of": "2999-01-01"}, "snapshot.as_of: 2999-01-01 lies in the future; write a day"),
        ({"snapshot.collections": ["nowhere"]}, "collection nowhere: holds no songs; the catalog has mine"),
        ({"snapshot.as_of": "2020-01-01"}, "collection mine: holds no songs; the catalog has none"),
        (
            {"representations.resnet18.weights": "absent.pth"},
            "weights: absent.pth: no such file; give imagenet",
        ),
    ],
)
def test_what_the_stages_would_refuse_later_is_refused_at_once(
    project: Workspace, machine: Machine, settings: dict[str, object], complaint: str
) -> None:
    songs = project.root / "songs.csv"
    songs.write_text("track_id,title,artist,mood,url\none,One,Ann,sad,https://songs.example/1.mp3\n")
    import_songs(Catalog.open(machine.catalog_url), songs, "mine")
    overrides = {"snapshot.collections": ["mine"], "representations.resnet18.weights": "none"}
    folder = machine.home / "runs" / "one"
    workspace = create_workspace(project, folder, overrides | settings, None, machine)
    with pytest.raises(InputError, match=complaint):
        check_run(load_params(workspace.params_file), machine)
    sound = create_workspace(project, machine.home / "runs" / "sound", overrides, None, machine)
    check_run(load_params(sound.params_file), machine)


def test_a_run_keeps_its_settings_whatever_becomes_of_the_project(
    project: Workspace, machine: Machine
) -> None:
    first = open_run(project, machine, evaluation__folds=3)
    assert open_run(project, machine, evaluation__folds=4) == first
    assert load_params(first.params_file).evaluation.folds == 3


def test_what_a_killed_creation_left_is_replaced(project: Workspace, machine: Machine) -> None:
    folder = machine.home / "runs" / "one"
    leftover = folder.with_name(f".unfinished-{folder.name}")
    (leftover / ".dvc").mkdir(parents=True)
    (leftover / "params.yaml").write_text("half", encoding="utf-8")
    workspace = open_run(project, machine)
    assert load_params(workspace.params_file) == load_params(project.params_file)
    assert not leftover.exists()


def test_weights_are_found_from_any_folder(project: Workspace, machine: Machine) -> None:
    weights = project.root / "resnet.pth"
    weights.write_bytes(b"weights")
    workspace = open_run(project, machine, representations__resnet18__weights="resnet.pth")
    found = load_params(workspace.params_file).representations["resnet18"]
    assert found.weights == str(weights)  # type: ignore[attr-defined]


def test_two_runs_share_what_was_computed_and_get_the_same_lock(project: Workspace, machine: Machine) -> None:
    first, second = (open_run(project, machine, name) for name in "ab")
    hashes = {reproduce(workspace, "snapshot", machine) for workspace in (first, second)}
    assert hashes == {sha256_of(second.lock_file)}
    assert runs_of_snapshot(project) == 1
    assert (second.root / "data/snapshot").read_bytes() == (first.root / "data/snapshot").read_bytes()
    assert (project.root / ".dvc" / "cache" / "runs").is_dir()


def test_two_runs_and_a_persons_repro_at_once_do_not_disturb_one_another(
    project: Workspace, machine: Machine
) -> None:
    with project.pipeline_file.open("a") as file:
        file.write(
            "  busy:\n    cmd: sleep 2; cp data/snapshot data/busy\n    deps: [data/snapshot]\n    outs: [data/busy]\n"
        )
    first, second = (open_run(project, machine, name) for name in "ab")
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(reproduce, workspace, "busy", machine) for workspace in (first, second)]
        person = pool.submit(run, ["dvc", "repro", "busy"], project.root, machine)
        assert len({one.result() for one in runs}) == 1
        person.result()
    made = {(workspace.root / "data/busy").read_bytes() for workspace in (first, second, project)}
    assert made == {first.catalog_revision.read_bytes()}
    assert "busy:" in project.lock_file.read_text()


def test_other_settings_are_computed_anew(project: Workspace, machine: Machine) -> None:
    for name, day in (("a", "latest"), ("b", "2026-11-22")):
        workspace = open_run(project, machine, name, snapshot__as_of=day)
        reproduce(workspace, "snapshot", machine)
    assert runs_of_snapshot(project) == 2


def test_a_project_without_a_cache_of_its_own_uses_one_under_home(
    project: Workspace, machine: Machine
) -> None:
    shutil.rmtree(project.root / ".dvc")
    workspace = open_run(project, machine)
    reproduce(workspace, "snapshot", machine)
    assert (machine.home / "dvc-cache" / "files").is_dir()


def test_output_goes_to_the_log_line_by_line(
    project: Workspace, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = open_run(project, machine)
    with caplog.at_level(logging.INFO):
        reproduce(workspace, "snapshot", machine)
    assert "made the snapshot" in caplog.messages


def test_bad_input_is_distinguished_from_other_failures(project: Workspace, machine: Machine) -> None:
    workspace = open_run(project, machine)
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
    project: Workspace, machine: Machine, monkeypatch: pytest.MonkeyPatch, away: dict[str, str]
) -> None:
    for name, value in away.items():
        monkeypatch.setenv(name, value)
    command = ["mer", "snapshot"] if "MER_DATABASE_URL" in away else ["mer", "predict", "song.mp3"]
    with pytest.raises(UnavailableError, match=r"^mer: [^\n]*try again later"):
        run(command, project.root, machine)


def test_the_mer_of_this_environment_runs_with_the_machines_home(
    project: Workspace, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(InputError, match=r"^mer: collection none:"):
        run(["mer", "clips", "--collection", "none"], project.root, machine)
    assert (machine.home / "catalog.db").is_file()


def test_a_lock_whose_owner_died_does_not_block(project: Workspace, machine: Machine) -> None:
    workspace = open_run(project, machine)
    reproduce(workspace, "snapshot", machine)
    # as DVC writes it; the process that has this id now is another one: ours
    held = {"write": {str(workspace.root / "data/snapshot"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    (workspace.root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(held), encoding="utf-8")
    (workspace.root / "data/snapshot").unlink()
    reproduce(workspace, "snapshot", machine)
    assert (workspace.root / "data/snapshot").is_file()


@pytest.fixture
def at_work(project: Workspace, machine: Machine) -> Iterator[psutil.Process]:
    """Another process that reproduces the slow stage of the workspace `one`, and is in the middle of it."""
    workspace = open_run(project, machine)
    code = (
        "import sys; from pathlib import Path; from mer_tasks.settings import Machine;"
        " from mer_tasks.pipeline import reproduce; from mer_tasks.workspace import Workspace;"
        " reproduce(Workspace(Path(sys.argv[1])), 'slow', Machine(home=Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(workspace.root), str(machine.home)]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        while not (workspace.root / "begun").is_file():
            assert process.poll() is None
            time.sleep(0.1)
        yield psutil.Process(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_stage_waits_for_the_dvc_at_work_even_if_the_one_who_started_it_was_killed(
    at_work: psutil.Process, machine: Machine
) -> None:
    workspace = Workspace(machine.home / "runs" / "one")
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


def test_only_the_oldest_workspaces_are_removed(project: Workspace, machine: Machine) -> None:
    folders = [open_run(project, machine, name).root for name in "cab"]
    assert old_workspaces(machine.home / "runs", keep=2) == folders[:1]
    assert remove_workspace(folders[0])
    assert sorted((machine.home / "runs").iterdir()) == sorted(folders[1:])


def test_a_workspace_and_a_cache_that_are_used_stay(
    at_work: psutil.Process, project: Workspace, machine: Machine
) -> None:
    workspace = Workspace(machine.home / "runs" / "one")
    assert not remove_workspace(workspace.root)
    with cache_alone(cache_of(project, machine.home)) as is_alone:
        assert not is_alone
    at_work.children()[0].kill()
    at_work.wait()
    with cache_alone(cache_of(workspace, machine.home)) as is_alone:
        assert is_alone


@pytest.mark.parametrize(
    ("config", "cache"),
    [
        ("", "project/.dvc/cache"),
        ("[cache]\n    dir = ../shared\n", "project/.dvc/../shared"),
        ('[cache]\n    dir = "/far/away"\n', "/far/away"),
    ],
)
def test_the_cache_is_what_the_configuration_names(
    config: str, cache: str, project: Workspace, machine: Machine
) -> None:
    (project.root / ".dvc" / "config").write_text(config)
    assert cache_of(project, machine.home) == project.root.parent / cache
