"""From a snapshot to the features of a data set: whole, the same each time, nothing computed twice."""

import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile

from mer_tasks.audio.cut import clip_path, cut_clip
from mer_tasks.audio.decode import decode, mono
from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import SPOTIFY_FEATURES, InputError
from mer_tasks.features.build import FeaturesReport, build_features
from mer_tasks.features.table import clip_features, load_features
from mer_tasks.settings import FeatureSettings, Params, load_params

ROOT = Path(__file__).parents[2]
MISSING, DAMAGED, NO_CLIP = "missing", "damaged", "no clip"
Build = Callable[..., FeaturesReport]


@pytest.fixture(autouse=True)
def _few_clips_are_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mer_tasks.features.build.WORTH_A_PROCESS", 1)


@pytest.fixture
def settings(params: Params) -> FeatureSettings:
    """The real settings with fewer and smaller frames."""
    return params.features.model_copy(update={"hop_length": 2048, "n_mels": 32})


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three clips in a store; the SHA-256 of each, and where the store is, by name."""
    folder = tmp_path_factory.mktemp("clips")
    short = load_params(ROOT / "params.yaml").clips
    short = short.model_copy(update={"duration_s": 3.0, "min_duration_s": 1.0})
    found = {"store": str(folder)}
    for hz in (220, 440, 880):
        song = folder.parent / f"{hz}.wav"
        t = np.arange(2 * 22050) / 22050
        soundfile.write(song, 0.3 * np.sin(2 * np.pi * hz * t) * (1 + np.sin(12 * t)) / 2, 22050)
        found[f"tone-{hz}"] = cut_clip(song, folder, short).sha256
    return found


@pytest.fixture
def build(tmp_path: Path, clips: dict[str, str], settings: FeatureSettings) -> Build:
    """A function that builds the features of a snapshot in the test's own folders."""
    clip_store = Path(shutil.copytree(clips["store"], tmp_path / "clips"))

    def run(
        snapshot: Snapshot, out: str = "features", n_workers: int = 1, store: str = "store"
    ) -> FeaturesReport:
        return build_features(snapshot, clip_store, tmp_path / store, tmp_path / out, settings, n_workers)

    return run


def snapshot_of(clips: dict[str, str], names: list[str], spotify: tuple[str, ...] = ()) -> Snapshot:
    songs = pd.DataFrame({"track_id": names, "clip_sha256": [clips.get(name) for name in names]})
    songs["clip_sha256"] = songs["clip_sha256"].astype("str")
    for place, feature in enumerate(SPOTIFY_FEATURES):
        songs[feature] = np.where(songs["track_id"].isin(spotify), 0.125 * place, np.nan)
    return Snapshot(songs, songs.iloc[:0])


def everything(clips: dict[str, str]) -> Snapshot:
    """Three good songs, one without a clip, one whose clip is missing."""
    more = clips | {MISSING: "0" * 64}
    return snapshot_of(more, ["tone-220", MISSING, "tone-440", NO_CLIP, "tone-880"], ("tone-220", NO_CLIP))


def test_each_song_has_its_row(
    tmp_path: Path, clips: dict[str, str], settings: FeatureSettings, build: Build
) -> None:
    report = build(everything(clips), n_workers=2)
    assert (report.clips, report.computed, report.spotify) == (3, 3, 2)
    image, summary = (load_features(tmp_path / "features", kind) for kind in ("image", "summary"))
    assert image.track_ids == summary.track_ids == ("tone-220", "tone-440", "tone-880")
    assert image.values.shape == (3, 65, 323)
    assert (image.values.dtype, summary.values.dtype) == (np.float32, np.float32)
    assert not image.values.flags.writeable
    for row, name in enumerate(image.track_ids):
        y = mono(decode(clip_path(Path(clips["store"]), clips[name])), settings.sr)
        expected_image, expected_summary = clip_features(y, settings)
        np.testing.assert_allclose(image.values[row], expected_image, atol=1e-6)
        np.testing.assert_allclose(summary.values[row], expected_summary, rtol=1e-5, atol=1e-6)


def test_spotify_rows_are_the_songs_with_all_eleven(
    tmp_path: Path, clips: dict[str, str], build: Build
) -> None:
    snapshot = everything(clips)
    snapshot.songs.loc[4, "danceability"] = 0.5  # one of eleven is not enough
    build(snapshot)
    spotify = load_features(tmp_path / "features", "spotify")
    assert (spotify.track_ids, spotify.names) == (("tone-220", NO_CLIP), SPOTIFY_FEATURES)
    np.testing.assert_array_equal(spotify.values[1], 0.125 * np.arange(11))


