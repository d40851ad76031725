"""What every source of charts promises, whoever wrote it. A source without a case here fails."""

import csv
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from mer_tasks.domain import ChartEntry, Track
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Chart, Machine
from mer_tasks.sources import charts
from mer_tasks.sources.charts import ChartSettings, read_chart
from mer_tasks.validation import CONTROL_CHARACTER, LONGEST_ID
from tests.sources.charts.servers import (
    Jamendo,
    Request,
    Response,
    Spotify,
    Web,
    jamendo_song,
    resetting,
    spotify_song,
)

Serve = Callable[[Callable[[Request], Response]], Web]

NAMES = sorted(module.name for module in pkgutil.iter_modules(charts.__path__))
GONE = "http://127.0.0.1:1"
ODD = "a\0b\u202e \x1b[31m\r\nc\u2028\u0085d \ud83d 🎉" + "x" * 400
"""A name that would move a screen's cursor, break a line, and that no database takes."""


def _nothing(machine: Machine) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Case:
    """How to reach a source with two good songs, called One and Two, and a third called `ODD`.

    Around them stand songs that are listed twice, nulls, and songs with an id that is too long.
    `variables` are the machine's fields that the source needs, `spoil` makes a source without a
    server unreadable.
    """

    keys: Callable[[str], dict[str, Any]]
    answer: Callable[[], Callable[[Request], Response]] = lambda: lambda request: Response(status=404)
    variables: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Machine], None] = _nothing
    spoil: Callable[[Machine], None] = _nothing
    secrets: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        return self.spoil is not _nothing


LONG = "x" * (LONGEST_ID + 1)


def _file() -> Callable[[Request], Response]:
    songs = [{"track_id": name, "title": name, "artist": "Ann"} for name in ("One", "One", "Two", LONG)]
    odd = {"title": ODD, "artist": ODD, "licence": ODD}
    return lambda request: Response([None, *songs, odd, odd])


def _jamendo() -> Callable[[Request], Response]:
    songs = [jamendo_song(1, name="One"), jamendo_song(1), jamendo_song(2, name="Two")]
    odd = jamendo_song(3, name=ODD, artist_name=ODD, license_ccurl=ODD)
    return Jamendo([None, *songs, jamendo_song(4, id=LONG), odd])


def _spotify() -> Callable[[Request], Response]:
    songs = [spotify_song(1, name="One"), spotify_song(1), spotify_song(2, name="Two")]
    odd = spotify_song(3, name=ODD, artists=[{"name": ODD}])
    return Spotify([None, *({"item": song} for song in (None, *songs, spotify_song(4, id=LONG), odd))])


def _sample(machine: Machine) -> None:
    path = machine.home / "sample" / "tracks.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [("1", "One"), ("1", "One"), ("2", "Two"), (LONG, "Long"), ("3", ODD.replace("\ud83d", ""))]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("track_id", "title", "artist", "path"), *((one, name, name, "a.mp3") for one, name in names)]
        )


def _no_sample(machine: Machine) -> None:
    _sample(machine)
    (machine.home / "sample" / "tracks.csv").write_text("track_id,title,artist,path\n")


CASES = {
    "file": Case(
        keys=lambda url: {"location": url.replace("://", "://ann:geheim@") + "/list.json?key=geheim2"},
        answer=_file,
        secrets=("geheim",),
    ),
    "jamendo": Case(
        keys=lambda url: {"api_url": f"{url}/v3.0", "tags": ["happy"]},
        answer=_jamendo,
        variables={"jamendo_client_id": SecretStr("jam-client-0815")},
        secrets=("jam-client-0815",),
    ),
    "sample": Case(keys=lambda url: {}, prepare=_sample, spoil=_no_sample),
    "spotify": Case(
        keys=lambda url: {
            "playlist": "37i9dQZF1DXdPec7aLTmlC",
            "api_url": f"{url}/v1/",
            "token_url": f"{url}/api/token",
        },
        answer=_spotify,
        variables={"spotify_client_id": "app-4711", "spotify_client_secret": SecretStr("app-secret-4711")},
        secrets=("app-secret-4711", "token-of-the-app"),
    ),
}


def test_every_source_has_a_case() -> None:
    assert sorted(CASES) == NAMES


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def case(name: str) -> Case:
    return CASES[name]


@pytest.fixture
def configured(machine: Machine, case: Case) -> Machine:
    return machine.model_copy(update=dict(case.variables))


def read(name: str, url: str, machine: Machine, known: str | None = None) -> charts.Reading:
    return read_chart("mine", Chart(source=name, mood="sad", **CASES[name].keys(url)), machine, known)


@pytest.fixture
def url(web: Serve, case: Case, configured: Machine) -> str:
    case.prepare(configured)
    return web(case.answer()).url


@pytest.fixture
def entries(name: str, url: str, configured: Machine) -> list[ChartEntry]:
    found = read(name, url, configured).entries
    assert found is not None
    return list(found)


def refused(name: str, case: Case, url: str, machine: Machine, kind: type[Exception] = InputError) -> str:
    """The message about a source that cannot be read: one line, without a secret."""
    with pytest.raises(InputError if case.is_local else kind) as caught:
        read(name, url, machine)
    message = str(caught.value)
    assert message.strip()
    assert not CONTROL_CHARACTER.search(message)
    assert not [secret for secret in case.secrets if secret in message]
    return message


def _texts(track: Track) -> list[str]:
    texts = (track.track_id, track.title, track.artist, track.licence, track.isrc, track.url, track.path)
    return [text for text in texts if text is not None]


def test_the_good_songs_are_read_in_their_order(entries: list[ChartEntry]) -> None:
    assert [entry.track.title for entry in entries][:2] == ["One", "Two"]
    assert len(entries) == 3


