"""A model's result on disk: it comes back as it was, and what is missing or damaged is one line with the remedy."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mer_tasks.errors import InputError
from mer_tasks.evaluation.result import (
    HOLDOUT,
    ModelResult,
    fold_folder,
    read_json,
    read_result,
    result_identity,
    write_result,
)
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace
from tests.evaluation.results import model_result, predictions, some_moods, with_errors, with_models

MODEL = "mine"
CURVE = [{"epoch": 1.0, "train_loss": 1.25, "train_accuracy": 0.5, "valid_loss": 1.5, "valid_accuracy": 0.25}]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def result(params: Params) -> ModelResult:
    moods = some_moods(24)
    table = predictions(with_errors(moods, "t001", "t002"), moods, holdout=["t000", "t001", "t005"])
    return model_result(with_models(params, mine="summary"), MODEL, table, curves=(CURVE, CURVE))


def files_of(workspace: Workspace) -> dict[str, Path]:
    return {
        "description": workspace.model(MODEL) / "result.json",
        "metrics": workspace.metrics(MODEL),
        "predictions": workspace.predictions(MODEL),
    }


def test_a_result_comes_back_as_it_was(workspace: Workspace, result: ModelResult) -> None:
    write_result(result, workspace)
    back = read_result(workspace, MODEL)
    for field in dataclasses.fields(ModelResult):
        if field.name not in ("predictions", "scores", "holdout", "fold_accuracies"):
            assert getattr(back, field.name) == getattr(result, field.name), field.name
    pd.testing.assert_frame_equal(back.predictions, result.predictions.astype(back.predictions.dtypes))
    assert back.scores.as_json() == result.scores.as_json()
    assert back.holdout and result.holdout
    assert back.holdout.as_json() == result.holdout.as_json()
    assert back.fold_accuracies == pytest.approx(result.fold_accuracies, abs=5e-5)


def test_a_result_without_holdout_comes_back(workspace: Workspace, result: ModelResult) -> None:
    table = result.predictions[result.predictions["split"] != HOLDOUT].reset_index(drop=True)
    write_result(dataclasses.replace(result, predictions=table, holdout=None), workspace)
    back = read_result(workspace, MODEL)
    assert back.holdout is None
    assert len(back.out_of_fold) == len(back.predictions) == 21


def test_what_was_read_and_written_again_is_the_same_bytes(
    workspace: Workspace, result: ModelResult, tmp_path: Path
) -> None:
    write_result(result, workspace)
    again = Workspace(tmp_path / "again")
    write_result(read_result(workspace, MODEL), again)
    for name, path in files_of(workspace).items():
        assert files_of(again)[name].read_bytes() == path.read_bytes(), name
    assert result_identity(again, MODEL) == result_identity(workspace, MODEL)


@pytest.mark.parametrize("text", ["NA", "null", "", 'a "b", c', "zwei\nZeilen", "007", "1.0", " x ", "=1+1"])
def test_any_title_artist_and_id_come_back(workspace: Workspace, result: ModelResult, text: str) -> None:
    table = result.predictions.copy()
    table.loc[3, ["title", "artist"]] = [text, text]
    table.loc[4, "track_id"] = text or "x"
    write_result(dataclasses.replace(result, predictions=table), workspace)
    back = read_result(workspace, MODEL).predictions
    assert back["title"].tolist() == table["title"].tolist()
    assert back["artist"].tolist() == table["artist"].tolist()
    assert back["track_id"].tolist() == table["track_id"].tolist()


def test_out_of_fold_are_the_songs_of_folds(result: ModelResult) -> None:
    assert set(result.out_of_fold["split"]) == {"fold-0", "fold-1"}
    assert len(result.out_of_fold) == 21 and len(result.predictions) == 24


def test_metrics_are_what_dvc_shows(workspace: Workspace, result: ModelResult) -> None:
    write_result(result, workspace)
    metrics = json.loads(workspace.metrics(MODEL).read_text())
    assert metrics["accuracy"] == round(result.scores.accuracy, 4)
    assert metrics["folds"] == [0.5, 0.6667] and metrics["best_fold"] == 1
    assert metrics["holdout"]["n"] == 3
    assert metrics["data"] == result.data


def test_folds_lie_in_the_models_folder(workspace: Workspace) -> None:
    assert fold_folder(workspace, MODEL, 2) == workspace.model(MODEL) / "fold-2"


@pytest.mark.parametrize("missing", ["description", "metrics", "predictions"])
def test_a_missing_file_is_one_line_with_the_remedy(
    missing: str, workspace: Workspace, result: ModelResult
) -> None:
    write_result(result, workspace)
    path = files_of(workspace)[missing]
    path.unlink()
    message = f"{path}: no such file; run mer train mine, or dvc repro, first"
    with pytest.raises(InputError) as caught:
        read_result(workspace, MODEL)
    assert str(caught.value) == message
    with pytest.raises(InputError) as caught:
        result_identity(workspace, MODEL)
    assert str(caught.value) == message


def _replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return change


def _first_lines(content: bytes) -> bytes:
    return b"".join(content.splitlines(keepends=True)[:5])


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("description", lambda content: b""),
        ("description", lambda content: content[:40]),
        ("description", lambda content: b"\xff\xfe"),
        ("description", lambda content: b"[1]"),
        ("description", _replace(b'"curves"', b'"curve"')),
        ("metrics", lambda content: b"{"),
        ("metrics", lambda content: b"null"),
        ("metrics", lambda content: b"{}"),
        ("metrics", _replace(b'"best_fold"', b'"best"')),
        ("metrics", _replace(b'"macro_f1"', b'"f1"')),
        ("metrics", _replace(b'"n": 21', b'"n": 20')),
        ("predictions", lambda content: b""),
        ("predictions", lambda content: b"\x00\xff\xfe"),
        ("predictions", lambda content: content[: len(content) // 2]),
        ("predictions", _first_lines),
        ("predictions", _replace(b"0.700000", b"much")),
        ("predictions", _replace(b"0.700000", b"")),
        ("predictions", _replace(b"predicted", b"prediction")),
        ("predictions", _replace(b"0.700000", b'"0.7')),
        ("predictions", _replace(b"0.700000", b"0.7,0.7,0.7")),
    ],
)
def test_a_damaged_file_is_one_line_with_the_remedy(
    file: str, damage: Callable[[bytes], bytes], workspace: Workspace, result: ModelResult
) -> None:
    write_result(result, workspace)
    path = files_of(workspace)[file]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"run mer train mine, or dvc repro, again$") as caught:
        read_result(workspace, MODEL)
    assert "\n" not in str(caught.value)
    assert str(workspace.root) in str(caught.value)


CHANGES: list[dict[str, Any]] = [
    {"system": "neural_network"},
    {"reads": ["spotify"]},
    {"feature_names": ("a", "c")},
    {"shapes": ((3,),)},
    {"systems": ("svm", "mean")},
    {"songs": "other songs"},
    {"collections": ("mine", "yours")},
    {"protocol": "paper"},
    {"data": "e" * 64},
    {"params": {"evaluation": {"seed": 21}}},
    {"fold_accuracies": (0.5, 0.6)},
    {"best_fold": 0},
    {"curves": (CURVE, [])},
    {"holdout": None},
    {"refit": predictions({"t001": "sad"}, {"t001": "sad"}, ["t001"])},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_each_part_changes_the_identity(
    change: dict[str, Any], workspace: Workspace, result: ModelResult
) -> None:
    write_result(result, workspace)
    before = result_identity(workspace, MODEL)
    write_result(dataclasses.replace(result, **change), workspace)
    assert result_identity(workspace, MODEL) != before


@pytest.mark.parametrize("column", ["title", "mood", "split", "predicted", "calm"])
def test_each_column_of_predictions_changes_the_identity(
    column: str, workspace: Workspace, result: ModelResult
) -> None:
    write_result(result, workspace)
    before = result_identity(workspace, MODEL)
    table = result.predictions.copy()
    table.loc[7, column] = 0.2 if column == "calm" else "other"
    write_result(dataclasses.replace(result, predictions=table), workspace)
    assert result_identity(workspace, MODEL) != before


def test_neither_time_nor_place_changes_the_identity(
    workspace: Workspace, result: ModelResult, tmp_path: Path
) -> None:
    write_result(result, workspace)
    before = result_identity(workspace, MODEL)
    for path in files_of(workspace).values():
        path.touch()
    elsewhere = Workspace(tmp_path / "elsewhere")
    write_result(result, elsewhere)
    assert result_identity(workspace, MODEL) == result_identity(elsewhere, MODEL) == before


def test_a_json_file_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.json: no such file; do that first$"):
        read_json(tmp_path / "x.json", "do that")
    (tmp_path / "x.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "x.json", "do that") == {"a": 1}
