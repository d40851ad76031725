"""Opening the catalog, and its transactions: SQLite by default, PostgreSQL in service."""

import fcntl
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import quote

import tenacity
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from mer_tasks.catalog.schema import metadata
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.text import on_one_line

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).with_name("migrations")

DRIVERS = ("sqlite", "postgresql", "postgresql+psycopg2")

WRITERS_TAKE_TURNS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(622725)"}
ONE_MOMENT = {"sqlite": "BEGIN", "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"}

NOTICE_A_LOST_MACHINE = """
SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6
"""
"""After two minutes of silence PostgreSQL ends the session of a machine that was switched off."""

PATIENCE_S = 120
"""How long a database may be away before the work that needs it fails."""

UNAVAILABLE = (
    "Connection refused",
    "Connection reset",
    "No such file or directory",  # the server's socket
    "No route to host",
    "Network is unreachable",
    "timeout expired",
    "timed out",
    "could not translate host name",
    "server closed the connection",
    "the database system is",  # starting up, shutting down
    "terminating connection",
    "too many clients",
    "remaining connection slots",
)
"""What is in the messages of libpq and PostgreSQL when trying again later may help."""

CONNECTING = {
    # without an isolation level Python's sqlite3 leaves BEGIN to us, so that one transaction is one
    "sqlite": {"isolation_level": None, "timeout": 60},
    "postgresql": {"connect_timeout": 10},
}


REFUSED = ("readonly database", "disk is full", "disk I/O error", "unable to open database file")
"""SQLite's words for a file or a disk that a person has to mend."""

P = ParamSpec("P")
R = TypeVar("R")


def _may_pass(error: BaseException) -> bool:
    """Whether a transaction that failed is worth another try: a server comes back, an SQLite lock is released."""
    if not isinstance(error, OperationalError):
        return False
    return not isinstance(error.orig, sqlite3.Error) or "locked" in str(error.orig)


