"""A clip's row in a data set: what a process of `build_features` makes, and all that it imports."""

import hashlib
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mer_tasks.audio.decode import AudioError, decode, mono
from mer_tasks.features.image import song_image
from mer_tasks.features.store import FeatureStore
from mer_tasks.settings import FeatureSettings


class ClipRow(NamedTuple):
    """What a data set takes from one clip, or the reason why it takes nothing."""

    image: np.ndarray | None = None
    summary: dict[str, float] | None = None
    computed: bool = False
    reason: str | None = None


def clip_row(clip: Path, store: FeatureStore, settings: FeatureSettings) -> ClipRow:
    """The row of a clip, whose file is named by its SHA-256: from `store`, or computed and kept there."""
    try:
        features, computed = store.features(clip.stem, lambda: mono(decode(_clip_bytes(clip)), settings.sr))
    except AudioError as error:
        return ClipRow(reason=str(error))
    return ClipRow(song_image(features.blocks, settings), features.summary, bool(computed))


def end_with(parent: int) -> None:
    """Let this process end when its parent does, even by kill -9: left alone it would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _clip_bytes(clip: Path) -> bytes:
    try:
        content = clip.read_bytes()
    except OSError as error:
        raise AudioError(f"its clip {clip.name} is not in the clip store; put it back") from error
    if hashlib.sha256(content).hexdigest() != clip.stem:
        raise AudioError(f"its clip {clip.name} is damaged in the clip store; put a good copy back")
    return content
