"""Opening the catalog, its versions and its transactions, in both engines."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from mer_tasks.catalog.clips import clips_of
from mer_tasks.catalog.database import MIGRATIONS, Catalog, patiently
from mer_tasks.catalog.labelling import add_labels, label_of
from mer_tasks.catalog.queue import ClaimPolicy, claim_songs, release_songs, tidy_queue
from mer_tasks.catalog.schema import clips, labels, metadata, queue, tracks
from mer_tasks.errors import InputError, UnavailableError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add_track(catalog: Catalog, track_id: str, at: datetime = NOON) -> None:
    with catalog.transaction() as connection:
        connection.execute(insert(tracks), {"track_id": track_id, "first_seen_at": at})


def test_the_migrations_make_exactly_the_tables_of_the_schema(catalog: Catalog) -> None:
    with catalog.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@contextmanager
def at_version(catalog_url: str, version: str) -> Iterator[Connection]:
    """The database of a catalog of an older version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with create_engine(catalog_url, poolclass=NullPool).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        yield connection


def test_an_old_catalog_comes_along_with_what_is_due(catalog_url: str) -> None:
    with at_version(catalog_url, "0001") as connection:
        for song, placed, cut in (("cut", 1, 2), ("moved", 3, 2), ("uncut", 1, None)):
            at = {"song": song, "placed": NOON.replace(hour=placed), "cut": cut and NOON.replace(hour=cut)}
            connection.execute(text("INSERT INTO tracks VALUES (:song, :placed)"), at)
            item = "INSERT INTO items (track_id, collection, title, artist, url, observed_at)"
            connection.execute(text(f"{item} VALUES (:song, 'x', :song, 'A', 'http://h', :placed)"), at)
            if cut:
                clip = "INSERT INTO clips (track_id, sha256, observed_at)"
                connection.execute(text(f"{clip} VALUES (:song, 'ab', :cut)"), at)
    policy, now = ClaimPolicy(("x",), "r"), datetime.now(UTC)
    catalog = Catalog.open(catalog_url)
    due = [song.track_id for song in claim_songs(catalog, policy, 9, "h:1:1", now, now)]
    tidy_queue(catalog, policy, now)
    due += [song.track_id for song in claim_songs(catalog, policy, 9, "h:1:1", now, now)]
    assert due == ["uncut", "moved"]


def test_the_clips_of_an_old_catalog_get_the_recipe_of_the_last_attempt_where_that_gave_them(
    catalog_url: str,
) -> None:
    attempts = {
        "again": ["1", "2"],  # cut by another recipe first
        "failed": ["3", None],  # the newest clip is older than the last attempt
        "unknown": ["4"],
        "moved": ["5"],
    }
    recipes = {"again": "r", "failed": "r with audio", "unknown": "unknown", "moved": "r"}
    with at_version(catalog_url, "0002") as connection:
        for song, tries in attempts.items():
            values = {
                "song": song,
                "at": NOON,
                "recipe": recipes[song],
                "due": NOON if song == "moved" else None,
            }
            connection.execute(text("INSERT INTO tracks VALUES (:song, :at)"), values)
            item = "INSERT INTO items (track_id, collection, title, artist, url, observed_at)"
            connection.execute(text(f"{item} VALUES (:song, 'x', :song, 'A', 'http://h', :at)"), values)
            queued = "INSERT INTO queue (track_id, due_at, searched, n_failures, recipe)"
            connection.execute(text(f"{queued} VALUES (:song, :due, false, 0, :recipe)"), values)
            for sha256 in tries:
                clip = "INSERT INTO clips (track_id, sha256, reason, observed_at)"
                clip += " VALUES (:song, :sha256, :reason, :at)"
                reason = None if sha256 else "gone"
                connection.execute(text(clip), values | {"sha256": sha256, "reason": reason})
    catalog = Catalog.open(catalog_url)
    with catalog.reading() as connection:
        found = {row.sha256: row.recipe for row in connection.execute(select(clips)) if row.sha256}
    assert found == {"1": None, "2": "r", "3": None, "4": None, "5": "r"}
    assert clips_of(catalog, ["x"], "r") == {"again": "2", "failed": "3", "unknown": "4", "moved": "5"}
    assert clips_of(catalog, ["x"], "new") == {"failed": "3", "unknown": "4"}
    for recipe, due in (("new", ["again", "moved"]), ("r", ["moved"])):
        policy, now = ClaimPolicy(("x",), recipe), datetime.now(UTC)
        tidy_queue(catalog, policy, now)
        assert sorted(song.track_id for song in claim_songs(catalog, policy, 9, "h:1:1", now, now)) == due
        release_songs(catalog, "h:1:1")


