"""A clip's features are computed once, and again only when they must be."""

from pathlib import Path

import numpy as np
import pytest

from mer_tasks.features.clip import describe
from mer_tasks.features.store import FeatureStore
from mer_tasks.settings import Features, Params

SHA256 = "ab" * 32


@pytest.fixture
def settings(params: Params) -> Features:
    return params.features.model_copy(update={"hop_length": 2048, "n_mels": 32})


@pytest.fixture
def y() -> np.ndarray:
    return np.sin(np.arange(22050, dtype=np.float32) / 7) * np.linspace(0, 1, 22050, dtype=np.float32)


def test_what_is_kept_is_what_was_computed(tmp_path: Path, settings: Features, y: np.ndarray) -> None:
    store = FeatureStore(tmp_path, settings)
    assert store.get(SHA256) is None
    computed = store.compute(SHA256, y)
    kept = FeatureStore(tmp_path, settings).get(SHA256)
    assert kept is not None
    for name in ("mfcc", "centroid", "cens", "mel"):
        np.testing.assert_array_equal(getattr(kept.frames, name), getattr(describe(y, settings).frames, name))
    assert kept.summary == computed.summary
    assert list(kept.summary) == list(computed.summary)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_half_a_file_counts_as_none(tmp_path: Path, settings: Features, y: np.ndarray, share: float) -> None:
    store = FeatureStore(tmp_path, settings)
    store.compute(SHA256, y)
    path = store.path(SHA256)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert store.get(SHA256) is None
    store.compute(SHA256, y)
    assert path.read_bytes() == content


def test_an_altered_file_counts_as_none(tmp_path: Path, settings: Features, y: np.ndarray) -> None:
    store = FeatureStore(tmp_path, settings)
    store.compute(SHA256, y)
    path = store.path(SHA256)
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content) - 2000, 20):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        kept = store.get(SHA256)
        assert kept is None, f"byte {place} of {len(content)}"


def test_settings_keep_apart(tmp_path: Path, settings: Features) -> None:
    here = FeatureStore(tmp_path, settings).path(SHA256)
    for change in ({"sr": 16000}, {"n_fft": 1024}, {"hop_length": 512}, {"n_mfcc": 13}, {"n_mels": 64}):
        assert FeatureStore(tmp_path, settings.model_copy(update=change)).path(SHA256) != here


def test_settings_of_the_image_share(tmp_path: Path, settings: Features) -> None:
    here = FeatureStore(tmp_path, settings).path(SHA256)
    for change in ({"stack": ("mel",)}, {"mel": "power"}, {"scale": "row"}):
        assert FeatureStore(tmp_path, settings.model_copy(update=change)).path(SHA256) == here
