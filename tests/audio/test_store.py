"""Stored clips that are not what they were cut to: told apart, read once, taken away."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mer_tasks.audio import store as clip_store
from mer_tasks.audio.store import Flaw, clear_place, find_flaw, find_flaws, find_new_flaws
from mer_tasks.objects.folder import FolderStore
from mer_tasks.workspace import clip_key

Spoil = Callable[[Path], object]
OTHER = b"the bytes of another clip"


def put(store: Path, content: bytes) -> str:
    """Store some bytes as a clip; any bytes will do, for only their hash counts."""
    sha256 = hashlib.sha256(content).hexdigest()
    clip = store / clip_key(sha256)
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.write_bytes(content)
    return sha256


def as_folder(clip: Path) -> None:
    clip.unlink()
    clip.mkdir()
    (clip / "notes.txt").write_text("somebody's")


def as_link(clip: Path) -> None:
    kept = clip.rename(clip.parents[1] / "elsewhere.mp3")
    clip.symlink_to(kept)


def as_pipe(clip: Path) -> None:
    clip.unlink()
    os.mkfifo(clip)


def as_a_file_in_the_place_of_its_folder(clip: Path) -> None:
    clip.unlink()
    clip.parent.rmdir()
    clip.parent.write_text("not a folder")


def in_place(clip: Path) -> None:
    """Other bytes of the same number, with the same date as before."""
    found = clip.stat()
    clip.write_bytes(clip.read_bytes()[::-1])
    os.utime(clip, ns=(found.st_atime_ns, found.st_mtime_ns))


SPOILT: dict[str, tuple[Spoil, str]] = {
    "text": (lambda clip: clip.write_text("hello"), "other bytes than were cut"),
    "zero bytes": (lambda clip: clip.write_bytes(b""), "it is empty"),
    "truncated": (lambda clip: os.truncate(clip, 5), "other bytes than were cut"),
    "longer": (lambda clip: clip.write_bytes(clip.read_bytes() + b"0"), "other bytes than were cut"),
    "another clip": (lambda clip: clip.write_bytes(OTHER), "other bytes than were cut"),
    "same size and date": (in_place, "other bytes than were cut"),
    "a folder": (as_folder, "a folder is in its place"),
    "a link": (as_link, "a link is in its place"),
    "a pipe": (as_pipe, "a special file is in its place"),
    "no folder": (as_a_file_in_the_place_of_its_folder, "a file is in the place of its folder"),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_is_altered_is_told_and_taken_away(tmp_path: Path, spoil: str) -> None:
    act, reason = SPOILT[spoil]
    one = put(tmp_path, b"one clip")
    assert (find_flaw(FolderStore(tmp_path), one), find_new_flaws(FolderStore(tmp_path), [one], 1)) == (
        None,
        {},
    )
    act(tmp_path / clip_key(one))
    flaw = Flaw("altered", f"its clip was altered in the clip store: {reason}")
    assert dict(find_flaws(FolderStore(tmp_path), [one], 2)) == {one: flaw}
    assert find_new_flaws(FolderStore(tmp_path), [one], 2) == {one: flaw}
    clear_place(FolderStore(tmp_path), one)
    assert find_flaw(FolderStore(tmp_path), one) == Flaw("missing", "its clip is missing from the clip store")
    assert put(tmp_path, b"one clip") == one  # it can be cut anew
    assert find_new_flaws(FolderStore(tmp_path), [one], 1) == {}


def test_nobody_s_folder_is_deleted_and_no_link_is_followed(tmp_path: Path) -> None:
    one, two = put(tmp_path, b"one clip"), put(tmp_path, b"another clip")
    as_folder(tmp_path / clip_key(one))
    as_link(tmp_path / clip_key(two))
    for sha256 in (one, two):
        clear_place(FolderStore(tmp_path), sha256)
    (notes,) = tmp_path.glob(f"{one[:2]}/.altered-*/{one}.mp3/notes.txt")
    assert notes.read_text() == "somebody's"
    assert (tmp_path / "elsewhere.mp3").read_bytes() == b"another clip"


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may read everything."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    yield
    os.seteuid(user)


def test_what_may_not_be_read_is_no_clip(tmp_path: Path) -> None:
    one = put(tmp_path, b"one clip")
    (tmp_path / clip_key(one)).chmod(0)
    with an_ordinary_user():
        flaw = find_flaw(FolderStore(tmp_path), one)
    assert flaw == Flaw("unreadable", "its clip in the clip store cannot be read: Permission denied")


def test_one_that_cannot_be_looked_at_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "aa").mkdir()
    flaws = dict(find_flaws(FolderStore(tmp_path), ["a" * 300, "b" * 64, put(tmp_path, b"one clip")], 1))
    assert [flaw and flaw.kind for flaw in flaws.values()] == ["unreadable", "missing", None]


def test_a_clip_that_another_process_has_just_cut_stays(tmp_path: Path) -> None:
    one = put(tmp_path, b"one clip")
    clear_place(FolderStore(tmp_path), one)
    clear_place(FolderStore(tmp_path), "0" * 64)
    assert find_flaw(FolderStore(tmp_path), one) is None
    assert [path.name for path in (tmp_path / clip_key(one)).parent.iterdir()] == [f"{one}.mp3"]


def test_only_what_has_changed_or_was_read_long_ago_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[str]()
    monkeypatch.setattr(clip_store, "find_flaw", lambda *asked: read.append(asked[1]) or find_flaw(*asked))
    one, two = put(tmp_path, b"one clip"), put(tmp_path, b"another clip")

    def look() -> list[str]:
        read.clear()
        assert find_new_flaws(FolderStore(tmp_path), [one, two], 1) == {}
        return sorted(read)

    assert (look(), look()) == (sorted([one, two]), [])
    put(tmp_path, b"one clip")
    assert (look(), look()) == ([one], [])
    monkeypatch.setattr(clip_store, "READ_AGAIN_AFTER_S", -60)
    assert look() == sorted([one, two])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no JSON",
        b"[]",
        b"[" * 100_000,
        b'{"a": 1}',
        b"\xff",
        b'{"%s": [1, "x"]}',
        b'{"%s": [[1], "x"]}',
    ],
)
def test_damaged_notes_of_what_was_read_do_no_harm(tmp_path: Path, content: bytes) -> None:
    one = put(tmp_path, b"one clip")
    (tmp_path / ".whole.json").write_bytes(content.replace(b"%s", one.encode()))
    assert find_new_flaws(FolderStore(tmp_path), [one], 1) == {}
    assert list(json.loads((tmp_path / ".whole.json").read_text())) == [one]
