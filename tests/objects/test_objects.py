"""What every store of objects promises, a folder and a bucket alike."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from s3fs import S3FileSystem

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.objects import ObjectStore, open_store
from mer_tasks.objects.bucket import BucketStore
from tests.s3 import plain

ROOT = Path(__file__).parents[2]
KEY = "ab/ab12.mp3"
Open = Callable[..., ObjectStore]


@pytest.fixture(params=["folder", "bucket"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """A function that opens the store, as another machine does where that is possible."""
    address = None if request.param == "folder" else request.getfixturevalue("bucket")

    def open_it(machine: str = "one", cache_gb: float = 1.0) -> ObjectStore:
        home = tmp_path if address is None else tmp_path / machine
        return open_store(address, "clips", home, cache_gb)

    return open_it


def put(store: ObjectStore, content: bytes, key: str = KEY) -> None:
    with store.writing(key) as file:
        file.write_bytes(content)


def has(store: ObjectStore, key: str = KEY) -> bool:
    return key in store.stamps([key])


def test_what_one_machine_puts_another_reads(elsewhere: Open) -> None:
    one, other = elsewhere("one"), pickle.loads(pickle.dumps(elsewhere("another")))
    assert (one.is_empty(), has(one)) == (True, False)
    one.prepare()
    assert one.is_empty()
    put(one, b"a clip")
    assert other.local(KEY).read_bytes() == other.fresh(KEY).read_bytes() == b"a clip"
    assert (other.is_empty(), list(other.keys("ab")), list(other.keys("cd"))) == (False, [KEY], [])
    assert other.stamps([KEY, "cd/none.mp3"])[KEY][0] == len(b"a clip")


def test_what_is_not_there_is_no_file(elsewhere: Open) -> None:
    store = elsewhere()
    store.prepare()
    for find in (store.local, store.fresh):
        with pytest.raises(FileNotFoundError):
            find(KEY).read_bytes()
    store.fetch([KEY])


def test_nothing_is_there_before_all_is_written(elsewhere: Open) -> None:
    store, other = elsewhere(), elsewhere("another")
    with store.writing(KEY) as file:
        file.write_bytes(b"half")
        assert not has(other)
    with pytest.raises(RuntimeError), store.writing(KEY) as file:
        file.write_bytes(b"half of another")
        raise RuntimeError
    assert other.fresh(KEY).read_bytes() == b"half"
    assert list(other.keys("ab")) == [KEY]


WRITE = """
import pickle, sys
store = pickle.loads(bytes.fromhex(sys.argv[1]))
while True:
    for letter in b"ab":
        with store.writing("ab/ab12.mp3") as file:
            file.write_bytes(bytes([letter]) * 500_000)
        print(flush=True)
