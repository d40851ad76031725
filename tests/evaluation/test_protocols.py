"""Seeds and protocols in one table, and what more songs give: numbers by hand, and files from a workspace."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mer_tasks.evaluation.learning_curve import _slopes, curve_table, learning_curve
from mer_tasks.evaluation.protocols import (
    _row,
    compare_protocols,
    correct_by_song,
    mean_with_interval,
    protocols_table,
)
from mer_tasks.evaluation.repeats import Repeat, Repeated
from mer_tasks.settings import Machine, Params, Protocol, load_params
from mer_tasks.workspace import Workspace
from tests.evaluation.results import predictions, some_moods, with_errors
from tests.evaluation.workspaces import make_workspace, quick_params
from tests.systems import ROOT

MOODS_BY_ID = some_moods(40)
IDS = list(MOODS_BY_ID)
LOGISTIC = {"system": "logistic_regression", "reads": "summary", "C": 0.5, "max_iter": 200}


def repeated(protocol: Protocol, seed: int, n_wrong: int) -> Repeated:
    return Repeated(
        Repeat("m", protocol, seed), 30.0, predictions(with_errors(MOODS_BY_ID, *IDS[:n_wrong]), MOODS_BY_ID)
    )


def test_a_row_has_seeds_their_spread_and_the_paired_difference(params: Params) -> None:
    found = [
        repeated(protocol, seed, n_wrong + seed)
        for protocol, n_wrong in (("grouped", 10), ("paper", 2), ("ungrouped", 6))
        for seed in (0, 2)
    ]
    row: dict[str, Any] = _row("m", found, params.evaluation)  # type: ignore[arg-type]
    grouped = row["protocols"]["grouped"]
    assert grouped["accuracies"] == [0.75, 0.7]
    assert grouped["mean"] == pytest.approx(0.725) and grouped["deviation"] == pytest.approx(0.0354, abs=1e-4)
    assert grouped["low"] < 0.725 < grouped["high"]
    assert row["more_than_grouped"]["paper"]["mean"] == pytest.approx(0.2)
    assert row["more_than_grouped"]["ungrouped"]["low"] >= 0


def test_the_slope_is_that_of_the_means(params: Params) -> None:
    rng = np.random.default_rng(0)
    values = [correct_by_song([repeated("grouped", 0, n)]) for n in (30, 20, 15, 5)]
    x = np.log2([30, 61, 119, 240])
    expected = np.polyfit(x, [one.mean() for one in values], 1)[0]
    assert mean_with_interval(_slopes(x, values), params.evaluation)["mean"] == pytest.approx(
        expected, abs=1e-4
    )
    flat = [pd.Series(rng.random(1), index=values[0].index[:1])] * 4
    assert _slopes(x, flat).tolist() == pytest.approx([0])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Params, Machine]:
    settings = quick_params(load_params(ROOT / "params.yaml"), {"linear": LOGISTIC})
    folder = tmp_path_factory.mktemp("measured")
    return make_workspace(folder, settings), settings, Machine(home=folder, device="cpu", workers=1)


def test_protocols_are_written_as_numbers_text_and_a_picture(
    measured: tuple[Workspace, Params, Machine],
) -> None:
    workspace, settings, machine = measured
    result = compare_protocols(workspace, settings, machine, ["linear"], n_seeds=2)
    folder: Path = workspace.repeats
    assert json.loads((folder / "protocols.json").read_text()) == result
    assert (folder / "protocols.md").read_text() == protocols_table(result) + "\n"
    assert (folder / "protocols.png").read_bytes().startswith(b"\x89PNG")
    assert len(protocols_table(result).splitlines()) == 5
    assert "grouped, 3 folds" in protocols_table(result) and "seeds 20 to 21" in protocols_table(result)
    assert not workspace.model("linear").exists() and not workspace.metrics("linear").exists()


def test_a_learning_curve_rises_with_songs(measured: tuple[Workspace, Params, Machine]) -> None:
    workspace, settings, machine = measured
    result = learning_curve(workspace, settings, machine, ["linear"], n_seeds=2)
    (row,) = result["models"]
    n_train = [point["n_train"] for point in row["points"]]
    assert n_train == sorted(n_train) and n_train[-1] == pytest.approx(8 * n_train[0], rel=0.4)
    assert row["points"][-1]["mean"] > row["points"][0]["mean"] and row["doubling"]["mean"] > 0
    assert (workspace.repeats / "learning-curve.md").read_text() == curve_table(result) + "\n"
    assert (workspace.repeats / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
