"""What tells DVC that a representation has changed: files beside each other that name it for each model."""

import json
from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.features.identity import write_inputs
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, params: Params) -> Workspace:
    made = Workspace(tmp_path)
    for name in params.representations:
        made.representation(name).mkdir(parents=True)
        (made.representation(name) / "meta.json").write_text(f'"{name}"')
    return made


def identities(workspace: Workspace, params: Params) -> dict[str, dict[str, str]]:
    write_inputs(workspace, params)
    return {model: json.loads(workspace.inputs(model).read_text()) for model in params.models}


def test_each_model_has_what_it_reads(workspace: Workspace, params: Params) -> None:
    found = identities(workspace, params)
    assert {model: tuple(one) for model, one in found.items()} == {
        model: settings.reads for model, settings in params.models.items()
    }


def test_a_change_of_a_file_or_of_its_name_is_one_for_those_who_read_it_alone(
    workspace: Workspace, params: Params
) -> None:
    before = identities(workspace, params)
    meta = workspace.representation("summary") / "meta.json"
    for change in (lambda: meta.write_text("other"), lambda: meta.rename(meta.with_name("more.json"))):
        change()
        after = identities(workspace, params)
        changed = {model for model in after if after[model] != before[model]}
        assert changed == {model for model, one in params.models.items() if "summary" in one.reads}
        before = after


def test_a_model_that_is_no_longer_trained_leaves_no_file(workspace: Workspace, params: Params) -> None:
    write_inputs(workspace, params)
    name, *_ = params.models
    few = params.model_copy(update={"models": {name: params.models[name]}})
    write_inputs(workspace, few)
    assert [path.stem for path in workspace.inputs("").parent.iterdir()] == [name]


def test_a_missing_representation_is_an_error(tmp_path: Path, params: Params) -> None:
    with pytest.raises(InputError, match=r"run mer features, or dvc repro, first$"):
        write_inputs(Workspace(tmp_path), params)
