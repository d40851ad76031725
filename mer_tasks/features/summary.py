"""A clip as one row of statistics over its frames, for models that read tables."""

from itertools import pairwise
from typing import TYPE_CHECKING

import librosa
import numpy as np

from mer_tasks.features.beat import beat_statistics
from mer_tasks.features.clip import ClipFrames
from mer_tasks.features.frames import Frames
from mer_tasks.features.loudness import programme_loudness
from mer_tasks.features.proxy import proxy_features
from mer_tasks.features.roughness import roughness_of
from mer_tasks.features.texture import flux_and_level, texture

if TYPE_CHECKING:
    from mer_tasks.features.parts import ClipParts
    from mer_tasks.settings import FeatureSettings

N_BANDS = 16
"""How many coarse bands the mel bands are averaged into."""

MODULATION_HZ = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 22.0)
"""Edges of the octaves in which loudness moves: phrases at the low end, roughness at the high."""

PERIODS_S = tuple(0.2 * 2 ** (half_octave / 2) for half_octave in range(12))
"""Edges of the half octaves of periods, 0.2 to 9 s, that the tempogram is averaged over."""

STEADY_S = (0.02, 0.25, 1.0, 2.0)
"""After how long harmony is compared with itself."""

MAJOR_KEY = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR_KEY = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
"""Probe-tone ratings (Krumhansl and Kessler 1982), from the tonic up."""

MAJOR_TRIAD, MINOR_TRIAD = (0, 4, 7), (0, 3, 7)

TEXTURE_MFCC = slice(1, 6)
"""The MFCC whose texture is described: the first five but for the level, as in the paper."""

Row = dict[str, float]
Rows = dict[str, np.ndarray]
"""Frame features of shape (frames,) by name."""


def song_summary(frames: Frames) -> Row:
    """Statistics over all frames by name; finite for every finite signal.

    Timbre, spectral shape, loudness, its modulation band by band, rhythm, harmony, texture and
    proxies of Spotify's features, as docs/features.md explains them.
    """
    settings, shape = frames.settings, _shape(frames)
    frame_rate = settings.sr / settings.hop_length
    parts = np.array_split(frames.mel_db, min(N_BANDS, settings.n_mels))
    bands = np.array([part.mean(axis=0) for part in parts], dtype=np.float64)
    chroma = librosa.feature.chroma_stft(S=frames.power, sr=settings.sr, tuning=0.0)
    row = {
        **_timbre(frames),
        **_contrast(frames),
        **_means_and_stds(shape),
        **_loudness(frames),
        **_bands(bands),
        **_modulation(bands, frame_rate),
        **_rhythm(frames),
        **_mean_and_std("cens", frames.cens),
        **_harmony(chroma, settings),
        **_whole(frames, chroma),
        **_texture(frames, shape, frame_rate),
        **beat_statistics(frames.tempogram, frame_rate),
    }
    row |= proxy_features(row)
    return {name: float(value) for name, value in row.items()}


def clip_statistics(clip: "ClipParts") -> np.ndarray:
    """The statistics of a clip without its padding, float32 of shape (n,)."""
    return np.array(list(song_summary(clip.frames.unpadded).values()), np.float32)


def summary_names(settings: "FeatureSettings") -> tuple[str, ...]:
    """The names of the statistics, in order: those of a second of a tone."""
    tone = np.sin(np.arange(settings.sr, dtype=np.float32))
    return tuple(song_summary(ClipFrames(tone, settings).unpadded))


def _timbre(frames: Frames) -> Row:
    return _mean_and_std("mfcc", frames.mfcc) | _numbered(
        "mfcc_{}_delta_std", _delta(frames.mfcc).std(axis=1)
    )


def _contrast(frames: Frames) -> Row:
    return _mean_and_std("contrast", frames.contrast) | _numbered(
        "contrast_{}_delta_std", _delta(frames.contrast).std(axis=1)
    )


def _shape(frames: Frames) -> Rows:
    """Where a frame's energy lies and how noisy it is; logarithms, so that ratios count alike."""
    rows = {
        "centroid": (frames.centroid, 20.0),
        "bandwidth": (frames.bandwidth, 20.0),
        "rolloff": (frames.rolloff, 20.0),
        "flatness": (frames.flatness, 1e-6),
        "zero_crossing": (frames.zero_crossing_rate, 1e-3),
    }
    return {f"{name}_log": np.log(np.maximum(values[0], lowest)) for name, (values, lowest) in rows.items()}


def _means_and_stds(rows: Rows) -> Row:
    means = {f"{name}_mean": values.mean() for name, values in rows.items()}
    return means | {f"{name}_std": values.std() for name, values in rows.items()}


