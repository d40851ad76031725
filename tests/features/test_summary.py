"""What the statistics of a clip follow, and what they must not depend on."""

import warnings

import numpy as np
import pytest

from mer_tasks.features.clip import ClipFrames
from mer_tasks.features.summary import song_summary, summary_names
from mer_tasks.settings import FeatureSettings, Params

SR = 22050
FOLLOW_THE_LEVEL = (
    "rms_db_mean",
    "rms_db_p",
    "mfcc_0_mean",
    "loudness_lufs",
    "proxy_energy",
    "proxy_loudness",
)
"""What a change of volume may move; and the mean level of each mel band."""


@pytest.fixture
def settings(params: Params) -> FeatureSettings:
    return params.features


def summary(y: np.ndarray, settings: FeatureSettings) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Trying to estimate tuning")  # silence has no pitch
        return song_summary(ClipFrames(y.astype(np.float32), settings).unpadded)


def tones(*hz: float, seconds: float = 12.0) -> np.ndarray:
    t = np.arange(round(seconds * SR)) / SR
    return 0.1 * np.sum([np.sin(2 * np.pi * one * t) for one in hz], axis=0)


def cadence(root: int, triad: tuple[int, ...]) -> np.ndarray:
    """I-IV-V-I on `root` semitones above C, all chords of one kind."""
    degrees = (0, 5, 7, 0)
    pitches = [[261.63 * 2 ** ((root + degree + step) / 12) for step in triad] for degree in degrees]
    return np.concatenate([tones(*hz, seconds=1.5) for hz in pitches])


def clicks(bpm: float, seconds: float = 20.0) -> np.ndarray:
    y = np.zeros(round(seconds * SR))
    burst = np.random.default_rng(0).normal(size=1000) * np.linspace(1, 0, 1000)
    for start in np.arange(0, len(y) - 1000, 60 / bpm * SR).astype(int):
        y[start : start + 1000] += 0.5 * burst
    return y


def music(seconds: float = 6.0) -> np.ndarray:
    """Chords that change, with a pulse and noise under them."""
    chords = [(262, 330, 392), (220, 262, 330), (175, 220, 262), (196, 247, 294)]
    parts = [tones(*chord, seconds=seconds / 4) for chord in chords]
    y = np.concatenate(parts)
    pulse = 0.6 + 0.4 * np.sin(2 * np.pi * 2 * np.arange(len(y)) / SR)
    return y * pulse + 0.005 * np.random.default_rng(1).normal(size=len(y))


def test_names_are_the_same_for_every_clip(settings: FeatureSettings) -> None:
    names = summary_names(settings)
    assert tuple(summary(music(), settings)) == names
    assert len(set(names)) == len(names)
    assert {"mfcc_3_mean", "mfcc_3_delta_std", "rms_db_range", "key_major_minus_minor"} <= set(names)


@pytest.mark.parametrize(
    "y",
    [
        np.zeros(SR),
        np.full(SR, 0.5),
        np.r_[1.0, np.zeros(SR)],
        np.array([0.3]),
        np.random.default_rng(0).normal(size=3000),
        np.tile([1.0, -1.0], SR),
        clicks(120, 3) + 0.5,
    ],
    ids=["silence", "dc", "one click", "one sample", "short noise", "nyquist", "clicks on dc"],
)
def test_every_signal_gives_numbers(y: np.ndarray, settings: FeatureSettings) -> None:
    values = summary(y, settings)
    assert [name for name, value in values.items() if not np.isfinite(value)] == []
    assert tuple(values) == summary_names(settings)


def test_volume_moves_only_levels(settings: FeatureSettings) -> None:
    loud, quiet = summary(music(), settings), summary(0.25 * music(), settings)
    moved = {name for name in loud if not np.isclose(loud[name], quiet[name], rtol=1e-3, atol=1e-2)}
    levels = {name for name in loud if name.startswith(FOLLOW_THE_LEVEL)}
    levels |= {f"mel_{band}_mean" for band in range(16)}
    assert moved == levels
    assert loud["rms_db_mean"] - quiet["rms_db_mean"] == pytest.approx(12.04, abs=0.05)


def test_padding_is_not_counted(settings: FeatureSettings) -> None:
    short, long = summary(tones(440, seconds=8), settings), summary(tones(440, seconds=30), settings)
    for name in ("rms_db_mean", "centroid_log_mean", "mfcc_1_mean", "mel_5_mean", "steady_1.0s"):
        assert short[name] == pytest.approx(long[name], rel=0.05), name


