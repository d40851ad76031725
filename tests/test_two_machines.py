"""Two machines whose homes are apart: they share a catalog and a bucket, by settings alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from sqlalchemy import NullPool, create_engine

from tests.s3 import files
from tests.small_project import N_ARTISTS, PROGRAMS, ROOT, SONGS_EACH, make_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

N_SONGS = N_ARTISTS * SONGS_EACH
On = Callable[..., str]

STAGES = """
import sys
from pathlib import Path
from mer_tasks.pipeline import create_workspace, reproduce, run_workspace
from mer_tasks.settings import load_machine
from mer_tasks.workspace import Workspace
machine, project, stages = load_machine(), Workspace(Path()), sys.argv[1:]
workspace = run_workspace(project, "a run", machine)
if stages[0] == "open":
    create_workspace(project, workspace.root, {}, ["logistic_regression"], machine)
    del stages[0]
for stage in stages:
    reproduce(workspace, stage, machine)
print(workspace.root)
"""


@pytest.fixture
def on(tmp_path: Path, postgres: str, bucket: str) -> On:
    """A function that runs a program on one of the machines: `mer`, or stages of a run as its DAG does."""
    with create_engine(postgres, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA two_machines")
    catalog = f"{postgres}&options=-csearch_path=two_machines"

    def run(machine: str, *command: str) -> str:
        home = tmp_path / machine
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MER_")}
        environment |= {"MER_HOME": str(home / "var"), "MER_DATABASE_URL": catalog, "MER_STORE": bucket}
        environment |= {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        program = [str(PROGRAMS / "mer")] if command[0] != "stages" else [sys.executable, "-c", STAGES]
        words = [*program, *(command[1:] if command[0] == "stages" else command)]
        done = subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def settle(folder: Path) -> None:
    """The settings of the project in a machine's folder, and nothing else."""
    folder.mkdir(exist_ok=True)
    values = yaml.safe_load((folder.parent / "one" / "params.yaml").read_text())
    values["representations"] = {"summary": {}}
    values["models"] = {"logistic_regression": values["models"]["logistic_regression"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())


def test_one_collects_another_computes_and_trains_and_the_first_goes_on(
    tmp_path: Path, bucket: str, on: On
) -> None:
    project = make_project(tmp_path / "one")
    settle(project)
    settle(tmp_path / "other")

    on("one", "import", str(project / "songs" / "tracks.csv"), "--collection", "songs", "--no-clips")
    assert json.loads(on("one", "clips", "--collection", "songs", "--json"))["new"] == N_SONGS
    on("one", "stages", "open", "snapshot", "validate")
    computed = json.loads(on("other", "compute", "--json"))
    assert computed == {"clips": N_SONGS, "computed": N_SONGS, "failed": 0}
    on("other", "stages", "features", "train@logistic_regression")
    there = Path(on("one", "stages", "evaluate").splitlines()[-1])

    assert there.is_relative_to(tmp_path / "one")
    (model,) = json.loads((there / "metrics" / "comparison.json").read_text())["models"]
    assert model["model"] == "logistic_regression" and model["accuracy"] > 0.5
    assert json.loads(on("one", "compute", "--json"))["computed"] == 0
    assert {path.parts[0] for path in files(bucket)} == {"clips", "features", "runs", "dvc"}
    for machine in ("one", "other"):
        assert not (tmp_path / machine / "var" / "clips").exists()
        assert not (tmp_path / machine / "var" / "features").exists()
