"""The commands that README.md and docs show, run as a person types them, in a small project of their own."""

import csv
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mer_tasks.domain import SPOTIFY_FEATURES
from tests.docs.programs import programs
from tests.docs.shell_blocks import PAGES, ROOT, commands_in
from tests.library.songs import run
from tests.registry.conftest import empty_registry  # noqa: F401
from tests.small_project import make_project, shrunk_params

NOT_HERE = {
    "^make |^source ": "builds and enters the environment, which is there",
    "docker|^kubectl |^helm ": "starts containers, or needs a cluster",
    "^mer sample": "composes 96 songs for a minute; tests/sources/test_sample.py composes a few",
    "^mer serve |^curl ": "a server that runs until it is ended; tests/serving asks one",
    "^mlflow |base64 ": "a server that runs until it is ended; tests/registry/test_serving.py asks one",
    "^mer reproduce ": "finds the labels that other commands gave since; tests/registry/test_reproduction.py rebuilds one",
    "^export MER_ALERT_URLS=": "would send mail",
    "^mer (repeat|learning-curve) ": "needs songs by 16 artists a mood; tests/evaluation/test_repeats.py has them",
}
"""What is in commands that are not run, and why."""

PUT = {
    "~/Music": "Music",
    "https://example.org/a.mp3": "other.ogg",
    "models:/mood/3": "models:/mood/1",
    "--until 2026-12-06": f"--until {datetime.now(UTC).date()}",
    "KEY": "quality.two-moods",
    "FILE": "songs/tracks.csv",
    "sample-0001": "song-00-0",
    "TRACK": "song-00-0",
    "MOOD": "calm",
    "NAME": "ann",
    "WHY": "heard",
}
"""What a person puts in place of what the docs say."""

SET = {
    ("registry.md", "dvc repro && mer register"): ("models", "logistic_regression", "C", 0.5),
    ("gate.md", "dvc repro"): ("quality", "min_songs_per_mood", 500),
}
"""What the text above a command asks to change in params.yaml."""

STOPPED = {("gate.md", "dvc repro")}
"""Commands of which the text says that they fail."""

TUTORIALS = ["laptop.md", "registry.md", "gate.md"]
"""They come first, one after the other: what they make the other pages use."""


@dataclass(frozen=True)
class Project:
    """A folder with songs and settings, and the variables that its commands get."""

    root: Path
    environment: dict[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def set(self, *keys_and_value: Any) -> None:
        """Write a setting into params.yaml."""
        *keys, last, value = keys_and_value
        params = yaml.safe_load((self.root / "params.yaml").read_text())
        section = params
        for key in keys:
            section = section[key]
        section[last] = value
        (self.root / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def project(empty_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:  # noqa: F811
    """A project under git and DVC, as a clone of this one is, with songs and other files that the docs name."""
    root = make_project(tmp_path_factory.mktemp("docs") / "project", n_artists=12, songs_each=2)
    (root / "params.yaml").write_text(yaml.safe_dump(_params()))
    (root / "var" / "mlflow").mkdir(parents=True)
    shutil.copy(empty_registry, root / "var" / "mlflow" / "mlflow.db")
    _add_files(root)
    short = Path(tempfile.mkdtemp(prefix="mer-docs-"))
    try:
        with programs(short / "programs") as places:
            who = dict.fromkeys(
                (f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")),
                "ann@example.org",
            )
            kept = {k: v for k, v in os.environ.items() if not k.startswith(("MER_", "MLFLOW_"))}
            paths = {"PATH": f"{places}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
            project = Project(root, kept | who | paths | {"MER_WORKERS": "1", "OMP_NUM_THREADS": "1"})
            done = project.run(
                "git init -q && printf 'var\\nsongs\\n' > .gitignore && dvc init -q"
                " && dvc config core.analytics false && git add . && git commit -qm 'A project'"
            )
            assert done.returncode == 0, done.stdout
            yield project
    finally:
        shutil.rmtree(short)


def _params() -> dict[str, Any]:
    """Models that are trained in a moment, under the names that the docs have."""
    params = shrunk_params()
    params["snapshot"]["collections"] = ["mine"]
    params["quality"]["min_songs_per_mood"] = 4
    params["representations"] = {"summary": {}}
    params["evaluation"] |= {"folds": 2, "bootstrap": 100}
    params["prediction"] |= {"min_probability": 0.3}
    params["promotion"] |= {"min_accuracy_low": 0.01, "max_calibration_loss": 1.0}
    model = {"system": "logistic_regression", "reads": "summary", "max_iter": 50}
    names = ("logistic_regression", "musicnn_svm", "musicnn_logistic")
    params["models"] = {name: model | {"C": 10.0**-n} for n, name in enumerate(names)}
    return params


def _add_files(root: Path) -> None:
    """Songs, tables and playlists under the names that the docs have."""
    (root / "Music").mkdir()
    calm = {"Music/a.flac": "song-03-0", "Music/b.mp3": "song-02-1"}
    for name, song in ({"song.mp3": "song-00-0", "other.ogg": "song-00-1"} | calm).items():
        run("-i", str(root / "songs" / f"{song}.wav"), str(root / name))
    (root / "radio.m3u8").write_text("#EXTM3U\nMusic/a.flac\n")
    measured = ["1"] * len(SPOTIFY_FEATURES)
    tables = {
        "labels.csv": (["track_id", "mood", "by"], ["song-00-1", "calm", "ann"]),
        "data_moods.csv": (
            ["id", "name", "artist", "mood", *SPOTIFY_FEATURES],
            ["x1", "Title", "Artist", "Sad", *measured],
        ),
        "moodify_1200.csv": (
            [
                *("uri", "track", "artist", "labels"),
                *(name.replace("time_signature", "time signature") for name in SPOTIFY_FEATURES),
            ],
            ["x2", "Title", "Artist", "3", *measured],
        ),
    }
    for name, rows in tables.items():
        with (root / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def _order(page: Path) -> tuple[int, Path]:
    is_tutorial = page.parent.name == "tutorials" and page.name in TUTORIALS
    return (TUTORIALS.index(page.name) if is_tutorial else len(TUTORIALS)), page


def _is_run(command: str) -> bool:
    return not any(re.search(part, command) for part in NOT_HERE)


def _filled(command: str) -> str:
    """A command with what a person puts in."""
    for written, real in PUT.items():
        command = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", real, command)
    return command


WITH_COMMANDS = [page for page in sorted(PAGES, key=_order) if any(map(_is_run, commands_in(page)))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_does_what_it_is_there_for(page: Path, project: Project) -> None:
    before = (project.root / "params.yaml").read_text()
    for command in filter(_is_run, commands_in(page)):
        place = (page.name, command)
        if change := SET.get(place):
            project.set(*change)
        done = project.run(_filled(command))
        assert (done.returncode != 0) == (place in STOPPED), f"$ {command}\n{done.stdout}"
        assert "Traceback" not in done.stdout, done.stdout
    (project.root / "params.yaml").write_text(before)


@pytest.mark.parametrize("part", NOT_HERE)
def test_what_is_not_run_stands_somewhere(part: str) -> None:
    assert any(re.search(part, command) for page in PAGES for command in commands_in(page))
