"""A clip's features are computed once, and again only when they must be."""

from pathlib import Path

import numpy as np
import pytest

from mer_tasks.features import store as store_module
from mer_tasks.features.clip import ClipFeatures, describe
from mer_tasks.features.store import DEPENDS_ON, FeatureStore, Part
from mer_tasks.settings import FeatureSettings, Params

SHA256 = "ab" * 32
ALL = ("mfcc", "centroid", "cens", "mel", "summary")


@pytest.fixture
def settings(params: Params) -> FeatureSettings:
    return params.features.model_copy(update={"hop_length": 2048, "n_mels": 32})


@pytest.fixture
def y() -> np.ndarray:
    return np.sin(np.arange(22050, dtype=np.float32) / 7) * np.linspace(0, 1, 22050, dtype=np.float32)


def ask(folder: Path, settings: FeatureSettings, y: np.ndarray) -> tuple[ClipFeatures, tuple[Part, ...]]:
    return FeatureStore(folder, settings).features(SHA256, lambda: y)


def test_what_is_kept_is_what_was_computed(tmp_path: Path, settings: FeatureSettings, y: np.ndarray) -> None:
    assert not FeatureStore(tmp_path, settings).holds(SHA256)
    computed, parts = ask(tmp_path, settings, y)
    assert (parts, FeatureStore(tmp_path, settings).holds(SHA256)) == (ALL, True)
    kept, parts = FeatureStore(tmp_path, settings).features(
        SHA256, lambda: pytest.fail("decoded for nothing")
    )
    assert parts == ()
    for name, rows in describe(y, settings).blocks.items():
        np.testing.assert_array_equal(kept.blocks[name], rows)
    assert list(kept.summary.items()) == list(computed.summary.items())


@pytest.mark.parametrize("part", ["mel", "summary"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_half_a_file_is_computed_again(
    tmp_path: Path, settings: FeatureSettings, y: np.ndarray, share: float, part: Part
) -> None:
    ask(tmp_path, settings, y)
    path = FeatureStore(tmp_path, settings).path(SHA256, part)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert ask(tmp_path, settings, y)[1] == (part,)
    assert path.read_bytes() == content


def test_an_altered_file_counts_as_none(tmp_path: Path, settings: FeatureSettings, y: np.ndarray) -> None:
    ask(tmp_path, settings, y)
    store = FeatureStore(tmp_path, settings)
    path = store.path(SHA256, "mel")
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(content) - 300, 20):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        assert store._read(SHA256, "mel") is None, f"byte {place} of {len(content)}"


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"mel": "power", "scale": "row"}, ()),
        ({"stack": ("mel",)}, ()),
        ({"stack": ("mel", "rms", "flatness")}, ("rms", "flatness")),
        ({"n_mfcc": 13}, ("mfcc", "summary")),
        ({"n_mels": 64}, ("mfcc", "mel", "summary")),
        ({"n_chroma": 6}, ("cens", "summary")),
        ({"n_fft": 1024}, ("mfcc", "centroid", "mel", "summary")),
        ({"hop_length": 4096}, ALL),
        ({"sr": 16000}, ALL),
    ],
    ids=str,
)
def test_a_changed_setting_computes_what_depends_on_it(
    tmp_path: Path,
    settings: FeatureSettings,
    y: np.ndarray,
    change: dict[str, object],
    anew: tuple[Part, ...],
) -> None:
    ask(tmp_path, settings, y)
    assert ask(tmp_path, settings.model_copy(update=change), y)[1] == anew
    assert ask(tmp_path, settings, y)[1] == ()


@pytest.mark.parametrize("library", store_module.LIBRARIES)
def test_another_version_computes_all(
    tmp_path: Path, settings: FeatureSettings, y: np.ndarray, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path, settings, y)
    versions = dict.fromkeys(store_module.LIBRARIES, "1") | {library: "2"}
    monkeypatch.setattr(store_module, "version", versions.__getitem__)
    assert not FeatureStore(tmp_path, settings).holds(SHA256)


def test_every_setting_of_a_part_is_one() -> None:
    assert {name for names in DEPENDS_ON.values() for name in names} < set(FeatureSettings.model_fields)
