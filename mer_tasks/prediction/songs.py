"""Which songs a person names: files, folders with all that is in them, playlists, addresses."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mer_tasks.errors import InputError
from mer_tasks.sources.lists import fetch_list, is_web
from mer_tasks.text import without_user
from mer_tasks.validation import web_address

ENDINGS = (
    "aac ac3 aif aifc aiff amr ape au caf flac m4a m4b mka mp2 mp3 mp4 mpc oga ogg opus tta wav webm wma wv"
)
"""How names of songs in a folder end; a file that is named by itself may end in anything."""

PLAYLISTS = (".m3u", ".m3u8")
LONGEST_PLAYLIST = 10_000_000


@dataclass(frozen=True)
class Song:
    """A song that was named: a file, or an address where `url` is given, or what is wrong with it."""

    name: str
    url: str | None = None
    problem: str = ""

    @property
    def path(self) -> Path:
        """Its file, where it has one."""
        return Path(self.name)


def find_songs(named: Iterable[str]) -> list[Song]:
    """The songs in files, folders, playlists and at addresses, each once, in the order of the names.

    A folder that cannot be read and a line of a playlist that is no song are songs with a problem.

    Raises:
        InputError: a folder or a playlist has no song, or a playlist cannot be read.
    """
    found = [song for name in named for song in _songs_of(name)]
    return list(dict.fromkeys(found))


def _songs_of(name: str) -> Iterable[Song]:
    path = Path(name)
    if is_web(name):
        return [_at_address(name)]
    if path.is_dir():
        return _in_folder(path)
    if path.suffix.lower() in PLAYLISTS:
        return _in_playlist(path)
    return [Song(name)]


def _in_folder(folder: Path) -> list[Song]:
    """All songs below a folder, by name; hidden files and linked folders are left out."""
    problems: list[Song] = []

    def note(error: OSError) -> None:
        where = str(error.filename)
        problems.append(
            Song(where, problem=f"{where}: cannot be read: {error.strerror}; let this user read it")
        )

    found = []
    for place, folders, files in os.walk(folder, onerror=note):
        folders[:] = [one for one in folders if not one.startswith(".")]
        songs = [
            one
            for one in files
            if not one.startswith(".") and one.rpartition(".")[2].lower() in ENDINGS.split()
        ]
        found += [Song(str(Path(place, one))) for one in songs]
    if not found and not problems:
        raise InputError(f"{folder}: holds no songs; their names end in {ENDINGS}")
    return [*problems, *sorted(found, key=lambda song: song.name)]


def _in_playlist(path: Path) -> list[Song]:
    """The songs of an M3U playlist; its paths are meant from its folder."""
    content = fetch_list(str(path), None, LONGEST_PLAYLIST).body
    lines = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).splitlines()
    found = list(_playlist_songs(path, lines))
    if not found:
        raise InputError(f"{path}: a playlist without songs; write a path or an address a line")
    return found


def _playlist_songs(playlist: Path, lines: Iterable[str]) -> Iterator[Song]:
    for number, line in enumerate(lines, start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if is_web(entry):
            yield _at_address(entry)
        elif Path(entry).suffix.lower() in PLAYLISTS or "\0" in entry:
            where = f"{playlist}:{number}"
            yield Song(where, problem=f"{where}: no song; write a song's path or address")
        else:
            is_uri = entry.startswith("file://")
            yield Song(str(playlist.parent / (unquote(urlsplit(entry).path) if is_uri else entry)))


def _at_address(address: str) -> Song:
    name = without_user(address)
    try:
        return Song(name, url=web_address(address))
    except InputError as error:
        return Song(name, problem=str(error))
