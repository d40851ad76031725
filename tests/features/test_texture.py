"""Statistics of texture windows: what moves within a second, and how evenly."""

import numpy as np
import pytest

from mer_tasks.features.stft import magnitude_of
from mer_tasks.features.texture import QUIETER, flux_and_level, texture

SR, HOP = 22050, 512
RATE = SR / HOP


def frames(values: list[float], seconds: float = 10) -> np.ndarray:
    """These values, each held for an equal part of the time, shape (n,)."""
    return np.repeat(values, round(seconds * RATE / len(values))).astype(np.float32)


def test_flux_is_the_distance_of_normalised_spectra() -> None:
    spectra = np.random.default_rng(0).random((5, 1025)).astype(np.float32)
    spectra[3] = 0
    flux, level = flux_and_level(spectra.T)
    unit = spectra / np.maximum(np.linalg.norm(spectra, axis=1, keepdims=True), 1e-9)
    np.testing.assert_allclose(flux[1:], (np.diff(unit, axis=0) ** 2).sum(axis=1), atol=1e-5)
    np.testing.assert_allclose(level, np.linalg.norm(spectra, axis=1), rtol=1e-5)
    assert flux[0] == 0


def test_level_follows_the_rms() -> None:
    t = np.arange(2 * SR) / SR
    y = np.sin(2 * np.pi * 1000 * t) * np.where(t < 1, 0.4, 0.1)
    _, level = flux_and_level(magnitude_of(y.astype(np.float32), 2048, HOP))
    assert level[20] / level[60] == pytest.approx(4, rel=1e-3)


def test_statistics_are_those_of_running_windows() -> None:
    rng = np.random.default_rng(1)
    row, level, length = rng.normal(size=200), rng.random(200), round(RATE)
    windows = [slice(start, start + length) for start in range(200 - length + 1)]
    means = np.array([row[window].mean() for window in windows])
    deviations = np.array([row[window].std() for window in windows])
    quieter = [(level[window] < QUIETER * level[window].mean()).mean() for window in windows]
    assert texture({"x": row}, level, RATE) == pytest.approx(
        {
            "texture_x_mean_std": means.std(),
            "texture_x_std_mean": deviations.mean(),
            "texture_x_std_std": deviations.std(),
            "texture_low_energy": np.mean(quieter),
        }
    )


def test_what_moves_within_a_second_and_what_over_the_clip() -> None:
    level = np.ones(430, np.float32)
    fast, slow = frames([0, 1] * 40), frames([0, 1])
    moves = texture({"fast": np.resize(fast, 430), "slow": np.resize(slow, 430)}, level, RATE)
    assert moves["texture_fast_std_mean"] > 5 * moves["texture_slow_std_mean"]
    assert moves["texture_slow_mean_std"] > 5 * moves["texture_fast_mean_std"]


def test_speech_like_pauses_have_low_energy() -> None:
    bursts, even = frames([1, 0, 0, 0] * 10), frames([1.0, 0.98] * 20)
    assert texture({}, bursts, RATE)["texture_low_energy"] == pytest.approx(0.75, abs=0.03)
    assert texture({}, even, RATE)["texture_low_energy"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_a_clip_shorter_than_a_window(n: int) -> None:
    values = texture({"x": np.arange(n, dtype=np.float32)}, np.ones(n, np.float32), RATE)
    assert values["texture_x_std_mean"] == pytest.approx(np.arange(n).std())
    assert (values["texture_x_std_std"], values["texture_low_energy"]) == (0, 0)


def test_rounding_makes_no_frame_quieter() -> None:
    steady = np.float32(0.3) + np.random.default_rng(0).normal(size=430).astype(np.float32) * np.float32(1e-6)
    assert texture({}, steady, RATE)["texture_low_energy"] == 0
