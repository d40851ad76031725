"""A weekly refresh and a snapshot on a catalog of 1,000,000 tracks and 5,000,000 chart entries in PostgreSQL.

`PYTHONPATH=. python benchmarks/catalog.py` starts a server of its own, fills it, and prints a table
in Markdown and the plans of the queries that take longest.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, event, text

from mer_tasks.catalog.charts import record_chart
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.queue import ClaimPolicy, claim_songs, n_due, tidy_queue
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.domain import ChartEntry, Mood, Track
from mer_tasks.settings import load_params
from tests.conftest import ROOT, postgres_server

WEEKS, LENGTH, NEW_A_WEEK = 500, 10_000, 500
FILL = f"""
INSERT INTO tracks SELECT 't' || n, now() - interval '10 years' FROM generate_series(1, 1000000) n;
-- One chart of 500 weeks, through which 260,000 songs went; 74 charts whose 10,000 songs stayed.
INSERT INTO items (collection, track_id, title, artist, url, observed_at)
    SELECT CASE WHEN n <= 260000 THEN 'top' ELSE 'chart' || (n - 260001) / 10000 END,
    't' || n, 'Title ' || n, 'Artist ' || n % 100000, 'http://h/' || n, now() - interval '1 year'
    FROM generate_series(1, 1000000) n;
INSERT INTO labels (track_id, mood, kind, source, observed_at)
    SELECT track_id, (ARRAY['sad', 'happy', 'energetic', 'calm'])[1 + id % 4], 'chart',
    'chart:' || collection, observed_at FROM items;
INSERT INTO chart_readings (chart, n_entries, observed_at)
    SELECT 'top', {LENGTH}, now() - (500 - week) * interval '1 week' FROM generate_series(1, {WEEKS}) week;
INSERT INTO chart_entries SELECT week, n, 't' || {NEW_A_WEEK} * (week - 1) + n
    FROM generate_series(1, {WEEKS}) week, generate_series(1, {LENGTH}) n;
INSERT INTO clips (track_id, sha256, start_s, duration_s, sr, channels, loudness_lufs, observed_at, fingerprint)
    SELECT track_id, md5(track_id) || md5(title), 60, 30, 44100, 2, -14, observed_at,
    CASE WHEN collection = 'chart0' THEN decode((SELECT string_agg(md5(track_id || i), '') FROM
    generate_series(1, 56) i), 'hex') END FROM items;
INSERT INTO queue (track_id, searched, n_failures) SELECT track_id, false, 0 FROM tracks;
VACUUM ANALYZE;
"""

T = TypeVar("T")


def timed(rows: list[tuple[str, float]], what: str, act: Callable[[], T]) -> T:
    """Do something and keep how long it took."""
    start = time.perf_counter()
    result = act()
    rows.append((what, time.perf_counter() - start))
    return result


def fill(catalog: Catalog) -> None:
    """Make the million tracks in SQL."""
    with catalog._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.execute(text(statement))


def this_week() -> list[ChartEntry]:
    """The chart of the next week: 9,500 songs of the last one and 500 new ones."""
    first = NEW_A_WEEK * WEEKS
    ids = [*range(first + 1, first + LENGTH - NEW_A_WEEK + 1), *range(2_000_000, 2_000_000 + NEW_A_WEEK)]
    return [
        ChartEntry(at, Track(f"t{n}", f"Title {n}", f"Artist {n % 100_000}", url=f"http://h/{n}"))
        for at, n in enumerate(ids, 1)
    ]


def explain_slowest(catalog: Catalog, act: Callable[[], object], n: int = 3) -> None:
    """Print the plans of the queries of `act` that take longest."""
    spent: list[tuple[float, str, Any]] = []

    def before(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        connection.info["start"] = time.perf_counter()

    def after(connection: Connection, cursor: object, statement: str, values: object, *_: object) -> None:
        spent.append((time.perf_counter() - connection.info["start"], statement, values))

    event.listen(catalog._engine, "before_cursor_execute", before)
    event.listen(catalog._engine, "after_cursor_execute", after)
    act()
    event.remove(catalog._engine, "before_cursor_execute", before)
    event.remove(catalog._engine, "after_cursor_execute", after)
    selects = [query for query in spent if query[1].startswith("SELECT")]
    with catalog._engine.connect() as connection:
        for seconds, statement, values in sorted(selects, key=lambda query: -query[0])[:n]:
            plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", values)
            lines = [line if len(line) < 150 else f"{line[:150]}…" for (line,) in plan]
            print(f"\n{seconds:.2f} s: {' '.join(statement.split())[:160]}…\n\n    " + "\n    ".join(lines))


def main() -> None:
    """Fill, measure, print."""
    settings = load_params(ROOT / "params.yaml").snapshot
    now, rows = datetime.now(UTC), list[tuple[str, float]]()
    with postgres_server() as (url, _):
        catalog = Catalog.open(url)
        timed(rows, "filling it", lambda: fill(catalog))
        refreshed = timed(
            rows,
            "a refresh of 10,000 entries, 500 of them new",
            lambda: record_chart(catalog, "top", Mood.HAPPY, this_week(), None, now),
        )
        print(refreshed.line, file=sys.stderr)
        policy = ClaimPolicy(("top",), "r")
        later = now + timedelta(minutes=1)
        timed(rows, "tidying the queue", lambda: tidy_queue(catalog, policy, later))
        timed(rows, "counting what is due", lambda: n_due(catalog, policy, later))
        timed(rows, "taking 4 songs to fetch", lambda: claim_songs(catalog, policy, 4, "h:1:1", later, later))
        small = settings.model_copy(update={"collections": ("chart0",), "needs": ("clip",)})
        large = settings.model_copy(update={"collections": ("top",), "needs": ("clip",)})
        timed(
            rows, "a snapshot of 10,000 songs with fingerprints", lambda: take_snapshot(catalog, small, "r")
        )
        timed(rows, "a snapshot of 260,500 songs", lambda: take_snapshot(catalog, large, "r"))
        print("| on 1,000,000 tracks and 5,000,000 chart entries | seconds |\n| --- | ---: |")
        for what, seconds in rows:
            print(f"| {what} | {seconds:.2f} |")
        explain_slowest(catalog, lambda: take_snapshot(catalog, small, "r"))
        explain_slowest(catalog, lambda: claim_songs(catalog, policy, 4, "h:1:1", later, later), n=1)


if __name__ == "__main__":
    main()
