"""Playlists on Spotify, as far as its rules of 2024 and 2026 let an app read them (docs/charts.md)."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.settings import Machine
from mer_tasks.sources.charts import ChartSettings, Reading
from mer_tasks.sources.http import HttpError
from mer_tasks.sources.listing import Text, listing
from mer_tasks.sources.spotify_client import Client, connect

ID = re.compile("[0-9A-Za-z]{22}")
PAGE = 50
FEATURES_AT_ONCE = 100
LONGEST = 11_000
"""Entries of a playlist that are looked at: Spotify's own limit."""


class Settings(ChartSettings):
    """`playlist` is its id, URI or address; the other addresses are Spotify's."""

    playlist: Text
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    api_url: str = "https://api.spotify.com/v1/"
    token_url: str = "https://accounts.spotify.com/api/token"


def read(chart: Settings, machine: Machine, known: str | None) -> Reading:
    """The playlist's songs, with Spotify's audio features where the app still gets them."""
    client = connect(machine, chart.api_url, chart.token_url)
    songs = list(islice(_songs(client, chart.playlist), chart.limit))
    features = _features(client, [song["id"] for _, song in songs if ID.fullmatch(str(song.get("id")))])
    where = f"spotify playlist {chart.playlist}"
    return Reading(listing(where, songs, partial(_song, features=features)).entries)


def _songs(client: Client, playlist: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The playlist's songs, page by page."""
    offset, total = 0, 1
    while offset < min(total, LONGEST):
        page = client.page(playlist, offset, PAGE)
        for number, entry in enumerate(page["items"], start=offset + 1):
            if song := _song_in(entry):
                yield f"song {number}", song
        offset, total = offset + PAGE, page["total"] if page["items"] else 0


def _song_in(entry: Any) -> dict[str, Any] | None:
    """The song of an entry: there is none where it is gone, a local file, or a podcast."""
    song = isinstance(entry, dict) and (entry.get("item") or entry.get("track"))  # `item` since 2026
    if not isinstance(song, dict) or entry.get("is_local") or song.get("is_local"):
        return None
    return song if song.get("type", "track") == "track" else None


def _features(client: Client, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Each song's audio features; none for apps made since November 2024, which are refused them."""
    found: list[Any] = []
    for start in range(0, len(ids), FEATURES_AT_ONCE):
        try:
            found += client.features(ids[start : start + FEATURES_AT_ONCE])
        except HttpError as error:
            if error.status not in (403, 404, 410):
                raise
            break
    return {str(one.get("id")): one for one in found if isinstance(one, dict)}


def _song(song: dict[str, Any], features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    measured = features.get(song["id"], {})
    return {
        "track_id": song["id"],
        "title": song["name"],
        "artist": song["artists"][0]["name"],  # the first, so that an artist's songs stay together in a fold
        "isrc": (song.get("external_ids") or {}).get("isrc"),
        "duration_s": song["duration_ms"] / 1000,
        "numbers": {name: measured[name] for name in SPOTIFY_FEATURES if measured.get(name) is not None},
    }
