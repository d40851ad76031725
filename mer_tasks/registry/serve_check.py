"""Whether a version serves: it is loaded as it is for listeners, asked a few songs, and one that is none."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlflow.tracking import MlflowClient

from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.errors import InputError
from mer_tasks.files import temporary_folder
from mer_tasks.registry.aliases import CHALLENGER, Aliases
from mer_tasks.registry.connection import connected
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.process import TOLERANCE
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace, clip_key

SERVE_CHECK = "mer.serve_check"
"""The tag of a version with what came of its last check."""

SONGS = 5

T = TypeVar("T")


@dataclass(frozen=True)
class ServeCheck:
    """What came of a check: seconds until the version is ready, and of a song once it is warm (the median)."""

    version: str
    n_songs: int
    ready_s: float
    song_s: float

    @property
    def line(self) -> str:
        """The check in one line."""
        return f"answers {self.n_songs} songs twice alike, ready in {self.ready_s:.1f} s, {self.song_s:.2f} s a song"


def check_serving(
    workspace: Workspace, params: Params, machine: Machine, version: str | None = None
) -> ServeCheck:
    """Load `version`, or the challenger, and ask it a few clips of the snapshot twice, and a file without music.

    What came of it is written on the version and its times as metrics into its run.

    Raises:
        InputError: the version does not serve, or there is none, or no clip to ask for.
        UnavailableError: MLflow cannot be reached now, or the version's process died.
    """
    name = params.registration.model_name
    with connected(machine) as client:
        number = version or Aliases(client, name).number_at(CHALLENGER)
        if number is None:
            raise InputError(f"{name}@{CHALLENGER}: no such version; run mer register, or give --version")
        try:
            found = _ask(machine, f"models:/{name}/{number}", number, _clips(workspace, machine))
        except InputError as error:
            if Aliases(client, name).exists(number):
                client.set_model_version_tag(name, number, SERVE_CHECK, f"failed: {error}")
            raise
        client.set_model_version_tag(name, number, SERVE_CHECK, f"passed: {found.line}")
        _log_times(client, Aliases(client, name).version(number).run_id, found)
    return found


def _ask(machine: Machine, uri: str, number: str, clips: list[Path]) -> ServeCheck:
    model, ready_s = _timed(partial(RegisteredModel, machine, uri))
    with model, temporary_folder("mer-serve-") as folder:
        first = [model.predict(clip) for clip in clips]
        (folder / "text.mp3").write_text("not music")
        try:
            model.predict(folder / "text.mp3")
        except InputError:
            pass
        else:
            raise InputError(f"{model.version}: predicts a mood for a file without music; train it again")
        again, seconds = zip(*(_timed(partial(model.predict, clip)) for clip in clips), strict=True)
        for one, other, clip in zip(first, again, clips, strict=True):
            apart = max(
                abs(one.probabilities[mood] - other.probabilities[mood]) for mood in one.probabilities
            )
            if apart > TOLERANCE:
                raise InputError(
                    f"{model.version}: answers {clip.stem} otherwise the second time; train it again"
                )
    return ServeCheck(number, len(clips), round(ready_s, 2), round(statistics.median(seconds), 3))


def _clips(workspace: Workspace, machine: Machine) -> list[Path]:
    """A few of the snapshot's clips that are in the store."""
    hashes = read_snapshot(workspace.snapshot).songs["clip_sha256"].dropna()
    keys = [clip_key(sha256) for sha256 in hashes if sha256]
    stored = machine.clip_store.stamps(keys)
    keys = [key for key in keys if key in stored]
    if not keys:
        raise InputError(f"{workspace.snapshot}: has no clip in {machine.clip_store}; run mer clips")
    return [machine.clip_store.local(key) for key in keys[:: max(1, len(keys) // SONGS)][:SONGS]]


def _timed(act: Callable[[], T]) -> tuple[T, float]:
    begin = time.monotonic()
    return act(), time.monotonic() - begin


def _log_times(client: MlflowClient, run_id: str | None, found: ServeCheck) -> None:
    if run_id and client.get_run(run_id).info.lifecycle_stage == "active":
        client.log_metric(run_id, "serve.ready_s", found.ready_s)
        client.log_metric(run_id, "serve.song_s", found.song_s)
