"""From a snapshot to what models read: whole, the same each time, nothing computed twice, little that is new."""

import json
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from mer_tasks.audio.decode import decode, mono
from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.errors import InputError
from mer_tasks.features.build import FeaturesReport, TooManyLostError, build_features, compute_features
from mer_tasks.features.dataset import load_features
from mer_tasks.features.left_out import left_out_alert
from mer_tasks.features.representations import ClipReader, module_of, takes_audio
from mer_tasks.features.row import ClipRow
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Params
from mer_tasks.workspace import Workspace, clip_key
from tests.features.conftest import Songs

MISSING, DAMAGED, NO_CLIP = "missing", "damaged", "no clip"
TONES = ("tone-220", "tone-440", "tone-880")
NOWHERE = {MISSING: "0" * 64}
Build = Callable[..., FeaturesReport]


@pytest.fixture(autouse=True)
def _few_clips_are_worth_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mer_tasks.features.build.WORTH_A_PROCESS", 1)


@pytest.fixture
def build(tmp_path: Path, clips: dict[str, str], quick: Params) -> Build:
    """A function that builds the features of a snapshot in the test's own folders."""
    clip_store = Path(shutil.copytree(clips["store"], tmp_path / "clips"))

    def run(
        snapshot: Snapshot,
        root: str = "project",
        n_workers: int = 1,
        store: str = "store",
        params: Params = quick,
    ) -> FeaturesReport:
        workspace = Workspace(tmp_path / root)
        return build_features(
            snapshot, params, workspace, FolderStore(clip_store), FolderStore(tmp_path / store), n_workers
        )

    return run


@pytest.fixture
def everything(songs: Songs) -> Snapshot:
    """Three good songs, one without a clip, one whose clip is missing."""
    names = ["tone-220", MISSING, "tone-440", NO_CLIP, "tone-880"]
    return songs(names, ("tone-220", NO_CLIP), **NOWHERE)


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a project's features, by its path."""
    folder = Workspace(root).features
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_song_has_what_serving_computes_of_its_clip(
    tmp_path: Path, clips: dict[str, str], quick: Params, build: Build, everything: Snapshot
) -> None:
    report = build(everything, n_workers=2)
    assert (report.clips, report.computed, report.spotify) == (3, 3, 2)
    workspace = Workspace(tmp_path / "project")
    for name in filter(takes_audio, quick.representations):
        features = load_features(workspace.representation(name), FolderStore(tmp_path / "store"))
        reader = ClipReader(quick, name, workspace.representation(name))
        assert (features.kind, features.track_ids, features.names) == (name, TONES, reader.names)
        for place, track_id in enumerate(TONES):
            y = mono(decode(Path(clips["store"]) / clip_key(clips[track_id])), quick.features.sr)
            values = reader.compute(y)
            assert values.dtype == features.values[place].dtype == np.float32
            np.testing.assert_array_equal(features.values[place], values)


def test_shapes_and_names(tmp_path: Path, quick: Params, build: Build, everything: Snapshot) -> None:
    build(everything)
    shapes: dict[str, tuple[int, ...]] = {"summary": (3, 428), "resnet18": (3, 512), "musicnn": (3, 1556)}
    shapes |= {"resnet18_windows": (3, 512, 5), "musicnn_patches": (3, 200, 10)}
    shapes |= {"image": (3, 65, 323), "frames": (3, 33, 323)}
    for name, shape in shapes.items():
        features = load_features(
            Workspace(tmp_path / "project").representation(name), FolderStore(tmp_path / "store")
        )
        assert features.values.shape == shape
        assert len(features.names) == shape[1]
    assert features.names[-2:] == ("mel_31", "rms_0")


