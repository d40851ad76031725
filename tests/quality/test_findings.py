from pathlib import Path

import pytest

from mer_tasks.alert_keys import stop_key
from mer_tasks.quality.findings import REMEDIES, Finding, QualityReport, quality_alerts, summary_line
from mer_tasks.quality.suite import build_rules
from mer_tasks.settings import Params

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


def test_one_alert_names_all_that_stopped_the_run_and_one_each_warning(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    stopped, warning = quality_alerts(report(CALM, TWICE, TWO_MOODS), page)
    assert stopped.title == "data quality: training stopped by 2 critical findings"
    assert (stopped.severity, warning.severity) == ("critical", "warning")
    assert stopped.text.splitlines() == [
        "critical: songs per mood: mood calm has 3 songs, at least 15 are needed",
        "",
        "critical: no song twice: 12 songs with the same track_id as another",
        *(f"  - {song}" for song in SONGS[:10]),
        "  and 2 more",
        "",
        f"63 songs checked. The whole report: {page}",
    ]
    assert warning.title == "data quality: two moods: 1 song with two moods or more"
    assert warning.text.splitlines()[1] == "  - L0 (Artist: Lost)"
    assert (warning.key, warning.remedy) == (
        "quality.two-moods",
        "let a person decide with mer label TRACK MOOD --by NAME",
    )


def test_the_alert_that_stopped_the_run_is_one_incident_with_the_failed_task() -> None:
    stopped = report(CALM, TWO_MOODS)
    printed = f"InputError: mer: {summary_line(stopped, Path('r'))}"
    assert quality_alerts(stopped, Path("r"))[0].key == stop_key("mer", printed)


def test_every_rule_has_a_remedy(params: Params) -> None:
    both = params.model_copy(
        update={"snapshot": params.snapshot.model_copy(update={"needs": ("clip", "spotify")})}
    )
    assert {rule.name for rule in build_rules(both)} == REMEDIES.keys()
