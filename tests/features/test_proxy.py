"""The proxies follow what they are made of, and stay in their range."""

import numpy as np
import pytest
from scipy.signal import butter, lfilter

from mer_tasks.features.clip import ClipFrames
from mer_tasks.features.proxy import CUES, proxy_features
from mer_tasks.features.summary import song_summary
from mer_tasks.settings import Params

SR = 22050
SHARES = tuple(CUES)


def statistics(y: np.ndarray, params: Params) -> dict[str, float]:
    return song_summary(ClipFrames(y.astype(np.float32), params.features).unpadded)


def features(y: np.ndarray, params: Params) -> dict[str, float]:
    summary = statistics(y, params)
    return {name: value for name, value in summary.items() if name.startswith("proxy_")}


def chords(triad: tuple[int, ...], pulse_hz: float, level: float, seconds: float = 12.0) -> np.ndarray:
    """I-IV-V-I of such triads, struck so many times a second and fading away in between."""
    t = np.arange(round(seconds * SR)) / SR
    root = np.array([0, 5, 7, 0])[np.minimum((4 * t / seconds).astype(int), 3)]
    hz = 261.63 * 2 ** ((root[None] + np.array(triad)[:, None]) / 12)
    partials = [np.sin(2 * np.pi * k * hz * t).sum(axis=0) / k for k in (1, 2, 3, 4)]
    return level * np.sum(partials, axis=0) * np.exp(-6 * (t % (1 / pulse_hz)))


def speech_like(seconds: float = 12.0) -> np.ndarray:
    """Four syllables a second, each a hiss and then a buzz, with a pause after every fourth."""
    t = np.arange(round(seconds * SR)) / SR
    noise = np.random.default_rng(0).normal(size=len(t))
    hiss = lfilter(*butter(4, 4000, "high", fs=SR), noise)
    buzz = lfilter(*butter(4, 600, fs=SR), np.sign(np.sin(2 * np.pi * 120 * t)))
    syllable, speaks = t % 0.25, t % 1.3 < 1
    return 0.3 * speaks * np.where(syllable < 0.08, 0.3 * hiss, buzz * (syllable < 0.19))


def test_all_stay_between_0_and_1(params: Params) -> None:
    signals = [
        np.zeros(SR),
        np.random.default_rng(0).normal(size=6 * SR),
        chords((0, 4, 7), 2, 0.1),
        speech_like(),
    ]
    for y in signals:
        found = features(y, params)
        assert set(found) == {*SHARES, "proxy_loudness", "proxy_tempo", "proxy_mode"}
        assert all(0 <= found[name] <= 1 for name in SHARES)


def test_silence_has_none_of_it(params: Params) -> None:
    found = features(np.zeros(6 * SR), params)
    assert [found[name] for name in SHARES] == [0.0] * len(SHARES)


def test_every_anchor_is_reached(params: Params) -> None:
    row = statistics(chords((0, 4, 7), 2, 0.1), params)
    for name, cues in CUES.items():
        known = [cue for cue in cues if cue.name in row]
        full = proxy_features(row | {cue.name: cue.full for cue in known})[name]
        none = proxy_features(row | {cue.name: cue.none for cue in known})[name]
        assert full - none > 0.9 * len(known) / len(cues), name


def test_energy_rises_with_level_and_pulse(params: Params) -> None:
    quiet, loud = (features(chords((0, 4, 7), 1, level), params)["proxy_energy"] for level in (0.01, 0.1))
    fast = features(chords((0, 4, 7), 4, 0.1), params)["proxy_energy"]
    assert quiet + 0.05 < loud < fast - 0.05


def test_major_is_of_higher_valence(params: Params) -> None:
    major, minor = (features(chords(triad, 2, 0.1), params) for triad in ((0, 4, 7), (0, 3, 7)))
    assert major["proxy_valence"] > minor["proxy_valence"] + 0.1
    assert (major["proxy_mode"], minor["proxy_mode"]) == (1, 0)


def test_a_steady_pulse_is_danced_to(params: Params) -> None:
    held = features(chords((0, 4, 7), 0.1, 0.1), params)
    assert (
        features(chords((0, 4, 7), 2, 0.1), params)["proxy_danceability"] > held["proxy_danceability"] + 0.1
    )


def test_syllables_are_more_like_speech_than_chords(params: Params) -> None:
    spoken, played = features(speech_like(), params), features(chords((0, 4, 7), 2, 0.1), params)
    assert spoken["proxy_speechiness"] > played["proxy_speechiness"] + 0.2


def test_noise_is_not_acoustic(params: Params) -> None:
    noise = features(0.1 * np.random.default_rng(0).normal(size=6 * SR), params)
    assert (
        features(chords((0, 4, 7), 1, 0.1), params)["proxy_acousticness"] > noise["proxy_acousticness"] + 0.2
    )


def test_loudness_and_tempo_have_their_units(params: Params) -> None:
    here, softer = (features(chords((0, 4, 7), 2, level), params) for level in (0.1, 0.05))
    assert here["proxy_loudness"] - softer["proxy_loudness"] == pytest.approx(6.02, abs=0.05)
    octave = np.log2(here["proxy_tempo"] / 120)
    assert octave == pytest.approx(round(octave), abs=0.06)
