"""What the quality gate found, as types and as text; imports nothing heavy."""

from dataclasses import dataclass
from pathlib import Path

from mer_tasks.alert_keys import key_of_stop, slug
from mer_tasks.domain import Alert, Severity
from mer_tasks.text import on_one_line

SONGS_IN_ALERT = 10
LONGEST_TITLE = 150

TOO_FEW = "import or collect more songs of the small mood, or change the limit under quality in params.yaml"
CUT_AGAIN = "cut their clips again with mer verify && mer clips"
BY_HAND = "correct the song file, and import it again"

REMEDIES = {
    "every mood": TOO_FEW,
    "songs per mood": TOO_FEW,
    "balance of moods": TOO_FEW,
    "clip length": CUT_AGAIN,
    "clip too short": CUT_AGAIN,
    "lost clips": CUT_AGAIN,
    "no song twice": BY_HAND,
    "nothing missing": BY_HAND,
    "Spotify ranges": BY_HAND,
    "loudness": "listen to them: a clip that is nearly silent or clipped tells a model little",
    "sample rate": "give a copy with more samples a second, and import it again",
    "silent songs": "correct the address or the file, and import it again",
    "damaged audio": "export the song again, then mer clips --again",
    "repeated songs": "nothing, unless they are different songs: then correct artist, title or ISRC",
    "two moods": "let a person decide with mer label TRACK MOOD --by NAME",
    "left-out songs": "see the reason beside each in data/snapshot/left_out.csv",
}
"""What to do about a finding, by its rule."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that the data breaks, and the songs that break it as "track_id (Artist – Title)"."""

    rule: str
    severity: Severity
    message: str
    songs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What the gate found in a snapshot; `rules` counts the rules that were looked at."""

    findings: tuple[Finding, ...]
    rules: int
    songs: int
    left_out: int
    songs_by_mood: dict[str, int]
    min_songs_per_mood: int

    @property
    def critical(self) -> tuple[Finding, ...]:
        """The findings that stop a run."""
        return tuple(finding for finding in self.findings if finding.severity == "critical")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that a person should see but that stop nothing."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def passed(self) -> bool:
        """Whether the snapshot is good enough to train on."""
        return not self.critical


def count(n: int, noun: str) -> str:
    """A number with its noun: "1 song", "2 songs"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def summary_line(report: QualityReport, where: Path) -> str:
    """The gate's verdict in one line for a terminal or a log."""
    warnings = f", {count(len(report.warnings), 'warning')}" if report.warnings else ""
    if report.passed:
        return f"quality gate: passed by {count(report.songs, 'song')}{warnings}; see {where}"
    what = "; ".join(finding.message for finding in report.critical)
    return f"quality gate: stopped by {_criticals(report)}: {what}{warnings}; see {where}"


def quality_alerts(report: QualityReport, report_path: Path) -> list[Alert]:
    """The alerts about a report: one of all that stopped the run, and one of each warning, which stops nothing."""
    where = f"{count(report.songs, 'song')} checked. The whole report: {report_path.absolute()}"
    alerts = [
        Alert(
            title=f"data quality: {finding.rule}: {on_one_line(finding.message, LONGEST_TITLE)}",
            text=f"{_paragraph(finding)}\n\n{where}",
            severity="warning",
            key=f"quality.{slug(finding.rule)}",
            remedy=_remedy(finding),
        )
        for finding in report.warnings
    ]
    if not report.passed:
        alerts.insert(0, _stop_alert(report, report_path, where))
    return alerts


def _stop_alert(report: QualityReport, report_path: Path, where: str) -> Alert:
    """Its key is that of the failed task, whose error is the report's summary: they are one incident."""
    return Alert(
        title=f"data quality: training stopped by {_criticals(report)}",
        text="\n\n".join([*map(_paragraph, report.critical), where]),
        severity="critical",
        key=key_of_stop(summary_line(report, report_path)),
        remedy="; ".join(dict.fromkeys(map(_remedy, report.critical))),
    )


def _remedy(finding: Finding) -> str:
    return REMEDIES.get(finding.rule, "see docs/quality.md")


def _criticals(report: QualityReport) -> str:
    return count(len(report.critical), "critical finding")


def _paragraph(finding: Finding) -> str:
    """A finding with the first of its songs, one a line."""
    lines = [f"{finding.severity}: {finding.rule}: {on_one_line(finding.message)}"]
    lines += [f"  - {song}" for song in finding.songs[:SONGS_IN_ALERT]]
    if len(finding.songs) > SONGS_IN_ALERT:
        lines.append(f"  and {len(finding.songs) - SONGS_IN_ALERT} more")
    return "\n".join(lines)
