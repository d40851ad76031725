"""Which unlabelled songs a person should label next: what `mer unsure` prints and the board shows."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mer_tasks.catalog.clips import clip_recipe
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.snapshot import unlabelled_songs
from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError
from mer_tasks.evaluation.informative import margins, most_informative
from mer_tasks.files import write_text
from mer_tasks.objects import ObjectStore
from mer_tasks.progress import progress
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import clip_key

KEPT_EVERY = 50
"""After so many new answers all are written, so that a run that is stopped goes on where it was."""

_Answer = dict[str, dict[str, float]]
"""What a version tells of a clip: `probabilities` by mood, and `tags`."""


@dataclass(frozen=True)
class UnsureSong:
    """A song without a label: how a model answers it, how far the first mood is ahead, what a label is worth (0 to 1)."""

    track_id: str
    artist: str
    title: str
    probabilities: dict[str, float]
    margin: float
    worth: float


@dataclass(frozen=True)
class Unsure:
    """The songs to label next, the first teaches most; `n_unlabelled` there are, `left_out` by id have no answer.

    `shares` of each mood are those that `version` predicts for all that it answered.
    """

    version: str
    songs: tuple[UnsureSong, ...]
    n_unlabelled: int
    shares: dict[str, float]
    left_out: dict[str, str]


def unsure_songs(catalog: Catalog, params: Params, machine: Machine, uri: str, n: int) -> Unsure:
    """Rank the unlabelled songs of `snapshot.collections` by what a label would teach the version at `uri`.

    Each clip is answered once by a version; the answers are kept under the machine's home.

    Raises:
        InputError: there is no such version, it cannot answer here, or a collection holds no song.
        UnavailableError: MLflow cannot be reached now, or the version's process died or hung.
    """
    now = params.snapshot.model_copy(update={"as_of": "latest"})
    songs = unlabelled_songs(catalog, now, clip_recipe(params.clips))
    with RegisteredModel(machine, uri) as model:
        answers = _Answers(machine.home / "answers" / f"{model.version.model_id}.json")
        left_out = answers.ask(model, songs["clip_sha256"], machine.clip_store)
        version = str(model.version)
    known = songs[~songs["clip_sha256"].isin(left_out)].reset_index(drop=True)
    ranked, shares = _rank(known, [answers.of[sha256] for sha256 in known["clip_sha256"]], n)
    reasons = {
        track_id: left_out[sha256]
        for track_id, sha256 in zip(songs["track_id"], songs["clip_sha256"], strict=True)
        if sha256 in left_out
    }
    return Unsure(version, ranked, len(songs), shares, reasons)


def _rank(
    songs: pd.DataFrame, answers: Sequence[_Answer], n: int
) -> tuple[tuple[UnsureSong, ...], dict[str, float]]:
    """The songs to label next by a version's answers, and the share of each mood that it predicts."""
    if songs.empty:
        return (), {}
    probabilities = np.array([[one["probabilities"][mood] for mood in MOODS] for one in answers])
    tags = np.array([[one["tags"][tag] for tag in sorted(one["tags"])] for one in answers])
    artists = [primary_artist(artist) for artist in songs["artist"]]
    ahead = margins(probabilities)
    ranked = tuple(
        _song(songs.iloc[row], probabilities[row], ahead[row], worth)
        for row, worth in most_informative(probabilities, tags, artists, n)
    )
    counts = np.bincount(probabilities.argmax(axis=1), minlength=len(MOODS))
    return ranked, {mood: round(k / len(songs), 4) for mood, k in zip(MOODS, counts.tolist(), strict=True)}


def unsure_table(found: Unsure) -> str:
    """The ranking as lines of text for a terminal."""
    if not found.songs:
        return f"no song without a mood has a clip that {found.version} can answer: there is nothing to label"
    width = max(len(song.track_id) for song in found.songs)
    lines = [f"{'track_id':{width}}  worth  margin  between                  song"]
    for song in found.songs:
        first, second = sorted(song.probabilities, key=lambda mood: -song.probabilities[mood])[:2]
        between = f"{first} {song.probabilities[first]:.2f}, {second} {song.probabilities[second]:.2f}"
        lines.append(
            f"{song.track_id:{width}}  {song.worth:.3f}  {song.margin:6.3f}  {between:23}  {song.artist} - {song.title}"
        )
    shares = ", ".join(f"{share:.0%} {mood}" for mood, share in found.shares.items())
    lines.append(f"Of {found.n_unlabelled} songs without a mood; {found.version} finds {shares}.")
    return "\n".join([*lines, "Listen, and give one its mood: mer label TRACK MOOD --by NAME"])


class _Answers:
    """What a version answered, by the SHA-256 of the clip; in a file, for it never answers otherwise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.of: dict[str, _Answer] = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            self.of = {}

    def ask(self, model: RegisteredModel, clips: Iterable[str], store: ObjectStore) -> dict[str, str]:
        """Ask for those that are not known yet; return why clips have no answer."""
        new, reasons = [sha256 for sha256 in clips if sha256 not in self.of], dict[str, str]()
        try:
            for place, sha256 in enumerate(progress(new, len(new), "answers"), start=1):
                try:
                    self.of[sha256] = model.answer(store.local(clip_key(sha256)))._asdict()
                except InputError as error:
                    reasons[sha256] = str(error)
                if place % KEPT_EVERY == 0:
                    self._keep()
        finally:
            if new:
                self._keep()
        return reasons

    def _keep(self) -> None:
        write_text(self._path, json.dumps(self.of) + "\n")


def _song(row: pd.Series, probabilities: np.ndarray, margin: float, worth: float) -> UnsureSong:
    found = {mood: round(float(p), 4) for mood, p in zip(MOODS, probabilities, strict=True)}
    return UnsureSong(
        row["track_id"], row["artist"], row["title"], found, round(float(margin), 4), round(worth, 4)
    )
