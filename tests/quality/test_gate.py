import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mer_tasks.catalog.dataset import LEFT_OUT_COLUMNS, SONG_COLUMNS, Snapshot, read_snapshot, write_snapshot
from mer_tasks.domain import MOODS, SPOTIFY_FEATURES
from mer_tasks.quality.gate import Finding, QualityReport, check_snapshot
from mer_tasks.settings import Params, load_params

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
SPOTIFY = {
    "danceability": 0.5,
    "energy": 0.5,
    "key": -1,
    "loudness": -60,
    "speechiness": 0,
    "acousticness": 1,
    "instrumentalness": 0,
    "liveness": 1,
    "valence": 0.5,
    "tempo": 120,
    "time_signature": 4,
}
Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def params(*needs: str, **quality: float) -> Params:
    return PARAMS.model_copy(
        update={
            "snapshot": PARAMS.snapshot.model_copy(update={"needs": needs or ("clip",)}),
            "quality": PARAMS.quality.model_copy(update=quality),
        }
    )


def good_songs(per_mood: int = 20) -> pd.DataFrame:
    """Songs that every rule accepts: T000 to T019 sad, then happy, energetic and calm ones."""
    songs = pd.DataFrame({"mood": np.repeat(MOODS, per_mood)})
    number = songs.index.astype(str).str.zfill(3)
    return songs.assign(
        track_id="T" + number,
        title="Title " + number,
        artist="Artist",
        collections="x",
        clip_sha256="c0ffee" + number,
        clip_start_s=50.0,
        clip_duration_s=30.0,
        clip_sr=44100,
        clip_channels=2,
        clip_loudness_lufs=-14.0,
        annotated_valence=np.nan,
        annotated_arousal=np.nan,
        **SPOTIFY,
    )[list(SONG_COLUMNS)].astype(SONG_COLUMNS)


def of_each(**sizes: int) -> pd.DataFrame:
    """Good songs, so many of each mood."""
    songs = good_songs(max(sizes.values()))
    return songs[songs.groupby("mood").cumcount() < songs["mood"].map(sizes)].reset_index(drop=True)


def left_out(*reasons: str) -> pd.DataFrame:
    rows = [(f"L{i}", f"Lost {i}", "Artist", None, reason) for i, reason in enumerate(reasons)]
    return pd.DataFrame(rows, columns=list(LEFT_OUT_COLUMNS)).astype(LEFT_OUT_COLUMNS)


def check(songs: pd.DataFrame, *reasons: str, params: Params = PARAMS) -> QualityReport:
    return check_snapshot(Snapshot(songs, left_out(*reasons)), params)


def where(songs: pd.DataFrame, rows: list[int], **values: object) -> pd.DataFrame:
    """The songs with other values in some rows."""
    songs = songs.copy()
    for column, value in values.items():
        songs.loc[rows, column] = value
    return songs


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(f"T{n:03} (Artist \N{EN DASH} Title {n:03})" for n in numbers)