def _texture(frames: Frames, shape: Rows, frame_rate: float) -> Row:
    """How timbre moves within a second."""
    flux, level = flux_and_level(frames.magnitude)
    rows = {name: shape[name] for name in ("centroid_log", "rolloff_log", "zero_crossing_log")}
    rows |= {"flux": flux} | {
        f"mfcc_{i}": row for i, row in enumerate(frames.mfcc[TEXTURE_MFCC], TEXTURE_MFCC.start)
    }
    return {"texture_flux_mean": flux.mean(), **texture(rows, level, frame_rate)}


def _loudness(frames: Frames) -> Row:
    rms = librosa.feature.rms(S=frames.magnitude, frame_length=frames.settings.n_fft)
    level = librosa.amplitude_to_db(rms, amin=1e-5, top_db=None)
    low, middle, high = np.percentile(level, [10, 50, 95])
    return {
        "rms_db_mean": level.mean(),
        "rms_db_std": level.std(),
        "rms_db_p10": low,
        "rms_db_p50": middle,
        "rms_db_p95": high,
        "rms_db_range": high - low,
    }


def _bands(bands: np.ndarray) -> Row:
    rise = np.maximum(np.diff(bands, axis=1, prepend=bands[:, :1]), 0)
    return _mean_and_std("mel", bands) | _numbered("mel_{}_flux", rise.mean(axis=1))