"""


def test_killed_while_it_writes_it_leaves_no_half(elsewhere: Open) -> None:
    store, reader = elsewhere(), elsewhere("another")
    command = [sys.executable, "-c", WRITE, pickle.dumps(store).hex()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for wait_s in (0.0, 0.003, 0.01):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
            assert writer.stdout
            writer.stdout.readline()
            time.sleep(wait_s)
            writer.send_signal(signal.SIGKILL)
        assert reader.fresh(KEY).read_bytes() in (b"a" * 500_000, b"b" * 500_000)
        assert list(reader.keys("ab")) == [KEY]


def test_a_reader_never_meets_half_of_what_others_write(elsewhere: Open) -> None:
    writers, reader, stop = [elsewhere("one"), elsewhere("two")], elsewhere("three"), threading.Event()

    def write(store: ObjectStore, letter: bytes) -> None:
        while not stop.is_set():
            put(store, letter * 100_000)

    put(writers[0], b"a" * 100_000)
    threads = [
        threading.Thread(target=write, args=(store, b"ab"[i : i + 1])) for i, store in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    seen = [reader.fresh(KEY).read_bytes() for _ in range(20)]
    stop.set()
    for thread in threads:
        thread.join()
    assert {len(content) for content in seen} == {100_000} and all(len(set(content)) == 1 for content in seen)


def test_every_write_changes_the_stamp(elsewhere: Open) -> None:
    store = elsewhere()
    put(store, b"a clip")
    before = store.stamps([KEY])
    assert store.stamps([KEY]) == before
    put(elsewhere("another"), b"b clip")
    assert store.stamps([KEY]) != before
    assert store.fresh(KEY).read_bytes() == b"b clip"


def test_taken_away_is_what_is_wrong_and_nothing_else(elsewhere: Open) -> None:
    store = elsewhere()
    store.take_away(KEY, lambda file: False)
    put(store, b"right")
    store.take_away(KEY, lambda file: file.read_bytes() == b"right")
    assert store.fresh(KEY).read_bytes() == b"right"
    put(elsewhere("another"), b"wrong")
    store.take_away(KEY, lambda file: file.read_bytes() == b"right")
    assert not has(store)
    with pytest.raises(FileNotFoundError):
        store.local(KEY).read_bytes()


def open_bucket(address: str, home: Path, cache_gb: float = 1.0) -> BucketStore:
    store = open_store(address, "clips", home, cache_gb)
    assert isinstance(store, BucketStore)
    return store


def test_what_was_read_or_written_here_is_not_got_again(bucket: str, tmp_path: Path) -> None:
    put(open_bucket(bucket, tmp_path / "one"), b"a clip")
    there = f"{bucket.removeprefix('s3://')}/clips/{KEY}"
    writer, reader = open_bucket(bucket, tmp_path / "one"), open_bucket(bucket, tmp_path / "another")
    reader.local(KEY)
    assert plain().cat_file(there) == b"a clip"
    plain().rm_file(there)
    assert writer.local(KEY).read_bytes() == reader.local(KEY).read_bytes() == b"a clip"


def test_many_are_got_at_a_time(bucket: str, tmp_path: Path) -> None:
    one, other = open_bucket(bucket, tmp_path / "one"), open_bucket(bucket, tmp_path / "another")
    names = [f"ab/{number}.npz" for number in range(40)]
    for name in names:
        put(one, name.encode(), name)
    other.fetch([*names, "ab/none.npz"])
    plain().rm(f"{bucket.removeprefix('s3://')}/clips", recursive=True)
    assert [other.local(name).read_bytes().decode() for name in names] == names


def test_the_copies_stay_within_their_room(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mer_tasks.objects.cache.IN_USE_S", -60)
    monkeypatch.setattr("mer_tasks.objects.cache.LOOK_EVERY_S", -60)
    store = open_bucket(bucket, tmp_path, cache_gb=100e3 / 1e9)
    for number in range(40):
        put(store, bytes(10_000), f"ab/{number}.npz")
        time.sleep(0.002)  # so that each has a time of its own
        store.local("ab/0.npz")
    kept = list((tmp_path / "store-cache").rglob("*.npz"))
    assert sum(path.stat().st_size for path in kept) <= 110_000
    assert {"0.npz", "39.npz"} <= {path.name for path in kept}
    assert len(list(store.keys("ab"))) == 40
    assert store.local("ab/1.npz").read_bytes() == bytes(10_000)


def test_a_bucket_that_is_not_there_is_one_line(bucket: str, tmp_path: Path) -> None:
    store = open_bucket("s3://another-bucket/of/us", tmp_path)
    for ask in (
        store.prepare,
        lambda: store.stamps([KEY]),
        lambda: store.local(KEY),
        lambda: put(store, b""),
    ):
        with pytest.raises(
            InputError, match=r"^s3://another-bucket/of/us/clips: there is no such bucket; make"
        ):
            ask()


def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the variables be read anew, as a process does once."""
    client = S3FileSystem(skip_instance_cache=True)
    monkeypatch.setattr("mer_tasks.objects.bucket._file_system", lambda pid: client)


def test_a_server_that_is_away_is_tried_again_later_and_no_object_is_called_missing(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    anew(monkeypatch)
    store = open_bucket(bucket, tmp_path)
    for ask in (
        store.prepare,
        lambda: store.stamps([KEY]),
        lambda: store.local(KEY),
        lambda: put(store, b""),
    ):
        with pytest.raises(
            UnavailableError, match=rf"^{bucket}/clips: cannot be reached now: Could not connect"
        ):
            ask()
    assert list(tmp_path.rglob("*.mp3")) == []


def test_a_machine_without_keys_is_told_which_to_set(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    anew(monkeypatch)
    with pytest.raises(InputError, match="refuses: Unable to locate credentials; check AWS_ACCESS_KEY_ID"):
        open_bucket(bucket, tmp_path).prepare()