def test_bad_clips_are_rows_with_a_reason(tmp_path: Path, clips: dict[str, str], build: Build) -> None:
    snapshot = everything(clips)
    clip_path(tmp_path / "clips", clips["tone-440"]).write_bytes(b"half a song")
    report = build(snapshot)
    assert report.left_out == (
        (MISSING, f"its clip {'0' * 64}.mp3 is not in the clip store; put it back"),
        (
            "tone-440",
            f"its clip {clips['tone-440']}.mp3 is damaged in the clip store; put a good copy back",
        ),
    )
    left_out = pd.read_csv(tmp_path / "features" / "left_out.csv")
    assert tuple(left_out.itertuples(index=False, name=None)) == report.left_out
    assert load_features(tmp_path / "features", "image").track_ids == ("tone-220", "tone-880")
    assert report.summary.endswith("2 left out (left_out.csv)")


def test_bytes_depend_on_songs_and_settings_alone(
    tmp_path: Path, clips: dict[str, str], build: Build
) -> None:
    build(everything(clips), "one", n_workers=1, store="first")
    build(everything(clips), "two", n_workers=2, store="second")
    build(everything(clips), "again", n_workers=2, store="second")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 6
    for other in ("two", "again"):
        assert files == sorted(path.name for path in (tmp_path / other).iterdir())
        for name in files:
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / other / name).read_bytes(), name


def test_only_new_clips_are_computed(clips: dict[str, str], build: Build) -> None:
    two = snapshot_of(clips, ["tone-220", "tone-440"])
    assert build(two).computed == 2
    assert build(two).computed == 0
    assert build(snapshot_of(clips, ["tone-880", "tone-220", "tone-440"])).computed == 1


def test_damaged_store_is_computed_anew(tmp_path: Path, clips: dict[str, str], build: Build) -> None:
    songs = snapshot_of(clips, ["tone-220", "tone-440"])
    build(songs, "before")
    kept = next((tmp_path / "store").rglob(f"{clips['tone-440']}.npz"))
    kept.write_bytes(kept.read_bytes()[:1000])
    assert build(songs, "after").computed == 1
    for name in ("image.npy", "summary.parquet"):
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes()


def test_songs_without_any_clip(tmp_path: Path, clips: dict[str, str], build: Build) -> None:
    report = build(snapshot_of(clips, [NO_CLIP], spotify=(NO_CLIP,)))
    assert (report.clips, report.spotify, report.left_out) == (0, 1, ())
    image, summary = (load_features(tmp_path / "features", kind) for kind in ("image", "summary"))
    assert image.values.shape == (0, 65, 323)
    assert summary.values.shape == (0, len(summary.names))
    assert len(summary.names) > 300


def test_remains_of_a_killed_run_do_no_harm(tmp_path: Path, clips: dict[str, str], build: Build) -> None:
    songs = snapshot_of(clips, ["tone-220"])
    build(songs)
    remains = tmp_path / ".features.building"
    remains.mkdir()
    (remains / "image.npy").write_bytes(b"half")
    (tmp_path / "features" / "of another time.csv").write_text("old")
    build(songs)
    assert not remains.exists()
    assert not (tmp_path / "features" / "of another time.csv").exists()
    assert len(load_features(tmp_path / "features", "image").values) == 1


def test_kill_leaves_no_process_and_no_harm(tmp_path: Path, clips: dict[str, str], build: Build) -> None:
    songs = everything(clips)
    pickle_path = tmp_path / "arguments.pickle"
    features = load_params(ROOT / "params.yaml").features.model_copy(
        update={"hop_length": 2048, "n_mels": 32}
    )
    arguments = (songs, tmp_path / "clips", tmp_path / "store", tmp_path / "features", features, 2)
    pickle_path.write_bytes(pickle.dumps(arguments))
    code = "import pickle, sys; from mer_tasks.features import build; build.WORTH_A_PROCESS = 1;"
    code += "build.build_features(*pickle.load(open(sys.argv[1], 'rb')))"
    running = subprocess.Popen([sys.executable, "-c", code, pickle_path], stderr=subprocess.DEVNULL)
    while running.poll() is None and not list((tmp_path / "store").rglob("*.npz")):
        time.sleep(0.05)
    children = psutil.Process(running.pid).children(recursive=True)
    assert len(children) >= 2
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    build(songs, "features")
    build(songs, "untouched", store="another store")
    for path in (tmp_path / "untouched").iterdir():
        assert path.read_bytes() == (tmp_path / "features" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("kind", ["spotify", "summary", "image"])
def test_no_features_say_what_to_run(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match=rf"nothing: holds no {kind} features; run mer features$"):
        load_features(tmp_path / "nothing", kind)


def test_clips_none_of_which_is_there_leave_what_was_there(
    tmp_path: Path, clips: dict[str, str], build: Build
) -> None:
    build(snapshot_of(clips, ["tone-220"]))
    before = (tmp_path / "features" / "summary.parquet").read_bytes()
    gone = snapshot_of(clips | {MISSING: "0" * 64}, [MISSING])
    with pytest.raises(
        InputError, match=r"features: none of 1 clips can be used; the first: its clip 0+\.mp3 is not"
    ):
        build(gone)
    assert (tmp_path / "features" / "summary.parquet").read_bytes() == before
    assert not (tmp_path / ".features.building").exists()
