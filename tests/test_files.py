"""A file is wholly there or not there, what is no file is not waited for, and a full place is named."""

import errno
import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mer_tasks.files import open_regular, read_regular, replacing, sha256_of, temporary_folder, write_text


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "FIFO": (os.mkfifo, "Is a FIFO, not a file"),
    "socket": (bind, "Is a socket, not a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "Is a device, not a file"),
    "folder": (lambda path: path.mkdir(), "Is a directory"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    "circular link": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    make, reason = NO_FILES[name]
    make(tmp_path / "x")
    for read in (open_regular, read_regular, sha256_of):
        with pytest.raises(OSError) as caught:
            read(tmp_path / "x")
        assert caught.value.strerror == reason


def test_a_file_behind_a_link_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("x")
    assert read_regular(tmp_path / "link") == b"abc"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_named(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError) as caught:
        write_text(small_disk / "report.txt", "x" * 100_000)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(small_disk))
    assert list(small_disk.iterdir()) == []
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    with pytest.raises(OSError) as caught, temporary_folder() as folder:
        (folder / "x").write_bytes(bytes(100_000))
    assert caught.value.errno == errno.ENOSPC
    assert Path(str(caught.value.filename)).parent == small_disk


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_text(path, "abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_copy_to_a_full_place_blames_no_other(tmp_path: Path) -> None:
    source, store = tmp_path / "source", tmp_path / "store"
    source.write_bytes(bytes(10_000))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, most))
    try:
        with pytest.raises(OSError) as caught, replacing(store / "copy") as temporary:
            shutil.copyfile(source, temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(store))
