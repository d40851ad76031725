"""Collections that are killed, doubled, and robbed of their database or their disk, with real processes."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.schema import clips, queue
from mer_tasks.settings import Machine
from tests.conftest import postgres_server
from tests.test_collect import COLLECT, ROOT

pytestmark = pytest.mark.slow

Serve = Callable[..., str]
WriteTone = Callable[..., Path]


class Music:
    """Songs on a server that answers after a moment and counts who was asked for."""

    def __init__(self, folder: Path, n: int, serve: Serve, write_tone: WriteTone, moment_s: float) -> None:
        self.names = [f"song-{number:03}" for number in range(n)]
        self.asked = Counter[str]()
        self.moment_s = moment_s
        for number, name in enumerate(self.names):
            write_tone(folder / f"{name}.wav", seconds=1.2, sr=8000, hz=200 + 10 * number)
        self.table = folder / "songs.csv"
        site = serve(folder, before=self._answer)
        rows = [f"{name},{name},A,sad,{site}/{name}.wav" for name in self.names]
        self.table.write_text("\n".join(("track_id,title,artist,mood,url", *rows)) + "\n")

    def _answer(self, path: str) -> None:
        self.asked[Path(path).stem] += 1
        time.sleep(self.moment_s)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """A function that starts a collector of a catalog in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", COLLECT, url, str(tmp_path / "var")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def done(catalog: Catalog) -> dict[str, int]:
    """How many clips were recorded of each song that has one."""
    cut = select(clips.c.track_id, func.count()).where(clips.c.sha256.is_not(None)).group_by(clips.c.track_id)
    with catalog.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(cut)}


def n_done(catalog: Catalog) -> int:
    return len(done(catalog))


def check_all_is_well(catalog: Catalog, music: Music, home: Path) -> None:
    """Every song has one clip, every file in the store is whole, and no claim is left."""
    assert done(catalog) == dict.fromkeys(music.names, 1)
    with catalog.reading() as connection:
        recorded = set(connection.scalars(select(clips.c.sha256)))
        waiting = connection.scalar(
            select(func.count()).where(queue.c.due_at.is_not(None) | queue.c.worker_id.is_not(None))
        )
    store = Machine(home=home).clip_store
    files = [store.fresh(key) for key in store.keys("") if key.endswith(".mp3")]
    assert {file.stem for file in files} == recorded
    assert all(hashlib.sha256(file.read_bytes()).hexdigest() == file.stem for file in files)
    assert waiting == 0
    assert list((home / "downloads").iterdir()) == []


def wait_until(is_so: Callable[[], bool], limit_s: float = 120) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize(("store", "n_songs", "n_kills"), [("folder", 60, 8), ("bucket", 24, 4)])
def test_killed_again_and_again_it_loses_nothing_and_fetches_nothing_again(
    store: str,
    n_songs: int,
    n_kills: int,
    tmp_path: Path,
    serve: Serve,
    write_tone: WriteTone,
    collector: Callable[[str], subprocess.Popen[str]],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if store == "bucket":
        monkeypatch.setenv("MER_STORE", request.getfixturevalue("bucket"))
    music = Music(tmp_path / "music", n_songs, serve, write_tone, moment_s=0.05)
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    catalog = Catalog.open(url)
    import_songs(catalog, music.table, "x")
    generator = random.Random(20)
    for number in range(n_kills):
        before = {name: music.asked[name] for name in done(catalog)}
        count = music.asked.total if number % 2 else partial(n_done, catalog)
        so_far, process = count(), collector(url)
        wait_until(lambda: count() > so_far or process.poll() is not None)  # noqa: B023
        time.sleep(generator.uniform(0, 0.6))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert {name: music.asked[name] for name in before} == before
    assert 0 < len(done(catalog)) < len(music.names)
    last = collector(url)
    assert last.wait(timeout=300) == 0, last.communicate()
    check_all_is_well(catalog, music, tmp_path / "var")


def test_two_collectors_started_together_share_the_songs(
    catalog_url: str,
    tmp_path: Path,
    serve: Serve,
    write_tone: WriteTone,
    collector: Callable[[str], subprocess.Popen[str]],
) -> None:
    music = Music(tmp_path / "music", 24, serve, write_tone, moment_s=0.1)
    catalog = Catalog.open(catalog_url)
    import_songs(catalog, music.table, "x")
    both = [collector(catalog_url), collector(catalog_url)]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    check_all_is_well(catalog, music, tmp_path / "var")
    assert max(music.asked.values()) == min(music.asked.values())


def test_a_database_that_restarts_is_waited_for(
    tmp_path: Path, serve: Serve, write_tone: WriteTone, collector: Callable[[str], subprocess.Popen[str]]
) -> None:
    music = Music(tmp_path / "music", 30, serve, write_tone, moment_s=0.1)
    with postgres_server() as (url, restart):
        catalog = Catalog.open(url)
        import_songs(catalog, music.table, "x")
        process = collector(url)
        for at in (5, 15):
            wait_until(lambda: len(music.asked) > at)  # noqa: B023
            restart()
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        check_all_is_well(catalog, music, tmp_path / "var")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a disk so small")
def test_a_full_disk_is_one_line_and_blames_no_song(
    tmp_path: Path, serve: Serve, write_tone: WriteTone, collector: Callable[[str], subprocess.Popen[str]]
) -> None:
    music = Music(tmp_path / "music", 20, serve, write_tone, moment_s=0)
    url = f"sqlite:///{tmp_path / 'catalog.db'}"
    catalog = Catalog.open(url)
    import_songs(catalog, music.table, "x")
    home = tmp_path / "var"
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", home], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        _, errors = collector(url).communicate(timeout=300)
        assert "No space left on device; free some space, then run mer clips again" in errors
        with catalog.reading() as connection:
            assert connection.scalar(select(func.count()).where(clips.c.reason.is_not(None))) == 0
    finally:
        subprocess.run(["umount", home], check=True)
    assert collector(url).wait(timeout=300) == 0
    assert set(done(catalog)) == set(music.names)
