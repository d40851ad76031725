import re
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import pytest
import torch

from mer_tasks.catalog.database import Catalog
from mer_tasks.doctor import LIBRARIES, Check, checks, print_checks
from mer_tasks.settings import Machine, load_machine, load_params

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def found(name: str, machine: Machine) -> Check:
    (check,) = [check for check in checks(machine) if check.name == name]
    return check


@contextmanager
def server(status: int) -> Iterator[str]:
    """An HTTP server on loopback that answers /health with a status; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}"
        finally:
            http.shutdown()
            thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_this_environment_is_sound(tmp_path: Path) -> None:
    by_name = {check.name: check for check in checks(Machine(home=tmp_path / "var"))}
    for name in ("Python", *LIBRARIES, "ffmpeg", "params.yaml", "MER_* variables"):
        assert (by_name[name].status, by_name[name].remedy) == ("ok", ""), by_name[name]
    assert by_name["librosa"].detail == "0.11.0"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    checks(Machine(home=tmp_path / "var"))
    assert list(tmp_path.iterdir()) == []


def test_every_problem_and_note_of_an_empty_machine_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MER_HOEM", "x")
    for check in checks(Machine(home=tmp_path)):
        assert bool(check.remedy) == (check.status != "ok"), check


def test_passwords_are_never_shown(tmp_path: Path) -> None:
    port = closed_port()
    machine = Machine(
        home=tmp_path,
        database_url=f"postgresql://mer:s3cret@127.0.0.1:{port}/mer",
        MLFLOW_TRACKING_URI=f"http://mer:s3cret@127.0.0.1:{port}",
        smtp_url="smtp://mer:s3cret@127.0.0.1:25",
        alert_to="ann@example.org",
    )
    by_name = {check.name: check for check in checks(machine)}
    assert [by_name[name].status for name in ("catalog", "MLflow", "alerts")] == ["problem", "problem", "ok"]
    assert "s3cret" not in str(by_name)


@pytest.mark.parametrize("url", ["no url at all s3cret", "smtp://u:s3cret@h:port", "oracle://u:s3cret@h/db"])
def test_broken_urls_do_not_show_a_password(url: str, tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, database_url=url, smtp_url=url, alert_to="ann@example.org")
    by_name = {check.name: check for check in checks(machine)}
    assert [by_name[name].status for name in ("catalog", "alerts")] == ["problem", "problem"]
    assert "s3cret" not in str(by_name)


def test_library_that_is_missing_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])  # where importlib.metadata looks
    check = found("librosa", Machine(home=tmp_path))
    assert (check.status, check.detail) == ("problem", "not installed")


def test_ffmpeg_that_does_not_run_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    assert found("ffmpeg", Machine(home=tmp_path)).status == "problem"


def test_wrong_params_are_told_with_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        (ROOT / "params.yaml").read_text(encoding="utf-8").replace("min_songs_per_mood", "min_song_per_mood")
    )
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    machine = Machine(home=tmp_path)
    check = found("params.yaml", machine)
    assert check.status == "problem"
    assert "did you mean min_songs_per_mood?" in check.detail
    assert found("ResNet-18 weights", machine).remedy == "correct params.yaml first"


def test_unknown_variable_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MER_HOEM", "x")
    check = found("MER_* variables", Machine(home=tmp_path))
    assert check.status == "problem"
    assert "did you mean MER_HOME?" in check.detail


def test_home_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    check = found("home", Machine(home=tmp_path / "var"))
    assert (check.status, check.remedy) == ("problem", "set MER_HOME to a folder of yours")


def test_home_tells_the_free_space(tmp_path: Path) -> None:
    check = found("home", Machine(home=tmp_path))
    free_gb = shutil.disk_usage(tmp_path).free / 1e9
    told = re.search(r"(\d+) GB free", check.detail)
    assert told and abs(int(told[1]) - free_gb) < 2


def test_the_store_is_asked_whether_it_is_there(tmp_path: Path, bucket: str) -> None:
    assert found("store", Machine(home=tmp_path)).detail.startswith(f"{tmp_path}/clips")
    assert found("store", Machine(home=tmp_path, store=bucket)).status == "ok"
    check = found("store", Machine(home=tmp_path, store="s3://no-bucket-of-ours"))
    assert (check.status, check.remedy) == ("problem", "make it, or correct MER_STORE")
    assert list(tmp_path.iterdir()) == []


def test_catalog_that_is_not_there_yet_is_a_note(tmp_path: Path) -> None:
    check = found("catalog", Machine(home=tmp_path))
    assert check == Check("catalog", "note", f"none yet at {tmp_path / 'catalog.db'}", "mer import makes it")


def test_catalog_of_this_version_is_ok(tmp_path: Path) -> None:
    machine = Machine(home=tmp_path)
    Catalog.open(machine.catalog_url)
    check = found("catalog", machine)
    assert check.status == "ok"
    assert check.detail.startswith(f"sqlite:///{tmp_path / 'catalog.db'}, version ")


def test_catalog_without_a_version_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").touch()
    check = found("catalog", Machine(home=tmp_path))
    assert (check.status, check.remedy) == ("note", "the next mer command brings it up to date")
    assert (tmp_path / "catalog.db").stat().st_size == 0


def test_catalog_of_a_newer_version_is_a_problem(tmp_path: Path) -> None:
    machine = Machine(home=tmp_path)
    Catalog.open(machine.catalog_url)
    with sqlite3.connect(tmp_path / "catalog.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'next_year'")
    check = found("catalog", machine)
    assert check.status == "problem"
    assert "version next_year is not known here" in check.detail


def test_catalog_that_is_no_database_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_text("a letter to a friend, long enough to be read as a header" * 10)
    check = found("catalog", Machine(home=tmp_path))
    assert (check.status, check.detail) == ("problem", "file is not a database")


@pytest.mark.parametrize(("status", "verdict"), [(200, "ok"), (500, "problem")])
def test_mlflow_server_is_asked(status: int, verdict: str, tmp_path: Path) -> None:
    with server(status) as url:
        check = found("MLflow", Machine(home=tmp_path, MLFLOW_TRACKING_URI=f"{url}/"))
    assert check.status == verdict
    assert url in check.detail


def test_mlflow_on_sqlite_may_be_made_later(tmp_path: Path) -> None:
    machine = Machine(home=tmp_path)
    assert found("MLflow", machine).detail.endswith("made by the first run")
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").touch()
    assert found("MLflow", machine).detail == machine.mlflow_uri


def test_other_mlflow_stores_are_not_looked_at(tmp_path: Path) -> None:
    machine = Machine(home=tmp_path, MLFLOW_TRACKING_URI="postgresql://mer:s3cret@db/mlflow")
    check = found("MLflow", machine)
    assert (check.status, check.detail) == ("note", "postgresql://mer:***@db/mlflow, not looked at")


def test_dvc_needs_the_project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("DVC", Machine(home=tmp_path)).status == "ok"
    monkeypatch.chdir(tmp_path)
    assert found("DVC", Machine(home=tmp_path)).detail == f"no dvc.yaml in {tmp_path}"


def test_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights.pth"

    def look(given: str) -> tuple[str, str]:
        check = found("ResNet-18 weights", Machine(home=tmp_path, resnet18_weights=given))
        return check.status, check.detail

    assert look(str(weights)) == ("problem", f"no such file: {weights}")
    weights.touch()
    assert look(str(weights)) == ("ok", str(weights))
    assert look("none") == ("note", "random weights")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert look("imagenet") == ("note", "imagenet, 45 MB to download at first use")
    cached = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert look("imagenet") == ("ok", f"imagenet, cached at {cached}")


def test_musicnns_weights(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("musicnn weights", machine).status == "ok"

    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("mer_tasks.networks.musicnn_weights.distribution", absent)
    check = found("musicnn weights", machine)
    assert (check.status, check.detail) == ("problem", "representations.musicnn: no package musicnn here")
    assert "make setup" in check.remedy


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test misses")
def test_cuda_that_is_asked_for_but_absent_is_a_problem(tmp_path: Path) -> None:
    assert found("device", Machine(home=tmp_path, device="cuda")).status == "problem"
    assert found("device", Machine(home=tmp_path, device="auto")).detail == "auto, on the CPU"


@pytest.mark.parametrize(
    ("smtp_url", "alert_to", "status", "remedy"),
    [
        (None, None, "note", "set MER_ALERT_URLS (docs/alerts.md)"),
        ("", "", "note", "set MER_ALERT_URLS (docs/alerts.md)"),
        ("smtp://mail.example.org", None, "problem", "set MER_ALERT_TO"),
        (None, "ann@example.org", "problem", "set MER_SMTP_URL"),
        ("mail.example.org", "ann@example.org", "problem", "correct it"),
        ("smtp://mail.example.org:2525", "ann@example.org", "ok", ""),
    ],
)
def test_alerts(smtp_url: str | None, alert_to: str | None, status: str, remedy: str, tmp_path: Path) -> None:
    check = found("alerts", Machine(home=tmp_path, smtp_url=smtp_url, alert_to=alert_to))
    assert (check.status, check.remedy) == (status, remedy)


def test_spotify_is_optional_and_asks_for_the_variables_that_are_read(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = found("Spotify", machine)
    assert check.status == "note"
    for name in re.findall(r"\b[A-Z_]{8,}\b", check.remedy):
        monkeypatch.setenv(name, "s3cret")
    check = found("Spotify", load_machine())
    assert (check.status, check.detail) == ("ok", "an app is configured")


def test_the_models_and_what_they_read_are_listed(machine: Machine) -> None:
    check = found("params.yaml", machine)
    for name, model in load_params().models.items():
        assert f"{name} ({' + '.join(model.reads)})" in check.detail


def test_youtube_wants_a_javascript_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found("YouTube", Machine(home=tmp_path)).status == "note"
    deno = tmp_path / "deno"
    deno.touch(mode=0o755)
    assert found("YouTube", Machine(home=tmp_path)).detail == f"JavaScript runtime {deno}"


def test_table_shows_every_word_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_checks(
        [Check("home", "problem", "[red]folder[/red] gone", "make [it]"), Check("DVC", "ok", "fine", "")]
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["problem", "home", "[red]folder[/red]", "gone"],
        ["→", "make", "[it]"],
        ["ok", "DVC", "fine"],
    ]
