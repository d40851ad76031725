"""Whether two clips hold the same recording, however it was encoded."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np

from mer_tasks.audio.decode import run_ffmpeg

STEP_S = 0.1238
"""Chromaprint gives an integer every 4096 / 3 samples at 11,025 Hz."""

LONGEST_SHIFT = round(6 / STEP_S)
"""How far apart two clips of one recording may start: a quarter of 24 s of silence at its end."""

SHORTEST_OVERLAP = round(10 / STEP_S)
MAX_BIT_ERRORS = 0.2
"""Different songs differ in half of the bits; encodings of one in under a tenth (AcoustID matches below 0.25)."""

FREQUENT = 20
"""An integer that more clips than this share, such as that of silence, proves nothing."""


def fingerprint(clip: Path) -> bytes:
    """Chromaprint's fingerprint of a clip, as ffmpeg computes it: 32-bit integers, little-endian.

    Source: L. Lalinský, Chromaprint (acoustid.org), after Ke et al., Computer Vision for Music
    Identification, CVPR 2005.

    Raises:
        AudioError: the clip cannot be decoded.
    """
    return run_ffmpeg(clip, [], ["-f", "chromaprint", "-fp_format", "raw", "-"])


def same_recordings(fingerprints: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """The pairs of clips, by their names, that hold the same recording."""
    numbers = {name: np.frombuffer(data, "<u4") for name, data in fingerprints.items() if data}
    for first, second in _candidates(numbers):
        if _bit_errors(numbers[first], numbers[second]) <= MAX_BIT_ERRORS:
            yield first, second


def _candidates(numbers: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """The pairs that have at least two integers in common: few are without one for many that are different."""
    names, kinds = list(numbers), [np.unique(values) for values in numbers.values()]
    values = np.concatenate([*kinds, np.empty(0, np.uint32)])
    owners = np.repeat(np.arange(len(names)), [len(kind) for kind in kinds])
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-1))
    shared = Counter[tuple[int, int]]()
    for start, end in pairwise([*starts.tolist(), len(values)]):
        if 1 < end - start <= FREQUENT:
            shared.update(combinations(owners[order[start:end]].tolist(), 2))
    return sorted((names[first], names[second]) for (first, second), n in shared.items() if n >= 2)


def _bit_errors(a: np.ndarray, b: np.ndarray) -> float:
    """The share of bits that differ at the shift where fewest do."""
    return min(
        (
            float(np.unpackbits((x ^ y).view(np.uint8)).mean())
            for shift in range(-LONGEST_SHIFT, LONGEST_SHIFT + 1)
            for x, y in [_overlap(a, b, shift)]
            if len(x) >= SHORTEST_OVERLAP
        ),
        default=1.0,
    )


def _overlap(a: np.ndarray, b: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of both that lie over each other when `b` is moved by `shift`."""
    x, y = (a[shift:], b) if shift >= 0 else (a, b[-shift:])
    n = min(len(x), len(y))
    return x[:n], y[:n]
