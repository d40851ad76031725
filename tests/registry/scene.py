"""A registry of versions that are a few lines each, in the real MLflow, to see how the gate decides."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.tracking import MlflowClient

from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.dataset import LEFT_OUT_COLUMNS, SONG_COLUMNS, Snapshot, write_snapshot
from mer_tasks.catalog.ledger import Promotion, list_promotions
from mer_tasks.domain import MOODS
from mer_tasks.registry.aliases import CHALLENGER, CHAMPION
from mer_tasks.registry.promotion import Decision, PersonsWord, promote, roll_back
from mer_tasks.registry.training_data import TrainingData, write_training_data
from mer_tasks.settings import Machine, Params, load_machine, parse_params
from mer_tasks.workspace import Workspace, clip_key
from tests.registry.fakes import BEGIN, READY, fake_version
from tests.small_project import shrunk_params

SCRIPT = (
    BEGIN
    + READY
    + """
moods = ("sad", "happy", "energetic", "calm")
known = json.load(open(folder + "/code/known.json"))
for line in asked:
    name = json.loads(line)["audio"].rpartition("/")[2]
    if name == "one.flac":
        send({"probabilities": {"sad": 0.1, "happy": 0.2, "energetic": 0.3, "calm": 0.4}})
    elif name in known:
        send({"probabilities": {mood: 0.7 if mood == known[name] else 0.1 for mood in moods}})
    else:
        send({"error": name + ": cannot be decoded"})
"""
)


class Scene:
    """A project with a snapshot of songs, all of the holdout, and the means to register versions and to promote."""

    def __init__(self, root: Path, database: Path, n_artists: int = 20) -> None:
        """Lay it out in `root`; `database` is MLflow's with a model `mood` without versions, and is copied."""
        self.workspace = Workspace(root)
        self.values = shrunk_params()
        self.values["evaluation"] |= {"holdout_share": 0.9999, "holdout_per_mood": 500}
        self.values["promotion"] |= {"min_gain": 0.0, "max_p_value": 0.05, "min_accuracy_low": 0.25}
        self.values["promotion"]["max_calibration_loss"] = (
            1.0  # these versions are as sure when they are wrong
        )
        (root / "var" / "mlflow").mkdir(parents=True)
        shutil.copy(database, root / "var" / "mlflow" / "mlflow.db")
        uri = self.machine.mlflow_uri
        self.client = MlflowClient(uri, uri)
        self.songs = self._songs(n_artists)
        self.write_snapshot()

    @property
    def params(self) -> Params:
        return parse_params(self.values, "params.yaml")

    @property
    def machine(self) -> Machine:
        return load_machine(self.workspace.root)

    def clip(self, track_id: str) -> Path:
        sha256: str = self.songs.set_index("track_id").loc[track_id, "clip_sha256"]
        return self.machine.clip_store.local(clip_key(sha256))

    def write_snapshot(self) -> None:
        left_out = pd.DataFrame(columns=list(LEFT_OUT_COLUMNS))
        write_snapshot(Snapshot(self.songs, left_out), self.workspace.snapshot)

    def add(
        self,
        wrong: Collection[str] = (),
        fails: Collection[str] = (),
        training: Mapping[str, Any] = {},
        protocol: str = "grouped",
        accuracy_low: float = 0.6,
    ) -> str:
        """Register a version as challenger that is right but for the tracks `wrong`, and cannot decode `fails`."""
        number = len(self.client.search_model_versions("name = 'mood'")) + 1
        folder = (
            self.workspace.root / "versions" / f"{number}-{len(list(self.workspace.root.glob('versions/*')))}"
        )
        code = folder / "code"
        code.mkdir(parents=True)
        known = {
            self.clip(row.track_id).name: MOODS[(MOODS.index(row.mood) + (row.track_id in wrong)) % 4]
            for row in self.songs.itertuples()
            if row.track_id not in fails
        }
        (code / "known.json").write_text(json.dumps(known))
        values: dict[str, Any] = {
            "artists": (),
            "recordings": (),
            "track_ids": (),
            "collections": ("songs",),
            "origin": "real",
        }
        write_training_data(TrainingData(**values | training), folder)
        trained_by = {"evaluation": {"protocol": protocol}}
        fake_version(folder, SCRIPT, params=trained_by, scores={"accuracy_low": accuracy_low})
        made = self.client.create_model_version("mood", folder.as_uri(), run_id=self._run())
        self.client.set_registered_model_alias("mood", CHALLENGER, made.version)
        return str(made.version)

    def _run(self) -> str:
        """The id of a new run, whose files lie in this project."""
        experiment = self.client.get_experiment_by_name("mood")
        if experiment:
            return str(self.client.create_run(experiment.experiment_id).info.run_id)
        self.client.create_experiment("mood", (self.machine.home / "mlflow" / "artifacts").as_uri())
        return self._run()

    def promote(self, version: str | None = None, force: bool = False) -> Decision:
        person = PersonsWord("ann", "sounds better") if force else None
        return promote(self.workspace, self.params, self.machine, version, person)

    def roll_back(self, version: str | None = None) -> Decision:
        return roll_back(self.params, self.machine, PersonsWord("bob", "calls all calm"), version)

    @property
    def ledger(self) -> list[Promotion]:
        return list_promotions(Catalog.open(self.machine.catalog_url), "mood")

    @property
    def changes(self) -> list[tuple[str, str | None, str | None]]:
        """How, from and to which version, of every row of the ledger."""
        return [(row.kind, row.from_version, row.to_version) for row in self.ledger]

    def delete(self, number: str, dangling: bool = False) -> None:
        """Delete a version in MLflow, as its REST API does where `dangling`: the alias champion stays on it."""
        self.client.delete_model_version("mood", number)
        if dangling:
            with sqlite3.connect(self.machine.home / "mlflow" / "mlflow.db") as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO registered_model_aliases (name, alias, version)"
                    " VALUES ('mood', 'champion', ?)",
                    (number,),
                )

    @property
    def champion(self) -> str | None:
        found = self.client.get_registered_model("mood").aliases.get(CHAMPION)
        return None if found is None else str(found)

    def tags(self, number: str) -> dict[str, str]:
        tags: dict[str, str] = self.client.get_model_version("mood", number).tags
        return tags

    def ids(self, n: int, start: int = 0) -> list[str]:
        """The first track of each of `n` artists."""
        return [f"t{artist:02}-0" for artist in range(start, start + n)]

    def _songs(self, n_artists: int) -> pd.DataFrame:
        rows = []
        for artist in range(n_artists):
            for song in range(2):
                track_id, content = f"t{artist:02}-{song}", f"clip {artist} {song}".encode()
                sha256 = hashlib.sha256(content).hexdigest()
                clip = self.machine.clip_store.local(clip_key(sha256))
                clip.parent.mkdir(parents=True, exist_ok=True)
                clip.write_bytes(content)
                rows.append(
                    {
                        "track_id": track_id,
                        "title": track_id,
                        "artist": f"Artist {artist}",
                        "mood": MOODS[(artist + song) % 4],
                    }
                    | {"collections": "songs", "clip_sha256": sha256}
                )
        return pd.DataFrame(rows, columns=list(SONG_COLUMNS)).astype(SONG_COLUMNS)
