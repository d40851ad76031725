"""Where everything lies: the names are those of dvc.yaml, and no two things share one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from mer_tasks.evaluation.result import fold_folder
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace

ROOT = Path(__file__).parents[1]
MODEL = "mine"


def stages() -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml, that of each model as that of `MODEL`."""
    text = (ROOT / "dvc.yaml").read_text().replace("${key}", MODEL)
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items()}


def written(stage: str) -> set[Path]:
    """What dvc.yaml names as a stage's results."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stages()[stage].get(kind, [])]
    return {Path(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries}


def read(stage: str) -> set[Path]:
    """What dvc.yaml names as what a stage depends on."""
    return {Path(entry) for entry in stages()[stage]["deps"]}


@pytest.fixture
def here() -> Workspace:
    return Workspace(Path())


def test_the_stages_write_where_the_workspace_has_it(here: Workspace) -> None:
    assert written("snapshot") == {here.snapshot}
    assert written("validate") == {here.quality}
    assert written("features") == {here.features}
    assert {here.predictions(MODEL), here.model(MODEL), here.metrics(MODEL), here.plots(MODEL)} <= written(
        "train"
    )
    assert {here.comparison, here.plots("comparison")} == written("evaluate")


def test_the_stages_read_where_the_workspace_has_it(here: Workspace) -> None:
    assert {here.snapshot / "songs.csv", here.inputs(MODEL)} <= read("train")
    assert here.features in read("inputs") and written("inputs") == {here.inputs(MODEL).parent}
    assert here.code_revision(f"train-{MODEL}") in read("train")
    assert here.catalog_revision in read("snapshot")
    assert here.snapshot in read("validate")
    for stage in ("snapshot", "validate", "features", "evaluate"):
        assert here.code_revision(stage) in read(stage)


def test_no_two_things_share_a_place(here: Workspace, params: Params) -> None:
    places = [here.params_file, here.pipeline_file, here.lock_file, here.catalog_revision, here.comparison]
    places += [here.snapshot, here.quality, here.plots("comparison"), here.code_revision("snapshot")]
    for model in params.models:
        places += [here.predictions(model), here.model(model), here.metrics(model), here.plots(model)]
        places += [fold_folder(here, model, fold) for fold in range(2)]
    places += [here.representation(name) for name in params.representations]
    assert len(set(places)) == len(places)


def test_everything_lies_below_the_root_and_nothing_is_made(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "run")
    for place in (
        workspace.lock_file,
        workspace.features,
        workspace.predictions(MODEL),
        workspace.comparison,
    ):
        assert place.is_relative_to(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    assert Workspace(tmp_path / "run") == workspace
