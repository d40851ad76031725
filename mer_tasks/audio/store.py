"""The store of clips: whether each file there is what its name says, the SHA-256 of its bytes."""

import json
import logging
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from mer_tasks.files import sha256_of
from mer_tasks.objects import ObjectStore, Stamp
from mer_tasks.workspace import clip_key

log = logging.getLogger(__name__)

READ_AGAIN_AFTER_S = 30 * 86_400
"""A disk may lose bytes and change no date: what was read longer ago is read again."""

BATCH = 1_000
"""Clips that wait for a thread at a time, so that memory does not follow their number."""

NOTES = ".whole.json"
"""The object in which `Whole` is kept, for all machines."""

Whole = dict[str, tuple[Stamp, int]]
"""The stamp that each clip, by SHA-256, had when it was read and whole, and when that was, in s."""


class Flaw(NamedTuple):
    """Why a stored clip cannot be used: `reason` is a clause about the song."""

    kind: Literal["missing", "altered", "unreadable"]
    reason: str


MISSING = Flaw("missing", "its clip is missing from the clip store")


def find_flaw(store: ObjectStore, sha256: str) -> Flaw | None:
    """Read a stored clip as it is now, and say what is wrong with it."""
    try:
        return _flaw_of(store.fresh(clip_key(sha256)))
    except FileNotFoundError:
        return MISSING


def _flaw_of(clip: Path) -> Flaw | None:
    try:
        found = clip.lstat()
        if not stat.S_ISREG(found.st_mode):
            return _altered(f"a {_kind_of(found.st_mode)} is in its place")
        if sha256_of(clip) == clip.stem:
            return None
        return _altered("other bytes than were cut" if found.st_size else "it is empty")
    except FileNotFoundError:
        return MISSING
    except NotADirectoryError:
        return _altered("a file is in the place of its folder")
    except OSError as error:
        return Flaw("unreadable", f"its clip in the clip store cannot be read: {error.strerror}")


def find_flaws(store: ObjectStore, clips: Iterable[str], n_threads: int) -> Iterator[tuple[str, Flaw | None]]:
    """Read every one of the clips, given by SHA-256, and say of each what is wrong with it."""
    remaining = iter(clips)
    with ThreadPoolExecutor(n_threads) as pool:  # hashing holds no lock of Python's
        while batch := list(islice(remaining, BATCH)):
            yield from zip(batch, pool.map(partial(find_flaw, store), batch), strict=True)


def find_new_flaws(store: ObjectStore, clips: Collection[str], n_threads: int) -> dict[str, Flaw]:
    """What is wrong with which of the clips, by SHA-256; what has not changed since it was read is not read again."""
    whole, now = _read_whole(store), int(time.time())
    keys = {clip: clip_key(clip) for clip in clips}
    stamps = store.stamps(keys.values())
    fresh = {
        clip
        for clip, (stamp, at) in whole.items()
        if stamps.get(clip_key(clip)) == stamp and at >= now - READ_AGAIN_AFTER_S
    }
    found = dict(find_flaws(store, [clip for clip in keys if clip not in fresh], n_threads))
    read = {
        clip: (stamp, now) for clip, flaw in found.items() if not flaw and (stamp := stamps.get(keys[clip]))
    }
    if read:
        _write_whole(store, whole | read)
    return {clip: flaw for clip, flaw in found.items() if flaw}


def clear_place(store: ObjectStore, sha256: str) -> None:
    """Take away what is in the place of a clip, unless another process has just put the clip there."""
    store.take_away(clip_key(sha256), lambda clip: _flaw_of(clip) is None)


def _altered(what: str) -> Flaw:
    return Flaw("altered", f"its clip was altered in the clip store: {what}")


def _kind_of(mode: int) -> str:
    return "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "special file"


def _read_whole(store: ObjectStore) -> Whole:
    """What `_write_whole` wrote; nothing where that is damaged, and all clips are read again."""
    try:
        whole = json.loads(store.fresh(NOTES).read_text(encoding="utf-8"))
        return {clip: (list(stamp), int(at)) for clip, (stamp, at) in whole.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _write_whole(store: ObjectStore, whole: Whole) -> None:
    try:
        with store.writing(NOTES) as file:
            file.write_text(json.dumps(whole), encoding="utf-8")
    except OSError as error:  # then clips are read again next time
        log.warning("%s: cannot be written: %s", error.filename or NOTES, error.strerror)
