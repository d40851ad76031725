"""Spotify's Web API through spotipy: tried again, and with a message of one line for each refusal."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.exceptions import SpotifyBaseException

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Machine
from mer_tasks.sources.http import TIMEOUT_S, RefusalError, patient
from mer_tasks.temporary import may_pass, retry_after, status_may_pass

ID = re.compile("[0-9A-Za-z]{22}")
PAGE = 50
FEATURES_AT_ONCE = 100
LONGEST = 11_000
"""Entries of a playlist that are looked at: Spotify's own limit."""

UNSET = (
    "spotify: not configured; set MER_SPOTIFY_CLIENT_ID and MER_SPOTIFY_CLIENT_SECRET, or MER_SPOTIFY_TOKEN"
    " for a user's own playlists"
)
OWN = (
    "an app in development mode, whose owner has Premium, reads only playlists that its user owns or works on"
)
INSTEAD = "or export the playlist to a file and read it with source: file"
REFUSALS = {
    400: "is no playlist's id or address; copy it from Share, Copy link to playlist",
    401: "Spotify does not accept the credentials, or the token has expired; renew MER_SPOTIFY_TOKEN, or"
    " check MER_SPOTIFY_CLIENT_ID and MER_SPOTIFY_CLIENT_SECRET",
    403: f"this app may not read it: {OWN}; give that user's token in MER_SPOTIFY_TOKEN, {INSTEAD}",
    404: f"not there for this app: {OWN}, and Spotify's own playlists are closed to new apps; check the"
    f" playlist, {INSTEAD}",
}
"""What Spotify means by its statuses, and what to do."""

WITHHELD = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""Statuses for an app that gets no audio features."""

SHAPELESS = "Spotify's response is not what it documents; check api_url and token_url"

# spotipy logs its exceptions' messages once more, and at DEBUG the token.
logging.getLogger("spotipy").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Client:
    """Reads playlists and audio features."""

    spotify: spotipy.Spotify

    def entries(self, playlist: str) -> Iterator[Any]:
        """A playlist's entries, page by page, songs or not.

        Raises:
            RefusalError: Spotify refuses, or gives something else than a page.
            UnavailableError: it does not respond now.
        """
        offset, total = 0, 1
        while offset < min(total, LONGEST):
            page = self._page(playlist, offset)
            if not (_is(page, "items", list) and _is(page, "total", int)):
                raise RefusalError(f"spotify playlist {playlist}: {SHAPELESS}")
            yield from page["items"]
            offset, total = offset + PAGE, page["total"] if page["items"] else 0

    def features(self, ids: Iterable[Any]) -> dict[str, dict[str, Any]]:
        """Songs' audio features by id; none for apps made since November 2024, which are refused them.

        Raises:
            RefusalError: Spotify refuses for another reason, or gives something else than features.
            UnavailableError: it does not respond now.
        """
        good = [one for one in ids if ID.fullmatch(str(one))]
        found: list[Any] = []
        for start in range(0, len(good), FEATURES_AT_ONCE):
            try:
                some = _ask(
                    "audio features", self.spotify.audio_features, good[start : start + FEATURES_AT_ONCE]
                )
            except RefusalError as error:
                if error.status not in WITHHELD:
                    raise
                break
            if not isinstance(some, list):
                raise RefusalError(f"spotify audio features: {SHAPELESS}")
            found += some
        return {str(one.get("id")): one for one in found if isinstance(one, dict)}

    def _page(self, playlist: str, offset: int) -> Any:
        """A page; older servers know only `/tracks`, spotipy asks for `/items`."""
        where = f"playlist {playlist}"
        try:
            items = partial(self.spotify.playlist_items, additional_types=("track",))
            return _ask(where, items, playlist, limit=PAGE, offset=offset)
        except RefusalError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        page_id = playlist.split("?")[0].strip("/").replace(":", "/").rsplit("/")[-1]
        older = f"{self.spotify.prefix}playlists/{page_id}/tracks?limit={PAGE}&offset={offset}"
        return _ask(where, self.spotify.next, {"next": older})


def _is(page: Any, key: str, kind: type) -> bool:
    return isinstance(page, dict) and isinstance(page.get(key), kind)


def connect(machine: Machine, api_url: str, token_url: str) -> Client:
    """A client with the user's token, or else with the app's own credentials.

    Raises:
        InputError: neither is set.
    """
    spotify = spotipy.Spotify(requests_session=False, requests_timeout=TIMEOUT_S)  # a session tries again
    spotify.prefix = f"{api_url.rstrip('/')}/"
    if machine.spotify_token:
        spotify.set_auth(machine.spotify_token.get_secret_value())
    elif machine.spotify_client_id and machine.spotify_client_secret:
        spotify.auth_manager = spotipy.SpotifyClientCredentials(
            machine.spotify_client_id,
            machine.spotify_client_secret.get_secret_value(),
            requests_session=False,
            requests_timeout=TIMEOUT_S,
            cache_handler=MemoryCacheHandler(),  # the default writes the token into the folder at hand
        )
        spotify.auth_manager.OAUTH_TOKEN_URL = token_url
    else:
        raise InputError(UNSET)
    return Client(spotify)


@patient
def _ask(what: str, call: Callable[..., Any], *values: Any, **options: Any) -> Any:
    where = f"spotify {what}"
    try:
        return call(*values, **options)
    except (SpotifyBaseException, LookupError, TypeError, AttributeError, ValueError) as error:
        raise _explained(where, error) from error
    except requests.RequestException as error:
        message = f"{where}: Spotify cannot be reached ({type(error).__name__})"
        if may_pass(error):
            raise UnavailableError(f"{message}; check the network, or try again later") from error
        raise RefusalError(f"{message}; check api_url and token_url") from error


def _explained(where: str, error: Exception) -> RefusalError | UnavailableError:
    """Why Spotify refused: spotipy keeps the response only as the context of its own error."""
    response = getattr(error.__context__, "response", None)
    if response is not None:
        status = response.status_code
        if status_may_pass(status):
            message = f"{where}: Spotify responds with HTTP {status}; try again later"
            return UnavailableError(message, retry_after(response.headers))
        return _refusal(where, HTTPStatus.UNAUTHORIZED if response.request.method == "POST" else status)
    if isinstance(error, spotipy.SpotifyException):  # it did not even ask
        return _refusal(where, error.http_status)
    return RefusalError(f"{where}: {SHAPELESS}")


def _refusal(where: str, status: int) -> RefusalError:
    refusal = REFUSALS.get(status, f"Spotify responds with HTTP {status}; check the chart, {INSTEAD}")
    return RefusalError(f"{where}: {refusal}", status)