def test_good_songs_pass_and_great_expectations_is_silent(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    report = check(good_songs())
    assert report.findings == ()
    assert (report.songs, report.left_out) == (80, 0)
    assert report.songs_by_mood == dict.fromkeys(MOODS, 20)
    assert capfd.readouterr() == ("", "")
    assert [record.name for record in caplog.records if record.name.startswith("great_expectations")] == []


def test_good_songs_with_spotify_features_pass() -> None:
    assert check(good_songs(), params=params("clip", "spotify")).findings == ()


@pytest.mark.parametrize(
    ("spoil", "rule", "message", "songs"),
    [
        (
            lambda songs: songs[songs["mood"] != "calm"],
            "every mood",
            "no song is calm",
            (),
        ),
        (
            lambda songs: where(songs, [3, 25], mood="angry"),
            "every mood",
            "2 songs of an unknown mood: angry (2); known are sad, happy, energetic, calm",
            names(3, 25),
        ),
        (
            lambda _: of_each(sad=14, happy=20, energetic=20, calm=20),
            "songs per mood",
            "mood sad has 14 songs, at least 15 are needed",
            (),
        ),
        (
            lambda _: of_each(sad=15, happy=46, energetic=20, calm=20),
            "balance of moods",
            "mood happy has 46 songs, sad 15, at most 3 times as many are allowed",
            (),
        ),
        (
            lambda songs: where(songs, [0, 1, 2, 3, 4], clip_duration_s=28.9),
            "clip length",
            "5 of 80 songs with a clip not 30 ± 1 s long, at most 5% may be",
            names(0, 1, 2, 3, 4),
        ),
        (
            lambda songs: where(songs, [7], track_id="T005", title="Title 007"),
            "no song twice",
            "2 songs with the same track_id as another",
            ("T005 (Artist \N{EN DASH} Title 005)", "T005 (Artist \N{EN DASH} Title 007)"),
        ),
        (
            lambda songs: where(songs, [9], title=" \N{FULLWIDTH LATIN CAPITAL LETTER T}ITLE   005"),
            "no song twice",
            "2 songs with the same artist and title as another",
            (*names(5), "T009 (Artist \N{EN DASH} \N{FULLWIDTH LATIN CAPITAL LETTER T}ITLE 005)"),
        ),
        (
            lambda songs: where(where(songs, [1, 70], clip_sha256="one"), [2, 50], clip_sha256="two"),
            "no song twice",
            "4 songs with the same audio (clip_sha256) as another",
            names(1, 70, 2, 50),
        ),
        (
            lambda songs: where(where(songs, [4], clip_sr=pd.NA), [4, 5], clip_loudness_lufs=np.nan),
            "nothing missing",
            "1 song without clip_sr; 2 songs without clip_loudness_lufs",
            names(4, 5),
        ),
        (
            lambda songs: where(songs, [6], artist=None),
            "nothing missing",
            "1 song without artist",
            ("T006 (? \N{EN DASH} Title 006)",),
        ),
    ],
)
def test_critical_rule(spoil: Spoil, rule: str, message: str, songs: tuple[str, ...]) -> None:
    report = check(spoil(good_songs()))
    assert report.findings == (Finding(rule, "critical", message, songs),)
    assert not report.passed


def test_clip_shorter_than_the_minimum_is_critical_though_few_are() -> None:
    report = check(where(good_songs(), [8], clip_duration_s=19.9))
    assert report.critical == (
        Finding("clip too short", "critical", "1 song with a clip shorter than 20 s", names(8)),
    )


def test_few_clips_of_another_length_are_a_warning() -> None:
    report = check(where(good_songs(), [8, 9], clip_duration_s=31.1))
    message = "2 of 80 songs with a clip not 30 ± 1 s long, at most 5% may be"
    assert report.findings == (Finding("clip length", "warning", message, names(8, 9)),)
    assert report.passed


def test_limits_themselves_are_allowed() -> None:
    songs = of_each(sad=15, happy=45, energetic=20, calm=20)
    songs = where(where(songs, [1], clip_duration_s=29.0), [2], clip_duration_s=31.0)
    assert check(songs).findings == ()


def test_clip_rules_hold_only_where_clips_are_needed() -> None:
    songs = where(good_songs(), list(range(80)), clip_sha256=None, clip_duration_s=np.nan, clip_sr=pd.NA)
    assert check(songs, params=params("spotify")).findings == ()
    assert {finding.rule for finding in check(songs).findings} == {"nothing missing"}


def test_spotify_features_out_of_range_are_a_warning() -> None:
    out = {"danceability": 1.01, "key": -2, "loudness": 0.5, "tempo": -1, "time_signature": 2}
    songs = good_songs()
    for row, (feature, value) in enumerate(out.items()):
        songs = where(songs, [row], **{feature: value})
    message = (
        "1 song with danceability not 0 to 1; 1 song with key not -1 to 11; 1 song with loudness not -60 to 0; "
        "1 song with tempo not at least 0; 1 song with time_signature not 3 to 7"
    )
    expected = Finding("Spotify ranges", "warning", message, names(*range(5)))
    assert check(songs, params=params("spotify")).findings == (expected,)
    assert check(songs).findings == ()


def test_missing_spotify_features_are_critical() -> None:
    songs = good_songs()
    for row, feature in enumerate(SPOTIFY_FEATURES):
        songs = where(songs, [row], **{feature: np.nan})
    message = "; ".join(f"1 song without {feature}" for feature in SPOTIFY_FEATURES)
    expected = Finding("nothing missing", "critical", message, names(*range(11)))
    assert check(songs, params=params("spotify")).findings == (expected,)


def test_songs_with_two_moods_are_named() -> None:
    report = check(good_songs(), "two moods: happy (a), sad (b)", "no clip: gone", "three moods: …")
    message = "2 songs with two moods or more, left out until a person decides"
    lost = (
        "L0 (Artist \N{EN DASH} Lost 0): two moods: happy (a), sad (b)",
        "L2 (Artist \N{EN DASH} Lost 2): three moods: …",
    )
    assert report.findings == (Finding("two moods", "warning", message, lost),)
    assert report.left_out == 3


def test_people_who_disagree_are_named() -> None:
    (finding,) = check(
        good_songs(), "two moods: calm (person:bob), happy (person:ann)", "two moods: happy (a), sad (b)"
    ).findings
    assert finding.message.endswith("left out until a person decides; of 1 people disagree")
    assert finding.songs[0].endswith("Lost 0): two moods: calm (person:bob), happy (person:ann)")


ALTERED = "its clip was altered in the clip store: it is empty"


@pytest.mark.parametrize(
    ("n_stored", "n_left_out", "severity"),
    [(1, 0, "warning"), (0, 1, "warning"), (2, 2, "warning"), (3, 2, "critical")],
)
def test_lost_clips_are_a_finding_and_too_many_are_critical(
    n_stored: int, n_left_out: int, severity: str
) -> None:
    songs = good_songs()
    flaws = dict.fromkeys(songs["clip_sha256"][:n_stored], ALTERED)
    gone = [f"no clip: {ALTERED}; run mer clips"] * n_left_out
    snapshot = Snapshot(songs, left_out(*gone, "no clip: its decoder crashed"))
    (finding,) = check_snapshot(snapshot, params(max_lost_share=4 / 82), flaws).findings
    assert (finding.rule, finding.severity) == ("lost clips", severity)
    n = n_stored + n_left_out
    assert finding.message.startswith(
        f"{n} of {81 + n_left_out} songs with a clip that is missing or altered"
    )
    assert len(finding.songs) == n
    assert all(ALTERED in song for song in finding.songs)
    assert check_snapshot(snapshot, params("spotify"), flaws).findings == ()


def test_many_left_out_songs_are_a_warning_with_the_commonest_reasons() -> None:
    assert check(good_songs(), *["no clip: gone"] * 20).findings == ()
    report = check(good_songs(), *["no clip: gone"] * 11, *["no clip: private"] * 6, *["no mood"] * 4)
    (finding,) = report.findings
    assert (finding.rule, finding.severity, len(finding.songs)) == ("left-out songs", "warning", 21)
    assert finding.message == (
        "21 of 101 songs left out, at most 20% may be; most often: no clip (17), no mood (4)"
    )


def test_no_songs_at_all_are_critical() -> None:
    report = check(good_songs()[:0])
    assert [finding.message for finding in report.critical] == [
        "no song is sad or happy or energetic or calm"
    ]
    assert report.songs_by_mood == {}


def test_check_that_cannot_run_is_critical() -> None:
    songs = good_songs()
    songs["energy"] = ["loud", *[0.5] * 79]  # only ranges look at it, and they alone would be a warning
    report = check(songs, params=params("spotify"))
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("Spotify ranges", "critical")
    assert finding.message.startswith("could not be checked: ")


def test_missing_column_is_critical() -> None:
    report = check(good_songs().drop(columns="clip_loudness_lufs"))
    assert [finding.rule for finding in report.critical] == ["loudness", "nothing missing"]
    assert all("clip_loudness_lufs" in finding.message for finding in report.critical)


def test_critical_findings_come_before_warnings() -> None:
    songs = where(good_songs(), [0], clip_sha256=None, energy=7)
    report = check(songs, "two moods: …", params=params("clip", "spotify"))
    assert [finding.severity for finding in report.findings] == ["critical", "warning", "warning"]
    assert report.critical + report.warnings == report.findings


def test_hostile_names_stay_on_one_short_line() -> None:
    songs = where(
        good_songs(), [0], title="\x1b[31m a\nb \N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 500, clip_sr=pd.NA
    )
    (song,) = check(songs).findings[0].songs
    assert song.startswith("T000 (Artist \N{EN DASH} [31m a b xxx")
    assert len(song) == 120


def test_gate_gives_the_same_on_a_snapshot_read_back(tmp_path: Path) -> None:
    songs = where(good_songs(), [3], artist='Ünïcode, "quoted"', clip_sha256=None)
    snapshot = Snapshot(songs, left_out("two moods: …"))
    write_snapshot(snapshot, tmp_path)
    assert check_snapshot(read_snapshot(tmp_path), PARAMS) == check_snapshot(snapshot, PARAMS)


@pytest.mark.skipif("MER_REAL_DATA" not in os.environ, reason="MER_REAL_DATA is not set")
def test_real_songs_that_are_there_twice_are_named() -> None:
    raw = pd.read_csv(Path(os.environ["MER_REAL_DATA"], "spotify-moods", "moodify_1200.csv"))
    raw = raw.rename(columns={"track": "title", "uri": "track_id", "time signature": "time_signature"})
    songs = raw.assign(mood=raw["labels"].map({0: "sad", 1: "happy", 2: "energetic", 3: "calm"}))
    report = check(songs.reindex(columns=list(SONG_COLUMNS)).astype(SONG_COLUMNS), params=params("spotify"))
    (twice,) = report.critical
    assert twice.message.startswith("24 songs with the same track_id as another; ")
    assert "spotify:track:5GZEeowhvSieFDiR8fQ2im (Damien Rice \N{EN DASH} 9 Crimes)" in twice.songs


@pytest.mark.parametrize(
    ("values", "rule", "message"),
    [
        ({"clip_loudness_lufs": -60.0}, "loudness", "2 songs with a clip of -60 LUFS, -35 to -3 is usual"),
        ({"clip_loudness_lufs": -0.5}, "loudness", "2 songs with a clip of -0.5 LUFS, -35 to -3 is usual"),
        ({"clip_sr": 16000}, "sample rate", "2 songs with a clip of 16000 Hz, models read 22050 Hz"),
    ],
)
def test_an_odd_sound_is_a_warning(values: dict[str, float], rule: str, message: str) -> None:
    report = check(where(good_songs(), [1, 5], **values))
    assert report.findings == (Finding(rule, "warning", message, names(1, 5)),)


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("no clip: a.mp3: is silent", "silent songs"),
        ("no clip: a.mp3: is silent as one channel, as its channels cancel each other out", "silent songs"),
        ("no clip: a.mp3: holds no audio", "damaged audio"),
        ("no clip: a.mp3: holds samples of 1e+09 times full scale, as damaged audio does", "damaged audio"),
        ("same song as T001", "repeated songs"),
    ],
)
def test_songs_that_are_no_sound_or_twice_are_named(reason: str, rule: str) -> None:
    (finding,) = check(good_songs(), reason, params=params(max_left_out_share=1.0)).findings
    assert (finding.rule, finding.severity) == (rule, "warning")
    assert finding.songs == (f"L0 (Artist \N{EN DASH} Lost 0): {reason}",)
