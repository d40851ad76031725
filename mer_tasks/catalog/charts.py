"""Charts as they were read: which song was at which position on which day."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from mer_tasks.catalog.database import Catalog, patiently
from mer_tasks.catalog.recording import Statement, StatementCounts, record_statements
from mer_tasks.catalog.schema import chart_entries, chart_readings
from mer_tasks.domain import ChartEntry, LabelKind, Mood

READINGS_COMPARED = 8
FAR_FEWER = 0.5


@dataclass(frozen=True, slots=True)
class ChartReport:
    """What reading a chart came to: its length, how long it usually is, and what in it was not known."""

    chart: str
    n_entries: int
    usual: float | None
    new: int
    changed: int
    not_fetchable: int
    is_unchanged: bool

    @property
    def line(self) -> str:
        """The report in one line."""
        if self.is_unchanged:
            return f"{self.n_entries} songs, unchanged"
        closed = f", {self.not_fetchable} of them listed only" if self.not_fetchable else ""
        return f"{self.n_entries} songs, {self.new} new, {self.changed} changed{closed}"

    @property
    def fell(self) -> bool:
        """Whether the chart suddenly has far fewer songs than it used to."""
        return self.usual is not None and self.n_entries < FAR_FEWER * self.usual


def known_version(catalog: Catalog, chart: str) -> str | None:
    """The version of a chart that was read last."""
    with catalog.reading() as connection:
        last = _last_readings(connection, chart, 1)
    return last[0].version if last else None


@patiently
def record_chart(
    catalog: Catalog,
    chart: str,
    mood: Mood | None,
    entries: Sequence[ChartEntry] | None,
    version: str | None,
    now: datetime,
) -> ChartReport:
    """Keep a chart as it was read, in one transaction; its songs are the collection of the same name.

    `entries` is None where the chart is still what it was at the last reading. Each song's mood is
    the chart's, if it has one.
    """
    with catalog.transaction() as connection:
        last = _last_readings(connection, chart, READINGS_COMPARED)
        usual = statistics.median(row.n_entries for row in last) if last else None
        if entries is None:
            _add_reading(connection, chart, version, last[0].n_entries, last[0].entries_of or last[0].id, now)
            return ChartReport(chart, last[0].n_entries, usual, 0, 0, 0, is_unchanged=True)
        recorded = _record_songs(connection, chart, mood, entries, now)
        reading = _add_reading(connection, chart, version, len(entries), None, now)
        positions = [
            {"reading_id": reading, "position": entry.position, "track_id": entry.track.track_id}
            for entry in entries
        ]
        if positions:
            connection.execute(insert(chart_entries), positions)
    closed = sum(not entry.track.may_fetch for entry in entries)
    return ChartReport(chart, len(entries), usual, recorded.new, recorded.changed, closed, is_unchanged=False)


@dataclass(frozen=True, slots=True)
class ChartWeek:
    """A chart as it was read last in a week, by ISO 8601 such as "2026-W48": the songs in its order, by track_id."""

    chart: str
    week: str
    read_at: datetime
    songs: tuple[str, ...]


def chart_weeks(connection: Connection, since: datetime) -> list[ChartWeek]:
    """Each chart's last reading of every week since a moment, the oldest first."""
    readings = select(chart_readings).where(chart_readings.c.observed_at >= since)
    last = {
        (row.chart, f"{row.observed_at:%G-W%V}"): row
        for row in connection.execute(readings.order_by(chart_readings.c.id))
    }
    return [
        ChartWeek(chart, week, row.observed_at, _songs_of(connection, row.entries_of or row.id))
        for (chart, week), row in last.items()
    ]


def _songs_of(connection: Connection, reading: int) -> tuple[str, ...]:
    rows = select(chart_entries.c.track_id).where(chart_entries.c.reading_id == reading)
    return tuple(connection.scalars(rows.order_by(chart_entries.c.position)))


def _record_songs(
    connection: Connection, chart: str, mood: Mood | None, entries: Sequence[ChartEntry], now: datetime
) -> StatementCounts:
    moods = frozenset({str(mood)} if mood else ())
    statements = {entry.track.track_id: Statement(entry.track, moods, entry.numbers) for entry in entries}
    return record_statements(connection, chart, LabelKind.CHART, statements, now)


def _last_readings(connection: Connection, chart: str, n: int) -> Sequence[Row[Any]]:
    rows = select(chart_readings).where(chart_readings.c.chart == chart)
    return connection.execute(rows.order_by(chart_readings.c.id.desc()).limit(n)).all()


def _add_reading(
    connection: Connection,
    chart: str,
    version: str | None,
    n_entries: int,
    entries_of: int | None,
    now: datetime,
) -> int:
    row = {
        "chart": chart,
        "version": version,
        "n_entries": n_entries,
        "entries_of": entries_of,
        "observed_at": now,
    }
    inserted = connection.execute(insert(chart_readings).values(row))
    assert inserted.inserted_primary_key
    return int(inserted.inserted_primary_key[0])
