"""Songs with their moods from a file into the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.recording import Statement, record_statements
from mer_tasks.catalog.song_file import RowProblem, SongRow, read_songs
from mer_tasks.domain import LabelKind
from mer_tasks.errors import InputError
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
    statements = _by_song(songs.rows)
    with catalog.transaction() as connection:
        counts = record_statements(
            connection, collection, LabelKind.FILE, statements, now or datetime.now(UTC)
        )
    return ImportReport(
        new=counts.new,
        changed=counts.changed,
        unchanged=counts.unchanged,
        repeated=len(songs.rows) - len(statements),
        problems=songs.problems,
        ignored=songs.ignored,
    )


def file_source(collection: str) -> str:
    """The source of a file's statements: all files of one collection are one, so a newer file corrects."""
    return f"{LabelKind.FILE}:{collection}"


def _by_song(rows: tuple[SongRow, ...]) -> dict[str, Statement]:
    """The file's statement of each song: every mood, and the last row's name, audio and numbers."""
    statements: dict[str, Statement] = {}
    for row in rows:
        earlier = statements.get(row.track.track_id)
        moods = earlier.moods if earlier else frozenset()
        statements[row.track.track_id] = Statement(row.track, moods | {str(row.mood)}, row.numbers)
    return statements