def test_the_folder_has_what_is_documented(tmp_path: Path, build: Build, everything: Snapshot) -> None:
    build(everything)
    files = contents(tmp_path / "project")
    named = ("summary", "psychoacoustic", "marsyas", "resnet18", "musicnn")
    tables = {f"{name}/{file}" for name in named for file in ("meta.json", "manifest.csv")}
    of_arrays = ("image", "frames", "resnet18_windows", "musicnn_patches")
    arrays = {f"{name}/{file}" for name in of_arrays for file in ("meta.json", "manifest.csv")}
    others = {"left_out.csv", "spotify/meta.json", "spotify/values.csv"}
    others |= {f"{name}/weights.pt" for name in ("resnet18", "resnet18_windows")}
    others |= {f"{name}/weights.npz" for name in ("musicnn", "musicnn_patches")}
    parts = {name for name in files if "/parts/" in name}
    assert set(files) == tables | arrays | others | parts
    assert len(parts) == 3 * len(named)
    manifest = pd.read_csv(tmp_path / "project/data/features/image/manifest.csv")
    assert list(manifest.columns) == ["track_id", "clip_sha256"]
    assert list(manifest["track_id"]) == sorted(manifest["track_id"])
    meta = json.loads(files["resnet18/meta.json"])
    assert (meta["shape"], meta["settings"]["weights"], len(meta["parts"])) == ([3, 512], "none", 1)


def test_spotify_rows_are_the_songs_with_all_eleven(
    tmp_path: Path, build: Build, everything: Snapshot
) -> None:
    everything.songs.loc[4, "danceability"] = 0.5  # one of eleven is not enough
    build(everything)
    spotify = load_features(Workspace(tmp_path / "project").representation("spotify"))
    assert (spotify.track_ids, spotify.names) == ((NO_CLIP, "tone-220"), SPOTIFY_FEATURES)
    np.testing.assert_array_equal(spotify.values[1], 0.125 * np.arange(11))


def test_bad_clips_are_rows_with_a_reason(
    tmp_path: Path, clips: dict[str, str], build: Build, everything: Snapshot
) -> None:
    (tmp_path / "clips" / clip_key(clips["tone-440"])).write_bytes(b"half a song")
    report = build(everything)
    assert report.left_out == (
        (MISSING, f"its clip {'0' * 64}.mp3 is not in the clip store; run mer clips"),
        (
            "tone-440",
            f"its clip {clips['tone-440']}.mp3 is damaged in the clip store; run mer verify, then mer clips",
        ),
    )
    left_out = pd.read_csv(tmp_path / "project/data/features/left_out.csv")
    assert tuple(left_out.itertuples(index=False, name=None)) == report.left_out
    for name in ("image", "summary"):
        features = load_features(tmp_path / "project/data/features" / name, FolderStore(tmp_path / "store"))
        assert features.track_ids == ("tone-220", "tone-880")
    assert report.summary.endswith("2 left out (left_out.csv)")


def test_bytes_depend_on_songs_and_settings_alone(tmp_path: Path, build: Build, everything: Snapshot) -> None:
    build(everything, "one", n_workers=1, store="first")
    shuffled = Snapshot(everything.songs[::-1].reset_index(drop=True), everything.left_out)
    build(shuffled, "two", n_workers=2, store="second")
    build(everything, "again", n_workers=2, store="second")
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "again")


def test_only_new_clips_are_computed(songs: Songs, build: Build) -> None:
    two = songs(["tone-220", "tone-440"])
    assert build(two).computed == 2
    assert build(two).computed == 0
    assert build(songs(["tone-880", "tone-220", "tone-440"])).computed == 1


def test_what_was_computed_before_is_only_gathered(
    tmp_path: Path, clips: dict[str, str], quick: Params, songs: Songs, build: Build, everything: Snapshot
) -> None:
    wanted = {*everything.songs["clip_sha256"].dropna()}
    stores = (FolderStore(tmp_path / "clips"), FolderStore(tmp_path / "store"))
    computed, reasons = compute_features(wanted, quick, *stores, n_workers=1)
    assert (computed, list(reasons)) == (3, [NOWHERE[MISSING]])
    assert "is not in the clip store; run mer clips" in reasons[NOWHERE[MISSING]]
    assert compute_features(wanted, quick, *stores, n_workers=1)[0] == 0
    assert build(everything).computed == 0
    build(everything, "untouched", store="another store")
    assert contents(tmp_path / "project") == contents(tmp_path / "untouched")


