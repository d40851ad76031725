"""The store of clips: whether each file there is what its name says, the SHA-256 of its bytes."""

import json
import logging
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from mer_tasks.files import sha256_of, write_text
from mer_tasks.workspace import clip_path

log = logging.getLogger(__name__)

READ_AGAIN_AFTER_S = 30 * 86_400
"""A disk may lose bytes and change no date: what was read longer ago is read again."""

BATCH = 1_000
"""Clips that wait for a thread at a time, so that memory does not follow their number."""

Stamp = list[int]
"""A file's size, times of change in ns, and inode: whoever writes to a file changes one of them."""

Whole = dict[str, tuple[Stamp, int]]
"""The stamp that each clip, by SHA-256, had when it was read and whole, and when that was, in s."""


class Flaw(NamedTuple):
    """Why a stored clip cannot be used: `reason` is a clause about the song."""

    kind: Literal["missing", "altered", "unreadable"]
    reason: str


def find_flaw(clip: Path) -> Flaw | None:
    """Read a stored clip, and say what is wrong with it."""
    try:
        found = clip.lstat()
        if not stat.S_ISREG(found.st_mode):
            return _altered(f"a {_kind_of(found.st_mode)} is in its place")
        if sha256_of(clip) == clip.stem:
            return None
        return _altered("other bytes than were cut" if found.st_size else "it is empty")
    except FileNotFoundError:
        return Flaw("missing", "its clip is missing from the clip store")
    except NotADirectoryError:
        return _altered("a file is in the place of its folder")
    except OSError as error:
        return Flaw("unreadable", f"its clip in the clip store cannot be read: {error.strerror}")


def find_flaws(store: Path, clips: Iterable[str], n_threads: int) -> Iterator[tuple[str, Flaw | None]]:
    """Read every one of the clips, given by SHA-256, and say of each what is wrong with it."""
    remaining = iter(clips)
    with ThreadPoolExecutor(n_threads) as pool:  # hashing holds no lock of Python's
        while batch := list(islice(remaining, BATCH)):
            yield from zip(
                batch, pool.map(find_flaw, (clip_path(store, clip) for clip in batch)), strict=True
            )


def find_new_flaws(store: Path, clips: Collection[str], n_threads: int) -> dict[str, Flaw]:
    """What is wrong with which of the clips, by SHA-256; what has not changed since it was read is not read again."""
    whole, now = _read_whole(store), int(time.time())
    stamps = {clip: _stamp(clip_path(store, clip)) for clip in clips}
    fresh = {
        clip
        for clip, (stamp, at) in whole.items()
        if stamps.get(clip) == stamp and at >= now - READ_AGAIN_AFTER_S
    }
    found = dict(find_flaws(store, [clip for clip in stamps if clip not in fresh], n_threads))
    read = {clip: (stamp, now) for clip, flaw in found.items() if not flaw and (stamp := stamps[clip])}
    if read:
        _write_whole(store, whole | read)
    return {clip: flaw for clip, flaw in found.items() if flaw}


def clear_place(clip: Path) -> None:
    """Take away what is in the place of a clip, unless another process has just put the clip there.

    A folder is not deleted: it stays beside its old place, in one called `.altered-…`.
    """
    place = clip if clip.parent.is_dir() else clip.parent
    try:
        aside = Path(tempfile.mkdtemp(prefix=".altered-", dir=place.parent)) / place.name
        try:
            place.rename(aside)  # nobody else can have it now, so that what is looked at is what is deleted
            if find_flaw(aside) is None:
                aside.rename(place)
            elif not stat.S_ISDIR(aside.lstat().st_mode):
                aside.unlink()
        finally:
            if not any(aside.parent.iterdir()):
                aside.parent.rmdir()
    except FileNotFoundError:
        return  # another process took it away
    except OSError as error:
        log.warning("%s: cannot be taken away: %s", place, error.strerror)


def _altered(what: str) -> Flaw:
    return Flaw("altered", f"its clip was altered in the clip store: {what}")


def _kind_of(mode: int) -> str:
    return "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "special file"


def _stamp(clip: Path) -> Stamp | None:
    try:
        found = clip.lstat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _whole_file(store: Path) -> Path:
    return store / ".whole.json"


def _read_whole(store: Path) -> Whole:
    """What `_write_whole` wrote; nothing where that is damaged, and all clips are read again."""
    try:
        whole = json.loads(_whole_file(store).read_text(encoding="utf-8"))
        return {clip: (list(map(int, stamp)), int(at)) for clip, (stamp, at) in whole.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _write_whole(store: Path, whole: Whole) -> None:
    try:
        write_text(_whole_file(store), json.dumps(whole))
    except OSError as error:  # then clips are read again next time
        log.warning("%s: cannot be written: %s", _whole_file(store), error.strerror)
