"""The rules of the gate as Great Expectations' expectations, each with its severity and its words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from great_expectations.core import ExpectationSuite
from great_expectations.expectations import core as gxe
from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnMapExpectation
from great_expectations.expectations.metadata_types import FailureSeverity

from mer_tasks.domain import MOODS, SPOTIFY_FEATURES
from mer_tasks.quality.findings import count
from mer_tasks.settings import ClipSettings, Params, QualitySettings

CRITICAL, WARNING = FailureSeverity.CRITICAL, FailureSeverity.WARNING
Table = Literal["songs", "moods", "candidates"]
Expectation = ColumnMapExpectation | ColumnAggregateExpectation
Say = Callable[[pd.DataFrame, pd.DataFrame], str]
"""From the rows that break a rule, and the whole table, to what is wrong."""

ALWAYS = ("track_id", "artist", "mood")
CLIP = ("clip_sha256", "clip_start_s", "clip_duration_s", "clip_sr", "clip_channels", "clip_loudness_lufs")
SPOTIFY_RANGES: dict[str, tuple[float | None, float | None]] = {
    "danceability": (0, 1),
    "energy": (0, 1),
    "key": (-1, 11),
    "loudness": (-60, 0),
    "speechiness": (0, 1),
    "acousticness": (0, 1),
    "instrumentalness": (0, 1),
    "liveness": (0, 1),
    "valence": (0, 1),
    "tempo": (0, None),
    "time_signature": (3, 7),
}
"""Least and greatest value of each feature in Spotify's Web API reference (`audio-features`)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation on one table; checks of the same rule become one finding."""

    rule: str
    table: Table
    expectation: Expectation
    say: Say


def build_checks(params: Params) -> list[Check]:
    """Every check that `params` asks for, in the order in which findings are told."""
    checks = _mood_checks(params.quality)
    if "clip" in params.snapshot.needs:
        checks += _clip_checks(params.clips, params.quality)
    checks += _twice_checks() + _missing_checks(params)
    if "spotify" in params.snapshot.needs:
        checks += [_range_check(feature) for feature in SPOTIFY_FEATURES]
    return checks + _left_out_checks(params.quality)


def build_suite(table: str, checks: list[Check]) -> ExpectationSuite:
    """The suite of one table; each expectation carries the position of its check as `meta["check"]`."""
    for position, check in enumerate(checks):
        check.expectation.meta = {"check": position}
    return ExpectationSuite(name=table, expectations=[c.expectation for c in checks if c.table == table])


def _mood_checks(quality: QualitySettings) -> list[Check]:
    known = ", ".join(MOODS)
    return [
        Check(
            "every mood",
            "moods",
            gxe.ExpectColumnDistinctValuesToContainSet(
                column="mood", value_set=list(MOODS), severity=CRITICAL
            ),
            lambda _, moods: f"no song is {' or '.join(m for m in MOODS if m not in set(moods['mood']))}",
        ),
        Check(
            "every mood",
            "songs",
            gxe.ExpectColumnValuesToBeInSet(column="mood", value_set=list(MOODS), severity=CRITICAL),
            lambda broken, _: (
                f"{_songs(broken)} of an unknown mood: {_values(broken['mood'])}; known are {known}"
            ),
        ),
        Check(
            "songs per mood",
            "moods",
            _between("songs", quality.min_songs_per_mood, None, CRITICAL),
            lambda broken, _: f"{_mood_sizes(broken)}, at least {quality.min_songs_per_mood} are needed",
        ),
        Check(
            "balance of moods",
            "moods",
            _between("times_smallest", None, quality.max_mood_ratio, CRITICAL),
            lambda _, moods: (
                f"{_extremes(moods)}, at most {quality.max_mood_ratio:g} times as many are allowed"
            ),
        ),
    ]


