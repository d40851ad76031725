"""The project's own synthetic songs as a chart."""

import csv
from pathlib import Path
from typing import Any

from mer_tasks.settings import Machine
from mer_tasks.sources.charts import ChartSettings, Reading
from mer_tasks.sources.listing import listing
from mer_tasks.sources.sample import write_sample_songs


class Settings(ChartSettings):
    """Nothing of its own."""


def read(chart: Settings, machine: Machine, known: str | None) -> Reading:
    """The sample songs, composed first where they are not yet there."""
    table = machine.home / "sample" / "tracks.csv"
    if not table.is_file():
        table = write_sample_songs(table.parent, n_workers=machine.n_workers)
    with table.open(encoding="utf-8", newline="") as file:
        rows = [(f"line {number}", row) for number, row in enumerate(csv.DictReader(file), start=2)]
    return Reading(listing(str(table), rows, lambda row: _song(row, table.parent)).entries)


def _song(row: dict[str, str], folder: Path) -> dict[str, Any]:
    names = {name: row[name] for name in ("track_id", "title", "artist")}
    return names | {"path": str(folder / row["path"])}
