"""Trainings that are only measured: computed once, by the protocol they name, and never kept as models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.folds import split
from mer_tasks.evaluation.inputs import model_inputs
from mer_tasks.evaluation.repeats import Repeat, Repeated, _some, run_repeats
from mer_tasks.evaluation.result import result_identity
from mer_tasks.evaluation.training import train_model
from mer_tasks.settings import Machine, Params, load_params
from mer_tasks.workspace import Workspace
from tests.evaluation.workspaces import make_workspace, quick_params, songs_of
from tests.systems import ROOT

LOGISTIC = {"system": "logistic_regression", "reads": "summary", "C": 0.5, "max_iter": 200}


@pytest.fixture
def settings() -> Params:
    return quick_params(load_params(ROOT / "params.yaml"), {"linear": LOGISTIC})


@pytest.fixture
def workspace(tmp_path: Path, settings: Params) -> Workspace:
    return make_workspace(tmp_path / "project", settings)


@pytest.fixture
def computer(tmp_path: Path) -> Machine:
    return Machine(home=tmp_path / "home", device="cpu", workers=1)


def artists_in_folds(table: pd.DataFrame) -> pd.Series:
    """In how many folds each artist is."""
    return table.groupby(table["artist"].map(primary_artist))["split"].nunique()


def test_a_repeat_is_what_training_gives_by_the_same_seed(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    (found,) = run_repeats(workspace, settings, computer, [Repeat("linear", "grouped", seed=20)])
    with pytest.raises(InputError, match="run mer train linear"):
        result_identity(workspace, "linear")  # which registration asks: there is nothing to register
    trained = train_model(workspace, settings, computer, "linear").out_of_fold.reset_index(drop=True)
    pd.testing.assert_frame_equal(found.predictions, trained, check_dtype=False, atol=1e-6)


def test_protocols_have_their_folds_and_only_ours_keeps_artists_together(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    repeats = [Repeat("linear", protocol, seed=1) for protocol in ("grouped", "paper", "ungrouped")]
    grouped, paper, ungrouped = (
        one.predictions for one in run_repeats(workspace, settings, computer, repeats)
    )
    assert [table["split"].nunique() for table in (grouped, paper, ungrouped)] == [3, 5, 10]
    assert artists_in_folds(grouped).max() == 1
    assert artists_in_folds(paper).max() > 1 and artists_in_folds(ungrouped).max() > 1


def test_the_holdout_is_measured_only_where_every_song_is_asked_for(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    repeats = [Repeat("linear", "grouped", seed=1, every_song=every) for every in (False, True)]
    ours, all_songs = (
        set(one.predictions["track_id"]) for one in run_repeats(workspace, settings, computer, repeats)
    )
    songs = songs_of(32)
    assert ours == set(songs["track_id"].iloc[split(songs, settings.evaluation).folds])
    assert all_songs == set(songs["track_id"])


def trained_now(found: Sequence[Repeated], workspace: Workspace, before: dict[Path, int]) -> list[str]:
    """The models and seeds whose files were written since."""
    files = [(one.repeat, one.repeat.file(workspace)) for one in found]
    return [f"{one.model}-{one.seed}" for one, file in files if file.stat().st_mtime_ns != before.get(file)]


def test_what_is_finished_is_not_computed_again_unless_it_would_differ(
    workspace: Workspace, settings: Params, computer: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    repeats = [Repeat("linear", "grouped", seed=seed) for seed in (1, 2)]
    first = run_repeats(workspace, settings, computer, repeats[:1])
    before = {one.repeat.file(workspace): one.repeat.file(workspace).stat().st_mtime_ns for one in first}
    both = run_repeats(workspace, settings, computer, repeats)
    assert trained_now(both, workspace, before) == ["linear-2"]
    repeats[0].file(workspace).write_text('{"identity": "of a killed process')
    again = run_repeats(workspace, settings, computer, repeats)
    pd.testing.assert_frame_equal(again[0].predictions, first[0].predictions)
    firmer = settings.model_copy(
        update={"models": {"linear": settings.models["linear"].model_copy(update={"C": 1e-9})}}
    )
    other = run_repeats(workspace, firmer, computer, repeats[:1])
    assert not other[0].predictions[list(MOODS)].equals(first[0].predictions[list(MOODS)])
    capsys.readouterr()
    run_repeats(workspace, firmer, computer, repeats[:1])
    assert "training" not in capsys.readouterr().err


def test_parts_of_a_training_part_hold_whole_artists_all_moods_and_the_smaller_parts(
    workspace: Workspace, settings: Params, computer: Machine
) -> None:
    _, inputs = model_inputs(workspace, settings, "linear", computer.feature_store)
    train, parts = np.arange(len(inputs.songs)), []
    for one_in in (8, 4, 2, 1):
        rows = _some(inputs, train, Repeat("linear", "grouped", 1, one_in))
        artists = inputs.songs["artist"].map(primary_artist)
        assert set(artists[rows]).isdisjoint(artists[np.setdiff1d(train, rows)])
        assert set(inputs.songs["mood"][rows]) == set(MOODS)
        assert len(rows) == pytest.approx(96 / one_in, abs=4)
        parts.append(set(rows.tolist()))
    assert parts[0] < parts[1] < parts[2] < parts[3]


def test_too_few_artists_for_an_eighth_are_refused(
    tmp_path: Path, settings: Params, computer: Machine
) -> None:
    few = make_workspace(tmp_path / "few", settings, n_artists=14)
    with pytest.raises(
        InputError, match=r"songs by \d artists of a mood; an eighth needs 8: import more songs"
    ):
        run_repeats(few, settings, computer, [Repeat("linear", "grouped", 1, one_in=8, every_song=True)])
