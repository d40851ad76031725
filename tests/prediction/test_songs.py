"""Which songs a person names, whatever lies in a folder or stands in a playlist."""

from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.prediction.songs import Song, find_songs


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_gives_all_songs_below_it_by_name_and_nothing_else(tmp_path: Path) -> None:
    songs = [tmp_path / "a" / "one.MP3", tmp_path / "b" / "c" / "two.flac", tmp_path / "z.ogg"]
    touch(*songs, tmp_path / "cover.jpg", tmp_path / ".hidden" / "x.mp3", tmp_path / "a" / ".tmp-1.mp3")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert find_songs([str(tmp_path)]) == [Song(str(song)) for song in songs]
    assert find_songs([str(tmp_path), str(songs[0])]) == [Song(str(song)) for song in songs]


def test_a_folder_without_songs_is_a_mistake(tmp_path: Path) -> None:
    touch(tmp_path / "cover.jpg")
    with pytest.raises(InputError, match="holds no songs; their names end in aac"):
        find_songs([str(tmp_path)])


def test_a_playlist_names_files_beside_it_and_elsewhere_and_addresses(tmp_path: Path) -> None:
    playlist = tmp_path / "list.m3u8"
    lines = [
        b"\xef\xbb\xbf#EXTM3U",
        b"#EXTINF:3,A - B",
        b"a/one.mp3",
        b"/elsewhere/two.mp3",
        b"",
        b"caf\xe9.mp3",
    ]
    lines += [
        b"file:///with%20space.mp3",
        b"https://ann:secret@example.org/x.mp3",
        b"other.m3u8",
        b"http://[x/",
    ]
    playlist.write_bytes(b"\r\n".join(lines))
    found = find_songs([str(playlist)])
    assert found[:5] == [
        Song(str(tmp_path / "a" / "one.mp3")),
        Song("/elsewhere/two.mp3"),
        Song(str(tmp_path / "caf\udce9.mp3")),
        Song("/with space.mp3"),
        Song("https://example.org/x.mp3", url="https://ann:secret@example.org/x.mp3"),
    ]
    assert [song.problem for song in found[5:]] == [
        f"{playlist}:9: no song; write a song's path or address",
        "url 'http://[x/' is no address: Invalid IPv6 URL",
    ]


@pytest.mark.parametrize("content", [b"", b"#EXTM3U\n#EXTINF:1,A - B\n"])
def test_a_playlist_without_songs_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.m3u").write_bytes(content)
    with pytest.raises(InputError, match="a playlist without songs"):
        find_songs([str(tmp_path / "list.m3u")])
