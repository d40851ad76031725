"""Whether a version may go into service: its data, and the champion's and its own answers for songs new to both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mer_tasks.audio.cut import clip_path
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.domain import primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.comparison import accuracy_gain
from mer_tasks.evaluation.folds import split
from mer_tasks.files import sha256_of
from mer_tasks.progress import progress
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.significance import accuracy_low, sign_flip_p_value
from mer_tasks.registry.training_data import TrainingData, read_training_data
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace

BY_FORCE = "a person may decide with --force"

NAMED = 3
"""So many damaged clips are named; the rest is counted."""


@dataclass(frozen=True)
class Verdict:
    """Whether a version passes, and why."""

    passed: bool
    reason: str


@dataclass(frozen=True)
class NewSongs:
    """Songs of the holdout that no version in question was trained on, and how the others were left out."""

    songs: pd.DataFrame
    n_known: int
    damaged: tuple[str, ...]

    def __str__(self) -> str:
        """How a reason tells of them."""
        text = f"on {len(self.songs)} holdout songs new to it"
        if self.n_known:
            text += f" ({self.n_known} left out as known)"
        if self.damaged:
            more = f" and {len(self.damaged) - NAMED} more" if len(self.damaged) > NAMED else ""
            text += f" (clip missing or damaged: {', '.join(self.damaged[:NAMED])}{more})"
        return text


def judge(
    workspace: Workspace, params: Params, machine: Machine, challenger: str, champion: str | None
) -> Verdict:
    """Whether the version with the number `challenger` may take the place of `champion`, or be the first.

    Raises:
        InputError: a version cannot answer here, or there is no snapshot.
        UnavailableError: MLflow cannot be reached now, or a version's process died.
    """
    name = params.registration.model_name
    with RegisteredModel(machine, f"models:/{name}/{challenger}") as new:
        if refused := _refused_by_settings(new.description["params"], params):
            return Verdict(False, refused)
        if champion is None:
            return _judge_first(workspace, params, machine, new)
        with RegisteredModel(machine, f"models:/{name}/{champion}") as old:
            return _judge_pair(workspace, params, machine, new, old)


def new_songs(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    trainings: Sequence[TrainingData],
    collections: Sequence[str],
) -> NewSongs:
    """The holdout songs of the snapshot that are in one of the collections and in none of the trainings.

    Raises:
        InputError: there is no snapshot.
    """
    songs = read_snapshot(workspace.snapshot).songs
    holdout = songs.iloc[split(songs, params.evaluation).holdout]
    holdout = holdout[holdout["clip_sha256"].notna() & (holdout["clip_sha256"] != "")]
    of_collections = holdout["collections"].map(
        lambda names: not set(collections).isdisjoint(names.split("|"))
    )
    holdout = holdout[of_collections.astype(bool)]
    known = np.zeros(len(holdout), bool)
    for training in trainings:
        known |= training.knows(holdout).to_numpy(bool)
    unknown = holdout[~known]
    whole = [_is_whole(machine, sha256) for sha256 in unknown["clip_sha256"]]
    damaged = tuple(unknown["track_id"][~np.array(whole, bool)])
    return NewSongs(unknown[np.array(whole, bool)].reset_index(drop=True), int(known.sum()), damaged)


def _refused_by_settings(trained_by: dict[str, Any], params: Params) -> str | None:
    """Why a person must decide whatever the scores are: data of the past, or scores that flatter."""
    for protocol in (trained_by["evaluation"]["protocol"], params.evaluation.protocol):
        if protocol != "grouped":
            return f"protocol {protocol} is for comparison with published scores only; {BY_FORCE}"
    # of the workspace, not of the training: a quiet week's training may be DVC's, of the week before
    as_of, yesterday = params.snapshot.as_of, datetime.now(UTC).date() - timedelta(days=1)
    if as_of != "latest" and as_of < yesterday:
        return f"the data set is as of {as_of}, not of today; {BY_FORCE}"
    return None


def _judge_first(workspace: Workspace, params: Params, machine: Machine, new: RegisteredModel) -> Verdict:
    """The first champion must be better than chance out of fold, and on songs new to it, from their audio."""
    training = read_training_data(new.folder)
    found = new_songs(workspace, params, machine, [training], training.collections)
    wanted, out_of_fold = params.promotion.min_accuracy_low, float(new.description["scores"]["accuracy_low"])
    so_far = f"no champion yet; the lower end of its accuracy is {out_of_fold:.3f} out of fold"
    if found.songs.empty:
        return Verdict(False, f"{so_far} and unknown {found}; {BY_FORCE}")
    correct = _moods(new, found.songs, machine) == found.songs["mood"].to_numpy()
    low = accuracy_low(correct, _artists(found.songs), params.evaluation)
    passed = min(out_of_fold, low) > wanted
    verb = "both above" if passed else "not both above"
    return Verdict(passed, f"{so_far} and {low:.3f} {found}: {verb} {wanted:.3f}")


def _judge_pair(
    workspace: Workspace, params: Params, machine: Machine, new: RegisteredModel, old: RegisteredModel
) -> Verdict:
    ours, theirs = read_training_data(new.folder), read_training_data(old.folder)
    if ours.origin != theirs.origin:
        return Verdict(
            False,
            f"trained on {ours.origin} songs, version {old.version.number} on {theirs.origin} ones: not comparable;"
            f" {BY_FORCE}",
        )
    if missing := sorted(set(theirs.collections) - set(ours.collections)):
        return Verdict(
            False,
            f"trained without {', '.join(missing)}, which version {old.version.number} was trained on: not"
            f" comparable; {BY_FORCE}",
        )
    found = new_songs(workspace, params, machine, [ours, theirs], theirs.collections)
    if found.songs.empty:
        return Verdict(False, f"cannot be compared {found}; {BY_FORCE}")
    return _compare(params, machine, new, old, found)


def _compare(
    params: Params, machine: Machine, new: RegisteredModel, old: RegisteredModel, found: NewSongs
) -> Verdict:
    truth, rule = found.songs["mood"], params.promotion
    ours, theirs = (pd.Series(_moods(one, found.songs, machine)) for one in (new, old))
    difference = (ours == truth).astype(int).to_numpy() - (theirs == truth).astype(int).to_numpy()
    p = sign_flip_p_value(difference, _artists(found.songs))
    gain = accuracy_gain(truth, ours, theirs, found.songs["artist"], params.evaluation)
    passed = gain["gain"] > rule.min_gain and p <= rule.max_p_value
    verdict = "passes" if passed else "does not pass"
    return Verdict(
        passed,
        f"{found} and to version {old.version.number} it is right {(ours == truth).mean():.3f} of the time, version"
        f" {old.version.number} {(theirs == truth).mean():.3f}: a gain of {gain['gain']:+.3f}"
        f" ({gain['gain_low']:+.3f} to {gain['gain_high']:+.3f}), p {p:.3f}, {verdict}: more than"
        f" {rule.min_gain:g} at p {rule.max_p_value:g} or less is needed",
    )


def _moods(model: RegisteredModel, songs: pd.DataFrame, machine: Machine) -> np.ndarray:
    """The moods that a version predicts from the songs' clips; none for a whole clip that it cannot use."""
    shown = progress(songs["clip_sha256"], len(songs), f"{model.version} on the holdout")
    return np.array([_mood(model, clip_path(machine.clip_store, sha256)) for sha256 in shown])


def _mood(model: RegisteredModel, clip: Path) -> str:
    try:
        return model.predict(clip).mood
    except InputError:
        return "none"


def _is_whole(machine: Machine, sha256: str) -> bool:
    clip = clip_path(machine.clip_store, sha256)
    return clip.is_file() and sha256_of(clip) == sha256


def _artists(songs: pd.DataFrame) -> np.ndarray:
    return songs["artist"].map(primary_artist).to_numpy().astype(str)
