"""Playlists of Spotify, read by the real spotipy from a server on this machine."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from mer_tasks.domain import SPOTIFY_FEATURES, ChartEntry
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Chart, Machine
from mer_tasks.sources.charts import read_chart
from tests.sources.charts.servers import Request, Response, Spotify, Web, spotify_song

Serve = Callable[[Callable[[Request], Response]], Web]
PLAYLIST = "37i9dQZF1DXdPec7aLTmlC"
SECRETS = ("app-secret-4711", "token-of-the-app", "token-of-the-user")


@pytest.fixture
def machine(machine: Machine) -> Machine:
    secret = SecretStr("app-secret-4711")
    return machine.model_copy(update={"spotify_client_id": "app-4711", "spotify_client_secret": secret})


def read(web: Web, machine: Machine, playlist: str = PLAYLIST, **keys: Any) -> list[ChartEntry]:
    addresses = {"api_url": f"{web.url}/v1/", "token_url": f"{web.url}/api/token"}
    chart = Chart(source="spotify", playlist=playlist, **addresses, **keys)
    return list(read_chart("top", chart, machine, None).entries or ())


def entries(*songs: Any, newer: bool = True) -> list[Any]:
    return [{"is_local": False, "item" if newer else "track": song} for song in songs]


def refused(web: Web, machine: Machine, kind: type[Exception] = InputError, **keys: Any) -> str:
    """The message about a chart that cannot be read: one line, without secrets."""
    with pytest.raises(kind) as caught:
        read(web, machine, **keys)
    message = str(caught.value)
    assert "\n" not in message
    assert not [secret for secret in SECRETS if secret in message]
    return message


def paths(web: Web) -> list[str]:
    return [request.path for request in web.asked]


def test_a_song_comes_with_what_spotify_knows_of_it(web: Serve, machine: Machine) -> None:
    [entry] = read(web(Spotify(entries(spotify_song(7)))), machine)
    song = entry.track
    assert (entry.position, song.track_id) == (1, f"{7:022d}")
    assert (song.title, song.artist, song.isrc) == ("Song 7", "Artist 7", "GBAYE0000007")
    assert song.duration_s == pytest.approx(200.007)
    assert (song.path, song.url, entry.numbers) == (None, None, {})


@pytest.mark.parametrize("newer", [True, False])
def test_both_shapes_of_pages_are_put_together(web: Serve, machine: Machine, newer: bool) -> None:
    songs = [spotify_song(number) for number in range(1, 121)]
    found = read(web(Spotify(entries(*songs, newer=newer), newer=newer)), machine, limit=115)
    assert [entry.track.title for entry in found] == [f"Song {number}" for number in range(1, 116)]
    assert [entry.position for entry in found] == list(range(1, 116))


def test_no_page_is_asked_for_beyond_the_limit(web: Serve, machine: Machine) -> None:
    server = web(Spotify(entries(*(spotify_song(number) for number in range(200)))))
    assert len(read(server, machine, limit=100)) == 100
    assert paths(server).count(f"/v1/playlists/{PLAYLIST}/items") == 2


@pytest.mark.parametrize("newer", [True, False])
def test_what_is_no_song_takes_no_position(
    web: Serve, machine: Machine, caplog: pytest.LogCaptureFixture, newer: bool
) -> None:
    key = "item" if newer else "track"
    none = [
        None,
        {"is_local": False, key: None},
        {"is_local": True, key: spotify_song(1)},
        {"is_local": False, key: spotify_song(2, is_local=True)},
        {"is_local": True, key: spotify_song(4, is_local=True, id=None)},
        {"is_local": False, key: spotify_song(3, type="episode")},
        {"is_local": False},
        "song",
    ]
    found = read(
        web(Spotify([*none, *entries(spotify_song(8), spotify_song(9), newer=newer)], newer)), machine
    )
    assert [(entry.position, entry.track.title) for entry in found] == [(1, "Song 8"), (2, "Song 9")]
    assert caplog.messages == []


def test_a_song_that_stands_twice_keeps_its_first_position(web: Serve, machine: Machine) -> None:
    songs = [spotify_song(2), spotify_song(1), spotify_song(2), spotify_song(3)]
    found = read(web(Spotify(entries(*songs))), machine)
    assert [(entry.position, entry.track.title) for entry in found] == [
        (1, "Song 2"),
        (2, "Song 1"),
        (3, "Song 3"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"artists": []},
        {"artists": None},
        {"id": None},
        {"id": ["x"]},
        {"duration_ms": "long"},
    ],
)
def test_a_song_of_the_wrong_shape_is_left_out_with_a_warning(
    web: Serve, machine: Machine, caplog: pytest.LogCaptureFixture, wrong: dict[str, Any]
) -> None:
    found = read(web(Spotify(entries(spotify_song(1, **wrong), spotify_song(2)))), machine)
    assert [entry.track.title for entry in found] == ["Song 2"]
    assert "song 1: " in caplog.text


def test_what_spotify_leaves_out_may_be_missing(web: Serve, machine: Machine) -> None:
    song = spotify_song(1)
    del song["external_ids"]
    [entry] = read(web(Spotify(entries(song))), machine)
    assert entry.track.isrc is None


def test_audio_features_are_kept_where_the_app_has_them(web: Serve, machine: Machine) -> None:
    measured = {name: number / 10 for number, name in enumerate(SPOTIFY_FEATURES)}
    songs = [spotify_song(number) for number in range(130)]
    features = {song["id"]: {"id": song["id"], "type": "audio_features"} | measured for song in songs[:129]}
    server = web(Spotify(entries(*songs), features=features))
    found = read(server, machine, limit=130)
    assert found[0].numbers == found[128].numbers == measured
    assert found[129].numbers == {}
    assert paths(server).count("/v1/audio-features/") == 2


@pytest.mark.parametrize("status", [403, 404, 410])
def test_an_app_without_audio_features_still_reads_the_songs(
    web: Serve, machine: Machine, status: int
) -> None:
    refusal = Response({"error": {"status": status}}, status)
    server = web(Spotify(entries(*(spotify_song(n) for n in range(150))), features=refusal))
    assert [entry.numbers for entry in read(server, machine, limit=150)] == [{}] * 150
    assert paths(server).count("/v1/audio-features/") == 1


@pytest.mark.parametrize("answer", [{}, {"audio_features": None}, "<html>"])
def test_audio_features_of_no_shape_are_one_line(web: Serve, machine: Machine, answer: Any) -> None:
    server = web(Spotify(entries(spotify_song(1)), features=Response(answer)))
    message = (
        "spotify audio features: Spotify's response is not what it documents; check api_url and token_url"
    )
    assert refused(server, machine) == message


def test_audio_features_of_no_song_are_left_out(web: Serve, machine: Machine) -> None:
    answer = Response({"audio_features": [None, "x", {}, {"id": []}, {"id": "another", "energy": 1.0}]})
    [entry] = read(web(Spotify(entries(spotify_song(1)), features=answer)), machine)
    assert entry.numbers == {}


def test_an_id_that_is_none_of_spotifys_stops_no_features(web: Serve, machine: Machine) -> None:
    good = spotify_song(1)
    server = web(Spotify(entries(good, spotify_song(2, id="a,b/../c")), features={}))
    assert [entry.track.title for entry in read(server, machine)] == ["Song 1", "Song 2"]


def test_the_apps_token_is_asked_for_once_and_written_nowhere(
    web: Serve, machine: Machine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = web(Spotify(entries(*(spotify_song(number) for number in range(120)))))
    assert len(read(server, machine, limit=120)) == 120
    assert paths(server).count("/api/token") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_users_token_goes_before_the_apps_credentials(web: Serve, machine: Machine) -> None:
    mine = machine.model_copy(update={"spotify_token": SecretStr("token-of-the-user")})
    server = web(Spotify(entries(spotify_song(1)), token="token-of-the-user"))
    assert len(read(server, mine)) == 1
    assert "/api/token" not in paths(server)


@pytest.mark.parametrize(
    "playlist",
    [
        PLAYLIST,
        f"spotify:playlist:{PLAYLIST}",
        f"https://open.spotify.com/playlist/{PLAYLIST}?si=abc",
        f"https://open.spotify.com/intl-de/playlist/{PLAYLIST}",
    ],
)
@pytest.mark.parametrize("newer", [True, False])
def test_a_playlist_is_its_id_uri_or_address(
    web: Serve, machine: Machine, playlist: str, newer: bool
) -> None:
    server = web(Spotify(entries(spotify_song(1), newer=newer), newer=newer))
    assert len(read(server, machine, playlist)) == 1


@pytest.mark.parametrize("playlist", ["../users", "spotify:album:4aawyAB9vmqN3uQ7FjRGTy", "a b", "", "x\ny"])
def test_what_is_no_playlist_is_never_asked_for(web: Serve, machine: Machine, playlist: str) -> None:
    server = web(Spotify([]))
    assert "is no playlist's id or address; copy it from Share" in refused(server, machine, playlist=playlist)
    assert [path for path in paths(server) if path != "/api/token"] == []


def test_unconfigured_it_asks_nothing_and_names_what_to_set(web: Serve, machine: Machine) -> None:
    server = web(Spotify([]))
    message = refused(server, machine.model_copy(update={"spotify_client_secret": None}))
    assert message.startswith(
        "spotify: not configured; set MER_SPOTIFY_CLIENT_ID and MER_SPOTIFY_CLIENT_SECRET"
    )
    assert server.asked == []


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "does not accept the credentials, or the token has expired; renew MER_SPOTIFY_TOKEN"),
        (403, "reads only playlists that its user owns or works on; give that user's token"),
        (404, "Spotify's own playlists are closed to new apps; check the playlist, or export"),
    ],
)
@pytest.mark.parametrize(
    "body", [{"error": {"message": "no"}}, {"error": "no"}, [1], "<html>", "", {"error": None}, "null"]
)
def test_a_refusal_names_what_to_do_instead(
    web: Serve, machine: Machine, status: int, message: str, body: Any
) -> None:
    api = Spotify(entries(spotify_song(1)), first=[Response(body, status)] * 3)
    assert message in refused(web(api if status != 404 else lambda r: _gone(api, r, body)), machine)


def _gone(api: Spotify, request: Request, body: Any) -> Response:
    return api(request) if request.path == "/api/token" else Response(body, 404)


@pytest.mark.parametrize("body", [{"error": "invalid_client"}, "<html>", [], ""])
@pytest.mark.parametrize("status", [400, 401, 403])
def test_wrong_credentials_of_the_app_say_which_variables(
    web: Serve, machine: Machine, status: int, body: Any
) -> None:
    server = web(Spotify([], token_answer=Response(body, status)))
    assert "check MER_SPOTIFY_CLIENT_ID and MER_SPOTIFY_CLIENT_SECRET" in refused(server, machine)
    assert paths(server) == ["/api/token"]


@pytest.mark.parametrize("body", ["<html>", [], {}, "null", {"access_token": "x"}])
def test_a_token_of_no_shape_names_the_address_to_check(web: Serve, machine: Machine, body: Any) -> None:
    server = web(Spotify([], token_answer=Response(body)))
    assert "not what it documents; check api_url and token_url" in refused(server, machine)


def test_a_busy_spotify_is_asked_again_after_its_retry_after(
    web: Serve, machine: Machine, waits: list[float]
) -> None:
    busy = [Response({}, 429, {"Retry-After": "5"}), Response("bad gateway", 502)]
    assert len(read(web(Spotify(entries(spotify_song(1)), first=busy)), machine)) == 1
    assert waits[0] == 5.0
    assert len(waits) == 2


def test_a_spotify_that_wants_a_day_is_not_waited_for(
    web: Serve, machine: Machine, waits: list[float]
) -> None:
    server = web(Spotify([], first=[Response({}, 429, {"Retry-After": "86400"})]))
    message = refused(server, machine, UnavailableError)
    assert message.endswith("Spotify responds with HTTP 429; try again later")
    assert waits == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_token_endpoint_is_asked_again_and_left_alone_in_the_end(
    web: Serve, machine: Machine, waits: list[float], status: int
) -> None:
    server = web(Spotify([], token_answer=Response("busy", status, {"Retry-After": "2"})))
    message = refused(server, machine, UnavailableError)
    assert message.endswith(f"Spotify responds with HTTP {status}; try again later")
    assert waits == [2.0, 2.0]


@pytest.mark.parametrize("body", ["<html>", [], {}, {"items": None, "total": 1}, {"items": [], "total": "1"}])
def test_a_page_of_no_shape_is_one_line(web: Serve, machine: Machine, body: Any) -> None:
    server = web(Spotify([], first=[Response(body)]))
    assert refused(server, machine).endswith("not what it documents; check api_url and token_url")


def test_a_playlist_without_songs_is_named(web: Serve, machine: Machine) -> None:
    assert "holds no song that can be listed" in refused(web(Spotify([None])), machine)


def test_a_playlist_that_never_ends_is_left(web: Serve, machine: Machine) -> None:
    spotify = Spotify([])

    def endless(request: Request) -> Response:
        known = request.path == "/api/token"
        return spotify(request) if known else Response({"items": [None] * 50, "total": 10**9})

    server = web(endless)
    assert "holds no song" in refused(server, machine)
    assert len(server.asked) == 1 + 11_000 // 50


def test_a_server_that_is_down_is_one_line(machine: Machine) -> None:
    message = refused(Web("http://127.0.0.1:1"), machine, UnavailableError)
    assert message.endswith("cannot be reached (ConnectionError); check the network, or try again later")


def test_secrets_stay_out_of_the_log(web: Serve, machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refused(web(Spotify([], first=[Response({"error": {"message": "token-of-the-app"}}, 403)])), machine)
    assert not [secret for secret in SECRETS if secret in caplog.text]
