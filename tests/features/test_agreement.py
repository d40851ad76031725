"""How far the proxies follow Spotify's own, by numbers, picture and command."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from scipy.stats import pearsonr, spearmanr

from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.errors import InputError
from mer_tasks.features.agreement import COMPARED, compare_with_spotify
from mer_tasks.features.folder import (
    MANIFEST,
    VALUES,
    part_files,
    write_csv,
    write_meta,
    write_part_file,
)
from tests.small_project import mer

N = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Features of 12 songs, of which all but the first three have Spotify's too, in another order."""
    folder, rng = tmp_path / "data" / "features", np.random.default_rng(0)
    ids = [f"song {i:02}" for i in range(N)]
    spotify = pd.DataFrame(rng.random((N, len(SPOTIFY_FEATURES))), columns=pd.Index(SPOTIFY_FEATURES))
    ours = {f"proxy_{name}": spotify[name] ** 3 for name in COMPARED} | {"rms_db_mean": np.zeros(N)}
    ours["proxy_energy"] = 1 - spotify["energy"] ** 3
    ours["proxy_tempo"] = np.full(N, 120.0)
    spotify.insert(0, "track_id", ids)
    write_summary(folder / "summary", ids, pd.DataFrame(ours))
    write_spotify(folder / "spotify", spotify[3:][::-1])
    return folder


def write_summary(folder: Path, ids: list[str], values: pd.DataFrame) -> None:
    clips = [f"{i:03x}{0:061x}" for i in range(len(ids))]
    for place, (name, alike) in enumerate(part_files(clips)):
        write_part_file(folder / name, {alike[0]: values.iloc[place].to_numpy(np.float32)})
    write_csv(pd.DataFrame({"track_id": ids, "clip_sha256": clips}), folder / MANIFEST)
    write_meta(folder, {"representation": "summary", "names": list(values.columns)})


def write_spotify(folder: Path, values: pd.DataFrame) -> None:
    folder.mkdir(exist_ok=True)
    write_csv(values, folder / VALUES)
    write_meta(folder, {"representation": "spotify", "names": SPOTIFY_FEATURES})


def test_songs_are_paired_by_their_id(data: Path, tmp_path: Path) -> None:
    found = {one.feature: one for one in compare_with_spotify(data, tmp_path / "a.png")}
    assert tuple(found) == COMPARED
    assert {one.songs for one in found.values()} == {N - 3}
    theirs = pd.read_csv(data / "spotify" / VALUES)["valence"]
    assert found["valence"].pearson == pytest.approx(pearsonr(theirs, theirs**3).statistic, abs=1e-5)
    assert found["valence"].spearman == pytest.approx(spearmanr(theirs, theirs**3).statistic) == 1
    assert found["energy"].spearman == pytest.approx(-1)
    assert (found["tempo"].pearson, found["tempo"].spearman) == (None, None)


def test_every_feature_has_its_labelled_panel(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k)))
    compare_with_spotify(data, tmp_path / "a.png")
    panels = [ax for ax in figures[0].axes if ax.axison]
    assert [ax.get_ylabel().split(",")[0] for ax in panels] == [f"proxy_{name}" for name in COMPARED]
    assert all(ax.get_xlabel().startswith("Spotify's ") for ax in panels)
    assert imread(tmp_path / "a.png").std() > 0.05
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.png"]


def test_too_few_songs_with_both(data: Path, tmp_path: Path) -> None:
    write_spotify(data / "spotify", pd.read_csv(data / "spotify" / VALUES).head(2))
    with pytest.raises(InputError, match=r"2 songs have both .* needs 3; import"):
        compare_with_spotify(data, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_features_of_an_older_version(data: Path, tmp_path: Path) -> None:
    write_summary(
        data / "summary", [f"song {i:02}" for i in range(N)], pd.DataFrame({"rms_db_mean": np.zeros(N)})
    )
    with pytest.raises(InputError, match=r"features: the summary has no proxies; run mer features$"):
        compare_with_spotify(data, tmp_path / "a.png")


def test_command(data: Path, tmp_path: Path) -> None:
    shown = mer(tmp_path, "proxies")
    assert (shown.returncode, shown.stderr) == (0, "")
    header, *lines = shown.stdout.splitlines()
    assert header.split() == ["feature", "songs", "Pearson", "r", "Spearman", "rho"]
    assert [line.split()[:2] for line in lines] == [[name, str(N - 3)] for name in COMPARED]
    assert (tmp_path / "metrics" / "plots" / "proxies" / "agreement.png").stat().st_size > 5000
    objects = [json.loads(line) for line in mer(tmp_path, "proxies", "--json").stdout.splitlines()]
    assert [one["feature"] for one in objects] == list(COMPARED)
    assert objects[-1] == {"feature": "tempo", "songs": N - 3, "pearson": None, "spearman": None}


def test_command_without_songs_in_common(data: Path, tmp_path: Path) -> None:
    write_spotify(data / "spotify", pd.read_csv(data / "spotify" / VALUES).head(0))
    refused = mer(tmp_path, "proxies")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (
        refused.stderr.startswith("mer: data/features: 0 songs have both") and refused.stderr.count("\n") == 1
    )