def _modulation(bands: np.ndarray, frame_rate: float) -> Row:
    """How fast each band's level moves: the power of its dB curve an octave of modulation, and its share."""
    n = bands.shape[1]
    moving = (bands - bands.mean(axis=1, keepdims=True)) * np.hanning(n)
    power = np.abs(np.fft.rfft(moving, axis=1)) ** 2 / n
    octaves = _between(np.fft.rfftfreq(n, 1 / frame_rate), MODULATION_HZ)
    by_octave = power @ octaves.T
    pairs = np.array([pair.sum(axis=0) for pair in np.array_split(by_octave, len(bands) // 2 or 1)])
    share = pairs / np.maximum(pairs.sum(axis=1, keepdims=True), 1e-12)
    names = [f"{low:g}hz" for low in MODULATION_HZ[:-1]]
    return _table("modulation", _db(by_octave, 1e-3), names) | _table(
        "modulation_share", _db(share, 1e-6), names
    )


def _rhythm(frames: Frames) -> Row:
    sr, hop_length = frames.settings.sr, frames.settings.hop_length
    onsets, beat = frames.onset_strength, frames.tempogram.mean(axis=1)
    periods = _between(np.arange(len(beat)) * hop_length / sr, PERIODS_S)
    names = [f"{low:.2f}s" for low in PERIODS_S[:-1]]
    return {
        "onset_mean": onsets.mean(),
        "onset_std": onsets.std(),
        "onset_p95": np.percentile(onsets, 95),
        "onset_peak": onsets.max() / max(onsets.mean(), 1e-9),
        "tempo_log2_bpm": np.log2(frames.tempo_bpm),
        **_numbered("tempogram_{}_mean", periods @ beat / np.maximum(periods.sum(axis=1), 1), names),
        **_numbered("tempogram_{}_max", (periods * beat).max(axis=1), names),
    }


def _harmony(chroma: np.ndarray, settings: "FeatureSettings") -> Row:
    """Key, mode and how steady the harmony is, from the chroma of the same transform."""
    unit = chroma / np.maximum(np.linalg.norm(chroma, axis=0), 1e-9)
    major, minor = _strongest_triad(unit, MAJOR_TRIAD), _strongest_triad(unit, MINOR_TRIAD)
    lags = [round(s * settings.sr / settings.hop_length) for s in STEADY_S]
    return {
        **_key(chroma.mean(axis=1)),
        "triad_major_mean": major.mean(),
        "triad_minor_mean": minor.mean(),
        "triad_major_share": (major > minor).mean(),
        "triad_std": np.maximum(major, minor).std(),
        **_numbered("steady_{}s", np.array([_likeness(unit, lag) for lag in lags]), list(map(str, STEADY_S))),
    }


def _whole(frames: Frames, chroma: np.ndarray) -> Row:
    """What takes a whole clip: pulse, key, loudness and dynamic range, roughness."""
    settings = frames.settings
    rough = roughness_of(frames.magnitude, frames.hz)
    lufs, range_lu = programme_loudness(frames.y, settings.sr)
    return {
        **_pulse(frames),
        **_tonality(chroma.mean(axis=1)),
        "loudness_lufs": lufs,
        "loudness_range_lu": range_lu,
        "roughness_mean": rough.mean(),
        "roughness_std": rough.std(),
    }


def _pulse(frames: Frames) -> Row:
    """How strongly the onsets return after a beat, their autocorrelation, at most 1; and onsets a second."""
    sr, hop_length = frames.settings.sr, frames.settings.hop_length
    beat = round(60 * sr / hop_length / frames.tempo_bpm)
    swing = frames.onset_strength - frames.onset_strength.mean()
    strength = swing[beat:] @ swing[:-beat] / max(float(swing @ swing), 1e-9)
    onsets = librosa.onset.onset_detect(onset_envelope=frames.onset_strength, sr=sr, hop_length=hop_length)
    return {"tempo_strength": strength, "onset_rate_hz": len(onsets) * sr / len(frames.y)}


def _tonality(chroma: np.ndarray) -> Row:
    """Where the best key's tonic lies on the circle of fifths, C at (1, 0); and whether it is major."""
    major, minor = np.split(_key_strengths(chroma), 2)
    tonic = int(np.maximum(major, minor).argmax())
    angle = 2 * np.pi * (7 * tonic % 12) / 12
    return {
        "key_fifths_cos": np.cos(angle),
        "key_fifths_sin": np.sin(angle),
        "key_is_major": float(major[tonic] > minor[tonic]),
    }


def _key(chroma: np.ndarray) -> Row:
    """Correlation with the best major and the best minor key (Krumhansl 1990); 0 without any pitch."""
    strength = _key_strengths(chroma)
    major, minor = strength[: len(chroma)].max(), strength[len(chroma) :].max()
    best, second = np.sort(strength)[[-1, -2]]
    return {
        "key_major": major,
        "key_minor": minor,
        "key_major_minus_minor": major - minor,
        "key_clarity": best - second,
    }


def _key_strengths(chroma: np.ndarray) -> np.ndarray:
    """Correlation with each major and then each minor key, from C up, shape (24,)."""
    tonics = range(len(chroma))
    keys = np.array([np.roll(key, tonic) for key in (MAJOR_KEY, MINOR_KEY) for tonic in tonics])
    keys = (keys - keys.mean(axis=1, keepdims=True)) / keys.std(axis=1, keepdims=True)
    strengths: np.ndarray = keys @ (chroma - chroma.mean()) / max(chroma.std(), 1e-9) / len(chroma)
    return strengths


def _strongest_triad(unit_chroma: np.ndarray, intervals: tuple[int, ...]) -> np.ndarray:
    """For each frame the cosine with the most similar triad of these intervals, shape (n,)."""
    triad = np.zeros(12)
    triad[list(intervals)] = 1 / np.sqrt(len(intervals))
    cosines = np.array([np.roll(triad, root) for root in range(12)]) @ unit_chroma
    strongest: np.ndarray = cosines.max(axis=0)
    return strongest


def _likeness(unit_chroma: np.ndarray, lag: int) -> float:
    """The mean cosine between frames that lie `lag` apart; a shorter clip's first and last frame."""
    n = unit_chroma.shape[1]
    lag = min(lag, n - 1)
    return float((unit_chroma[:, lag:] * unit_chroma[:, : n - lag]).sum(axis=0).mean())


def _delta(rows: np.ndarray) -> np.ndarray:
    return librosa.feature.delta(rows, mode="nearest")  # the default fails under nine frames


def _between(values: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Which values lie between which edges, as 0 and 1 of shape (len(edges) - 1, len(values))."""
    inside = [(low <= values) & (values < high) for low, high in pairwise(edges)]
    return np.array(inside, dtype=np.float64)


def _db(power: np.ndarray, floor: float) -> np.ndarray:
    return 10 * np.log10(power + floor)


def _mean_and_std(name: str, rows: np.ndarray) -> Row:
    rows = np.asarray(rows, dtype=np.float64)
    return _numbered(f"{name}_{{}}_mean", rows.mean(axis=1)) | _numbered(f"{name}_{{}}_std", rows.std(axis=1))


def _numbered(name: str, values: np.ndarray, labels: list[str] | None = None) -> Row:
    """A name for each value: `{}` in `name` stands for its label or its place."""
    return dict(zip((name.format(label) for label in labels or range(len(values))), values, strict=True))


def _table(name: str, values: np.ndarray, labels: list[str]) -> Row:
    rows = [_numbered(f"{name}_{i}_{{}}", row, labels) for i, row in enumerate(values)]
    return {key: value for row in rows for key, value in row.items()}
