"""What several tests of features stand on: quick settings, short clips, a data set."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from mer_tasks.audio.cut import cut_clip
from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.features.representations.frames import Settings as FramesSettings
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import Params, load_params

ROOT = Path(__file__).parents[2]
Songs = Callable[..., Snapshot]


@pytest.fixture
def quick(params: Params, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The real settings with fewer and smaller frames, random weights, and every representation."""
    monkeypatch.delenv("MER_RESNET18_WEIGHTS", raising=False)
    return quick_params(params)


def quick_params(params: Params) -> Params:
    resnet18 = params.representations["resnet18"].model_copy(update={"weights": "none"})
    more = {"frames": FramesSettings(stack=("mel", "rms")), "resnet18": resnet18}
    features = params.features.model_copy(update={"hop_length": 2048, "n_mels": 32})
    quality = params.quality.model_copy(update={"max_lost_share": 0.5})  # one song of two
    more_settings = {"features": features, "quality": quality}
    return params.model_copy(update={**more_settings, "representations": params.representations | more})


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three clips in a store; the SHA-256 of each, and where the store is, by name."""
    folder = tmp_path_factory.mktemp("clips")
    short = load_params(ROOT / "params.yaml").clips
    short = short.model_copy(update={"duration_s": 4.0, "min_duration_s": 3.0})
    found = {"store": str(folder)}
    for hz in (220, 440, 880):
        song = folder.parent / f"{hz}.wav"
        t = np.arange(round(3.2 * 22050)) / 22050
        soundfile.write(song, 0.3 * np.sin(2 * np.pi * hz * t) * (1 + np.sin(12 * t)) / 2, 22050)
        found[f"tone-{hz}"] = cut_clip(song, FolderStore(folder), short).sha256
    return found


@pytest.fixture
def songs(clips: dict[str, str]) -> Songs:
    """A function that makes a snapshot of songs by name; those in `spotify` have all of Spotify's features."""

    def snapshot(names: list[str], spotify: tuple[str, ...] = (), **more: str) -> Snapshot:
        known = clips | more
        table = pd.DataFrame({"track_id": names, "clip_sha256": [known.get(name) for name in names]})
        table["clip_sha256"] = table["clip_sha256"].astype("str")
        for place, feature in enumerate(SPOTIFY_FEATURES):
            table[feature] = np.where(table["track_id"].isin(spotify), 0.125 * place, np.nan)
        return Snapshot(table, table.iloc[:0])

    return snapshot