@pytest.mark.parametrize("root", [0, 5, 9])
def test_mode(root: int, settings: FeatureSettings) -> None:
    major = summary(cadence(root, (0, 4, 7)), settings)
    minor = summary(cadence(root, (0, 3, 7)), settings)
    assert major["key_major_minus_minor"] > 0.1
    assert minor["key_major_minus_minor"] < -0.1
    assert (major["triad_major_share"], minor["triad_major_share"]) == pytest.approx((1, 0), abs=0.1)


@pytest.mark.parametrize("bpm", [90, 150])
def test_tempo(bpm: float, settings: FeatureSettings) -> None:
    octave = np.log2(bpm) - summary(clicks(bpm), settings)["tempo_log2_bpm"]
    assert octave == pytest.approx(round(octave), abs=0.05)  # half or double the tempo is no error of ours


def test_faster_pulse_moves_the_modulation(settings: FeatureSettings) -> None:
    slow, fast = summary(clicks(45), settings), summary(clicks(300), settings)
    assert slow["modulation_share_3_0.5hz"] > fast["modulation_share_3_0.5hz"]
    assert fast["modulation_share_3_4hz"] > slow["modulation_share_3_4hz"]
    assert fast["onset_mean"] > slow["onset_mean"]


def test_brighter_noisier_and_steadier(settings: FeatureSettings) -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=6 * SR)
    dark, bright, noisy = (
        summary(tones(200), settings),
        summary(tones(4000), settings),
        summary(noise, settings),
    )
    assert bright["centroid_log_mean"] > dark["centroid_log_mean"]
    assert noisy["flatness_log_mean"] > bright["flatness_log_mean"]
    assert dark["steady_1.0s"] > summary(music(), settings)["steady_1.0s"]


@pytest.mark.parametrize(
    "other",
    [
        {"hop_length": 2048, "n_mels": 8, "n_mfcc": 5},
        {"sr": 12801, "n_fft": 130, "n_mels": 20},
        {"sr": 96000, "n_fft": 960, "n_mels": 20, "n_chroma": 36},
        {"hop_length": 5001, "n_mels": 1, "n_mfcc": 1},
    ],
    ids=str,
)
def test_other_settings_fit_too(settings: FeatureSettings, other: dict[str, int]) -> None:
    changed = FeatureSettings.model_validate(settings.model_dump() | other)
    values = summary(music(), changed)
    assert np.isfinite(list(values.values())).all()
    assert tuple(values) == summary_names(changed)


@pytest.mark.parametrize(("root", "fifths"), [(0, 0), (7, 1), (9, 3)])
def test_key(root: int, fifths: int, settings: FeatureSettings) -> None:
    values = summary(cadence(root, (0, 4, 7)), settings)
    assert values["key_is_major"] == 1
    assert values["key_fifths_cos"] == pytest.approx(np.cos(np.pi * fifths / 6), abs=1e-6)
    assert values["key_fifths_sin"] == pytest.approx(np.sin(np.pi * fifths / 6), abs=1e-6)
    assert summary(cadence(root, (0, 3, 7)), settings)["key_is_major"] == 0


def test_pulse(settings: FeatureSettings) -> None:
    regular, noise = (
        summary(clicks(120), settings),
        summary(np.random.default_rng(0).normal(size=SR * 20), settings),
    )
    assert regular["onset_rate_hz"] == pytest.approx(2, abs=0.15)
    assert regular["tempo_strength"] > 2 * noise["tempo_strength"]


def test_loudness_is_that_of_the_standard(settings: FeatureSettings) -> None:
    t = np.arange(20 * SR) / SR
    full_scale = np.sin(2 * np.pi * 997 * t)  # BS.1770: -3.01 LKFS in one channel
    assert summary(full_scale, settings)["loudness_lufs"] == pytest.approx(-3.01, abs=0.1)
    steps = full_scale * np.where(t < 10, 0.1, 0.01 * 10**0.5)  # 10 dB apart: Tech 3342's first case
    assert summary(steps, settings)["loudness_range_lu"] == pytest.approx(10, abs=1)
    assert summary(np.zeros(SR), settings)["loudness_lufs"] == -70


def test_beating_partials_are_rougher_than_a_fifth(settings: FeatureSettings) -> None:
    names = "roughness_mean"
    fifth, second = summary(tones(440, 660), settings)[names], summary(tones(440, 485), settings)[names]
    assert second > 3 * fifth
    assert summary(tones(440, 485) * 0.1, settings)[names] == pytest.approx(second, rel=1e-3)