def _log_wait(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("the catalog cannot answer now, and is asked again: %s", _message(error) if error else "")


def patiently(act: Callable[P, R]) -> Callable[P, R]:
    """Let a function that makes one transaction wait for a database that restarts or is busy."""
    return tenacity.retry(
        retry=tenacity.retry_if_exception(_may_pass),
        stop=tenacity.stop_after_delay(PATIENCE_S),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        before_sleep=_log_wait,
        reraise=True,
    )(act)


class Catalog:
    """What was ever observed of songs: which mood each source gives, where the audio is, what became of the clip."""

    def __init__(self, engine: Engine) -> None:
        """Use an engine whose database is of this version; `open` is the way to get one."""
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> "Catalog":
        """Open the catalog at an SQLAlchemy URL, creating it or bringing it up to this version.

        Raises:
            InputError: no such kind of database, or it refuses us, or is of a version that this code does not know.
            UnavailableError: no database answers there now.
        """
        address = _address(url)
        name = f"catalog {address.set(query={}).render_as_string(hide_password=True)}"
        try:
            catalog = cls(_engine(address))
            catalog._migrate(name)
        except (SQLAlchemyError, OSError) as error:
            message = f"{name}: {_message(error)}"
            if address.get_backend_name() == "postgresql" and _is_unavailable(error):
                raise UnavailableError(
                    f"{message}; start it or try again later, or check MER_DATABASE_URL"
                ) from error
            raise InputError(f"{message}; check MER_DATABASE_URL or MER_HOME") from error
        return catalog

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction for reading and writing; writers take turns, so what it read stays true."""
        with self._refusals(), self._engine.begin() as connection:
            connection.exec_driver_sql(WRITERS_TAKE_TURNS[self._engine.dialect.name])
            yield connection

    @contextmanager
    def claiming(self) -> Iterator[Connection]:
        """One transaction for taking work: in PostgreSQL, whose rows are locked one by one, others go on beside it."""
        with self._refusals(), self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql(WRITERS_TAKE_TURNS["sqlite"])
            yield connection

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Let an SQLite file that cannot be written be one line."""
        try:
            yield
        except OperationalError as error:
            if isinstance(error.orig, sqlite3.Error) and any(part in str(error.orig) for part in REFUSED):
                raise InputError(
                    f"catalog {self._engine.url.database}: {_message(error)}; let this user write it and its folder,"
                    " free some space, or set MER_HOME elsewhere"
                ) from error
            raise

    def count_alone(self, connection: Connection) -> None:
        """Wait, within a claiming transaction, until no other one counts, so that a limit holds for all of them."""
        if self._engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(622726)")

    @contextmanager
    def exclusively(self, name: str) -> Iterator[None]:
        """Let one process at a time into the section called `name`, of all that share this catalog; others wait.

        It needs no cleaning up: the section is free as soon as the process inside has ended, however it
        ended. Entering it twice in one process waits for ever.

        Raises:
            OSError: the lock file beside an SQLite database cannot be written.
        """
        if self._engine.dialect.name == "sqlite":
            database = Path(self._engine.url.database or "")
            with database.with_name(f"{database.name}.{quote(name, safe='')}.lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        else:
            with closing(self._advisory_lock(name)):  # NullPool: the session ends here, and its lock with it
                yield

    @patiently
    def _advisory_lock(self, name: str) -> Connection:
        """A connection whose session holds the PostgreSQL lock of a name."""
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            connection.exec_driver_sql(NOTICE_A_LOST_MACHINE)
            connection.execute(select(func.pg_advisory_lock(key)))
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction for reading: every query sees the catalog as of the same moment."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql(ONE_MOMENT[self._engine.dialect.name])
            yield connection

    def revision(self) -> str:
        """A short text that changes whenever something was observed."""
        observed = [table.c for table in metadata.sorted_tables if "observed_at" in table.c]
        with self.reading() as connection:
            ends = [
                tuple(connection.execute(select(func.max(c.id), func.max(c.observed_at))).one())
                for c in observed
            ]
        return hashlib.sha256(repr(ends).encode()).hexdigest()[:16]

    def _migrate(self, name: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        known = {script.revision for script in scripts.walk_revisions()}
        with self.transaction() as connection:
            found = set(MigrationContext.configure(connection).get_current_heads())
            if unknown := found - known:
                raise InputError(
                    f"{name}: its version {', '.join(sorted(unknown))} is not known here, so it is of a newer"
                    " mer or of another program; update mer, or set MER_DATABASE_URL to another database"
                )
            if found != set(scripts.get_heads()):
                config.attributes["connection"] = connection
                command.upgrade(config, "head")


def _address(url: str) -> URL:
    """The parsed URL; a broken one is not repeated in the message, for it may hold a password."""
    try:
        address = make_url(url)
        if "@" in (address.host or ""):
            raise InputError("MER_DATABASE_URL: the host has an @; write an @ of the password as %40")
        if address.drivername in DRIVERS:
            return address
        reason = f"a catalog cannot be in {address.drivername}"
    except (ArgumentError, ValueError):
        reason = "not a database URL"
    raise InputError(
        f"MER_DATABASE_URL: {reason}; write postgresql://user:password@host/name or leave it out"
    )


def _engine(address: URL) -> Engine:
    """An engine that holds no connection between transactions: processes may fork, servers restart."""
    kind = address.get_backend_name()
    if kind == "sqlite" and address.database:
        Path(address.database).absolute().parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args=CONNECTING[kind], poolclass=NullPool)
    if kind == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    return engine


def _is_unavailable(error: BaseException) -> bool:
    """Whether PostgreSQL is not there now; before there is a connection only libpq's message shows it."""
    return isinstance(error, OperationalError) and any(part in _message(error) for part in UNAVAILABLE)


def _message(error: BaseException) -> str:
    """A database's message in one line, without SQLAlchemy's additions."""
    return on_one_line(str(getattr(error, "orig", None) or error))
