"""Proxies of some of Spotify's features, from the statistics of a clip.

Spotify's are estimates by models that are not public. Its documentation gives for most of them what they
are made of (Web API reference, Get Track's Audio Features); each proxy here is the plain mean of a few
such cues. Nothing is fitted, neither weights nor anchors: the anchors are round numbers, beyond which some
clips of music lie. The tempo is librosa's, whose prior leans towards 120 BPM. Instrumentalness and liveness
have none: no statistic here follows singing or an audience.
"""

from collections.abc import Mapping
from math import log, log2
from typing import NamedTuple

import numpy as np

from mer_tasks.features.loudness import QUIETEST_LUFS


class Cue(NamedTuple):
    """A statistic of the summary: at `none` or beyond it counts 0, at `full` 1, between them linearly."""

    name: str
    none: float
    full: float


BRIGHT = Cue("centroid_log_mean", log(1000), log(3500))
NOISY = Cue("flatness_log_mean", -12.0, -3.0)

CUES: Mapping[str, tuple[Cue, ...]] = {
    # Spotify: dynamic range, perceived loudness, timbre, onset rate, and general entropy.
    "proxy_energy": (
        Cue("loudness_lufs", -35.0, -7.0),
        Cue("loudness_range_lu", 12.0, 1.0),
        Cue("onset_rate_hz", 0.0, 8.0),
        BRIGHT,
        NOISY,
    ),
    # Spotify: tempo, rhythm stability, beat strength, and overall regularity.
    "proxy_danceability": (
        Cue("octaves_from_120_bpm", 1.0, 0.0),
        Cue("tempo_strength", 0.0, 0.6),
        Cue("beat_first", 0.05, 0.2),
        Cue("modulation_2hz_db", -11.0, -5.0),
    ),
    # Happy music is major, fast, bright and consonant (Gabrielsson and Lindström, The role of structure
    # in the musical expression of emotions, in Juslin and Sloboda, Handbook of Music and Emotion, 2010).
    "proxy_valence": (
        Cue("key_major_minus_minor", -0.25, 0.25),
        Cue("tempo_log2_bpm", log2(60), log2(180)),
        Cue("roughness_mean", 0.35, 0.1),
        BRIGHT,
    ),
    # Spotify's text has no more than that it is acoustic: not distorted, compressed, bright or noisy.
    "proxy_acousticness": (
        Cue("roughness_mean", 0.35, 0.1),
        Cue("loudness_range_lu", 1.0, 12.0),
        Cue(BRIGHT.name, BRIGHT.full, BRIGHT.none),
        Cue(NOISY.name, NOISY.full, NOISY.none),
    ),
    # Syllables, pauses, and vowels beside consonants (Scheirer and Slaney, Construction and evaluation of
    # a robust multifeature speech/music discriminator, ICASSP 1997).
    "proxy_speechiness": (
        Cue("modulation_4hz_db", -11.0, -4.0),
        Cue("texture_low_energy", 0.5, 0.75),
        Cue("texture_zero_crossing_log_std_mean", 0.2, 1.0),
        Cue("texture_centroid_log_std_mean", 0.1, 0.7),
    ),
}


def proxy_features(row: Mapping[str, float]) -> dict[str, float]:
    """The proxies by name, from a clip's other statistics: five from 0 to 1, LUFS, BPM, and 1 for major.

    In silence the five are 0.
    """
    known = {
        **row,
        "octaves_from_120_bpm": abs(row["tempo_log2_bpm"] - log2(120)),
        "modulation_2hz_db": _mean_of(row, "modulation_share_", "_2hz"),
        "modulation_4hz_db": _mean_of(row, "modulation_share_", "_4hz"),
    }
    sounds = row["loudness_lufs"] > QUIETEST_LUFS
    return {name: _mean_place(cues, known) if sounds else 0.0 for name, cues in CUES.items()} | {
        "proxy_loudness": row["loudness_lufs"],
        "proxy_tempo": 2 ** row["tempo_log2_bpm"],
        "proxy_mode": row["key_is_major"],
    }


def _mean_place(cues: tuple[Cue, ...], row: Mapping[str, float]) -> float:
    places = [(row[cue.name] - cue.none) / (cue.full - cue.none) for cue in cues]
    return float(np.clip(places, 0, 1).mean())


def _mean_of(row: Mapping[str, float], start: str, end: str) -> float:
    """The mean of the statistics whose names start and end so."""
    return float(np.mean([row[name] for name in row if name.startswith(start) and name.endswith(end)]))
