"""Charts of Jamendo, by a server on this machine that has its API v3.0."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from mer_tasks.domain import ChartEntry
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Chart, Machine
from mer_tasks.sources.charts import read_chart
from tests.sources.charts.servers import Jamendo, Request, Response, Web, jamendo_song

Serve = Callable[[Callable[[Request], Response]], Web]


@pytest.fixture
def machine(machine: Machine) -> Machine:
    return machine.model_copy(update={"jamendo_client_id": SecretStr("jam-client-0815")})


def read(web: Web, machine: Machine, **keys: Any) -> list[ChartEntry]:
    chart = Chart(source="jamendo", api_url=f"{web.url}/v3.0", **keys)
    return list(read_chart("happy", chart, machine, None).entries or ())


def test_a_song_comes_with_its_licence_and_its_address(web: Serve, machine: Machine) -> None:
    [entry] = read(web(Jamendo([jamendo_song(7, isrc="us-s1z-99-00001")])), machine)
    assert (entry.position, entry.numbers) == (1, {})
    song = entry.track
    assert (song.track_id, song.title, song.artist) == ("jamendo:7", "Song 7", "Artist 7")
    assert song.url == "https://storage.example.org/download/track/7/mp32/"
    assert song.licence == "http://creativecommons.org/licenses/by-nc-sa/3.0/"
    assert (song.isrc, song.duration_s, song.may_fetch) == ("USS1Z9900001", 187.0, True)


@pytest.mark.parametrize(
    "forbidden",
    [
        {"audiodownload_allowed": False},
        {"audiodownload_allowed": False, "audiodownload": ""},
        {"audiodownload_allowed": True, "audiodownload": ""},
        {"audiodownload_allowed": "true"},
        {"audiodownload_allowed": None},
    ],
)
def test_a_song_whose_download_is_not_allowed_is_listed_but_not_fetched(
    web: Serve, machine: Machine, forbidden: dict[str, Any]
) -> None:
    first, second = read(web(Jamendo([jamendo_song(1, **forbidden), jamendo_song(2)])), machine)
    assert (first.track.track_id, first.track.may_fetch) == ("jamendo:1", False)
    assert second.track.may_fetch


def test_a_song_without_a_word_about_downloads_is_not_fetched(web: Serve, machine: Machine) -> None:
    song = jamendo_song(1)
    del song["audiodownload_allowed"]
    [entry] = read(web(Jamendo([song])), machine)
    assert not entry.track.may_fetch


def test_pages_are_put_together_up_to_the_limit(web: Serve, machine: Machine) -> None:
    server = web(Jamendo([jamendo_song(number) for number in range(1, 501)]))
    entries = read(server, machine, limit=450)
    assert [entry.track.track_id for entry in entries] == [f"jamendo:{n}" for n in range(1, 451)]
    assert [entry.position for entry in entries] == list(range(1, 451))
    asked = [(one.query["offset"], one.query["limit"]) for one in server.asked]
    assert asked == [("0", "200"), ("200", "200"), ("400", "50")]


def test_a_list_shorter_than_the_limit_ends(web: Serve, machine: Machine) -> None:
    server = web(Jamendo([jamendo_song(number) for number in range(1, 4)]))
    assert len(read(server, machine, limit=10_000)) == 3
    assert len(server.asked) == 2


def test_tags_and_order_are_jamendos_own_words(web: Serve, machine: Machine) -> None:
    server = web(Jamendo([jamendo_song(1)]))
    read(server, machine, tags=["happy", "pop"], fuzzytags=["summer"], order="downloads_week", limit=5)
    wanted = {
        "client_id": "jam-client-0815",
        "format": "json",
        "include": "licenses musicinfo",
        "tags": "happy pop",
        "fuzzytags": "summer",
        "order": "downloads_week",
        "offset": "0",
        "limit": "5",
    }
    assert server.asked[0].query == wanted


def test_names_are_cleaned_of_what_html_and_screens_make_of_them(web: Serve, machine: Machine) -> None:
    odd = jamendo_song(1, name="R&amp;B\u202e \x1b[31m&#10;night", artist_name="Tom &amp; \u200fJo")
    [entry] = read(web(Jamendo([odd])), machine)
    assert (entry.track.title, entry.track.artist) == ("R&B [31m night", "Tom & Jo")


def test_rows_of_the_wrong_shape_are_left_out_with_a_warning(
    web: Serve, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [
        None,
        "song",
        {},
        jamendo_song(2, id="two"),
        jamendo_song(3, name=None),
        jamendo_song(4, name=" "),
    ]
    entries = read(web(Jamendo([*wrong, jamendo_song(9), jamendo_song(9)])), machine)
    assert [(entry.position, entry.track.track_id) for entry in entries] == [(1, "jamendo:9")]
    assert len(caplog.messages) == 6
    assert "left out 1 rows more" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (11, "has suspended this client id"),
        (3, r"responds with 'Type Error: \*\*\* is no tag' \(code 3\); check the chart"),
    ],
)
def test_a_refusal_is_one_line_without_the_client_id(
    web: Serve, machine: Machine, code: int, message: str
) -> None:
    server = web(Jamendo([], code=code, error_message="Type Error:\njam-client-0815 is no tag"))
    with pytest.raises(InputError, match=f"^jamendo: Jamendo {message}") as caught:
        read(server, machine)
    assert "jam-client-0815" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_many_requests_are_over_tomorrow(web: Serve, machine: Machine) -> None:
    server = web(Jamendo([], code=6, error_message="Rate limit exceeded"))
    with pytest.raises(UnavailableError, match="too many requests from this client id; read fewer") as caught:
        read(server, machine)
    assert caught.value.retry_after_s == 86400


def test_a_wrong_client_id_names_where_to_get_one(web: Serve, machine: Machine) -> None:
    server = web(Jamendo([], client_id="another"))
    with pytest.raises(InputError, match="does not know the client id; set MER_JAMENDO_CLIENT_ID"):
        read(server, machine)


@pytest.mark.parametrize("unset", [None, SecretStr("")])
def test_without_a_client_id_nothing_is_asked(web: Serve, machine: Machine, unset: SecretStr | None) -> None:
    server = web(Jamendo([jamendo_song(1)]))
    with pytest.raises(InputError, match=r"^jamendo: MER_JAMENDO_CLIENT_ID is not set; "):
        read(server, machine.model_copy(update={"jamendo_client_id": unset}))
    assert server.asked == []


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (Response("<!doctype html><p>maintenance</p>"), "gives no JSON; check the address$"),
        (Response([]), "gives no response of its API v3.0; check api_url$"),
        (Response({"headers": {"code": "x", "error_message": ""}}), "gives no response of its API v3.0"),
        (
            Response({"headers": {"code": 0, "error_message": ""}, "results": None}),
            "gives no response of its",
        ),
        (Response("[" * 100_000), "gives no JSON"),
        (
            Response("no", 403),
            "the server responds with HTTP 403 Forbidden; check the address and what it allows$",
        ),
        (Response(status=302, headers={"Location": "file:///etc/passwd"}), "cannot be read: .*protocol"),
        (Response(b" " * 10_000_001), "larger than 10 MB"),
    ],
)
def test_what_is_no_response_of_jamendo_is_one_line(
    web: Serve, machine: Machine, response: Response, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(web(lambda request: response), machine)
    assert "jam-client-0815" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_busy_jamendo_is_asked_again_after_its_retry_after(
    web: Serve, machine: Machine, waits: list[float]
) -> None:
    busy = [Response(status=429, headers={"Retry-After": "7"}), Response(status=503)]
    jamendo = Jamendo([jamendo_song(1)])
    server = web(lambda request: busy.pop(0) if busy else jamendo(request))
    assert len(read(server, machine, limit=1)) == 1
    assert waits[0] == 7.0
    assert len(waits) == 2


def test_a_jamendo_that_stays_busy_is_left_alone(web: Serve, machine: Machine, waits: list[float]) -> None:
    server = web(lambda request: Response(status=429, headers={"Retry-After": "3"}))
    with pytest.raises(UnavailableError, match=r"HTTP 429 Too Many Requests; try again later$"):
        read(server, machine)
    assert waits == [3.0, 3.0]


def test_a_jamendo_that_wants_an_hour_is_not_waited_for(
    web: Serve, machine: Machine, waits: list[float]
) -> None:
    server = web(lambda request: Response(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(UnavailableError, match=r"429 Too Many Requests; try again later$") as caught:
        read(server, machine)
    assert caught.value.retry_after_s == 3600
    assert waits == []
    assert len(server.asked) == 1