def test_the_statements_of_an_old_catalog_keep_their_source(catalog_url: str) -> None:
    with at_version(catalog_url, "0003") as connection:
        values = {"song": "a", "at": NOON, "id": "h:1:1"}
        for statement in (
            "INSERT INTO tracks VALUES (:song, :at)",
            "INSERT INTO labels VALUES (1, :song, 'sad', 'file', 'file:x', :at)",
            "INSERT INTO queue (track_id, searched, n_failures, holder) VALUES (:song, false, 0, :id)",
        ):
            connection.execute(text(statement), values)
    with Catalog.open(catalog_url).reading() as connection:
        assert connection.scalars(select(labels.c.source)).all() == ["file:x"]
        assert connection.scalars(select(queue.c.worker_id)).all() == ["h:1:1"]


def test_the_labels_of_an_old_catalog_stay_and_may_be_taken_back_from_now_on(catalog_url: str) -> None:
    with at_version(catalog_url, "0004") as connection:
        values = {"song": "a", "at": NOON, "sha256": "ab" * 32}
        for table, rest in (
            ("tracks", "VALUES (:song, :at)"),
            (
                "labels",
                "(track_id, mood, kind, source, observed_at) VALUES (:song, 'sad', 'file', 'file:x', :at)",
            ),
            ("clips", "(track_id, sha256, recipe, observed_at) VALUES (:song, :sha256, 'r', :at)"),
        ):
            connection.execute(text(f"INSERT INTO {table} {rest}"), values)
    catalog = Catalog.open(catalog_url)
    report = add_labels(
        catalog, [label_of("a", mood, by) for mood, by in (("calm", "ann"), ("happy", "bob"))]
    )
    assert (report.new, add_labels(catalog, [label_of("a", "none", "ann")]).new) == (2, 1)
    with catalog.reading() as connection:
        rows = connection.execute(select(labels).order_by(labels.c.id)).all()
        assert connection.scalars(select(clips.c.lost_sha256)).all() == [None]
    assert [(row.mood, row.source, row.observed_at == NOON) for row in rows] == [
        ("sad", "file:x", True),
        ("calm", "person:ann", False),
        ("happy", "person:bob", False),
        (None, "person:ann", False),
    ]


def test_opening_again_keeps_what_is_there(catalog: Catalog, catalog_url: str) -> None:
    add_track(catalog, "a")
    with Catalog.open(catalog_url).reading() as connection:
        assert connection.scalars(select(tracks.c.track_id)).all() == ["a"]


def test_many_processes_may_open_a_new_catalog_at_once(catalog_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        catalogs = list(pool.map(Catalog.open, [catalog_url] * 4))
    assert len({catalog.revision() for catalog in catalogs}) == 1


def test_a_newer_catalog_is_refused_and_left_alone(catalog: Catalog, catalog_url: str) -> None:
    with catalog.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError, match=r"^catalog .*version 9999 is not known.*update mer") as caught:
        Catalog.open(catalog_url)
    assert "\n" not in str(caught.value)
    with catalog.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        (
            "postgresql://mer:hunter2@127.0.0.1:1/mer",
            UnavailableError,
            r"catalog postgresql://mer:\*\*\*@127.0.0.1:1/mer: .*refused",
        ),
        (
            "postgresql://mer@127.0.0.1:1/mer?password=hunter2",
            UnavailableError,
            "catalog postgresql://mer@127.0.0.1:1/mer: ",
        ),
        (
            "postgresql://mer:hunter2@127.0.0.1:99999/mer",
            InputError,
            r"catalog postgresql://mer:\*\*\*@127.0.0.1:99999/mer: invalid port",
        ),
        (
            "postgresql://mer@127.0.0.1:1/mer?sslmode=bogus&password=hunter2",
            InputError,
            "catalog postgresql://mer@127.0.0.1:1/mer: .*bogus",
        ),
        (
            "postgresql://mer:hunter2@127.0.0.1:port/mer",
            InputError,
            "MER_DATABASE_URL: not a database URL; write postgresql:",
        ),
        ("mysql://mer:hunter2@localhost/mer", InputError, "MER_DATABASE_URL: a catalog cannot be in mysql"),
        ("hunter2", InputError, "MER_DATABASE_URL: not a database URL"),
        (
            "sqlite:////proc/nowhere/catalog.db",
            InputError,
            "catalog sqlite:////proc/nowhere/catalog.db: .*check MER_",
        ),
    ],
)
def test_an_unusable_address_is_one_line_without_the_password(
    url: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"^{message}") as caught:
        Catalog.open(url)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "catalog.db"
    file.write_text("a shopping list, longer than the sixteen bytes of a header")
    with pytest.raises(InputError, match="file is not a database"):
        Catalog.open(f"sqlite:///{file}")
    assert file.read_text().startswith("a shopping list")


def test_the_folder_of_a_new_catalog_is_made(tmp_path: Path) -> None:
    Catalog.open(f"sqlite:///{tmp_path / '50% new' / 'catalog.db'}")
    assert (tmp_path / "50% new" / "catalog.db").is_file()


