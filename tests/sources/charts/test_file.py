"""Lists of songs: CSV, JSON and M3U, in files and at addresses of a server on this machine."""

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mer_tasks.domain import ChartEntry
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.settings import Chart, Machine
from mer_tasks.sources import http
from mer_tasks.sources.charts import Reading, read_chart
from tests.sources.charts.servers import Request, Response, Web

Serve = Callable[[Callable[[Request], Response]], Web]

CSV = """track_id,title,artist,isrc,duration_s,url,energy
a1,"Say ""hi"", now",Ann,GB-AYE-00-00001,61.5,https://audio.example.org/1.mp3,0.5
,Deux,Zoé,,,,
"""
JSON = [
    {
        "track_id": "a1",
        "title": 'Say "hi", now',
        "artist": "Ann",
        "isrc": "gbaye0000001",
        "duration_s": 61.5,
        "url": "https://audio.example.org/1.mp3",
        "energy": 0.5,
    },
    {"title": "Deux", "artist": "Zoé"},
]
M3U = """#EXTM3U
#EXTINF:61 tvg-logo="a,b.png",Ann - Say "hi", now
https://audio.example.org/1.mp3

#EXTINF:-1,Zoé - Deux
https://audio.example.org/2.mp3
"""


def read(machine: Machine, location: Path | str, known: str | None = None, **keys: Any) -> Reading:
    chart = Chart(source="file", location=str(location), **keys)
    return read_chart("mine", chart, machine, known)


def songs(reading: Reading) -> list[ChartEntry]:
    assert reading.entries is not None
    return list(reading.entries)


