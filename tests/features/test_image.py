"""The picture of a clip: which rows, in which order, on which scale."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mer_tasks.features.clip import fix_length
from mer_tasks.features.frames import Blocks
from mer_tasks.features.image import song_image
from mer_tasks.features.representations import image as representation
from mer_tasks.features.representations.image import Settings
from mer_tasks.settings import Block, Params

N = 7
HEIGHTS: dict[Block, int] = {"mfcc": 20, "centroid": 1, "cens": 12, "mel": 128}


@pytest.fixture
def settings(params: Params) -> Settings:
    found = params.representations["image"]
    assert isinstance(found, Settings)
    return found


@pytest.fixture
def blocks() -> Blocks:
    rng = np.random.default_rng(0)
    return {name: rng.uniform(1, 9, (height, N)).astype(np.float32) for name, height in HEIGHTS.items()}


def test_an_image_shows_30_seconds(params: Params) -> None:
    assert fix_length(np.zeros(5, np.float32), params.features).shape == (661500,)
    assert fix_length(np.zeros(700_000, np.float32), params.features).shape == (661500,)


def test_blocks_lie_as_the_stack_has_them(blocks: Blocks, settings: Settings, params: Params) -> None:
    plain = settings.model_copy(update={"scale": "none", "mel": "power"})
    image = song_image(blocks, plain)
    assert (image.dtype, image.shape) == (np.float32, (161, N))
    np.testing.assert_array_equal(image, np.vstack([blocks[name] for name in HEIGHTS]))
    other = plain.model_copy(update={"stack": ("mel", "centroid")})
    np.testing.assert_array_equal(song_image(blocks, other), np.vstack([blocks["mel"], blocks["centroid"]]))
    changed = params.model_copy(update={"representations": {"image": other}})
    assert representation.names(changed)[126:] == ("mel_126", "mel_127", "centroid_0")
    assert len(representation.names(params)) == 161


def test_mel_is_in_decibels_of_its_maximum(blocks: Blocks, settings: Settings) -> None:
    only_mel = settings.model_copy(update={"scale": "none", "stack": ("mel",)})
    image = song_image(blocks, only_mel)
    np.testing.assert_array_equal(image, librosa.power_to_db(blocks["mel"], ref=np.max))
    assert image.max() == 0


def test_each_block_spans_its_scale(blocks: Blocks, settings: Settings) -> None:
    image = song_image(blocks, settings)
    for block in np.split(image, [20, 21, 33]):
        assert (block.min(), block.max()) == (0, 1)


def test_each_row_spans_its_scale(blocks: Blocks, settings: Settings) -> None:
    image = song_image(blocks, settings.model_copy(update={"scale": "row"}))
    np.testing.assert_array_equal(image.min(axis=1), 0)
    np.testing.assert_array_equal(image.max(axis=1), 1)


@pytest.mark.parametrize("scale", ["block", "row"])
def test_what_is_constant_becomes_zero(blocks: Blocks, settings: Settings, scale: str) -> None:
    flat = {**blocks, "centroid": np.full((1, N), 440, np.float32)}
    image = song_image(flat, settings.model_copy(update={"scale": scale}))
    np.testing.assert_array_equal(image[20], 0)
    assert np.isfinite(image).all()


@given(
    mel=arrays(np.float32, (128, 3), elements=st.floats(0, 1e6, width=32)),
    scale=st.sampled_from(["block", "row"]),
    unit=st.sampled_from(["db", "power"]),
)
def test_any_power_gives_an_image_between_0_and_1(mel: np.ndarray, scale: str, unit: str) -> None:
    settings = Settings.model_validate({"stack": ("mel",), "mel": unit, "scale": scale})
    image = song_image({"mel": mel}, settings)
    assert np.isfinite(image).all()
    assert 0 <= image.min() <= image.max() <= 1
