"""Writes moods into songs' tags, remembers what was there, and puts it back."""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mer_tasks.errors import InputError
from mer_tasks.files import FULL, naming_full
from mer_tasks.library.mood_tag import read_moods, write_moods

TABLE = "CREATE TABLE IF NOT EXISTS tagged (path BLOB PRIMARY KEY, had TEXT NOT NULL, wrote TEXT NOT NULL)"


class TagRecord:
    """What songs' tags had before `mer tag` wrote to them, in a file of SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def had(self, song: Path) -> tuple[list[str], list[str]] | None:
        """The moods that a song had before, and those written since; None where it was not tagged."""
        query = "SELECT had, wrote FROM tagged WHERE path = ?"
        row = self._connection.execute(query, (_key(song),)).fetchone()
        return None if row is None else (json.loads(row[0]), json.loads(row[1]))

    def note(self, song: Path, now: list[str], mood: str) -> None:
        """Note that `mood` will be written where `now` stands: before it is, for the process may be killed."""
        known = self.had(song)
        had, wrote = known if known and _is_ours(now, known[1]) else (now, [])
        row = (_key(song), json.dumps(had), json.dumps([*wrote, mood]))
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO tagged VALUES (?, ?, ?)", row)

    def forget(self, song: Path) -> None:
        """Note that a song is as it was."""
        with self._connection:
            self._connection.execute("DELETE FROM tagged WHERE path = ?", (_key(song),))


@contextmanager
def tag_record(home: Path) -> Iterator[TagRecord]:
    """The record under MER_HOME, for one process at a time.

    Raises:
        InputError: another process has it, or it cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "tags.db"
    with (home / "tags.db.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{path}: another mer tag is at work; wait for its end") from error
        try:
            with closing(sqlite3.connect(path)) as connection:
                connection.execute(TABLE)
                yield TagRecord(connection)
        except sqlite3.Error as error:
            raise InputError(f"{path}: cannot be used ({error}); free some space, or move it away") from error


def tag_song(song: Path, mood: str, record: TagRecord, dry_run: bool = False) -> str:
    """Write a mood into a song's tags; return what came of it, in a few words.

    The song is replaced by a copy in one step. One that has the mood is not touched.

    Raises:
        InputError: it cannot be tagged; says why, without its name.
    """
    with _song_errors():
        _check(song)
        now = read_moods(song)
        if now == [mood]:
            return "has it"
        before = f" for {', '.join(now)}" if now else ""
        if dry_run:
            return f"would be written{before}"
        record.note(song, now, mood)
        _rewrite(song, [mood])
        return f"written{before}"


def untag_song(song: Path, record: TagRecord, dry_run: bool = False) -> str:
    """Put back what a song's tags had before; return what came of it. What a person changed since stays.

    Raises:
        InputError: as of `tag_song`.
    """
    known = record.had(song)
    if known is None:
        return "was not tagged by mer"
    had, wrote = known
    with _song_errors():
        _check(song)
        now = read_moods(song)
        if now != had and not _is_ours(now, wrote):
            return f"was changed since, to {', '.join(now) or 'none'}: left as it is"
        what = ", ".join(had) or "no mood"
        if dry_run:
            return f"would be put back: {what}"
        if now != had:
            _rewrite(song, had)
        record.forget(song)
        return f"put back: {what}"


def _is_ours(now: list[str], wrote: list[str]) -> bool:
    return len(now) == 1 and now[0] in wrote


def _key(song: Path) -> bytes:
    return os.fsencode(os.path.abspath(song))  # noqa: PTH100 - links are left as they are


def _check(song: Path) -> None:
    """Refuse what is not an ordinary file that may be written."""
    status = song.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise InputError("is a link; tag the file that it leads to")
    if not status.st_mode & 0o222 or not os.access(song, os.W_OK):
        raise InputError("is read-only; let this user write to it")


def _rewrite(song: Path, moods: list[str]) -> None:
    """Replace a song by a copy with these moods; a process that is killed leaves the song as it was.

    The copy's name depends on the song's alone, so that what a killed process left is overwritten.
    """
    name = hashlib.sha256(os.fsencode(song.name)).hexdigest()[:16]
    copy = song.with_name(f".mer-tag-{name}{song.suffix}")
    status = song.stat()
    try:
        copy.unlink(missing_ok=True)  # it may be a link, which would be written through
        with naming_full(song.parent):
            shutil.copy2(song, copy)
            if (copy.stat().st_uid, copy.stat().st_gid) != (status.st_uid, status.st_gid):
                os.chown(copy, status.st_uid, status.st_gid)
            write_moods(copy, moods)
            os.utime(copy)  # players look for files that have changed
            with copy.open("rb") as file:
                os.fsync(file.fileno())
            copy.replace(song)
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def _song_errors() -> Iterator[None]:
    """What is wrong with one song's file as an InputError; a full disk is no fault of the song."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"cannot be tagged: {error.strerror or error}") from error