def refused(machine: Machine, location: Path | str, **keys: Any) -> str:
    """The message about a list that cannot be read: one line."""
    with pytest.raises(InputError) as caught:
        read(machine, location, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a list in a folder of its own."""

    def write(content: Any, name: str = "my list 100%?.txt") -> Path:
        path = tmp_path / "lists" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(Response(content).content())
        return path

    return write


Write = Callable[..., Path]


@pytest.mark.parametrize("content", [CSV, "\ufeff" + CSV, CSV.replace("\n", "\r\n"), JSON, {"songs": JSON}])
def test_csv_and_json_say_the_same(machine: Machine, written: Write, content: Any) -> None:
    first, second = songs(read(machine, written(content)))
    assert (first.position, first.track.track_id, first.numbers) == (1, "a1", {"energy": 0.5})
    assert (first.track.title, first.track.artist) == ('Say "hi", now', "Ann")
    assert (first.track.isrc, first.track.duration_s) == ("GBAYE0000001", 61.5)
    assert (first.track.url, first.track.path) == ("https://audio.example.org/1.mp3", None)
    assert (second.position, second.track.title, second.track.artist) == (2, "Deux", "Zoé")
    assert (second.track.url, second.track.isrc, second.numbers) == (None, None, {})


def test_an_m3u_gives_artist_title_duration_and_address(machine: Machine, written: Write) -> None:
    first, second = songs(read(machine, written(M3U)))
    assert (first.track.title, first.track.artist, first.track.duration_s) == ('Say "hi", now', "Ann", 61.0)
    assert first.track.url == "https://audio.example.org/1.mp3"
    assert (second.track.title, second.track.duration_s) == ("Deux", None)


def test_a_song_without_an_id_has_the_same_one_in_every_list(machine: Machine, written: Write) -> None:
    other = "title,artist\n  DEUX ,ZOÉ\n"  # the accent as two characters
    ids = {songs(read(machine, written(content)))[-1].track.track_id for content in (CSV, M3U, JSON, other)}
    assert len(ids) == 1
    assert ids.pop().startswith("name:")


def test_columns_go_by_other_names(machine: Machine, written: Write) -> None:
    path = written("uri,track,by\nspotify:track:4uLU6hMCjMI75M1A2tKUQC,One,Ann\n")
    [entry] = songs(read(machine, path, columns={"track_id": "uri", "title": "track", "artist": "by"}))
    assert (entry.track.track_id, entry.track.title) == ("4uLU6hMCjMI75M1A2tKUQC", "One")


def test_a_column_that_is_not_there_is_named(machine: Machine, written: Write) -> None:
    message = refused(machine, written(CSV), columns={"title": "name"})
    assert "holds no song that can be listed; line 2: title: " in message


# Watching for a change


def test_a_file_is_read_again_when_its_content_has_changed(machine: Machine, written: Write) -> None:
    path = written(CSV)
    first = read(machine, path)
    assert first.version
    path.touch()
    assert read(machine, path, first.version) == Reading(None, first.version)
    written(CSV + "a3,Three,Cy,,,,\n")
    again = read(machine, path, first.version)
    assert len(songs(again)) == 3
    assert again.version != first.version


def test_a_server_that_knows_etags_gives_the_list_once(web: Serve, machine: Machine) -> None:
    def answer(request: Request) -> Response:
        if request.headers.get("If-None-Match") == etag:
            return Response(status=304, headers={"ETag": etag})
        return Response(content, headers={"ETag": etag})

    etag, content = 'W/"one"', CSV
    server = web(answer)
    first = read(machine, f"{server.url}/list.csv")
    assert "If-None-Match" not in server.asked[0].headers
    assert read(machine, f"{server.url}/list.csv", first.version) == Reading(None, first.version)
    assert server.asked[1].headers["If-None-Match"] == 'W/"one"'
    etag, content = 'W/"two"', CSV + "a3,Three,Cy,,,,\n"
    again = read(machine, f"{server.url}/list.csv", first.version)
    assert len(songs(again)) == 3
    assert again.version != first.version


def test_a_304_without_an_etag_leaves_the_known_version(web: Serve, machine: Machine) -> None:
    server = web(
        lambda request: (
            Response(status=304)
            if "If-None-Match" in request.headers
            else Response(CSV, headers={"ETag": '"x"'})
        )
    )
    first = read(machine, server.url)
    assert read(machine, server.url, first.version) == Reading(None, first.version)


@pytest.mark.parametrize("headers", [{}, {"ETag": '"same"'}, {"ETag": '"' + "x" * 300 + '"'}, {"ETag": "é"}])
def test_a_server_that_gives_the_same_again_changes_nothing(
    web: Serve, machine: Machine, headers: dict[str, str]
) -> None:
    server = web(lambda request: Response(CSV, headers=headers))
    first = read(machine, server.url)
    assert len(songs(first)) == 2
    assert read(machine, server.url, first.version) == Reading(None, first.version)


def test_a_hash_of_ours_is_no_etag_to_ask_with(web: Serve, machine: Machine) -> None:
    server = web(lambda request: Response(CSV))
    read(machine, server.url, read(machine, server.url).version)
    assert "If-None-Match" not in server.asked[1].headers


def test_a_304_that_nobody_asked_for_is_refused(web: Serve, machine: Machine) -> None:
    server = web(lambda request: Response(status=304))
    assert "the server responds with HTTP 304 Not Modified" in refused(machine, server.url)


@pytest.mark.parametrize("other", [{"mood": "sad"}, {"columns": {"licence": "terms"}}])
def test_with_other_settings_the_list_is_read_again(
    machine: Machine, written: Write, other: dict[str, Any]
) -> None:
    path = written(CSV)
    first = read(machine, path)
    assert len(songs(read(machine, path, first.version, **other))) == 2


def test_another_list_with_the_same_etag_is_read(web: Serve, machine: Machine) -> None:
    server = web(lambda request: Response(CSV, headers={"ETag": '"1"'}))
    first = read(machine, f"{server.url}/a.csv")
    assert len(songs(read(machine, f"{server.url}/b.csv", first.version))) == 2
    assert "If-None-Match" not in server.asked[1].headers


def test_a_list_with_a_bad_row_is_read_again(
    machine: Machine, written: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written("title,artist,path\nOne,Ann,one.mp3\nTwo,Ann,two.mp3\n")
    (path.parent / "one.mp3").touch()
    first = read(machine, path)
    assert [entry.track.title for entry in songs(first)] == ["One"]
    assert first.version is None
    assert "line 3: path 'two.mp3': no such file" in caplog.text
    (path.parent / "two.mp3").touch()
    assert len(songs(read(machine, path, first.version))) == 2


# Where the audio is


def test_paths_are_relative_to_the_list(machine: Machine, written: Write) -> None:
    path = written("#EXTM3U\n#EXTINF:1,A - B\nsongs/a b.mp3\n")
    (path.parent / "songs").mkdir()
    song = path.parent / "songs" / "a b.mp3"
    song.touch()
    [entry] = songs(read(machine, path))
    assert (entry.track.path, entry.track.url) == (str(song), None)


@pytest.mark.parametrize(
    "name", ["../secret.mp3", "/etc/passwd", "link.mp3", ".", "a\0b", "songs/../../secret.mp3"]
)
def test_a_path_out_of_the_lists_folder_is_left_out(
    machine: Machine, written: Write, tmp_path: Path, name: str
) -> None:
    rows = [{"title": "Bad", "artist": "X", "path": name}, {"title": "Good", "artist": "Y"}]
    path = written(rows)
    (tmp_path / "secret.mp3").touch()
    (path.parent / "songs").mkdir()
    (path.parent / "link.mp3").symlink_to(tmp_path / "secret.mp3")
    assert [entry.track.title for entry in songs(read(machine, path))] == ["Good"]


def test_a_list_at_an_address_names_songs_beside_itself(web: Serve, machine: Machine) -> None:
    lines = ["songs/a.mp3", "/b.mp3", "../../../c.mp3", "https://other.example.org/d.mp3"]
    m3u = "#EXTM3U\n" + "".join(f"#EXTINF:1,A - {line}\n{line}\n" for line in lines)

    def answer(request: Request) -> Response:
        moved = Response(status=302, headers={"Location": "/new/list.m3u"})
        return moved if request.path == "/old.m3u" else Response(m3u)

    server = web(answer)
    assert [entry.track.url for entry in songs(read(machine, f"{server.url}/old.m3u"))] == [
        f"{server.url}/new/songs/a.mp3",
        f"{server.url}/b.mp3",
        f"{server.url}/c.mp3",
        "https://other.example.org/d.mp3",
    ]


@pytest.mark.parametrize(
    "name", ["file:///etc/passwd", "ftp://h/a.mp3", "javascript:alert(1)", "http://[", "https://"]
)
@pytest.mark.parametrize("key", ["url", "path"])
def test_only_web_addresses_are_taken_from_a_server(
    web: Serve, machine: Machine, key: str, name: str
) -> None:
    rows = [{"title": "Bad", "artist": "X", key: name}, {"title": "Good", "artist": "Y"}]
    found = songs(read(machine, web(lambda request: Response(rows)).url))
    assert [entry.track.title for entry in found] == ["Good"]
    assert found[0].track.path is None


def test_no_server_names_a_file_of_this_machine(web: Serve, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "own.mp3").touch()
    server = web(lambda request: Response([{"title": "T", "artist": "A", "path": str(tmp_path / "own.mp3")}]))
    [entry] = songs(read(machine, server.url))
    assert entry.track.path is None
    assert entry.track.url == f"{server.url}{tmp_path}/own.mp3"


@pytest.mark.parametrize("name", ["file:///etc/passwd", "ftp://h/a.mp3"])
def test_an_m3u_names_no_other_kind_of_address(machine: Machine, written: Write, name: str) -> None:
    assert "is no http or https address" in refused(machine, written(f"#EXTM3U\n#EXTINF:1,A - B\n{name}\n"))


# Hostile and broken lists


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("x" * 400, "x" * 400),
        ("x" * 5000, "x" * 1000),
        ("👩‍👩‍👧 party 🎉", "👩‍👩‍👧 party 🎉"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("'; DROP TABLE tracks; --", "'; DROP TABLE tracks; --"),
        ("\u202egnos\u202c \u2067right\u2069\u200f", "gnos right"),
        ("a\u0000b\u001b[2Jc\r\nd\u2028e\u0085f", "a b [2Jc d e f"),
        ("half \ud800 pair", "half pair"),
        (1999, "1999"),
    ],
)
def test_a_title_is_kept_as_far_as_a_screen_and_a_database_bear_it(
    machine: Machine, written: Write, title: Any, kept: str
) -> None:
    [entry] = songs(read(machine, written(json.dumps([{"title": title, "artist": title}]))))
    assert (entry.track.title, entry.track.artist) == (kept, kept)
    entry.track.track_id.encode()


@pytest.mark.parametrize(
    "row",
    [
        {"title": "\u200b\u202e", "artist": "A"},
        {"title": ["T"], "artist": "A"},
        {"title": None, "artist": "A"},
        {"artist": "A"},
        {"title": "T", "artist": "A", "track_id": "x" * 201},
        {"title": "T", "artist": "A", "url": "https://h/" + "x" * 2000},
        {"title": "T", "artist": "A", "energy": "loud"},
        {"title": "T", "artist": "A", "energy": float("inf")},
        "T - A",
        None,
    ],
)
def test_a_row_that_breaks_a_rule_is_left_out_alone(
    machine: Machine, written: Write, caplog: pytest.LogCaptureFixture, row: Any
) -> None:
    reading = read(machine, written(json.dumps([row, {"title": "Good", "artist": "Y"}])))
    assert [(entry.position, entry.track.title) for entry in songs(reading)] == [(1, "Good")]
    assert [message for message in caplog.messages if "left out: song 1: " in message] == caplog.messages
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    "other", [{"isrc": "nonsense"}, {"duration_s": "long"}, {"duration_s": -5}, {"isrc": 7}]
)
def test_a_wrong_isrc_or_duration_is_as_good_as_none(
    machine: Machine, written: Write, other: dict[str, Any]
) -> None:
    [entry] = songs(read(machine, written([{"title": "T", "artist": "A"} | other])))
    assert (entry.track.isrc, entry.track.duration_s) == (None, None)


def test_an_id_of_200_characters_is_still_one(machine: Machine, written: Write) -> None:
    [entry] = songs(read(machine, written([{"title": "T", "artist": "A", "track_id": "x" * 200}])))
    assert entry.track.track_id == "x" * 200


def test_lines_of_csv_that_are_wrong_are_named(
    machine: Machine, written: Write, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = '\ntitle,artist\nOne,Ann\nTwo\nThree,Cy,more\n\nFour,Dee\n"Five,Ed\n'
    assert [entry.track.title for entry in songs(read(machine, written(wrong)))] == ["One", "Four"]
    assert "line 4: 1 fields instead of 2" in caplog.text
    assert "line 5: 3 fields instead of 2" in caplog.text
    assert "check the quotes" in caplog.text


def test_a_thousand_bad_rows_are_six_lines_of_log(
    machine: Machine, written: Write, caplog: pytest.LogCaptureFixture
) -> None:
    songs(read(machine, written("title,artist\nOne,Ann\n" + "x\n" * 1000)))
    assert len(caplog.messages) == 6
    assert caplog.messages[-1].endswith("left out 995 rows more")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no line of column names; it is empty$"),
        ("\n \n", "no line of column names; it is empty$"),
        ("title,artist\n", "holds no song that can be listed; check what it points to$"),
        ('"title,artist\n', "no line of column names; .*check the quotes$"),
        ("[]", "holds no song that can be listed"),
        ('[{"title": ', "not JSON: .*; check the file$"),
        ("[" * 100_000, "not JSON: "),
        ("[" + "9" * 5000 + "]", "not JSON: "),
        ('{"tracks": []}', r"no list of songs; write \[\{...\}, ...\] or "),
        ("<!doctype html>\n<p>Not found</p>", "a web page, not a list of songs; give the address of"),
        ("#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:6,\nsegment.ts\n", "line 4: no line #EXTINF:seconds,Artist - "),
        (b"title,artist\nCaf\xe9,Ann\n", r"not UTF-8 \(byte 16\); save the list in UTF-8$"),
        (b"\x00\x01\x02" * 50, "it has one column; put commas, semicolons or tabs between"),
    ],
)
def test_what_is_no_list_gives_a_reason_from_a_file_and_from_a_server(
    web: Serve, machine: Machine, written: Write, content: str | bytes, message: str
) -> None:
    path = written(content)
    with pytest.raises(InputError, match=message):
        read(machine, path)
    assert refused(machine, path).startswith(f"{path}: ")
    server = web(lambda request: Response(content))
    assert refused(machine, server.url).startswith(f"{server.url}: ")


def test_a_list_that_is_too_large_is_not_read_to_its_end(
    web: Serve, machine: Machine, written: Write
) -> None:
    large = b"x" * 2_000_001
    assert refused(machine, written(large), max_mb=2).endswith("larger than 2 MB; is it a list of songs?")
    server = web(lambda request: Response(large))
    assert refused(machine, server.url, max_mb=2).endswith("larger than 2 MB; is it a list of songs?")


def test_a_list_that_unpacks_to_too_much_is_left(web: Serve, machine: Machine) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    server = web(lambda request: Response(bomb, headers={"Content-Encoding": "gzip"}))
    assert refused(machine, server.url).endswith("larger than 10 MB; is it a list of songs?")


# Servers that fail


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (Response("no", 404), "the server responds with HTTP 404 Not Found; check the address"),
        (Response("no", 401), "the server responds with HTTP 401 Unauthorized"),
        (Response(CSV, 206), "the server responds with HTTP 206 Partial Content"),
        (Response(CSV, headers={"Content-Encoding": "gzip"}), "cannot be read: "),
        (Response(status=302, headers={"Location": "file:///etc/passwd"}), "cannot be read: .*protocol"),
        (
            Response(status=302, headers={"Location": "/again"}),
            "cannot be read: Exceeded maximum allowed red",
        ),
        (Response(status=302, headers={"Location": "http://[/"}), "cannot be read: "),
    ],
)
def test_a_server_that_fails_is_one_line_without_the_password(
    web: Serve, machine: Machine, response: Response, message: str
) -> None:
    server = web(lambda request: response)
    address = server.url.replace("://", "://ann:geheim@") + "/list.csv?key=geheim2"
    with pytest.raises(InputError, match=message):
        read(machine, address)
    message = refused(machine, address)
    assert message.startswith(f"{server.url}/list.csv: ")
    assert "geheim" not in message


def test_a_password_in_the_address_is_used_and_logged_nowhere(
    web: Serve, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = web(lambda request: Response(CSV + "bad\n"))
    read(machine, server.url.replace("://", "://ann:geheim@") + "/?key=geheim2")
    assert server.asked[0].headers["Authorization"].startswith("Basic ")
    assert "left out: line 4" in caplog.text
    assert "geheim" not in caplog.text


def test_a_server_that_is_down_is_one_line(machine: Machine) -> None:
    message = "http://127.0.0.1:1/a.csv: cannot be read: .*refused; check the network, or try again later$"
    with pytest.raises(UnavailableError, match=message):
        read(machine, "http://127.0.0.1:1/a.csv")


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://no-such-host.invalid/a.csv", UnavailableError),
        ("http://127.0.0.1:99999/a.csv", InputError),
        (f"http://{'x' * 70}.example.org/a.csv", InputError),
        ("http://[::1/a.csv", InputError),
        ("http:///a.csv", InputError),
    ],
)
def test_an_address_nobody_answers_at_is_told_from_one_that_is_none(
    machine: Machine, location: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="cannot be read: ") as caught:
        read(machine, location)
    assert "\n" not in str(caught.value)


def test_a_server_that_trickles_is_left(
    web: Serve, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LONGEST_S", -1.0)
    server = web(lambda request: Response(CSV))
    with pytest.raises(UnavailableError, match="the time is over"):
        read(machine, server.url)


def test_no_redirect_leads_to_another_server_of_the_local_network(web: Serve, machine: Machine) -> None:
    inside = web(lambda request: Response(CSV))
    outside = web(lambda request: Response(status=302, headers={"Location": inside.url}))
    assert "which is not on the public internet; give that address itself" in refused(machine, outside.url)
    assert inside.asked == []
    assert len(songs(read(machine, inside.url))) == 2


@pytest.mark.parametrize("name", ["gone.csv", ".", "a\0b.csv"])
def test_a_file_that_cannot_be_read_gives_a_reason(machine: Machine, tmp_path: Path, name: str) -> None:
    assert "cannot be read: " in refused(machine, f"{tmp_path}/{name}")


# Other delimiters


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("crlf", ["\n", "\r\n"])
def test_a_list_by_semicolons_or_tabs_is_the_same(
    web: Serve, machine: Machine, written: Write, delimiter: str, crlf: str
) -> None:
    text = (
        delimiter.join(("title", "band", "url")) + crlf + delimiter.join(("Say, hi", "Ann; Bob", "")) + crlf
    )
    text = text.replace("Ann; Bob", '"Ann; Bob"')
    for location in (written(f"\ufeff{text}"), web(lambda request: Response(text)).url):
        [song] = songs(read(machine, location, columns={"artist": "band"}))
        assert (song.track.title, song.track.artist) == ("Say, hi", "Ann; Bob")


def test_a_column_whose_name_has_a_semicolon_is_no_other_delimiter(machine: Machine, written: Write) -> None:
    [song] = songs(read(machine, written("title;x,artist,title\nno,Ann,Say; hi\n")))
    assert (song.track.title, song.track.artist) == ("Say; hi", "Ann")


@pytest.mark.parametrize("header", ["title|artist", "title", "a list of songs"])
def test_one_column_names_the_remedy(machine: Machine, written: Write, header: str) -> None:
    assert refused(machine, written(f"{header}\na|b\n")).endswith(
        "it has one column; put commas, semicolons or tabs between the columns"
    )
