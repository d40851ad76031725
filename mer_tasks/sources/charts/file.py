"""A list of songs in a file or at an address: CSV, JSON or M3U, read again when it has changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.errors import InputError
from mer_tasks.settings import Machine, Positive
from mer_tasks.sources.charts import ChartSettings, Reading
from mer_tasks.sources.http import without_secrets
from mer_tasks.sources.listing import Song, listing
from mer_tasks.sources.lists import Line, fetch_list, is_web, rows_of, version_of
from mer_tasks.validation import path_inside

TEXTS = tuple(Song.model_fields.keys() - {"path", "url", "may_fetch", "numbers"})


class Settings(ChartSettings):
    """`location` is a path or an http(s) address, `columns` maps our names to the list's."""

    location: str
    columns: Mapping[str, str] = {}
    max_mb: Positive = 10


def read(chart: Settings, machine: Machine, known: str | None) -> Reading:
    """The list's songs; the version is the server's ETag or the content's hash."""
    response = fetch_list(chart.location, known, chart.max_mb * 10**6)
    version = known if response.status == 304 else version_of(response)
    if version == known:
        return Reading(None, known)
    where = without_secrets(chart.location) if is_web(chart.location) else chart.location

    def song_of(line: Line) -> dict[str, Any]:
        if line.problem:
            raise InputError(line.problem)
        row = line.values | {ours: line.values.get(theirs) for ours, theirs in chart.columns.items()}
        song = {name: row[name] for name in TEXTS if row.get(name) is not None}
        numbers = {name: row[name] for name in SPOTIFY_FEATURES if row.get(name) not in (None, "")}
        return song | {"numbers": numbers} | _place(row, response.url)

    names = {*Song.model_fields, *SPOTIFY_FEATURES, *chart.columns.values()}
    entries, n_bad = listing(where, rows_of(where, response.body, names), song_of)
    # A row may be mended from outside, by putting its file in place: such a list is read again.
    return Reading(entries, None if n_bad else version)


def _place(row: dict[str, Any], base: str) -> dict[str, str]:
    path, url = str(row.get("path") or ""), str(row.get("url") or "")
    if is_web(base):  # no server may choose which of this machine's files are songs
        return {"url": urljoin(base, url or path)} if url or path else {}
    if "://" in path:
        path, url = "", path
    found = {"path": path_inside(path, Path(base).resolve().parent)} if path else {}
    return found | ({"url": url} if url else {})
