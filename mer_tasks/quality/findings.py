"""What the quality gate found, as types and as text; imports nothing heavy."""

from dataclasses import dataclass
from pathlib import Path

from mer_tasks.alerts import Alert, Severity
from mer_tasks.text import on_one_line

SONGS_IN_ALERT = 10


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


def quality_alert(report: QualityReport, report_path: Path) -> Alert:
    """The alert about a report: what is wrong, with which songs, and where the whole report is."""
    if report.passed:
        title = f"data quality: {count(len(report.warnings), 'warning')}, training goes on"
    else:
        title = f"data quality: training stopped by {_criticals(report)}"
    paragraphs = [_paragraph(finding) for finding in report.findings]
    paragraphs.append(f"{count(report.songs, 'song')} checked. The whole report: {report_path.absolute()}")
    return Alert(title, "\n\n".join(paragraphs), "warning" if report.passed else "critical")


def _criticals(report: QualityReport) -> str:
    return count(len(report.critical), "critical finding")


def _paragraph(finding: Finding) -> str:
    """A finding with the first of its songs, one a line."""
    lines = [f"{finding.severity}: {finding.rule}: {on_one_line(finding.message)}"]
    lines += [f"  - {song}" for song in finding.songs[:SONGS_IN_ALERT]]
    if len(finding.songs) > SONGS_IN_ALERT:
        lines.append(f"  and {len(finding.songs) - SONGS_IN_ALERT} more")
    return "\n".join(lines)
