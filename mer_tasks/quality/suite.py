"""The rules of the gate as Great Expectations' expectations, each with its severity and its message."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from great_expectations.core import ExpectationSuite
from great_expectations.expectations.core.expect_column_distinct_values_to_contain_set import (
    ExpectColumnDistinctValuesToContainSet,
)
from great_expectations.expectations.core.expect_column_values_to_be_between import (
    ExpectColumnValuesToBeBetween,
)
from great_expectations.expectations.core.expect_column_values_to_be_in_set import (
    ExpectColumnValuesToBeInSet,
)
from great_expectations.expectations.core.expect_column_values_to_be_null import (
    ExpectColumnValuesToBeNull,
)
from great_expectations.expectations.core.expect_column_values_to_be_unique import (
    ExpectColumnValuesToBeUnique,
)
from great_expectations.expectations.core.expect_column_values_to_not_be_null import (
    ExpectColumnValuesToNotBeNull,
)
from great_expectations.expectations.core.expect_column_values_to_not_match_regex import (
    ExpectColumnValuesToNotMatchRegex,
)
from great_expectations.expectations.expectation import ColumnAggregateExpectation, ColumnMapExpectation
from great_expectations.expectations.metadata_types import FailureSeverity

from mer_tasks.domain import MOODS, SPOTIFY_FEATURES
from mer_tasks.quality.findings import count
from mer_tasks.settings import ClipSettings, Params, QualitySettings

CRITICAL, WARNING = FailureSeverity.CRITICAL, FailureSeverity.WARNING
Table = Literal["songs", "moods", "candidates"]
Expectation = ColumnMapExpectation | ColumnAggregateExpectation
Describe = Callable[[pd.DataFrame, pd.DataFrame], str]
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
class Rule:
    """One expectation on one table; rules of the same name become one finding.

    `describe` gives the message from the rows that break it, and the whole table.
    """

    name: str
    table: Table
    expectation: Expectation
    describe: Describe


def build_rules(params: Params) -> list[Rule]:
    """Every rule that `params` asks for, in the order of the findings."""
    rules = _mood_rules(params.quality)
    if "clip" in params.snapshot.needs:
        rules += _clip_rules(params.clips, params.quality) + _lost_clip_rules(params.quality)
        rules += _sound_rules(params) + _no_sound_rules()
    rules += _twice_rules() + _missing_rules(params)
    if "spotify" in params.snapshot.needs:
        rules += [_range_rule(feature) for feature in SPOTIFY_FEATURES]
    return rules + _left_out_rules(params.quality)


def build_suite(table: str, rules: list[Rule]) -> ExpectationSuite:
    """The suite of one table; each expectation carries the position of its rule as `meta["rule"]`."""
    for position, rule in enumerate(rules):
        rule.expectation.meta = {"rule": position}
    return ExpectationSuite(
        name=table, expectations=[rule.expectation for rule in rules if rule.table == table]
    )


def _mood_rules(quality: QualitySettings) -> list[Rule]:
    known = ", ".join(MOODS)
    return [
        Rule(
            "every mood",
            "moods",
            ExpectColumnDistinctValuesToContainSet(column="mood", value_set=list(MOODS), severity=CRITICAL),
            lambda _, moods: f"no song is {' or '.join(m for m in MOODS if m not in set(moods['mood']))}",
        ),
        Rule(
            "every mood",
            "songs",
            ExpectColumnValuesToBeInSet(column="mood", value_set=list(MOODS), severity=CRITICAL),
            lambda broken, _: (
                f"{_songs(broken)} of an unknown mood: {_values(broken['mood'])}; known are {known}"
            ),
        ),
        Rule(
            "songs per mood",
            "moods",
            _between("songs", quality.min_songs_per_mood, None, CRITICAL),
            lambda broken, _: f"{_mood_sizes(broken)}, at least {quality.min_songs_per_mood} are needed",
        ),
        Rule(
            "balance of moods",
            "moods",
            _between("times_smallest", None, quality.max_mood_ratio, CRITICAL),
            lambda _, moods: (
                f"{_extremes(moods)}, at most {quality.max_mood_ratio:g} times as many are allowed"
            ),
        ),
    ]


def _clip_rules(clips: ClipSettings, quality: QualitySettings) -> list[Rule]:
    low, high = clips.duration_s - quality.clip_tolerance_s, clips.duration_s + quality.clip_tolerance_s
    mostly = quality.clip_length_mostly

    def describe_length(broken: pd.DataFrame, songs: pd.DataFrame) -> str:
        wanted = f"{clips.duration_s:g} ± {quality.clip_tolerance_s:g} s"
        allowed = _percent(1 - mostly)
        return f"{len(broken)} of {_songs(songs)} with a clip not {wanted} long, at most {allowed} may be"

    return [
        Rule(
            "clip length",
            "songs",
            _between("clip_duration_s", low, high, CRITICAL, mostly),
            describe_length,
        ),
        Rule(
            "clip length",
            "songs",
            _between("clip_duration_s", low, high, WARNING),
            describe_length,
        ),
        Rule(
            "clip too short",
            "songs",
            _between("clip_duration_s", clips.min_duration_s, None, CRITICAL),
            lambda broken, _: f"{_songs(broken)} with a clip shorter than {clips.min_duration_s:g} s",
        ),
    ]


def _lost_clip_rules(quality: QualitySettings) -> list[Rule]:
    def describe(broken: pd.DataFrame, candidates: pd.DataFrame) -> str:
        return (
            f"{len(broken)} of {_songs(candidates)} with a clip that is missing or altered in the store, at most"
            f" {_percent(quality.max_lost_share)} may be; cut them again with mer clips"
        )

    return [
        Rule(
            "lost clips",
            "candidates",
            ExpectColumnValuesToBeInSet(
                column="has_lost_clip", value_set=[False], mostly=round(1 - share, 9), severity=severity
            ),
            describe,
        )
        for share, severity in ((quality.max_lost_share, CRITICAL), (0.0, WARNING))
    ]


def _sound_rules(params: Params) -> list[Rule]:
    low, high, sr = params.quality.min_loudness_lufs, params.quality.max_loudness_lufs, params.features.sr
    return [
        Rule(
            "loudness",
            "songs",
            _between("clip_loudness_lufs", low, high, WARNING),
            lambda broken, _: (
                f"{_songs(broken)} with a clip of {_range(broken['clip_loudness_lufs'])} LUFS,"
                f" {low:g} to {high:g} is usual"
            ),
        ),
        Rule(
            "sample rate",
            "songs",
            _between("clip_sr", sr, None, WARNING),
            lambda broken, _: (
                f"{_songs(broken)} with a clip of {_range(broken['clip_sr'])} Hz, models read {sr} Hz"
            ),
        ),
    ]


def _no_sound_rules() -> list[Rule]:
    """Songs that were left out for what their audio is, apart from those that could not be had."""
    return [
        _left_out_rule("silent songs", r"^no clip: .*\bis silent\b", "whose audio is silent"),
        _left_out_rule(
            "damaged audio",
            r"^no clip: .*(?:damaged|holds |no audio at|only .* were written)",
            "whose audio is damaged",
        ),
        _left_out_rule("repeated songs", "^same song as ", "that are another song of the data set again"),
    ]


def _left_out_rule(name: str, reason: str, what: str) -> Rule:
    return Rule(
        name,
        "candidates",
        ExpectColumnValuesToNotMatchRegex(column="reason", regex=reason, severity=WARNING),
        lambda broken, _: f"{_songs(broken)} left out {what}",
    )


def _twice_rules() -> list[Rule]:
    same = {"track_id": "track_id", "same_song": "artist and title", "clip_sha256": "audio (clip_sha256)"}
    return [_twice_rule(column, what) for column, what in same.items()]


def _twice_rule(column: str, what: str) -> Rule:
    return Rule(
        "no song twice",
        "songs",
        ExpectColumnValuesToBeUnique(column=column, severity=CRITICAL),
        lambda broken, _: f"{_songs(broken)} with the same {what} as another",
    )


def _missing_rules(params: Params) -> list[Rule]:
    needs = params.snapshot.needs
    columns = [
        *ALWAYS,
        *(CLIP if "clip" in needs else ()),
        *(SPOTIFY_FEATURES if "spotify" in needs else ()),
    ]
    return [_missing_rule(column) for column in columns]


def _missing_rule(column: str) -> Rule:
    return Rule(
        "nothing missing",
        "songs",
        ExpectColumnValuesToNotBeNull(column=column, severity=CRITICAL),
        lambda broken, _: f"{_songs(broken)} without {column}",
    )


def _range_rule(feature: str) -> Rule:
    low, high = SPOTIFY_RANGES[feature]
    documented = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    return Rule(
        "Spotify ranges",
        "songs",
        _between(feature, low, high, WARNING),
        lambda broken, _: f"{_songs(broken)} with {feature} not {documented}",
    )


def _left_out_rules(quality: QualitySettings) -> list[Rule]:
    return [
        Rule(
            "two moods",
            "candidates",
            ExpectColumnValuesToNotMatchRegex(
                column="reason", regex="^(?:two|three|four) moods", severity=WARNING
            ),
            lambda broken, _: (
                f"{_songs(broken)} with two moods or more, left out until a person decides"
                f"{_as_people_disagree(broken['reason'])}"
            ),
        ),
        Rule(
            "left-out songs",
            "candidates",
            ExpectColumnValuesToBeNull(
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
    return ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, mostly=mostly, severity=severity
    )


def _range(column: pd.Series) -> str:
    """The least and the greatest value of a column: "-71 to -40"."""
    low, high = column.min(), column.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _songs(rows: pd.DataFrame) -> str:
    return count(len(rows), "song")


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


def _as_people_disagree(reasons: pd.Series) -> str:
    n = int(reasons.str.contains("(person:", regex=False).sum())
    return f"; of {n} people disagree" if n else ""


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
