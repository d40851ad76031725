"""What is freed and what stays, with real DVC, MLflow and files."""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from mer_tasks.dvc_cache import cache_of
from mer_tasks.housekeeping import Freed, keep_house, old_files, stale_alert
from mer_tasks.pipeline import create_workspace, reproduce
from mer_tasks.registry.aliases import CHAMPION
from mer_tasks.registry.connection import connected, experiment_id
from mer_tasks.settings import Machine, Params, load_params
from mer_tasks.workspace import Workspace
from tests.test_pipeline import ROOT, STAGES

LONG_AGO = time.time() - 400 * 86_400


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A project with the real settings and stages that are done in no time."""
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    (root / "dvc.yaml").write_text(STAGES.format(log=tmp_path / "log"), encoding="utf-8")
    return Workspace(root)


@pytest.fixture
def params(project: Workspace) -> Params:
    found = load_params(project.params_file)
    keep = found.housekeeping.model_copy(update={"keep_runs": 1})
    return found.model_copy(update={"housekeeping": keep})


def run_of(project: Workspace, machine: Machine, name: str) -> Workspace:
    """A run whose snapshot is its own name, alone in DVC's cache."""
    workspace = create_workspace(project, machine.home / "runs" / name, {}, None, machine)
    workspace.catalog_revision.write_text(f"{name}\n")
    reproduce(workspace, "snapshot", machine)
    return workspace


def register(client: MlflowClient, machine: Machine, workspace: Workspace) -> str:
    """A version in MLflow that keeps the pipeline of a run."""
    run_id = str(client.create_run(experiment_id(client, "mood", machine)).info.run_id)
    for file in (workspace.params_file, workspace.pipeline_file, workspace.lock_file):
        client.log_artifact(run_id, str(file), "training")
    client.set_terminated(run_id)
    client.create_registered_model("mood")
    client.create_model_version("mood", source=str(workspace.root), run_id=run_id)
    client.set_registered_model_alias("mood", CHAMPION, "1")
    return run_id


def contents(project: Workspace, machine: Machine) -> set[str]:
    """The objects of the cache, by what is in them."""
    objects = (cache_of(project, machine.home) / "files" / "md5").rglob("*")
    return {path.read_text().strip() for path in objects if path.is_file()}


def by_rule(found: list[Freed]) -> dict[str, int]:
    assert [freed for freed in found if freed.failed] == []
    return {freed.what: freed.n for freed in found}


@pytest.mark.slow
def test_what_a_kept_run_or_a_registered_version_needs_stays(
    project: Workspace, params: Params, machine: Machine
) -> None:
    registered, _, kept = (run_of(project, machine, name) for name in ("registered", "old", "kept"))
    with connected(machine) as client:
        needed = register(client, machine, registered)
        for name in ("needed", "deleted"):
            run_id = needed if name == "needed" else str(client.create_run("1").info.run_id)
            client.set_terminated(run_id, end_time=int(LONG_AGO * 1000))
            client.delete_run(run_id)
    assert contents(project, machine) >= {"registered", "old", "kept"}

    assert by_rule(list(keep_house(project, params, machine, dry_run=True)))["workspaces of runs"] == 2
    assert contents(project, machine) >= {"registered", "old", "kept"}

    freed = by_rule(list(keep_house(project, params, machine, dry_run=False)))
    assert freed == {
        "workspaces of runs": 2,
        "objects of DVC's cache": 1,
        "parts of the feature store": 0,
        "deleted runs of MLflow": 1,
    }
    assert contents(project, machine) == {"registered", "kept"}
    assert [path.name for path in (machine.home / "runs").iterdir()] == ["kept"]
    reproduce(kept, "snapshot", machine)


def test_parts_of_settings_no_longer_used_go_and_those_in_use_stay(
    project: Workspace, params: Params, machine: Machine
) -> None:
    for name in ("used-1", "old-2", "new-3"):
        part = machine.home / "features" / name / "ab"
        part.mkdir(parents=True)
        (part / "clip.npz").write_bytes(b"x" * 1000)
        for place in (part, part.parent):
            os.utime(place, (LONG_AGO, LONG_AGO) if name != "new-3" else None)
    meta = project.representation("summary") / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text('{"parts": ["used-1"]}')
    for dry_run in (True, False):
        freed = {one.what: one for one in keep_house(project, params, machine, dry_run)}
        found = freed["parts of the feature store"]
        assert (found.n, found.n_bytes) == (1, 1000)
    assert {path.name for path in (machine.home / "features").iterdir()} == {"used-1", "new-3"}


def test_one_rule_that_cannot_be_followed_stops_no_other(
    project: Workspace, params: Params, machine: Machine
) -> None:
    meta = project.representation("summary") / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text("{")  # damaged: nobody knows what it needs
    (machine.home / "features" / "part-1").mkdir(parents=True)
    found = {one.what: one for one in keep_house(project, params, machine, dry_run=True)}
    assert len(found) == 4
    assert found["parts of the feature store"].failed
    assert found["parts of the feature store"].line(True).startswith("parts of the feature store: not done: ")
    assert not found["deleted runs of MLflow"].failed


@pytest.mark.slow
def test_a_champion_that_is_not_retrained_is_stale(
    project: Workspace, params: Params, machine: Machine
) -> None:
    workspace = create_workspace(project, machine.home / "runs" / "one", {}, None, machine)
    workspace.lock_file.touch()
    workspace.comparison.parent.mkdir(parents=True)
    workspace.comparison.touch()
    then = time.time() - 11 * 86_400
    os.utime(workspace.lock_file, (then, then))
    assert stale_alert(params, machine) is None  # there is no champion yet
    with connected(machine) as client:
        register(client, machine, workspace)
    alert = stale_alert(params, machine)
    assert alert is not None
    assert (alert.title, alert.severity) == ("mood@champion is stale: no retraining for 11 days", "warning")
    assert f"{datetime.now(UTC) - timedelta(days=11):%Y-%m-%d}" in alert.text
    workspace.lock_file.touch()
    assert stale_alert(params, machine) is None


def test_old_files_are_those_that_nobody_wrote_to(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("old", "new"):
        (tmp_path / "a" / name).write_bytes(b"12")
    os.utime(tmp_path / "a" / "old", (LONG_AGO, LONG_AGO))
    assert old_files(tmp_path, 90) == {tmp_path / "a" / "old": 2}
