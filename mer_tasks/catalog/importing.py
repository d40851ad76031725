"""Songs with their moods from a file into the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.recording import Said, record_said
from mer_tasks.catalog.song_file import RowProblem, SongRow, read_songs
from mer_tasks.domain import InputError, LabelKind
from mer_tasks.validation import collection_name


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: songs new to the collection, changed and unchanged; further rows of the same song.

    `problems` are the rows that were not taken, `ignored` the columns that mean nothing here.
    """

    new: int
    changed: int
    unchanged: int
    repeated: int
    problems: tuple[RowProblem, ...]
    ignored: tuple[str, ...]


def import_songs(
    catalog: Catalog,
    file: Path,
    collection: str,
    *,
    columns: Mapping[str, str] = {},
    moods: Mapping[str, str] = {},
    now: datetime | None = None,
) -> ImportReport:
    """Add the songs of a CSV file to a collection, in one transaction; what is known already adds nothing.

    `columns` gives the file's column for a name of ours ({"title": "track"}), `moods` the mood
    for a value of the file ({"0": "sad"}). Bad rows are reported and left out.

    Raises:
        InputError: the collection's name, the file or its columns are not usable.
    """
    try:
        collection_name(collection)
    except InputError as error:
        raise InputError(f"collection {error}") from error
    songs = read_songs(file, columns, moods)
    said = _by_song(songs.rows)
    with catalog.transaction() as connection:
        recorded = record_said(connection, collection, LabelKind.FILE, said, now or datetime.now(UTC))
    return ImportReport(
        new=recorded.new,
        changed=recorded.changed,
        unchanged=recorded.unchanged,
        repeated=len(songs.rows) - len(said),
        problems=songs.problems,
        ignored=songs.ignored,
    )


def said_by_file(collection: str) -> str:
    """Who speaks when a file does: all files of one collection are one voice, so a newer one corrects."""
    return f"{LabelKind.FILE}:{collection}"


def _by_song(rows: tuple[SongRow, ...]) -> dict[str, Said]:
    """What the file says of each song: every mood, and of the rest the last row's."""
    said: dict[str, Said] = {}
    for row in rows:
        earlier = said.get(row.track.track_id)
        moods = earlier.moods if earlier else frozenset()
        said[row.track.track_id] = Said(row.track, moods | {str(row.mood)}, row.numbers)
    return said
