"""The beat histogram finds the tempos of clicks."""

import numpy as np
import pytest

from mer_tasks.features.beat import NO_BEAT_BPM, beat_statistics
from mer_tasks.features.frames import Frames
from mer_tasks.settings import Params

SR = 22050


def clicks(*bpm: float, seconds: float = 20.0) -> np.ndarray:
    y = np.zeros(round(seconds * SR))
    burst = 0.5 * np.random.default_rng(0).normal(size=1000) * np.linspace(1, 0, 1000)
    for one in bpm:
        for start in np.arange(0, len(y) - 1000, 60 / one * SR).astype(int):
            y[start : start + 1000] += burst
    return y.astype(np.float32)


def beats(y: np.ndarray, params: Params) -> dict[str, float]:
    return beat_statistics(Frames(y, params.features).tempogram, SR / params.features.hop_length)


@pytest.mark.parametrize("bpm", [60, 95, 130])
def test_tempo_of_clicks(bpm: float, params: Params) -> None:
    octave = np.log2(bpm) - beats(clicks(bpm), params)["beat_first_log2_bpm"]
    assert octave == pytest.approx(round(octave), abs=0.06)  # half or double the tempo is no error of ours


def test_clicks_beat_more_than_noise(params: Params) -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=20 * SR).astype(np.float32)
    regular, irregular = beats(clicks(130), params), beats(noise, params)
    assert regular["beat_first"] > 2 * irregular["beat_first"]


def test_shares_and_ratio_belong_together(params: Params) -> None:
    found = beats(clicks(90, 135), params)
    assert 1 >= found["beat_first"] >= found["beat_second"] > 0
    assert found["beat_ratio"] == pytest.approx(found["beat_second"] / found["beat_first"])
    assert found["beat_first_log2_bpm"] != found["beat_second_log2_bpm"]


def test_two_tempos_of_a_made_up_tempogram() -> None:
    tempogram = np.zeros((384, 10))
    tempogram[20], tempogram[40] = 0.8, 0.4
    found = beat_statistics(tempogram, 40.0)
    assert found == pytest.approx(
        {
            "beat_first": 2 / 3,
            "beat_second": 1 / 3,
            "beat_ratio": 0.5,
            "beat_first_log2_bpm": np.log2(120),
            "beat_second_log2_bpm": np.log2(60),
            "beat_sum": 1.2,
        }
    )


@pytest.mark.parametrize("frame_rate", [0.1, 1, 5, 43])
def test_no_beat_at_all(frame_rate: float) -> None:
    found = beat_statistics(np.zeros((384, 5)), frame_rate)
    assert {found.pop("beat_first_log2_bpm"), found.pop("beat_second_log2_bpm")} == {np.log2(NO_BEAT_BPM)}
    assert set(found.values()) == {0}


def test_one_peak_is_its_own_second() -> None:
    tempogram = np.zeros((384, 5))
    tempogram[30] = 0.5
    found = beat_statistics(tempogram, 40.0)
    assert found["beat_first_log2_bpm"] == found["beat_second_log2_bpm"] == np.log2(80)
    assert (found["beat_first"], found["beat_second"]) == (1, 0)