def test_a_transaction_that_fails_leaves_nothing(catalog: Catalog) -> None:
    with pytest.raises(RuntimeError), catalog.transaction() as connection:
        connection.execute(insert(tracks), {"track_id": "a", "first_seen_at": NOON})
        raise RuntimeError
    with catalog.reading() as connection:
        assert connection.scalars(select(tracks.c.track_id)).all() == []


def test_writers_take_turns(catalog: Catalog) -> None:
    order = []

    def second() -> None:
        with catalog.transaction() as connection:
            order.append(("second", connection.scalars(select(tracks.c.track_id)).all()))

    thread = threading.Thread(target=second)
    with catalog.transaction() as connection:
        connection.execute(select(tracks))
        thread.start()
        thread.join(timeout=0.5)
        connection.execute(insert(tracks), {"track_id": "a", "first_seen_at": NOON})
        order.append(("first", ["a"]))
    thread.join()
    assert order == [("first", ["a"]), ("second", ["a"])]


def test_a_reader_sees_one_moment(catalog: Catalog, catalog_url: str) -> None:
    if catalog_url.startswith("sqlite"):
        pytest.skip("SQLite lets no writer commit while a reader reads, which is the same promise")
    with catalog.reading() as connection:
        assert connection.scalars(select(tracks.c.track_id)).all() == []
        add_track(catalog, "a")
        assert connection.scalars(select(tracks.c.track_id)).all() == []


def test_moments_come_back_in_utc(catalog: Catalog) -> None:
    add_track(catalog, "a", NOON.astimezone(timezone(timedelta(hours=5, minutes=30))))
    with catalog.reading() as connection:
        moment = connection.scalar(select(tracks.c.first_seen_at))
    assert moment is not None
    assert (moment, moment.utcoffset()) == (NOON, timedelta(0))


def test_a_moment_without_a_zone_is_refused(catalog: Catalog) -> None:
    with pytest.raises(StatementError, match="needs a time zone"):
        add_track(catalog, "a", datetime(2026, 3, 1))


def test_an_observation_of_an_unknown_song_is_refused(catalog: Catalog) -> None:
    with pytest.raises(IntegrityError), catalog.transaction() as connection:
        row = {"track_id": "nobody", "mood": "sad", "kind": "file", "source": "file:x", "observed_at": NOON}
        connection.execute(insert(metadata.tables["labels"]), row)


def test_the_revision_changes_with_every_observation_and_with_the_catalog(
    catalog: Catalog, tmp_path: Path
) -> None:
    other = Catalog.open(f"sqlite:///{tmp_path / 'other.db'}")
    revisions = [catalog.revision(), catalog.revision()]
    for at in (NOON, NOON + timedelta(days=1)):
        add_track(catalog, f"song of {at}")
        with catalog.transaction() as connection:
            row = {"track_id": f"song of {at}", "reason": "gone", "observed_at": at}
            connection.execute(insert(metadata.tables["clips"]), row)
        revisions.append(catalog.revision())
    add_track(other, "a")
    with other.transaction() as connection:
        row = {"track_id": "a", "reason": "gone", "observed_at": NOON + timedelta(days=2)}
        connection.execute(insert(metadata.tables["clips"]), row)
    assert revisions[0] == revisions[1]
    assert len({*revisions, other.revision()}) == 4


def test_a_server_that_does_not_answer_is_away_and_one_that_refuses_is_not(
    postgres: str, tmp_path: Path
) -> None:
    with pytest.raises(UnavailableError, match=r"start it or try again later"):
        Catalog.open(f"postgresql://mer@/postgres?host={tmp_path}")
    with pytest.raises(InputError, match=r"no_such_database.* does not exist; check MER_DATABASE_URL"):
        Catalog.open(postgres.replace("/postgres?", "/no_such_database?"))


def test_a_file_that_cannot_be_written_is_one_line_at_once(tmp_path: Path) -> None:
    catalog = Catalog.open(f"sqlite:///{tmp_path}/catalog.db")
    tries = 0

    @patiently
    def write() -> None:
        nonlocal tries
        tries += 1
        with catalog.transaction() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.execute(insert(tracks), {"track_id": "1", "first_seen_at": NOON})

    with pytest.raises(
        InputError,
        match=r"catalog .*catalog.db: attempt to write a readonly database; let this user write it",
    ) as caught:
        write()
    assert tries == 1 and "\n" not in str(caught.value) and "INSERT" not in str(caught.value)


def test_a_lock_that_is_released_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tries = 0

    @patiently
    def write() -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OperationalError("INSERT INTO secret", {}, sqlite3.OperationalError("database is locked"))
        return "written"

    assert (write(), tries) == ("written", 2)
    assert "database is locked" in caplog.text and "INSERT" not in caplog.text


def test_a_host_with_an_at_is_a_password_that_is_not_escaped() -> None:
    with pytest.raises(InputError, match="write an @ of the password as %40") as caught:
        Catalog.open("postgresql://u:s3c@ret@127.0.0.1:1/db")
    assert "ret" not in str(caught.value)
