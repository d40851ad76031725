"""Songs of Jamendo, by mood tags and weekly popularity: its API v3.0, https://developer.jamendo.com/v3.0."""

import html
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from mer_tasks.errors import InputError
from mer_tasks.settings import Machine
from mer_tasks.sources import jamendo_client
from mer_tasks.sources.charts import ChartSettings, Reading
from mer_tasks.sources.listing import listing

PAGE = 200
"""Songs that Jamendo gives at once."""


class Settings(ChartSettings):
    """`tags` must all fit, of `fuzzytags` any; `order` and both are in Jamendo's own terms."""

    tags: tuple[str, ...] = ()
    fuzzytags: tuple[str, ...] = ()
    order: str = "popularity_week"
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    api_url: str = "https://api.jamendo.com/v3.0"


def read(chart: Settings, machine: Machine, known: str | None) -> Reading:
    """The songs, each with its licence; those whose artist forbids the download are not to be fetched."""
    if not machine.jamendo_client_id:
        raise InputError(
            "jamendo: MER_JAMENDO_CLIENT_ID is not set; devportal.jamendo.com gives one for free"
        )
    songs = _songs(chart, machine.jamendo_client_id.get_secret_value())
    where = f"jamendo {' '.join(chart.tags + chart.fuzzytags)}".strip()
    return Reading(listing(where, songs, _song).entries)


def _songs(chart: Settings, client_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    fixed = {"client_id": client_id, "format": "json", "include": "licenses musicinfo", "order": chart.order}
    tags = {"tags": " ".join(chart.tags), "fuzzytags": " ".join(chart.fuzzytags)}
    fixed |= {name: words for name, words in tags.items() if words}
    for offset in range(0, chart.limit, PAGE):
        size = min(PAGE, chart.limit - offset)
        results = jamendo_client.songs(chart.api_url, fixed | {"offset": str(offset), "limit": str(size)})
        yield from ((f"song {offset + n}", song) for n, song in enumerate(results[:size], start=1))
        if not results:
            return


def _song(song: dict[str, Any]) -> dict[str, Any]:
    return {
        "track_id": f"jamendo:{int(song['id'])}",
        "title": html.unescape(song["name"]),
        "artist": html.unescape(song["artist_name"]),
        "url": song.get("audiodownload") or song.get("audio") or None,
        "isrc": song.get("isrc"),
        "duration_s": song.get("duration"),
        "licence": song.get("license_ccurl"),
        "may_fetch": song.get("audiodownload_allowed") is True and bool(song.get("audiodownload")),
    }
