"""`mer` as a person calls it: its version, its help, and mistakes in one line."""

import csv
import json
import os
import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
import yaml

from mer_tasks import cli
from tests.small_project import make_project, mer, shrunk_params
from tests.sources.charts.servers import Response, serving

HEAVY = {"airflow", "dvc", "great_expectations", "librosa", "mlflow", "pandas", "sklearn", "torch"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    done = mer(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"mer {version('mer')}\n")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mer_tasks.cli import main; sys.argv = ['mer', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('modules', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "typer" in loaded
    assert not loaded & HEAVY


def commands() -> list[str]:
    """All commands, as the modules of `mer_tasks/cli` add them."""
    for module in pkgutil.iter_modules(cli.__path__):
        import_module(f"{cli.__name__}.{module.name}")
    from mer_tasks.cli.app import app

    return sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_itself_with_an_example(tmp_path: Path, command: str) -> None:
    done = mer(tmp_path, command, "--help")
    assert done.returncode == 0
    assert f"mer {command}" in done.stdout.partition("Example")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "svm"], "svm: no such model; models in params.yaml has "),
        (["register", "svm"], "svm: no such model; models in params.yaml has "),
        (["snapshot", "--as-of", "monday"], "--as-of monday: not a day; write it as YYYY-MM-DD"),
        (["validate"], "data/snapshot/songs.csv: no such file; run mer snapshot"),
        (["features"], "data/snapshot/songs.csv: no such file; run mer snapshot"),
        (["train", "logistic_regression"], "data/snapshot/songs.csv: no such file; run mer snapshot"),
        (["evaluate"], "/result.json: no such file; run mer train "),
        (["import", "absent.csv"], "absent.csv: cannot be read: No such file or directory"),
        (["import", "songs/tracks.csv", "--moods", "0"], "--moods 0: needs the form A=B"),
        (["label", "nobody", "sad", "--by", "ann"], "nobody: no such song in the catalog; bring it in"),
        (["label", "song-00-0", "sad"], "by is empty; say who gives the label, with --by NAME"),
        (["label", "song-00-0", "--by", "ann"], "label song-00-0: no mood; write mer label TRACK MOOD --by"),
        (["label", "song-00-0", "sad", "--by", "ann", "--withdraw"], "leave out the mood, or --withdraw"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(project: Path, arguments: list[str], message: str) -> None:
    done = mer(project, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("mer: ") and message in line


def test_a_home_that_cannot_be_used_is_one_line(project: Path) -> None:
    (project / "file").touch()
    environment = os.environ | {"MER_HOME": "file/home"}
    command = [str(Path(sys.executable).with_name("mer")), "tag", "songs"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.endswith(
        "Not a directory; let this user use it, or set TMPDIR or MER_HOME elsewhere\n"
    )


def test_outside_a_project_it_is_named_where_to_run(tmp_path: Path) -> None:
    done = mer(tmp_path, "evaluate")
    assert done.returncode == 2
    assert "params.yaml: no such file; run mer in the project's folder" in done.stderr


def test_state_writes_what_dvc_cannot_see(project: Path) -> None:
    assert mer(project, "state").returncode == 0
    before = (project / "data/state/catalog").read_text()
    stages = {path.name for path in (project / "data/state/code").iterdir()}
    assert {"snapshot", "validate", "features", "train-resnet18", "evaluate"} <= stages
    assert mer(project, "import", "songs/tracks.csv", "--no-clips").returncode == 0
    assert mer(project, "state").returncode == 0
    assert (project / "data/state/catalog").read_text() != before


def test_labels_and_clips_by_hand(project: Path) -> None:
    """What a person types after a clip was overwritten and a label was wrong."""
    assert mer(project, "import", "songs/tracks.csv").returncode == 0
    assert mer(project, "verify").stdout.endswith("54 clips: all whole\n")

    (project / "labels.csv").write_text("track_id,mood,by\nsong-00-0,calm,ann\nsong-00-1,angry,ann\n")
    done = mer(project, "label", "labels.csv")
    assert (done.returncode, done.stdout) == (
        1,
        "labels.csv: 1 new labels, 0 unchanged, 0 repeated rows, 1 rows left out\n",
    )
    assert done.stderr.startswith("labels.csv:3: song-00-1: mood 'angry' is none of")
    done = mer(project, "label", "song-00-0", "happy", "--by", "Bob", "--note", "major")
    assert (done.returncode, done.stdout) == (0, "song-00-0: happy, by bob\n")
    assert done.stderr == "song-00-0: left out until people agree: calm (ann), happy (bob)\n"
    assert (
        mer(project, "label", "song-00-0", "--withdraw", "--by", "ann").stdout
        == "song-00-0: no mood any more, by ann\n"
    )

    text, gone = sorted((project / "var/clips").glob("*/*.mp3"))[:2]
    text.write_text("hello")
    gone.unlink()
    named = [line for line in mer(project, "snapshot").stderr.splitlines() if line.startswith("song-")]
    assert sorted(line.partition(": its clip ")[2] for line in named) == [
        "is missing from the clip store",
        "was altered in the clip store: other bytes than were cut",
    ]
    songs = {
        row["track_id"]: row["mood"] for row in csv.DictReader((project / "data/snapshot/songs.csv").open())
    }
    assert (len(songs), songs.get("song-00-0", "happy")) == (52, "happy")
    done = mer(project, "validate")
    assert (done.returncode, done.stdout.partition(";")[0]) == (
        0,
        "quality gate: passed by 52 songs, 1 warning",
    )
    assert mer(project, "clips").stdout.split(": ")[1].startswith("2 clips cut, 52 kept, 0 songs gave none")
    assert mer(project, "snapshot").stderr == ""

    text.write_text("hello")
    assert mer(project, "validate").stdout.partition(";")[0] == "quality gate: passed by 54 songs, 1 warning"
    done = mer(project, "verify", "--json")
    printed = json.loads(done.stdout)
    assert (done.returncode, printed["clips"]) == (1, 54)
    assert [(clip["sha256"], clip["kind"]) for clip in printed["lost"]] == [(text.stem, "altered")]
    shown = [re.split(" {2,}", line) for line in mer(project, "alerts").stdout.splitlines()]
    assert [(line[-1].partition(":")[0], line[-2]) for line in shown[1:]] == [
        ("clip store", "lost-clips"),
        ("data quality", "quality.lost-clips"),
    ]
    assert [json.loads(line)["times"] for line in mer(project, "alerts", "--json").stdout.splitlines()] == [
        2,
        2,
    ]


def test_charts_that_are_away_are_told_from_those_that_need_a_person(tmp_path: Path) -> None:
    params = shrunk_params()
    (tmp_path / "good.csv").write_text("title;artist\nOne;Ann\n")
    with serving(lambda request: Response(status=503, headers={"Retry-After": "86400"})) as web:
        params["charts"] = {
            "busy": {"source": "file", "location": f"{web.url}/a.csv"},
            "good": {"source": "file", "location": "good.csv"},
            "gone": {"source": "file", "location": "gone.csv"},
        }
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        away, mixed = mer(tmp_path, "charts", "busy", "good"), mer(tmp_path, "charts")
    assert (away.returncode, mixed.returncode) == (75, 2)
    assert "chart good: 1 songs" in away.stdout
    told = r"^mer: http://127\.0\.0\.1:\d+/a\.csv: .*503 .*; try again later; not before \d{4}-.* UTC\n$"
    assert re.search(told, away.stderr)
    assert "gone.csv: cannot be read" in mixed.stderr
    assert len(web.asked) == 2


NAMES = {
    "fifo": b"fifo.mp3",
    "escape": b"a\x1b[2J.mp3",
    "half": b"b\xff.mp3",
    "unicode": "c\u00f6.mp3".encode(),
}


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_name_ends_a_command_or_steers_the_terminal(encoding: str, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    os.mkfifo(folder + b"/" + NAMES["fifo"])
    for name in ("escape", "half", "unicode"):
        Path(os.fsdecode(folder + b"/" + NAMES[name])).write_text("no sound")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(shrunk_params()))
    for name, shown in {
        "fifo": "fifo.mp3: cannot be opened: Is a FIFO, not a file",
        "escape": r"a\x1b[2J.mp3: ",
        "half": r"b\udcff.mp3: ",
        "unicode": "c\u00f6.mp3: " if encoding == "utf-8" else r"c\xf6.mp3: ",
    }.items():
        command = [Path(sys.executable).with_name("mer"), "show", NAMES[name]]
        done = subprocess.run(
            command,
            check=False,
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )
        text = done.stderr.decode(encoding)
        assert done.returncode == 2, text
        assert text.startswith(f"mer: {shown}") and text.count("\n") == 1, text


def test_no_command_leaves_it_to_the_library_whether_a_file_can_be_read() -> None:
    """Its box of several lines would stand in place of all other songs' answers."""
    import click
    import typer

    from mer_tasks.cli import dataset, machine, models, service, songs  # noqa: F401
    from mer_tasks.cli.app import app

    program = typer.main.get_command(app)
    assert isinstance(program, click.Group) or hasattr(program, "commands")
    checked = [
        (name, parameter.name)
        for name, command in program.commands.items()
        for parameter in command.params
        if getattr(parameter.type, "readable", False) and parameter.param_type_name == "argument"
    ]
    assert checked == []


@pytest.mark.parametrize(
    "arguments",
    [
        [b"label", b"x\xff", b"sad", b"--by", b"ann"],
        [b"clips", b"--collection", b"a\xff", b"--count"],
        [b"import", b"d\xff/songs.csv", b"--collection", b"u", b"--no-clips"],
    ],
)
def test_a_name_that_is_not_utf_8_is_one_line(arguments: list[bytes], tmp_path: Path) -> None:
    import os
    import shutil
    import subprocess
    import sys

    shutil.copy(Path(__file__).parents[2] / "params.yaml", tmp_path)
    folder = tmp_path / os.fsdecode(b"d\xff")
    folder.mkdir()
    (folder / "songs.csv").write_text("track_id,title,artist,mood,path\n1,One,Some,sad,one.mp3\n")
    (folder / "one.mp3").write_bytes(b"x")
    ended = subprocess.run(
        [sys.executable, "-c", "from mer_tasks.cli import main; main()", *arguments],
        cwd=tmp_path,
        env={**os.environ, "MER_HOME": str(tmp_path / "var")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr and ended.stderr.count("\n") == 1
