"""The gate: a snapshot goes in, a report of what breaks which rule comes out."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mer_tasks.quality.findings import Finding, QualityReport, quality_alerts, summary_line
from mer_tasks.quality.report import write_report
from mer_tasks.settings import Params
from mer_tasks.text import on_one_line

if TYPE_CHECKING:
    import pandas as pd

    from mer_tasks.catalog.dataset import Snapshot
    from mer_tasks.quality.suite import Rule

__all__ = ["Finding", "QualityReport", "check_snapshot", "quality_alerts", "summary_line", "write_report"]

LONGEST_NAME = 120
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class _Breach:
    """One expectation that did not hold: the rows that break it, or why it could not be looked at."""

    rule: "Rule"
    critical: bool
    message: str
    rows: list[int]


def check_snapshot(
    snapshot: "Snapshot", params: Params, flaws: Mapping[str, str] = MappingProxyType({})
) -> QualityReport:
    """Look at every rule of the suite; a rule that could not be looked at counts as critical.

    `flaws` says which stored clips, by SHA-256, are not what was cut, and what is wrong with each.
    """
    from mer_tasks.quality.suite import build_rules  # Great Expectations takes 5 to 16 s to import
    from mer_tasks.quality.tables import tables_of

    tables = tables_of(snapshot, flaws)
    rules = build_rules(params)
    breaches = _validate(tables, rules)
    findings = [_finding(name, breaches, tables) for name in dict.fromkeys(b.rule.name for b in breaches)]
    return QualityReport(
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),  # critical, then warning
        rules=len(rules),
        songs=len(tables["songs"]),
        left_out=len(snapshot.left_out),
        songs_by_mood=dict(zip(tables["moods"]["mood"], tables["moods"]["songs"], strict=True)),
        min_songs_per_mood=params.quality.min_songs_per_mood,
    )


def _validate(tables: "dict[str, pd.DataFrame]", rules: "list[Rule]") -> list[_Breach]:
    """Run one suite a table and return what did not hold, in the order of `rules`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    from mer_tasks.quality.suite import build_suite

    logging.getLogger(ProgressBarsConfig.__module__).setLevel(logging.WARNING)  # its import sets INFO
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("snapshot")
    results: dict[int, Any] = {}
    for name, table in tables.items():
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
        suite = build_suite(name, rules)
        validated = batch.get_batch({"dataframe": table}).validate(suite, result_format="COMPLETE")
        results |= {_position(result): result for result in validated.results}
    failed = [position for position in range(len(rules)) if not results[position].success]
    return [_breach(rules[position], results[position], tables) for position in failed]


def _position(result: Any) -> int:
    """Which rule a result belongs to; Great Expectations gives them in an order of its own."""
    return int(result.expectation_config.meta["rule"])


def _breach(rule: "Rule", result: Any, tables: "dict[str, pd.DataFrame]") -> _Breach:
    if reason := _why_not_run(result.exception_info):
        return _Breach(rule, True, f"could not be checked: {reason}", [])
    table = tables[rule.table]
    rows = _same_together(table, rule, result.result.get("unexpected_index_list") or [])
    critical = rule.expectation.severity == "critical"
    return _Breach(rule, critical, rule.describe(table.iloc[rows], table), rows)


def _same_together(table: "pd.DataFrame", rule: "Rule", rows: list[int]) -> list[int]:
    """The rows in their order, but songs with the same value side by side, so that twins are seen."""
    values = table[rule.expectation.column]
    first: dict[object, int] = {}
    return sorted(rows, key=lambda row: first.setdefault(values.iloc[row], row))


def _why_not_run(exception_info: dict[str, Any]) -> str | None:
    """Why an expectation raised, or None; Great Expectations reports one exception, or one a metric."""
    infos = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    raised = [info for info in infos if info["raised_exception"]]
    return on_one_line(str(raised[0]["exception_message"])) if raised else None


def _finding(name: str, breaches: list[_Breach], tables: "dict[str, pd.DataFrame]") -> Finding:
    """Everything that breaks one rule as one finding, as severe as the worst of it."""
    own = [breach for breach in breaches if breach.rule.name == name]
    songs = [song for breach in own for song in _song_names(tables[breach.rule.table], breach.rows)]
    return Finding(
        rule=name,
        severity="critical" if any(breach.critical for breach in own) else "warning",
        message="; ".join(dict.fromkeys(on_one_line(breach.message) for breach in own)),
        songs=tuple(dict.fromkeys(songs)),
    )


def _song_names(table: "pd.DataFrame", rows: list[int]) -> list[str]:
    """The songs in the rows as "track_id (Artist – Title)", and why they are left out; some tables have no songs."""
    if "track_id" not in table:
        return []
    named = table.iloc[rows].reindex(columns=["track_id", "artist", "title", "reason"])
    names = named.fillna({"track_id": "?", "artist": "?", "title": "?", "reason": ""})
    return [_song_name(*values) for values in names.itertuples(index=False)]


def _song_name(track_id: object, artist: object, title: object, reason: object) -> str:
    name = _shortened(f"{track_id} ({artist} \N{EN DASH} {title})", LONGEST_NAME)
    return f"{name}: {_shortened(str(reason), LONGEST_REASON)}" if reason else name


def _shortened(text: str, most: int) -> str:
    line = on_one_line(text)
    return line if len(line) <= most else f"{line[: most - 1]}…"
