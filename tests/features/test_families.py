"""Families are columns of the statistics, taken from them without computing anything again."""

import numpy as np
import pytest

from mer_tasks.features.parts import ClipParts, summary_part
from mer_tasks.features.representations import ClipReader
from mer_tasks.settings import Params


@pytest.mark.parametrize(
    ("family", "has", "has_not"),
    [
        (
            "psychoacoustic",
            {"loudness_lufs", "roughness_mean", "rms_db_mean", "mel_0_std"},
            {"mfcc_1_mean", "onset_mean"},
        ),
        (
            "marsyas",
            {"mfcc_1_mean", "beat_sum", "texture_flux_mean", "rolloff_log_mean"},
            {"loudness_lufs", "key_major"},
        ),
    ],
)
def test_a_family_is_columns_of_the_summary(
    quick: Params, family: str, has: set[str], has_not: set[str]
) -> None:
    y = np.random.default_rng(0).normal(size=30_000).astype(np.float32)
    clip = ClipParts(lambda: y, quick.features)
    reader, whole = ClipReader(quick, family), ClipReader(quick, "summary")
    everything = dict(zip(whole.names, whole.read(clip), strict=True))
    assert dict(zip(reader.names, reader.read(clip), strict=True)) == {
        name: everything[name] for name in reader.names
    }
    assert has <= set(reader.names) and not has_not & set(reader.names)


def test_what_is_kept_of_a_clip_is_not_computed_again(quick: Params) -> None:
    y = np.random.default_rng(0).normal(size=30_000).astype(np.float32)
    clip = ClipParts(lambda: y, quick.features)
    clip[summary_part(quick.features, "cpu")]
    ClipReader(quick, "marsyas").read(clip)
    assert clip.computed == {"summary", "marsyas"}