def test_positions_rise_from_1_without_gaps(entries: list[ChartEntry]) -> None:
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))


def test_a_song_stands_in_a_chart_once(entries: list[ChartEntry]) -> None:
    ids = [entry.track.track_id for entry in entries]
    assert len(set(ids)) == len(ids)


def test_ids_are_within_the_limit(entries: list[ChartEntry]) -> None:
    assert all(1 <= len(entry.track.track_id) <= LONGEST_ID for entry in entries)


def test_no_text_controls_a_screen_or_breaks_a_database(entries: list[ChartEntry]) -> None:
    texts = [text for entry in entries for text in _texts(entry.track)]
    assert [text for text in texts if CONTROL_CHARACTER.search(text) or "\u202e" in text] == []
    assert "".join(texts).encode()
    assert entries[2].track.title.startswith("a b [31m c d ")
    assert "🎉" in entries[2].track.title


def test_every_song_has_a_title_and_an_artist(entries: list[ChartEntry]) -> None:
    assert all(entry.track.title.strip() and entry.track.artist.strip() for entry in entries)


def test_the_same_chart_gives_the_same_entries(name: str, url: str, configured: Machine) -> None:
    first = read(name, url, configured)
    assert read(name, url, configured) == first


def test_the_known_version_is_the_same_or_none(name: str, url: str, configured: Machine) -> None:
    first = read(name, url, configured)
    assert read(name, url, configured, first.version).entries in (None, first.entries)
    assert read(name, url, configured, "a version of another day").entries == first.entries


def test_the_settings_are_left_as_they_are(name: str, url: str, configured: Machine) -> None:
    chart = Chart(source=name, **CASES[name].keys(url))
    before = chart.model_dump()
    read_chart("mine", chart, configured, None)
    assert chart.model_dump() == before


def test_an_unreachable_source_is_named(name: str, case: Case, configured: Machine) -> None:
    case.spoil(configured)
    refused(name, case, GONE, configured, UnavailableError)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_a_source_whose_server_is_away_is_tried_again_later(
    web: Serve, name: str, case: Case, configured: Machine, status: int, waits: list[float]
) -> None:
    case.spoil(configured)
    server = web(lambda request: Response("<p>", status, {"Retry-After": "86400"}))
    with pytest.raises(InputError if case.is_local else UnavailableError) as caught:
        read(name, server.url, configured)
    if not case.is_local:
        assert (caught.value.retry_after_s, waits, len(server.asked)) == (86400.0, [], 1)


@pytest.mark.parametrize(
    "broken", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"], ids=["reset", "in the body"]
)
def test_a_connection_that_is_reset_is_tried_again_later(
    name: str, case: Case, configured: Machine, broken: bytes
) -> None:
    case.spoil(configured)
    with resetting(broken) as url:
        refused(name, case, url, configured, UnavailableError)


def test_a_server_without_tls_needs_a_person(web: Serve, name: str, case: Case, configured: Machine) -> None:
    case.spoil(configured)
    url = web(lambda request: Response("{}")).url
    refused(name, case, url.replace("http:", "https:"), configured)


@pytest.mark.parametrize(
    "response",
    [
        Response("<!doctype html><p>maintenance</p>"),
        Response(b"\xff\xfe\x00"),
        Response("{}"),
        Response("null"),
        Response(""),
        Response("no", 401),
        Response("no", 403),
        Response("no", 404),
    ],
    ids=["html", "bytes", "object", "null", "empty", "401", "403", "404"],
)
def test_a_source_that_sends_nonsense_is_named(
    web: Serve, name: str, case: Case, configured: Machine, response: Response
) -> None:
    case.spoil(configured)
    refused(name, case, web(lambda request: response).url, configured)


@pytest.mark.parametrize("name", [name for name in NAMES if name in CASES and CASES[name].variables])
def test_an_unconfigured_source_asks_nobody_and_names_the_variable(
    web: Serve, name: str, case: Case, machine: Machine
) -> None:
    server = web(case.answer())
    message = refused(name, case, server.url, machine)
    assert all(f"MER_{variable.upper()}" in message for variable in case.variables)
    assert server.asked == []


def test_an_unknown_key_is_refused_by_its_name(name: str, url: str, configured: Machine) -> None:
    chart = Chart(source=name, **CASES[name].keys(url), sourze="x")
    with pytest.raises(InputError, match=r"^charts\.mine: sourze: unknown key; did you mean source\?$"):
        read_chart("mine", chart, configured, None)


def test_a_source_offers_settings_and_reading(name: str) -> None:
    module = charts._source("mine", name)
    assert issubclass(module.Settings, ChartSettings)
    assert module.Settings.__doc__
    assert module.read.__doc__


def test_a_source_that_is_none_is_refused_by_its_name(machine: Machine) -> None:
    message = rf"^charts\.mine\.source: no source 'napster'; known are {', '.join(NAMES)}$"
    with pytest.raises(InputError, match=message):
        read_chart("mine", Chart(source="napster"), machine, None)


@pytest.mark.parametrize("chart", ["sad|happy", "sad, happy", "", "../sad", "x" * 101])
def test_a_chart_has_a_name_that_a_collection_may_have(machine: Machine, chart: str) -> None:
    with pytest.raises(
        InputError, match=r"^charts: '.*': a name has letters, digits, _, - and \. only, up to 100$"
    ):
        read_chart(chart, Chart(source="sample"), machine, None)


@pytest.mark.parametrize("source", ["", "../file", "__init__", "file.read"])
def test_no_other_module_is_a_source(machine: Machine, source: str) -> None:
    with pytest.raises(InputError, match=r"^charts\.mine\.source: no source "):
        read_chart("mine", Chart(source=source), machine, None)
