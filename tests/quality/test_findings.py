from pathlib import Path

import pytest

from mer_tasks.quality.findings import Finding, QualityReport, quality_alert, summary_line

SONGS = tuple(f"T{n:02} (Artist: Title)" for n in range(12))
CALM = Finding("songs per mood", "critical", "mood calm has 3 songs, at least 15 are needed")
TWICE = Finding("no song twice", "critical", "12 songs with the same track_id as another", SONGS)
TWO_MOODS = Finding("two moods", "warning", "1 song with two moods or more", ("L0 (Artist: Lost)",))


def report(*findings: Finding, songs: int = 63) -> QualityReport:
    moods = {"sad": 20, "happy": 20, "energetic": 20, "calm": 3}
    return QualityReport(findings, 22, songs, 1, moods, 15)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (report(), "quality gate: passed by 63 songs; see r"),
        (
            report(TWO_MOODS, songs=1),
            "quality gate: passed by 1 song, 1 warning; see r",
        ),
        (
            report(CALM),
            f"quality gate: stopped by 1 critical finding: {CALM.message}; see r",
        ),
        (
            report(CALM, TWICE, TWO_MOODS),
            f"quality gate: stopped by 2 critical findings: {CALM.message}; {TWICE.message}, 1 warning; see r",
        ),
    ],
)
def test_summary_is_one_line(given: QualityReport, line: str) -> None:
    assert summary_line(given, Path("r")) == line


def test_only_critical_findings_stop() -> None:
    stopped = report(CALM, TWO_MOODS)
    assert (stopped.critical, stopped.warnings, stopped.passed) == ((CALM,), (TWO_MOODS,), False)
    assert report(TWO_MOODS).passed


def test_alert_names_what_is_wrong_with_which_songs(tmp_path: Path) -> None:
    alert = quality_alert(report(CALM, TWICE, TWO_MOODS), tmp_path / "report.html")
    assert alert.title == "data quality: training stopped by 2 critical findings"
    assert alert.severity == "critical"
    assert alert.text.splitlines() == [
        "critical: songs per mood: mood calm has 3 songs, at least 15 are needed",
        "",
        "critical: no song twice: 12 songs with the same track_id as another",
        *(f"  - {song}" for song in SONGS[:10]),
        "  and 2 more",
        "",
        "warning: two moods: 1 song with two moods or more",
        "  - L0 (Artist: Lost)",
        "",
        f"63 songs checked. The whole report: {tmp_path / 'report.html'}",
    ]


def test_alert_of_warnings_states_that_training_goes_on(tmp_path: Path) -> None:
    alert = quality_alert(report(TWO_MOODS), tmp_path / "report.html")
    assert (alert.title, alert.severity) == ("data quality: 1 warning, training goes on", "warning")
