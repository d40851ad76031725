"""What a model is trained on: the rows of what it reads, beside the songs that they belong to."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.errors import InputError
from mer_tasks.evaluation.inputs import model_inputs
from mer_tasks.features.folder import MANIFEST
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace
from tests.evaluation.results import with_models
from tests.evaluation.workspaces import make_workspace, songs_of, summary_of, write_summary


@pytest.fixture
def named(params: Params) -> Params:
    return with_models(params, on_summary="summary", on_spotify="spotify")


@pytest.fixture
def workspace(tmp_path: Path, named: Params) -> Workspace:
    return make_workspace(tmp_path, named, n_artists=6)


def test_each_row_belongs_to_its_song(workspace: Workspace, named: Params, tmp_path: Path) -> None:
    snapshot, inputs = model_inputs(workspace, named, "on_summary", FolderStore(tmp_path / "store"))
    songs = songs_of(6)
    assert inputs.reads == ("summary",) and inputs.names[0] == "statistic_0"
    assert inputs.songs["track_id"].tolist() == songs["track_id"].tolist()
    assert np.array_equal(inputs.X, summary_of(songs))
    assert len(snapshot.songs) == 18 and inputs.songs.index.tolist() == list(range(18))


def test_songs_in_another_order_keep_their_rows(workspace: Workspace, named: Params, tmp_path: Path) -> None:
    songs, values = songs_of(6), summary_of(songs_of(6))
    order = np.random.default_rng(0).permutation(len(songs))[:11]
    write_summary(workspace, songs.iloc[order], values[order])
    _, inputs = model_inputs(workspace, named, "on_summary", FolderStore(tmp_path / "store"))
    assert inputs.songs["track_id"].tolist() == songs["track_id"].iloc[order].tolist()
    assert inputs.songs["mood"].tolist() == songs["mood"].iloc[order].tolist()
    assert np.array_equal(inputs.X, values[order])


def test_only_songs_that_have_what_a_model_reads(workspace: Workspace, named: Params, tmp_path: Path) -> None:
    snapshot, inputs = model_inputs(workspace, named, "on_spotify", FolderStore(tmp_path / "store"))
    assert inputs.names == SPOTIFY_FEATURES
    assert len(inputs.songs) == 12 < len(snapshot.songs)
    of_song = snapshot.songs.set_index("track_id")
    for track_id, row in zip(inputs.songs["track_id"], inputs.X, strict=True):
        assert row == pytest.approx(of_song.loc[track_id, list(SPOTIFY_FEATURES)].to_numpy(float), rel=1e-6)


def test_no_song_with_what_a_model_reads_is_one_line(
    workspace: Workspace, named: Params, tmp_path: Path
) -> None:
    values = workspace.representation("spotify") / "values.csv"
    values.write_text(values.read_text().splitlines()[0] + "\n")
    message = r"^models\.on_spotify\.reads: no song of the data set has spotify; import songs that have it"
    with pytest.raises(InputError, match=message):
        model_inputs(workspace, named, "on_spotify", FolderStore(tmp_path / "store"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_missing_values_are_refused(
    value: float, workspace: Workspace, named: Params, tmp_path: Path
) -> None:
    songs, values = songs_of(6), summary_of(songs_of(6))
    values[-1, -1] = value
    write_summary(workspace, songs, values)
    with pytest.raises(InputError, match=r"summary: holds missing values; run mer features again$"):
        model_inputs(workspace, named, "on_summary", FolderStore(tmp_path / "store"))


def test_features_of_another_data_set_are_refused(
    workspace: Workspace, named: Params, tmp_path: Path
) -> None:
    songs = songs_of(8)
    write_summary(workspace, songs, summary_of(songs))
    with pytest.raises(
        InputError, match=r"of another data set, it has song song-06-0; run mer features again$"
    ):
        model_inputs(workspace, named, "on_summary", FolderStore(tmp_path / "store"))


def test_features_that_are_not_there_or_damaged_are_one_line(
    workspace: Workspace, named: Params, tmp_path: Path
) -> None:
    shutil.rmtree(workspace.representation("spotify"))
    with pytest.raises(InputError, match=r"spotify: .*run mer features"):
        model_inputs(workspace, named, "on_spotify", FolderStore(tmp_path / "store"))
    manifest = workspace.representation("summary") / MANIFEST
    table = pd.read_csv(manifest, dtype=str)
    table.loc[2, "clip_sha256"] = "0" * 64
    table.to_csv(manifest, index=False)
    with pytest.raises(InputError, match=r"summary: .*run mer features again$"):
        model_inputs(workspace, named, "on_summary", FolderStore(tmp_path / "store"))


def test_a_snapshot_that_is_not_there_is_one_line(named: Params, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"songs\.csv: no such file; run mer snapshot$"):
        model_inputs(Workspace(tmp_path / "none"), named, "on_summary", FolderStore(tmp_path / "store"))
