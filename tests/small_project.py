"""A small project of its own: short songs that are easy to distinguish, and the real params.yaml shrunk."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(sys.executable).parent
N_ARTISTS, SONGS_EACH, SR, SECONDS = 18, 3, 22050, 8.0
PITCH_AND_PULSE = {"sad": (220, 1.0), "happy": (660, 4.0), "energetic": (1500, 8.0), "calm": (110, 0.5)}


ONE_OF_EACH_KIND = (
    *("logistic_regression", "neural_network", "resnet18", "gradient_boosting", "musicnn_svm"),
    *("musicnn_logistic", "mean_of_four", "cnn_gru", "clstm"),
)
"""The models of params.yaml that are trained here; tests/models looks at all."""


def make_project(folder: Path, n_artists: int = N_ARTISTS, songs_each: int = SONGS_EACH) -> Path:
    """Lay out params.yaml, dvc.yaml and songs/tracks.csv in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(shrunk_params()))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    rows = []
    for artist in range(n_artists):
        for song in range(songs_each):
            mood = list(PITCH_AND_PULSE)[(artist + song) % 4]
            track_id = f"song-{artist:02}-{song}"
            path = folder / "songs" / f"{track_id}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, _song(mood, seed=10 * artist + song), SR)
            rows.append([track_id, f"Song {song}", f"Artist {artist}", mood, path.name])
    with (folder / "songs" / "tracks.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["track_id", "title", "artist", "mood", "path"], *rows])
    return folder


def shrunk_params() -> dict[str, Any]:
    """The real settings with shorter clips, smaller images, fewer epochs and fewer models."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["clips"] |= {"duration_s": 5.0, "min_duration_s": 4.0}
    params["snapshot"] |= {"collections": ["songs"]}
    params["quality"] |= {"min_songs_per_mood": 5}
    params["features"] |= {"hop_length": 2048, "n_mels": 32}
    params["representations"]["resnet18"] |= {"weights": "none"}
    params["evaluation"] |= {"folds": 3, "bootstrap": 200, "holdout_share": 0.2}
    params["models"] = {name: params["models"][name] for name in ONE_OF_EACH_KIND}
    params["models"]["neural_network"] |= {"epochs": 20}
    params["models"]["resnet18"] |= {"epochs": 3}
    for model in params["models"].values():
        if "frames" in model:
            model |= {"epochs": 2}
    return params


def mer(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `mer` in `folder` as a person would."""
    return run(folder, "mer", *arguments)


def run(folder: Path, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment in `folder`, with its home there and no other variable of ours."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MER_", "MLFLOW_"))}
    environment |= {
        "MER_HOME": str(folder / "var"),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/var/mlflow/mlflow.db",
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    }
    command = [PROGRAMS / program, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _song(mood: str, seed: int) -> np.ndarray:
    pitch, pulse = PITCH_AND_PULSE[mood]
    rng = np.random.default_rng(seed)
    t = np.arange(round(SECONDS * SR)) / SR
    tone = np.sin(2 * np.pi * pitch * rng.uniform(0.9, 1.1) * t)
    beat = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * pulse * rng.uniform(0.9, 1.1) * t))
    return 0.3 * tone * beat + 0.01 * rng.normal(size=len(t))
