"""Collecting clips with real workers, files and downloads, also when something dies on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from mer_tasks.audio.cut import cut_clip
from mer_tasks.audio.decode import duration_of
from mer_tasks.audio.store import find_flaw
from mer_tasks.catalog.clips import clip_recipe, clips_of
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.schema import clips
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.collect import collect_clips, count_due
from mer_tasks.domain import Failure
from mer_tasks.errors import InputError
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Chart, Machine, Params
from mer_tasks.workspace import clip_key
from tests.s3 import plain

ROOT = Path(__file__).parents[1]
SHORT = {"duration_s": 1.0, "min_duration_s": 0.5}
HERE = {"private_hosts": ("127.0.0.1",)}
COLLECT = f"""
import sys
from pathlib import Path
from mer_tasks.catalog.database import Catalog
from mer_tasks.collect import collect_clips
from mer_tasks.settings import Machine, load_params
params = load_params(Path({str(ROOT / "params.yaml")!r}))
params = params.model_copy(update={{"clips": params.clips.model_copy(update={SHORT!r}),
                                   "audio": params.audio.model_copy(update={HERE!r})}})
collect_clips(Catalog.open(sys.argv[1]), ("x",), Machine(home=sys.argv[2], workers=1), params)
"""

Serve = Callable[..., str]
WriteTone = Callable[..., Path]


@pytest.fixture
def short(params: Params) -> Params:
    """The settings, with clips of a second, and songs on this machine."""
    audio = params.audio.model_copy(update=HERE)
    return params.model_copy(update={"clips": params.clips.model_copy(update=SHORT), "audio": audio})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'catalog.db'}"


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this test's own."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def bring(catalog: Catalog, folder: Path, **places: str) -> None:
    """Import songs, each with its path or url."""
    rows = (
        f"{track_id},{track_id},A,sad,,{place}" if "://" in place else f"{track_id},{track_id},A,sad,{place},"
        for track_id, place in places.items()
    )
    file = folder / "songs.csv"
    file.write_text("\n".join(("track_id,title,artist,mood,path,url", *rows)) + "\n")
    assert import_songs(catalog, file, "x").problems == ()


def recorded(catalog: Catalog) -> dict[str, str]:
    """The clip, or the reason there is none, of the last attempt for each song."""
    with catalog.reading() as connection:
        attempts = connection.execute(select(clips).order_by(clips.c.id)).all()
    return {attempt.track_id: attempt.sha256 or attempt.reason for attempt in attempts}


def test_each_song_gives_a_clip_or_a_reason(
    url: str, tmp_path: Path, scratch: Path, short: Params, serve: Serve, write_tone: WriteTone
) -> None:
    catalog, store, music = Catalog.open(url), tmp_path / "clips", tmp_path / "music"
    here = write_tone(music / "here.wav", hz=300)
    there = write_tone(music / "there.mp3", hz=500)
    write_tone(music / "short.wav", seconds=0.3)
    (music / "noise.mp3").write_bytes(bytes(range(256)) * 40)
    site = serve(music)
    places = {"here": "here.wav", "short": "short.wav", "noise": "noise.mp3"}
    bring(catalog, music, **places, there=f"{site}/there.mp3", gone=f"{site}/gone.mp3")

    report = collect_clips(catalog, ("x",), Machine(home=tmp_path, workers=2), short)

    outcomes = recorded(catalog)
    expected = {
        name: cut_clip(song, FolderStore(tmp_path / "other"), short.clips).sha256
        for name, song in (("here", here), ("there", there))
    }
    assert {name: outcomes.pop(name) for name in expected} == expected
    assert all((store / clip_key(sha256)).is_file() for sha256 in expected.values())
    assert report.clips == 2
    assert {failure.track_id: failure.reason for failure in report.failures} == outcomes
    assert outcomes["short"] == "short.wav: is 0.3 s long; a clip needs 0.5 s"
    assert outcomes["gone"] == f"{site}/gone.mp3: responds with 404 File not found"
    assert outcomes["noise"].startswith("noise.mp3: ")
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_a_worker_that_dies_takes_no_other_song_along(
    url: str, tmp_path: Path, scratch: Path, short: Params, serve: Serve, write_tone: WriteTone
) -> None:
    def kill_workers(path: str) -> None:
        if path == "/crash.wav":
            for worker in psutil.Process().children():
                if "--multiprocessing-fork" in worker.cmdline():
                    worker.kill()

    catalog, music = Catalog.open(url), tmp_path / "music"
    names = ("beside", "crash", "later")
    for number, name in enumerate(names):
        write_tone(music / f"{name}.wav", hz=300 + 100 * number)
    site = serve(music, before=kill_workers)
    bring(catalog, music, **{name: f"{site}/{name}.wav" for name in names})

    report = collect_clips(catalog, ("x",), Machine(home=tmp_path, workers=2), short)

    assert report.clips == 2
    [failure] = report.failures
    assert (failure.track_id, recorded(catalog)["crash"]) == ("crash", failure.reason)
    assert failure.reason == "its decoder crashed or ran out of memory; export it again"
    assert list(scratch.iterdir()) == []


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # which not every container's first process collects
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_was_stopped_goes_on_where_it_stood(
    url: str,
    tmp_path: Path,
    scratch: Path,
    short: Params,
    serve: Serve,
    write_tone: WriteTone,
    how: signal.Signals,
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hold_the_last(path: str) -> None:
        if path == "/b.wav" and not go_on.is_set():
            asked.set()
            go_on.wait(60)

    catalog, music = Catalog.open(url), tmp_path / "music"
    songs = {name: write_tone(music / f"{name}.wav", hz=hz) for name, hz in (("a", 300), ("b", 500))}
    site = serve(music, before=hold_the_last)
    bring(catalog, music, **{name: f"{site}/{name}.wav" for name in songs})
    command = [sys.executable, "-c", COLLECT, url, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    ) as process:
        assert asked.wait(240)
        workers = psutil.Process(process.pid).children(recursive=True)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal's Ctrl-C does
        else:
            process.send_signal(how)
    go_on.set()

    assert process.returncode == -how
    deadline = time.monotonic() + 30
    while not all(map(has_ended, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [worker for worker in workers if not has_ended(worker)] == []
    assert how == signal.SIGKILL or list(scratch.iterdir()) == []
    assert list(recorded(catalog)) == ["a"]
    assert collect_clips(catalog, ("x",), Machine(home=tmp_path, workers=1), short).clips == 1
    assert recorded(catalog) == {
        name: cut_clip(song, FolderStore(tmp_path / "other"), short.clips).sha256
        for name, song in songs.items()
    }


def test_two_settings_that_take_turns_cut_each_song_once_and_keep_to_their_own_clips(
    url: str, tmp_path: Path, scratch: Path, short: Params, write_tone: WriteTone
) -> None:
    catalog, music, store = Catalog.open(url), tmp_path / "music", tmp_path / "clips"
    write_tone(music / "a.wav")
    write_tone(music / "b.wav", hz=300)
    bring(catalog, music, a="a.wav", b="b.wav")
    longer = short.model_copy(update={"clips": short.clips.model_copy(update={"duration_s": 1.5})})
    collect = partial(collect_clips, catalog, ("x",), Machine(home=tmp_path, workers=1))
    n_cut = [collect(params=params).clips for params in (short, longer, short, longer)]
    assert n_cut == [2, 2, 0, 0]
    own = clips_of(catalog, ["x"], clip_recipe(short.clips))
    (store / clip_key(own["a"])).unlink()
    assert [collect(params=params).clips for params in (longer, short, longer)] == [0, 1, 0]
    durations = {round(duration_of(store / clip_key(sha256)), 1) for sha256 in own.values()}
    assert max(durations) < 1.2


def test_a_clip_that_was_altered_is_cut_again_or_is_a_row_with_a_reason(
    url: str, tmp_path: Path, scratch: Path, short: Params, write_tone: WriteTone
) -> None:
    catalog, music, store = Catalog.open(url), tmp_path / "music", tmp_path / "clips"
    names = ("text", "directory", "link", "other", "deleted", "whole", "gone")
    for number, name in enumerate(names):
        write_tone(music / f"{name}.wav", hz=300 + 50 * number)
    bring(catalog, music, **{name: f"{name}.wav" for name in names})
    collect = partial(collect_clips, catalog, ("x",), Machine(home=tmp_path, workers=2), short)
    assert collect().clips == len(names)
    before = recorded(catalog)
    stored = {name: (store / clip_key(before[name])) for name in names}
    stored["text"].write_text("hello")
    stored["link"].rename(tmp_path / "elsewhere.mp3")
    stored["link"].symlink_to(tmp_path / "elsewhere.mp3")
    stored["other"].write_bytes(stored["whole"].read_bytes())
    for name in ("directory", "deleted"):
        stored[name].unlink()
    stored["directory"].mkdir()
    stored["gone"].write_bytes(b"")
    (music / "gone.wav").unlink()

    due, lost = count_due(catalog, ("x",), Machine(home=tmp_path, workers=2), short)

    assert due == len(lost) == 6
    assert {clip.track_id: clip.kind for clip in lost} == {
        **dict.fromkeys(("text", "directory", "link", "other", "gone"), "altered"),
        "deleted": "missing",
    }
    report = collect()
    assert (report.kept, report.clips, report.lost) == (1, 5, ())
    assert [failure.track_id for failure in report.failures] == ["gone"]
    after = recorded(catalog)
    assert after.pop("gone") != before.pop("gone")
    assert after == before
    assert all(find_flaw(FolderStore(store), before[name]) is None for name in after)
    assert not stored["gone"].exists()
    settings = short.snapshot.model_copy(update={"collections": ("x",)})
    snapshot = take_snapshot(catalog, settings, clip_recipe(short.clips))
    (reason,) = snapshot.left_out.loc[snapshot.left_out["track_id"] == "gone", "reason"]
    assert reason.startswith("no clip: its clip was altered in the clip store: it is empty; ")
    assert "gone.wav" in reason
    assert (collect().clips, collect().lost) == (0, ())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_the_disk_that_is_full_ends_a_collection_and_is_named(
    url: str, tmp_path: Path, scratch: Path, short: Params, write_tone: WriteTone
) -> None:
    catalog, music, downloads = Catalog.open(url), tmp_path / "music", tmp_path / "downloads"
    write_tone(music / "song.wav")
    bring(catalog, music, song="song.wav")
    downloads.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20k", "x", downloads], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(InputError, match=rf"^{downloads}/\S+: No space left on device; free some space"):
            collect_clips(catalog, ("x",), Machine(home=tmp_path, workers=1), short)
    finally:
        subprocess.run(["umount", downloads], check=True)


def test_what_was_mended_need_not_wait(
    url: str, tmp_path: Path, scratch: Path, short: Params, write_tone: WriteTone
) -> None:
    catalog, music = Catalog.open(url), tmp_path / "music"
    music.mkdir()
    (music / "song.wav").write_bytes(b"not a song" * 100)
    bring(catalog, music, song="song.wav")
    collect = partial(collect_clips, catalog, ("x",), Machine(home=tmp_path, workers=1), short)
    assert [failure.failure for failure in collect().failures] == [Failure.LOCAL]
    write_tone(music / "song.wav")
    assert (collect().clips, collect(again=True).clips, collect(again=True).clips) == (0, 1, 0)


def test_a_song_outside_the_internet_is_a_row_with_the_remedy(
    url: str, tmp_path: Path, params: Params, serve: Serve, write_tone: WriteTone
) -> None:
    asked: list[str] = []
    catalog, music = Catalog.open(url), tmp_path / "music"
    write_tone(music / "song.wav")
    own, secret = serve(music), serve(music, before=asked.append)
    meta = "http://169.254.169.254/latest/"
    bring(catalog, music, own=f"{own}/song.wav", secret=f"{secret}/song.wav", meta=meta)
    chart = Chart(source="file", location=f"{own}/list.csv")
    short = params.model_copy(update={"clips": params.clips.model_copy(update=SHORT), "charts": {"x": chart}})

    report = collect_clips(catalog, ("x",), Machine(home=tmp_path, workers=1), short)

    outcomes = recorded(catalog)
    assert (report.clips, report.summary["failed"]) == (1, {"refused": 2})
    host = secret.removeprefix("http://")
    assert outcomes["secret"].endswith(f"add {host} to audio.private_hosts")
    assert outcomes["meta"].startswith(f"{meta}: leads to 169.254.169.254:80, which is not on the public")
    assert asked == []


def test_a_store_that_can_be_no_folder_is_one_line(catalog: Catalog, short: Params, tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("no folder")
    with pytest.raises(InputError, match="clips: the store can be no folder there"):
        collect_clips(catalog, ("a",), Machine(home=tmp_path, workers=1), short)


def test_what_a_bucket_has_lost_is_cut_again_and_what_is_put_back_counts(
    catalog: Catalog, tmp_path: Path, bucket: str, short: Params, write_tone: WriteTone
) -> None:
    names = ("kept", "gone", "altered")
    for number, name in enumerate(names):
        write_tone(tmp_path / "music" / f"{name}.wav", hz=300 + 100 * number)
    bring(catalog, tmp_path / "music", **{name: f"{name}.wav" for name in names})
    one, other = (Machine(home=tmp_path / home, store=bucket, workers=1) for home in ("one", "other"))
    assert collect_clips(catalog, ("x",), one, short).clips == 3
    own = recorded(catalog)
    there = {name: f"{bucket.removeprefix('s3://')}/clips/{clip_key(own[name])}" for name in names}
    content = plain().cat_file(there["gone"])
    plain().rm_file(there["gone"])
    plain().pipe_file(there["altered"], b"half a clip")

    due, lost = count_due(catalog, ("x",), other, short)

    assert (due, {clip.track_id: clip.kind for clip in lost}) == (
        2,
        {"gone": "missing", "altered": "altered"},
    )
    assert not plain().exists(there["altered"])
    plain().pipe_file(there["gone"], content)
    again = collect_clips(catalog, ("x",), other, short)
    assert (again.cut, again.kept) == ([own["altered"]], 2)
    assert all(find_flaw(one.clip_store, own[name]) is None for name in names)