def _clip_checks(clips: ClipSettings, quality: QualitySettings) -> list[Check]:
    low, high = clips.duration_s - quality.clip_tolerance_s, clips.duration_s + quality.clip_tolerance_s
    mostly = quality.clip_length_mostly

    def say_length(broken: pd.DataFrame, songs: pd.DataFrame) -> str:
        wanted = f"{clips.duration_s:g} ± {quality.clip_tolerance_s:g} s"
        allowed = _percent(1 - mostly)
        return f"{len(broken)} of {_songs(songs)} with a clip not {wanted} long, at most {allowed} may be"

    return [
        Check(
            "clip length",
            "songs",
            _between("clip_duration_s", low, high, CRITICAL, mostly),
            say_length,
        ),
        Check(
            "clip length",
            "songs",
            _between("clip_duration_s", low, high, WARNING),
            say_length,
        ),
        Check(
            "clip too short",
            "songs",
            _between("clip_duration_s", clips.min_duration_s, None, CRITICAL),
            lambda broken, _: f"{_songs(broken)} with a clip shorter than {clips.min_duration_s:g} s",
        ),
    ]


def _twice_checks() -> list[Check]:
    same = {"track_id": "track_id", "same_song": "artist and title", "clip_sha256": "audio (clip_sha256)"}
    return [_twice_check(column, what) for column, what in same.items()]


def _twice_check(column: str, what: str) -> Check:
    return Check(
        "no song twice",
        "songs",
        gxe.ExpectColumnValuesToBeUnique(column=column, severity=CRITICAL),
        lambda broken, _: f"{_songs(broken)} with the same {what} as another",
    )


def _missing_checks(params: Params) -> list[Check]:
    needs = params.snapshot.needs
    columns = [
        *ALWAYS,
        *(CLIP if "clip" in needs else ()),
        *(SPOTIFY_FEATURES if "spotify" in needs else ()),
    ]
    return [_missing_check(column) for column in columns]


def _missing_check(column: str) -> Check:
    return Check(
        "nothing missing",
        "songs",
        gxe.ExpectColumnValuesToNotBeNull(column=column, severity=CRITICAL),
        lambda broken, _: f"{_songs(broken)} without {column}",
    )


def _range_check(feature: str) -> Check:
    low, high = SPOTIFY_RANGES[feature]
    documented = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    return Check(
        "Spotify ranges",
        "songs",
        _between(feature, low, high, WARNING),
        lambda broken, _: f"{_songs(broken)} with {feature} not {documented}",
    )


def _left_out_checks(quality: QualitySettings) -> list[Check]:
    return [
        Check(
            "two moods",
            "candidates",
            gxe.ExpectColumnValuesToNotMatchRegex(
                column="reason", regex="^(?:two|three|four) moods", severity=WARNING
            ),
            lambda broken, _: f"{_songs(broken)} with two moods or more, left out until a person decides",
        ),
        Check(
            "left-out songs",
            "candidates",
            gxe.ExpectColumnValuesToBeNull(
                column="reason", mostly=round(1 - quality.max_left_out_share, 9), severity=WARNING
            ),
            lambda broken, candidates: (
                f"{len(broken)} of {_songs(candidates)} left out, "
                f"at most {_percent(quality.max_left_out_share)} may be; "
                f"most often: {_values(broken['reason'].str.split(':').str[0])}"
            ),
        ),
    ]


def _between(
    column: str, low: float | None, high: float | None, severity: FailureSeverity, mostly: float = 1
) -> Expectation:
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, mostly=mostly, severity=severity
    )


def _songs(rows: pd.DataFrame) -> str:
    return count(len(rows), "song")


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _mood_sizes(moods: pd.DataFrame) -> str:
    """How many songs each of the moods has: "mood sad has 3 songs, mood calm has 1 song"."""
    sizes = zip(moods["mood"], moods["songs"], strict=True)
    return ", ".join(f"mood {mood} has {count(songs, 'song')}" for mood, songs in sizes)


def _extremes(moods: pd.DataFrame) -> str:
    """The largest mood beside the smallest: "mood sad has 40 songs, calm 10"."""
    by_size = moods.sort_values("songs", kind="stable")
    return f"{_mood_sizes(by_size.tail(1))}, {by_size['mood'].iloc[0]} {by_size['songs'].iloc[0]}"


def _values(column: pd.Series, most: int = 3) -> str:
    """The commonest values of a column with their counts: "angry (3), tense (1)"."""
    counts = column.value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable")
    shown = ", ".join(f"{value} ({n})" for value, n in counts.head(most).items())
    return f"{shown} and {count(len(counts) - most, 'other')}" if len(counts) > most else shown
