"""Playlists on Spotify, as far as its rules of 2024 and 2026 let an app read them (docs/charts.md)."""

from functools import partial
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from mer_tasks.domain import SPOTIFY_FEATURES
from mer_tasks.settings import Machine
from mer_tasks.sources.charts import ChartSettings, Reading
from mer_tasks.sources.listing import Text, listing
from mer_tasks.sources.spotify_client import connect


class Settings(ChartSettings):
    """`playlist` is its id, URI or address; the other addresses are Spotify's."""

    playlist: Text
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    api_url: str = "https://api.spotify.com/v1/"
    token_url: str = "https://accounts.spotify.com/api/token"


def read(chart: Settings, machine: Machine, known: str | None) -> Reading:
    """The playlist's songs, with Spotify's audio features where the app still gets them."""
    client = connect(machine, chart.api_url, chart.token_url)
    entries = enumerate(client.entries(chart.playlist), start=1)
    songs = ((f"song {number}", song) for number, entry in entries if (song := _song_in(entry)))
    taken = list(islice(songs, chart.limit))
    features = client.features([song.get("id") for _, song in taken])
    where = f"spotify playlist {chart.playlist}"
    return Reading(listing(where, taken, partial(_song, features=features)).entries)


def _song_in(entry: Any) -> dict[str, Any] | None:
    """The song of an entry: there is none where it is gone, a local file, or a podcast."""
    song = isinstance(entry, dict) and (entry.get("item") or entry.get("track"))  # `item` since 2026
    if not isinstance(song, dict) or entry.get("is_local") or song.get("is_local"):
        return None
    return song if song.get("type", "track") == "track" else None


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
