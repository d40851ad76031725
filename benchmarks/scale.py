"""Seconds, memory and bytes of a week with N songs: `python benchmarks/scale.py FOLDER N [NEW]`.

In a new FOLDER it makes a project whose catalog holds N songs with a label and a clip each, and whose feature store
holds statistics drawn around a centre a mood, as if every clip had been computed (of the clips themselves, only files of that name). Then it runs the commands of a
retraining, adds NEW songs (500 if not given), runs them again, and prints a table in Markdown. No audio is read.
"""

import csv
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import yaml
from sqlalchemy import insert

from mer_tasks.catalog.clips import clip_recipe
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.predictions import ClipAnswer, record_answers
from mer_tasks.catalog.schema import clips
from mer_tasks.domain import MOODS
from mer_tasks.features.parts import summary_part
from mer_tasks.features.store import FeatureStore
from mer_tasks.features.summary import summary_names
from mer_tasks.objects.folder import FolderStore
from mer_tasks.progress import progress
from mer_tasks.settings import Params, load_params
from mer_tasks.workspace import clip_key

ROOT = Path(__file__).parents[1]
MODELS = ("logistic_regression", "gradient_boosting")
STAGES = ("snapshot", "validate", "features", *(f"train@{model}" for model in MODELS), "evaluate")
ARTISTS = 5  # songs of an artist


def main() -> None:
    """Print a row a command, of the first week and of the second."""
    folder, n = Path(sys.argv[1]).absolute(), int(sys.argv[2])
    new = int(sys.argv[3]) if len(sys.argv) > 3 else 500
    make_project(folder)
    os.chdir(folder)
    print("| songs | command | seconds | peak MB | MB written |\n| ---: | --- | ---: | ---: | ---: |")
    for first, last in ((0, n), (n, n + new)):
        add_songs(folder, first, last)
        for stage in STAGES:
            report(last, ["dvc", "repro", stage])
        record(folder, first, last)
        report(last, ["mer", "board"])


def make_project(folder: Path) -> None:
    """Lay out the settings, with two models that read the statistics."""
    folder.mkdir(parents=True)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["snapshot"]["collections"] = ["scale"]
    params["representations"] = {"summary": {}}
    params["models"] = {name: params["models"][name] for name in MODELS}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    shutil.copy(ROOT / "dvc.yaml", folder)
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)


def add_songs(folder: Path, first: int, last: int) -> None:
    """Import songs, and record a clip and its statistics for each."""
    params = load_params(folder / "params.yaml")
    table = folder / f"songs-{first}.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["track_id", "title", "artist", "mood", "url"])
        for number in range(first, last):
            url = f"https://example.org/{number}.mp3"
            out.writerow(
                [f"t{number:07}", f"Title {number}", f"Artist {number // ARTISTS}", _mood(number), url]
            )
    catalog = Catalog.open(f"sqlite:///{folder / 'var' / 'catalog.db'}")
    import_songs(catalog, table, "scale")
    now, recipe = datetime.now(UTC), clip_recipe(params.clips)
    measured = {"start_s": 30.0, "duration_s": 30.0, "sr": 44100, "channels": 2, "loudness_lufs": -14.0}
    with catalog.transaction() as connection:
        connection.execute(
            insert(clips),
            [
                {"track_id": f"t{n:07}", "sha256": _clip(n), "recipe": recipe, "observed_at": now, **measured}
                for n in range(first, last)
            ],
        )
    _keep_statistics(folder, params, first, last)


def _keep_statistics(folder: Path, params: Params, first: int, last: int) -> None:
    store, clip_store = (FolderStore(folder / "var" / name) for name in ("features", "clips"))
    features = FeatureStore(store)
    part, columns = summary_part(params.features, "cpu"), len(summary_names(params.features))
    centres = np.random.default_rng(0).normal(0, 0.15, (len(MOODS), columns))
    for number in progress(range(first, last), last - first, "statistics", "clip"):
        values = np.random.default_rng(number).normal(centres[MOODS.index(_mood(number))]).astype(np.float32)
        features.keep(_clip(number), part, values)
        with clip_store.writing(clip_key(_clip(number))) as file:
            file.write_bytes(str(number).encode())


def record(folder: Path, first: int, last: int) -> None:
    """Keep an answer for each of the songs, as `mer score` does, a thousand at a time."""
    catalog = Catalog.open(f"sqlite:///{folder / 'var' / 'catalog.db'}")
    start = time.perf_counter()
    for at in range(first, last, 1000):
        answers = [
            ClipAnswer(f"t{n:07}", _clip(n), dict.fromkeys(MOODS, 0.1) | {_mood(n): 0.7})
            for n in range(at, min(at + 1000, last))
        ]
        record_answers(catalog, "m-scale", "1", answers)
    print(f"| {last} | answers of {last - first} songs recorded | {time.perf_counter() - start:.1f} | | |")


def report(n: int, command: list[str]) -> None:
    """Run a command and print what it took; its memory is that of its largest process."""
    before, start = _bytes(), time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    seconds, written = time.perf_counter() - start, (_bytes() - before) / 1e6
    print(
        f"| {n} | {' '.join(command)} | {seconds:.1f} | {used.ru_maxrss / 1024:.0f} | {written:.1f} |",
        flush=True,
    )


def _bytes() -> int:
    return sum(file.stat().st_size for file in Path(".dvc/cache").rglob("*") if file.is_file())


def _mood(number: int) -> str:
    return MOODS[number % len(MOODS)]


def _clip(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


if __name__ == "__main__":
    main()
