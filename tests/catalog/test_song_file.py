"""What a file of songs may look like, and the reasons given for rows that are wrong."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mer_tasks.catalog.song_file import SongFile, read_songs
from mer_tasks.domain import SPOTIFY_FEATURES, Track
from mer_tasks.errors import InputError

HEADER = "track_id,title,artist,mood,url"
SPOTIFY_HEADER = "track_id,title,artist,mood," + ",".join(SPOTIFY_FEATURES)
ELEVEN = ",".join(f"0.{number}" for number in range(11))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "music" / "songs.csv"


def read(
    file: Path, text: str | bytes, columns: Mapping[str, str] = {}, moods: Mapping[str, str] = {}
) -> SongFile:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_songs(file, columns, moods)


def row(
    track_id: str = "a", title: str = "T", artist: str = "A", mood: str = "sad", url: str = "http://h/a"
) -> str:
    return f"{track_id},{title},{artist},{mood},{url}"


def test_a_row_becomes_a_song(file: Path) -> None:
    [song] = read(file, f"{HEADER}\n a , Élan ,Ärtist, HAPPY ,https://host/a.mp3\n").rows
    assert song.track == Track("a", "Élan", "Ärtist", url="https://host/a.mp3")
    assert (song.mood, song.numbers) == ("happy", {})


def test_columns_and_moods_are_mapped(file: Path) -> None:
    text = "uri,track,artist,labels,url,title\nspotify:track:x,T,A,0,http://h/x,not the title\n"
    columns = {"track_id": "uri", "title": "track", "mood": "labels"}
    songs = read(file, text, columns, {"0": "Sad"})
    assert (songs.rows[0].track.track_id, songs.rows[0].track.title, songs.rows[0].mood) == ("x", "T", "sad")
    assert songs.ignored == ("title",)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_may_be_between_the_columns(file: Path, delimiter: str) -> None:
    text = f"{HEADER}\n{row(title='T')}\n".replace(",", delimiter).replace("title", "song", 1)
    songs = read(file, text.replace("http://h/a", "http://h/a,b"), {"title": "song"})
    assert songs.rows[0].track == Track("a", "T", "A", url="http://h/a,b")


def test_another_delimiter_is_named_as_such(file: Path) -> None:
    with pytest.raises(InputError, match=r"it has one column; put commas, semicolons or tabs between"):
        read(file, f"{HEADER}\n{row()}\n".replace(",", "|"))


def test_a_byte_order_mark_and_other_line_ends_do_not_matter(file: Path) -> None:
    songs = read(file, b"\xef\xbb\xbf" + f"{HEADER}\r\n{row()}\r\n".encode())
    assert [song.track.track_id for song in songs.rows] == ["a"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(mood="angry"), "mood 'angry' is none of sad, happy, energetic, calm; map it with --moods"),
        (row(mood=""), "mood '' is none of sad, happy, energetic, calm; map it with --moods"),
        (row(track_id=" "), "track_id is empty"),
        (row(track_id="spotify:track:"), "track_id is empty"),
        (row(track_id="x" * 201), "track_id is longer than 200 characters"),
        (row(title=""), "title is empty"),
        (row(artist=""), "artist is empty"),
        (row(title="a\tb"), r"title 'a\tb' holds a control character"),
        (row(artist='"a\nb"'), r"artist 'a\nb' holds a control character"),
        (row(url="ftp://h/a"), "url 'ftp://h/a' is no http or https address"),
        (row(url="file:///etc/passwd"), "url 'file:///etc/passwd' is no http or https address"),
        (row(url="http://"), "url 'http://' is no http or https address"),
        (row(url="http://[::1"), "url 'http://[::1' is no address: Invalid IPv6 URL"),
        (row(url=""), "no path, no url and not all of Spotify's features"),
        (row() + ",more", "6 fields instead of 5"),
        ("a,T,A,sad", "4 fields instead of 5"),
        (row(title='"T" oh'), "not CSV: ',' expected after '\"'; check the quotes"),
    ],
)
def test_a_bad_row_is_told_and_the_others_are_taken(file: Path, bad: str, reason: str) -> None:
    songs = read(file, f"{HEADER}\n{row('first')}\n{bad}\n{row('last')}\n")
    assert [song.track.track_id for song in songs.rows] == ["first", "last"]
    assert [(problem.line, problem.reason) for problem in songs.problems] == [(3, reason)]


def test_lines_are_those_of_the_file(file: Path) -> None:
    text = f'{HEADER},note\n{row("a")},"two\nlines"\n\n{row("b", mood="odd")},\n,,,,,\n{row("c", mood="odd")},"\n'
    problems = read(file, text).problems
    assert [(problem.line, problem.track_id) for problem in problems] == [(5, "b"), (7, None)]


def test_rows_that_an_open_quote_swallowed_are_told(file: Path) -> None:
    songs = read(file, f'{HEADER}\n{row("a")}\nb,"T,A,sad,http://h/b\n{row("c")}\n{row("d")}\n')
    assert [song.track.track_id for song in songs.rows] == ["a"]
    [problem] = songs.problems
    assert problem.line == 3
    assert problem.reason.startswith("lines 3 to 5: not CSV")


def test_a_path_is_that_of_the_file_itself(file: Path) -> None:
    (file.parent / "clips").mkdir(parents=True)
    (file.parent / "clips" / "a.mp3").touch()
    (file.parent / "link.mp3").symlink_to("clips/a.mp3")
    text = "track_id,title,artist,mood,path\na,T,A,sad,clips/a.mp3\nb,T,A,sad,link.mp3\n"
    real = str((file.parent / "clips" / "a.mp3").resolve())
    assert [song.track.path for song in read(file, text).rows] == [real, real]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../secret.mp3", "path '../secret.mp3' leads out of the file's folder"),
        ("link.mp3", "path 'link.mp3' leads out of the file's folder"),
        ("folder/secret.mp3", "path 'folder/secret.mp3' leads out of the file's folder"),
        ("gone.mp3", "path 'gone.mp3': no such file"),
        ("circle", "path 'circle': no such file"),
        ("x" * 300, f"path '{'x' * 300}': no such file"),
        (".", "path '.' is not a file"),
    ],
)
def test_a_path_that_leads_elsewhere_or_nowhere_is_refused(file: Path, path: str, reason: str) -> None:
    file.parent.mkdir()
    secret = file.parent.parent / "secret.mp3"
    secret.touch()
    (file.parent / "link.mp3").symlink_to(secret)
    (file.parent / "folder").symlink_to(secret.parent)
    (file.parent / "circle").symlink_to("circle")
    [problem] = read(file, f"track_id,title,artist,mood,path\na,T,A,sad,{path}\n").problems
    assert (problem.track_id, problem.reason) == ("a", reason)


def test_numbers_are_taken_from_every_numeric_column_and_the_others_named(file: Path) -> None:
    text = f"{HEADER},plays,label,empty,\n{row('a')},12,x,,1\n{row('b')},,7,,2\n{row('c')},-1.5e3,7,,3\n"
    songs = read(file, text)
    assert [song.numbers for song in songs.rows] == [{"plays": 12.0}, {}, {"plays": -1500.0}]
    assert songs.ignored == ("label", "empty", "column 9")


@pytest.mark.parametrize("value", ["loud", "nan", "inf", "1_0"])
def test_a_feature_that_is_no_number_is_a_problem(file: Path, value: str) -> None:
    songs = read(file, f"{HEADER},energy\n{row('a')},0.5\n{row('b')},{value}\n")
    assert [song.track.track_id for song in songs.rows] == ["a"]
    assert [problem.reason for problem in songs.problems] == [f"energy {value!r} is not a number"]


def test_valence_is_spotifys_beside_all_its_features_and_else_peoples(file: Path) -> None:
    [spotify] = read(file, f"{SPOTIFY_HEADER},arousal\na,T,A,sad,{ELEVEN},3\n").rows
    [people] = read(file, f"{HEADER},valence,arousal\n{row()},7,3\n").rows
    assert spotify.numbers["valence"] == 0.8
    assert spotify.numbers["annotated_arousal"] == 3
    assert "annotated_valence" not in spotify.numbers
    assert people.numbers == {"annotated_valence": 7, "annotated_arousal": 3}


def test_a_row_without_audio_needs_all_of_spotifys_features(file: Path) -> None:
    songs = read(file, f"{SPOTIFY_HEADER}\na,T,A,sad,{ELEVEN}\nb,T,A,sad,{ELEVEN[:-4]}\n")
    assert [song.track.track_id for song in songs.rows] == ["a"]
    assert songs.problems[0].reason == "no path, no url and not all of Spotify's features"


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", {}, "holds no songs; it needs a line of column names and a line a song"),
        (HEADER, {}, "holds no songs"),
        (
            "track_id,track,artist,mood,url\na,T,A,sad,http://h/a\n",
            {},
            "no column title; it has track_id, track, artist, mood, url; name it with --columns title=NAME",
        ),
        ("track_id,title,artist,mood\na,T,A,sad\n", {}, "no column path or url; it has track_id"),
        (
            f"{HEADER}\n{row()}\n",
            {"title": "track"},
            "no column track as in --columns; it has track_id, title",
        ),
        (f"{HEADER},title\n{row()},T\n", {}, "more than one column title; it has"),
        (b"track_id,title\xff\n", {}, r"not UTF-8 \(byte 14\); save it as CSV in UTF-8"),
        (f'"{HEADER}\n{row()}\n', {}, "not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    file: Path, text: str | bytes, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(file, text, columns)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(file: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        read_songs(file, {}, {})


def test_a_mapping_to_no_mood_is_told_before_anything_is_read(file: Path) -> None:
    with pytest.raises(InputError, match="--moods 0=angry: angry is no mood; known are sad, happy"):
        read_songs(file, {}, {"0": "angry"})
