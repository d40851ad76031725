"""One clip of a data set: what a process of `build_features` does, and all that it imports."""

import hashlib
import os
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mer_tasks.audio.decode import AudioError, decode
from mer_tasks.audio.silence import audible
from mer_tasks.features.parts import ClipParts
from mer_tasks.features.representations import ClipReader
from mer_tasks.features.store import FeatureStore
from mer_tasks.files import read_regular
from mer_tasks.objects import ObjectStore
from mer_tasks.settings import FeatureSettings
from mer_tasks.workspace import clip_key


@dataclass(frozen=True)
class Work:
    """What to compute of each clip: representations by name; the values of `tables` are wanted, others only kept."""

    readers: Mapping[str, ClipReader]
    tables: tuple[str, ...]
    clips: ObjectStore
    store: FeatureStore
    settings: FeatureSettings
    device: str


class ClipRow(NamedTuple):
    """What a data set takes from one clip: a row a table, float32 of shape (n,); or the reason why nothing."""

    tables: Mapping[str, np.ndarray]
    computed: bool = False
    reason: str | None = None


def clip_row(sha256: str, lacking: Collection[str], work: Work) -> ClipRow:
    """The row of a clip, of which the store lacks the parts with these ids; all its parts are whole there then."""
    settings = work.settings
    parts = ClipParts(
        lambda: audible(decode(_clip_bytes(work.clips, sha256)), settings.sr, f"its clip {sha256}.mp3"),
        settings,
        work.device,
        (work.store, sha256),
    )
    try:
        for reader in work.readers.values():
            for part in reader.parts:
                if part.id in lacking or not work.store.objects.checks_itself:
                    parts[part]
        tables = {name: work.readers[name].read(parts) for name in work.tables}
    except AudioError as error:
        return ClipRow({}, reason=str(error))
    return ClipRow(tables, bool(parts.computed))


def end_with(parent: int) -> None:
    """Let this process end when its parent does, even by kill -9: left alone it would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _clip_bytes(store: ObjectStore, sha256: str) -> bytes:
    """The bytes of a clip; a copy of it that is damaged is got anew."""
    for find in (store.local, store.fresh):
        try:
            content = read_regular(find(clip_key(sha256)))
        except OSError as error:
            raise AudioError(f"its clip {sha256}.mp3 is not in the clip store; run mer clips") from error
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
    raise AudioError(f"its clip {sha256}.mp3 is damaged in the clip store; run mer verify, then mer clips")
