"""What many tests stand on: the real settings, a machine of their own, a catalog in either database, tones."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import joblib  # noqa: F401 - before Airflow's dill, whose patched pickler it would copy; `mer` never has both
import numpy as np
import pytest
import soundfile
from sqlalchemy import NullPool, create_engine

from mer_tasks.catalog.database import Catalog
from mer_tasks.settings import Machine, Params, load_machine, load_params
from tests.s3 import new_bucket, s3_server

ROOT = Path(__file__).parents[1]

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
SCHEMA_NUMBER = count()


@pytest.fixture
def params() -> Params:
    """The settings as they are in `params.yaml`."""
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine whose home is the test's own folder, and no other variable of ours is set."""
    for name in list(os.environ):
        if name.startswith("MER_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    monkeypatch.setenv("MER_HOME", str(tmp_path / "var"))
    return load_machine()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of this session's own, on a Unix socket in a temporary folder."""
    with postgres_server() as (url, _):
        yield url


@contextmanager
def postgres_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """A PostgreSQL server: its URL, and a function that lets it crash and start again."""
    programs, user = _postgres_programs(), _ordinary_user()
    folder = Path(tempfile.mkdtemp(prefix="mer-pg-"))  # pytest's own folders are closed to other users
    if user:
        shutil.chown(folder, user)
    control = f"pg_ctl -D {folder}/data -l {folder}/log -w"
    options = f"-c listen_addresses= -c fsync=off -k {folder}"

    def run(command: str, *more: str) -> None:
        program, *arguments = command.split()
        words = [str(programs / program), *arguments, *more]
        subprocess.run(words, check=True, cwd="/", stdout=subprocess.DEVNULL, user=user, group=user)

    try:
        run(f"initdb -D {folder}/data -U mer -A trust -E UTF8 --locale=C --no-sync")
        run(f"{control} start -o", options)
        yield f"postgresql://mer@/postgres?host={folder}", lambda: run(f"{control} restart -m immediate")
        run(f"{control} stop -m immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3-compatible server of this session's own."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty prefix in a bucket of its own; the variables that lead there are set."""
    return new_bucket(s3_endpoint, monkeypatch)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, in each of the two engines."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.db'}"
    server: str = request.getfixturevalue("postgres")
    name = f"test_{next(SCHEMA_NUMBER)}"
    with create_engine(server, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    return f"{server}&options=-csearch_path={name}"


@pytest.fixture
def catalog(catalog_url: str) -> Catalog:
    """An empty catalog, in each of the two engines."""
    return Catalog.open(catalog_url)


@pytest.fixture
def write_tone() -> Callable[..., Path]:
    """A function that writes a tone to a file; its ending says in which format."""
    return _write_tone


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """A function that serves a folder on this machine and gives its address.

    `before` is called with the path of each request before it is answered.
    """
    with ExitStack() as stack:
        yield lambda folder, before=lambda path: None: stack.enter_context(_serving(folder, before))


@contextmanager
def _serving(folder: Path, before: Callable[[str], object]) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            before(self.path)
            with suppress(ConnectionError):  # who asked may have gone away
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _write_tone(
    path: Path, seconds: float = 2.0, sr: int = 22050, hz: float = 440.0, channels: int = 1
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * sr)) / sr)
    soundfile.write(path, np.tile(wave[:, None], channels), sr)
    return path


def _postgres_programs() -> Path:
    """The folder with PostgreSQL's own programs, which distributions keep off PATH."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if on_path := shutil.which("initdb"):
        folders.insert(0, Path(on_path).parent)
    found = next((folder for folder in folders if (folder / "initdb").exists()), None)
    if found is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    return found


def _ordinary_user() -> str | None:
    """Whom PostgreSQL, which refuses to run as root, is to run as; None for who we are."""
    if os.geteuid() != 0:
        return None
    if "postgres" in {user.pw_name for user in pwd.getpwall()}:
        return "postgres"
    pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres to run it as")
