"""Lists of songs in files and at addresses: CSV, JSON and M3U, distinguished by what they begin with."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mer_tasks.errors import InputError
from mer_tasks.files import open_regular
from mer_tasks.sources import http
from mer_tasks.validation import csv_records

HASH = "sha256:"

EXTINF = re.compile(r'#EXTINF:\s*(-?[\d.]+)(?:\s+[\w-]+="[^"]*")*\s*,(.*)')
"""M3U's line before a song: seconds, attributes, and what is shown, by custom artist and title."""


class Line(NamedTuple):
    """A song as the list names it, or what is wrong with it."""

    values: dict[str, Any]
    problem: str = ""


def is_web(location: str) -> bool:
    """Whether a list is at an address, not in a file."""
    return location.startswith(("http://", "https://"))


def fetch_list(location: str, known: str | None, max_bytes: int) -> http.Response:
    """A list's bytes; 304 and none where an address still has the version `known`, an ETag.

    Raises:
        InputError: it cannot be read, or is larger than `max_bytes`.
    """
    if is_web(location):
        asked = {"If-None-Match": known} if known and not known.startswith(HASH) else {}
        return http.get(location, headers=asked, max_bytes=max_bytes)
    try:
        with open_regular(Path(location)) as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{location}: cannot be read: {reason}; name a list of songs") from error
    if len(content) > max_bytes:
        raise InputError(f"{location}: larger than {max_bytes / 1e6:g} MB; is it a list of songs?")
    return http.Response(200, location, None, content)


def version_of(response: http.Response) -> str:
    """What changes with a list: the server's ETag, or the hash of the content."""
    return response.etag or HASH + hashlib.sha256(response.body).hexdigest()


def rows_of(where: str, content: bytes) -> Iterator[tuple[str, Line]]:
    """The rows of a list, each with its place in it.

    Raises:
        InputError: it is not UTF-8, or no list.
    """
    try:
        text = content.decode("utf-8-sig").rstrip()
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 (byte {error.start}); save the list in UTF-8") from error
    head = text.lstrip()[:4]
    if head.startswith("<"):
        raise InputError(f"{where}: a web page, not a list of songs; give the address of a CSV, JSON or M3U")
    if head == "#EXT":
        return _m3u(text)
    return _json(where, text) if head.startswith(("[", "{")) else _csv(where, text)


def _json(where: str, text: str) -> Iterator[tuple[str, Line]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON: {error}; check the file") from error
    songs = value.get("songs") if isinstance(value, dict) else value
    if not isinstance(songs, list):
        raise InputError(f'{where}: no list of songs; write [{{...}}, ...] or {{"songs": [...]}}')
    for number, song in enumerate(songs, start=1):
        yield f"song {number}", Line(song) if isinstance(song, dict) else Line({}, "not an object")


def _csv(where: str, text: str) -> Iterator[tuple[str, Line]]:
    records = csv_records(text)
    header = next(records, None)
    if header is None or header.problem:
        raise InputError(f"{where}: no line of column names; {header.problem if header else 'it is empty'}")
    names = [name.strip() for name in header.fields]
    for record in records:
        wrong = f"{len(record.fields)} fields instead of {len(names)}"
        problem = record.problem or (wrong if len(record.fields) != len(names) else "")
        yield f"line {record.line}", Line(dict(zip(names, record.fields, strict=False)), problem)


def _m3u(text: str) -> Iterator[tuple[str, Line]]:
    song: dict[str, Any] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if found := EXTINF.match(line):
            artist, dash, title = found[2].partition(" - ")
            song = {"duration_s": found[1], "artist": artist, "title": title} if dash else {}
        elif line and not line.startswith("#"):
            problem = "" if song else "no line #EXTINF:seconds,Artist - Title before it"
            yield f"line {number}", Line(song | {"path": line}, problem)
            song = {}
