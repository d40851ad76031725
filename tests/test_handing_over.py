"""A run whose stages run on two machines in turn: real `dvc`, a real bucket, and two folders that share nothing."""

from pathlib import Path

import pytest

from mer_tasks.handing_over import leave
from mer_tasks.pipeline import create_workspace, reproduce, run_workspace
from mer_tasks.settings import Machine
from mer_tasks.workspace import Workspace
from tests.s3 import files, plain

ROOT = Path(__file__).parents[1]

STAGES = """\
stages:
  snapshot:
    cmd: mkdir data/snapshot; echo here >> data/snapshot/songs
    deps:
      - data/state/catalog
      - data/state/code/snapshot
    outs:
      - data/snapshot
  features:
    cmd: cat data/snapshot/songs > data/features; echo there >> data/features
    deps:
      - data/snapshot
    outs:
      - data/features
"""


@pytest.fixture
def projects(tmp_path: Path) -> dict[str, Workspace]:
    """The project as each of two machines has it."""
    found = {name: Workspace(tmp_path / name) for name in ("here", "there")}
    for project in found.values():
        project.root.mkdir()
        project.params_file.write_text((ROOT / "params.yaml").read_text())
        project.pipeline_file.write_text(STAGES)
    return found


@pytest.fixture
def machines(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Machine]:
    """Two machines; the catalog is one."""
    monkeypatch.setenv("MER_STORE", bucket)
    catalog = f"sqlite:///{tmp_path / 'catalog.db'}"
    return {name: Machine(home=tmp_path / name / "var", database_url=catalog) for name in ("here", "there")}


def test_each_machine_goes_on_where_the_other_stopped(
    tmp_path: Path, projects: dict[str, Workspace], machines: dict[str, Machine], bucket: str
) -> None:
    def of_run(machine: str) -> Workspace:
        return run_workspace(projects[machine], "a run", machines[machine])

    workspace = of_run("here")
    assert not workspace.root.exists()
    overrides = {"evaluation.folds": 3}
    create_workspace(projects["here"], workspace.root, overrides, None, machines["here"])
    reproduce(workspace, "snapshot", machines["here"])

    other = of_run("there")
    assert other.root.is_relative_to(tmp_path / "there")
    assert "folds: 3" in other.params_file.read_text()
    assert (other.snapshot / "songs").read_text() == "here\n"
    reproduce(other, "features", machines["there"])

    again = of_run("here")
    assert again.features.read_text() == "here\nthere\n"  # and the snapshot was not taken again
    assert again.lock_file.read_bytes() == other.lock_file.read_bytes()
    assert {path.parts[0] for path in files(bucket)} == {"runs", "dvc"}


def test_what_is_here_already_is_not_got_again(
    projects: dict[str, Workspace], machines: dict[str, Machine], bucket: str
) -> None:
    workspace = run_workspace(projects["here"], "a run", machines["here"])
    create_workspace(projects["here"], workspace.root, {}, None, machines["here"])
    reproduce(workspace, "snapshot", machines["here"])
    plain().rm(f"{bucket.removeprefix('s3://')}/dvc", recursive=True)  # it would be missed
    same = run_workspace(projects["here"], "a run", machines["here"])
    assert (same.snapshot / "songs").read_text() == "here\n"


def test_what_a_person_makes_is_left_to_nobody(
    projects: dict[str, Workspace], machines: dict[str, Machine], bucket: str
) -> None:
    leave(projects["here"], machines["here"])
    assert files(bucket) == []
