"""A version is found as MLflow itself finds it, without MLflow; every fault is one line."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.registry.aliases import CHALLENGER
from mer_tasks.registry.connection import connected
from mer_tasks.registry.lookup import SEAL, FoundVersion, fetch_version, find_version
from mer_tasks.registry.process import DESCRIPTION
from mer_tasks.settings import Machine
from tests.registry.conftest import Project
from tests.registry.servers import mlflow_server


@pytest.fixture(scope="module")
def address(registered: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow server on a copy of a registry with two versions."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(registered / "var" / "mlflow" / "mlflow.db", folder)
    with mlflow_server(folder) as url:
        yield url


@pytest.fixture(params=["sqlite", "http"])
def there(request: pytest.FixtureRequest, served: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, whose registry is reached in either way."""
    if request.param == "http":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue("address"))
    return served


def client_of(project: Project) -> MlflowClient:
    return MlflowClient(project.machine.mlflow_uri, project.machine.mlflow_uri)


def test_mlflow_is_the_version_whose_tables_and_answers_are_read() -> None:
    assert mlflow.__version__ == "3.17.2", (
        "run this module's tests against the new version, then change this line"
    )


@pytest.mark.parametrize("uri", ["models:/mood@challenger", "models:/mood/1", "models:/mood/2"])
def test_it_is_what_mlflow_s_own_client_finds(there: Project, uri: str) -> None:
    found, client = find_version(there.machine, uri), client_of(there)
    if "@" in uri:
        theirs = client.get_model_version_by_alias("mood", CHALLENGER)
    else:
        theirs = client.get_model_version("mood", uri.rpartition("/")[2])
    assert (found.name, found.number) == (theirs.name, str(theirs.version))
    assert found.location == client.get_model_version_download_uri("mood", theirs.version)
    assert found.seal == theirs.tags[SEAL]
    assert theirs.source == f"models:/{found.model_id}"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("models:/mood@nobody", "no such version; run mer register and mer promote"),
        ("models:/mood/7", "no such version"),
        ("models:/nothing@champion", "no such version"),
        ("models:/nothing/1", "no such version"),
        ("mood", "not a model's address; write models:/NAME@ALIAS or models:/NAME/NUMBER"),
        ("models:/mood/latest", "not a model's address"),
        ("models:/mood'; DROP TABLE runs--@x", "no such version"),
    ],
)
def test_what_is_not_there_is_one_line(there: Project, uri: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        find_version(there.machine, uri)
    assert str(caught.value).startswith(f"{uri}: ") and "\n" not in str(caught.value)


def test_an_alias_of_a_deleted_version_is_one_line(served: Project) -> None:
    database = served.machine.home / "mlflow" / "mlflow.db"
    client_of(served).set_registered_model_alias("mood", "champion", "1")
    client_of(served).delete_model_version("mood", "1")
    with pytest.raises(InputError, match=r"^models:/mood/1: no such version"):
        find_version(served.machine, "models:/mood/1")
    with sqlite3.connect(database) as connection:  # as it is left behind over REST
        connection.execute(
            "INSERT OR REPLACE INTO registered_model_aliases (name, alias, version) VALUES ('mood', 'champion', 1)"
        )
    dangling = r"^models:/mood@champion: is version 1, which was deleted in MLflow; .*mer promote --version N --force$"
    with pytest.raises(InputError, match=dangling):
        find_version(served.machine, "models:/mood@champion")
    with mlflow_server(database.parent) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", url)
        with pytest.raises(InputError, match=dangling):
            find_version(served.machine, "models:/mood@champion")
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE model_versions SET status = 'FAILED_REGISTRATION' WHERE version = 2")
        with pytest.raises(InputError, match=r"^models:/mood/2: version 2 is FAILED_REGISTRATION in MLflow"):
            find_version(served.machine, "models:/mood/2")
        client_of(served).delete_registered_model("mood")
        for address in ("models:/mood@champion", "models:/mood/2"):
            with pytest.raises(InputError, match=r": no such version; run mer register and mer promote"):
                find_version(served.machine, address)


@pytest.mark.parametrize("status", ["FAILED_REGISTRATION", "PENDING_REGISTRATION"])
def test_a_version_that_is_not_registered_to_the_end_is_one_line(
    served: Project, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = served.machine.home / "mlflow" / "mlflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE model_versions SET status = ? WHERE version = 2", (status,))
    told = rf"^models:/mood@challenger: version 2 is {status} in MLflow; delete it there and run mer register"
    with pytest.raises(InputError, match=told):
        find_version(served.machine, "models:/mood@challenger")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")  # MLflow itself is asked
    with pytest.raises(InputError, match=told):
        find_version(served.machine, "models:/mood@challenger")


def test_no_database_yet_and_no_database_at_all(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        InputError, match=r"^models:/mood@champion: nothing is registered, there is no .*mlflow\.db; run"
    ):
        find_version(project.machine, "models:/mood@champion")
    (tmp_path / "text.db").write_text("no database, but long enough to be taken for one" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/text.db")
    with pytest.raises(InputError, match=r"text\.db: not MLflow's database .*; check MLFLOW_TRACKING_URI$"):
        find_version(project.machine, "models:/mood@champion")


def test_tables_of_another_mlflow_are_left_to_mlflow(
    served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mer_tasks.registry.lookup._read_tables", _no_such_column)
    monkeypatch.setattr(
        "mer_tasks.registry.connection.connected", lambda m: asked.append("MLflow") or connected(m)
    )
    found = find_version(served.machine, "models:/mood@challenger")
    assert (found.number, asked) == ("2", ["MLflow"])
    with pytest.raises(InputError, match=r"^models:/mood@nobody: no such version"):
        find_version(served.machine, "models:/mood@nobody")


def _no_such_column(*_: object) -> None:
    raise sqlite3.OperationalError("no such column: workspace")


def test_a_busy_database_is_away(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("mer_tasks.registry.lookup._read_tables", locked)
    with pytest.raises(
        UnavailableError, match=r"mlflow\.db: is busy \(database is locked\); try again later$"
    ):
        find_version(served.machine, "models:/mood@challenger")


def test_a_server_that_does_not_answer_is_away(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with pytest.raises(
        UnavailableError, match=r"^MLflow at http://127\.0\.0\.1:9: does not answer"
    ) as caught:
        find_version(served.machine, "models:/mood@challenger")
    assert "secret" not in str(caught.value)


def test_another_server_is_no_mlflow(
    served: Project, serve: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", serve(tmp_path))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"is no MLflow server; check MLFLOW_TRACKING_URI$"):
        find_version(served.machine, "models:/mood@challenger")


def test_with_a_login_mlflow_itself_is_asked(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    monkeypatch.setattr("mer_tasks.registry.lookup._ask_sqlite", lambda *_: pytest.fail("asked the tables"))
    assert find_version(served.machine, "models:/mood@challenger").number == "2"


def test_a_server_behind_a_login_is_asked_with_what_mlflow_s_clients_know(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {
        "MLFLOW_AUTH_ADMIN_PASSWORD": "a long password",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for forms",
    }
    monkeypatch.setenv("HOME", str(tmp_path))
    with mlflow_server(tmp_path, "--app-name", "basic-auth", **login) as url:
        machine = machine.model_copy(update={"tracking_uri": url})
        refused, absent = r": answers 401; check MLFLOW_TRACKING_USERNAME", "models:/mood/1: "
        with pytest.raises(InputError, match=refused):
            find_version(machine, "models:/mood/1")
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            "[mlflow]\nmlflow_tracking_username = admin\nmlflow_tracking_password = a long password\n"
        )
        with pytest.raises(InputError, match=absent):
            find_version(machine, "models:/mood/1")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "another")
        with pytest.raises(InputError, match=refused):
            find_version(machine, "models:/mood/1")


def test_neither_way_imports_mlflow(there: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; from pathlib import Path; from mer_tasks.settings import load_machine\n"
        "from mer_tasks.registry.lookup import find_version, fetch_version\n"
        "import mer_tasks.registry.prediction\n"
        f"m = load_machine(Path({str(there.workspace.root)!r}))\n"
        "find_version(m, 'models:/mood@challenger')\n"
        "print([n for n in ('mlflow', 'numpy', 'pandas', 'sklearn', 'torch', 'librosa') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_files_on_this_machine_are_used_where_they_are(served: Project, registered: Path) -> None:
    folder = fetch_version(served.machine, find_version(served.machine, "models:/mood@challenger"))
    assert folder.is_relative_to(registered) and (folder / DESCRIPTION).is_file()


def test_files_elsewhere_are_fetched_once_and_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with mlflow_server(tmp_path) as url:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        assert project.register("good") == "1"
        found = find_version(project.machine, "models:/mood@challenger")
        assert found.location.startswith("mlflow-artifacts:/")
        folder = fetch_version(project.machine, found)
        assert folder == project.machine.home / "mlflow" / "versions" / found.model_id
        assert [path.name for path in folder.parent.iterdir()] == [found.model_id]
    assert fetch_version(project.machine, found) == folder  # with the server gone
    shutil.rmtree(folder)
    with pytest.raises(UnavailableError):
        fetch_version(project.machine, found)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize("file", ["version.json", "model/logisticregression.npz", "self_test/answers.json"])
def test_altered_files_are_refused(served: Project, tmp_path: Path, file: str) -> None:
    found = find_version(served.machine, "models:/mood@challenger")
    copy = shutil.copytree(found.location.removeprefix("file://"), tmp_path / "copy")
    moved = FoundVersion(found.name, found.number, copy.as_uri(), found.seal)
    assert fetch_version(served.machine, moved) == copy
    path = copy / "artifacts" / "version" / file
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1) + b" ")
    with pytest.raises(
        InputError,
        match=rf"^mood version 2: .*{file} was altered after it was registered; delete the version in MLflow, then run mer register$",
    ):
        fetch_version(served.machine, moved)


def test_a_model_of_another_program_is_refused(served: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"^mood version 9: was not registered by this mer"):
        fetch_version(served.machine, FoundVersion("mood", "9", str(tmp_path / "other"), None))