def test_only_what_a_new_song_touches_is_written_anew(
    tmp_path: Path, quick: Params, songs: Songs, build: Build
) -> None:
    build(songs(["tone-220", "tone-440"]), "before")
    build(songs(list(TONES)), "after")
    before, after = contents(tmp_path / "before"), contents(tmp_path / "after")
    kept = {name for name, content in before.items() if after[name] == content}
    assert {name for name in before if "/parts/" in name} <= kept
    assert {"resnet18/weights.pt", "musicnn/weights.npz"} <= kept
    tables = [name for name in quick.representations if module_of(name).KEPT == "table"]
    assert sum("/parts/" in name for name in set(after) - kept) == len(tables)


def test_two_songs_may_share_a_clip(
    tmp_path: Path, clips: dict[str, str], songs: Songs, build: Build
) -> None:
    report = build(songs(["tone-220", "again"], again=clips["tone-220"]))
    assert (report.clips, report.computed) == (2, 1)
    summary = load_features(tmp_path / "project/data/features/summary")
    assert summary.track_ids == ("again", "tone-220")
    np.testing.assert_array_equal(summary.values[0], summary.values[1])


@pytest.mark.parametrize("part", ["summary", "mel", "resnet18_columns", "musicnn_patches"])
def test_damaged_store_is_computed_anew(
    tmp_path: Path, clips: dict[str, str], songs: Songs, build: Build, part: str
) -> None:
    two = songs(["tone-220", "tone-440"])
    build(two, "before")
    (kept,) = (tmp_path / "store").glob(f"{part}-*/*/{clips['tone-440']}.npz")
    content = kept.read_bytes()
    kept.write_bytes(content[: len(content) // 2])
    assert build(two, "after").computed == 1
    assert kept.read_bytes() == content
    assert contents(tmp_path / "before") == contents(tmp_path / "after")


def test_songs_without_any_clip(tmp_path: Path, songs: Songs, build: Build) -> None:
    report = build(songs([NO_CLIP], spotify=(NO_CLIP,)))
    assert (report.clips, report.spotify, report.left_out) == (0, 1, ())
    folder = tmp_path / "project/data/features"
    image, summary = (
        load_features(folder / name, FolderStore(tmp_path / "store")) for name in ("image", "summary")
    )
    assert image.values.shape == (0, 65, 323)
    assert summary.values.shape == (0, 428)
    assert image.values[np.array([], int)].shape == (0, 65, 323)


def test_without_audio_representations_no_clip_is_opened(
    tmp_path: Path, quick: Params, songs: Songs, build: Build
) -> None:
    only = quick.model_copy(update={"representations": {"spotify": quick.representations["spotify"]}})
    report = build(songs(["tone-220", MISSING], ("tone-220",), **NOWHERE), params=only)
    assert (report.clips, report.spotify, report.left_out) == (0, 1, ())
    assert not (tmp_path / "store").exists()


def test_remains_of_a_killed_run_do_no_harm(tmp_path: Path, songs: Songs, build: Build) -> None:
    build(songs(["tone-220"]))
    data = tmp_path / "project" / "data"
    for remains in (".features.building", ".features.old"):
        (data / remains / "image").mkdir(parents=True)
        (data / remains / "image" / "manifest.csv").write_bytes(b"half")
    (data / "features" / "of another time.csv").write_text("old")
    before = contents(tmp_path / "project")
    build(songs(["tone-220"]))
    assert [path.name for path in data.iterdir()] == ["features"]
    assert set(before) - set(contents(tmp_path / "project")) == {"of another time.csv"}


def test_kill_leaves_no_process_and_no_harm(
    tmp_path: Path, quick: Params, build: Build, everything: Snapshot
) -> None:
    arguments = (
        everything,
        quick,
        Workspace(tmp_path / "project"),
        FolderStore(tmp_path / "clips"),
        FolderStore(tmp_path / "store"),
        2,
    )
    (tmp_path / "arguments.pickle").write_bytes(pickle.dumps(arguments))
    code = "import pickle, sys; from mer_tasks.features import build; build.WORTH_A_PROCESS = 1;"
    code += "build.build_features(*pickle.load(open(sys.argv[1], 'rb')))"
    command = [sys.executable, "-c", code, tmp_path / "arguments.pickle"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while running.poll() is None and not list((tmp_path / "store").rglob("*.npz")):
        time.sleep(0.05)
    children = psutil.Process(running.pid).children(recursive=True)
    assert len(children) >= 2
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    build(everything)
    build(everything, "untouched", store="another store")
    assert contents(tmp_path / "project") == contents(tmp_path / "untouched")


def test_clips_none_of_which_is_there_leave_what_was_there(
    tmp_path: Path, songs: Songs, build: Build
) -> None:
    build(songs(["tone-220"]))
    before = contents(tmp_path / "project")
    with pytest.raises(
        TooManyLostError,
        match=r"features: 1 of 1 songs have no clip that can be used, .*: its clip 0+\.mp3 is not",
    ) as caught:
        build(songs([MISSING], **NOWHERE))
    assert [track_id for track_id, _ in caught.value.left_out] == [MISSING]
    assert contents(tmp_path / "project") == before
    assert not (tmp_path / "project/data/.features.building").exists()


@pytest.mark.parametrize(("most", "stops"), [(0.34, False), (0.33, True), (0.0, True)])
def test_more_lost_clips_than_may_be_stop_the_stage(
    tmp_path: Path, quick: Params, songs: Songs, build: Build, most: float, stops: bool
) -> None:
    quality = quick.quality.model_copy(update={"max_lost_share": most})
    params = quick.model_copy(
        update={
            "quality": quality,
            "representations": {
                "spotify": quick.representations["spotify"],
                "summary": quick.representations["summary"],
            },
        }
    )
    snapshot = songs(["tone-220", "tone-440", MISSING], **NOWHERE)
    with (
        pytest.raises(TooManyLostError, match=r"1 of 3 songs .* at most (33|0)% may")
        if stops
        else nullcontext()
    ):
        build(snapshot, params=params)
    assert Workspace(tmp_path / "project").features.exists() != stops


def test_the_alert_names_the_first_songs_and_where_all_are(tmp_path: Path) -> None:
    left_out = [(f"song-{n}", "its clip is gone") for n in range(12)]
    alert, critical = (left_out_alert(left_out, tmp_path, stopped) for stopped in (None, "12 songs lost"))
    assert (alert.title, critical.title) == (
        "features: 12 songs left out, training goes on",
        "features: stopped, 12 songs cannot be used",
    )
    assert alert.text.startswith("song-0: its clip is gone\n")
    assert "and 2 more" in alert.text and str(tmp_path / "left_out.csv") in alert.text
    assert critical.text.startswith("12 songs lost\n") and "left_out.csv" not in critical.text


def test_weights_that_cannot_be_had_leave_what_was_there(
    tmp_path: Path, songs: Songs, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(songs(["tone-220"]))
    before = contents(tmp_path / "project")
    monkeypatch.setenv("MER_RESNET18_WEIGHTS", str(tmp_path / "nothing.pth"))
    with pytest.raises(InputError, match=r"nothing\.pth: no such file; give imagenet, none or a path"):
        build(songs(["tone-220", "tone-440"]))
    assert contents(tmp_path / "project") == before


class Row(dict[str, np.ndarray]):
    """A clip's rows, counted while they live."""

    alive = most = 0

    def __init__(self, tables: Iterable[str]) -> None:
        super().__init__({name: np.zeros(428) for name in tables})
        Row.alive += 1
        Row.most = max(Row.most, Row.alive)

    def __del__(self) -> None:
        Row.alive -= 1


def test_memory_does_not_follow_the_number_of_songs(
    quick: Params, songs: Songs, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are written as soon as the clips of their file are there: few are alive at a time."""
    tables = [name for name in quick.representations if module_of(name).KEPT == "table"]
    monkeypatch.setattr(
        "mer_tasks.features.build._clip_rows", lambda clips, *_: (ClipRow(Row(tables)) for _ in clips)
    )
    many = {f"song {i}": f"{i * 7919 % 4096:03x}{i:061x}" for i in range(3000)}
    assert build(songs(list(many), **many)).clips == 3000
    assert 1 <= Row.most <= 4
