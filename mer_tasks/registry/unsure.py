"""Which unlabelled songs a person should label next: what `mer unsure`, the board and the digest show."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mer_tasks.catalog.clips import clip_recipe
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.predictions import ClipAnswer, answers_of, as_answer, newest_answers
from mer_tasks.catalog.snapshot import unlabelled_songs
from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.evaluation.informative import margins, most_informative
from mer_tasks.registry.lookup import find_version
from mer_tasks.registry.scoring import ask_for
from mer_tasks.settings import Machine, Params


@dataclass(frozen=True)
class UnsureSong:
    """A song without a label: how a model answers it, how far the first mood is ahead, what a label is worth (0 to 1)."""

    track_id: str
    artist: str
    title: str
    probabilities: dict[str, float]
    margin: float
    worth: float

    @property
    def between(self) -> str:
        """The two most probable moods."""
        first, second = sorted(self.probabilities, key=lambda mood: -self.probabilities[mood])[:2]
        return f"{first} {self.probabilities[first]:.2f}, {second} {self.probabilities[second]:.2f}"


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

    It is asked for what it has not answered yet; the answers are kept in the catalog, as `mer score` keeps them.

    Raises:
        InputError: there is no such version, it cannot answer here, or a collection holds no song.
        UnavailableError: MLflow cannot be reached now, or the version's process died or hung.
    """
    songs = _unlabelled(catalog, params)
    clips = dict(zip(songs["track_id"], songs["clip_sha256"], strict=True))
    version = find_version(machine, uri)
    known = answers_of(catalog, version.model_id, clips.values())
    new = [(track_id, sha256) for track_id, sha256 in clips.items() if sha256 not in known]
    report = ask_for(catalog, machine, version, new)
    if not known:
        report.check()
    if report.new or report.unusable:
        known = answers_of(catalog, version.model_id, clips.values())
    reasons = {
        track_id: one.reason
        for track_id, sha256 in clips.items()
        if (one := known.get(sha256)) and one.reason
    }
    answers = {sha256: one for sha256, one in known.items() if one.probabilities}
    return Unsure(
        str(version),
        _ranked(songs, answers, n),
        len(songs),
        _shares(answers.values()),
        {**reasons, **report.lost},
    )


def answered_unsure_songs(
    catalog: Catalog, params: Params, model_id: str | None, n: int
) -> tuple[tuple[UnsureSong, ...], int]:
    """Rank the unlabelled songs of `snapshot.collections` by the answer kept for each, and count them all.

    It is the last of the version `model_id`, or of any where that has none.

    Raises:
        InputError: a collection holds no song.
    """
    songs = _unlabelled(catalog, params)
    with catalog.reading() as connection:
        kept = newest_answers(connection, model_id, list(songs["track_id"]))
    return _ranked(songs, {row.clip_sha256: as_answer(row) for row in kept.values()}, n), len(songs)


def label_next(answers: Sequence[ClipAnswer], artists: Sequence[str], n: int) -> list[tuple[int, float]]:
    """The places of up to `n` answered songs whose label would teach most, each with its worth; no artist twice.

    Every list of unsure songs is ranked so; `most_informative` says how.
    """
    if not answers:
        return []
    names = sorted({tag for one in answers for tag in one.tags})
    tags = np.array([[one.tags.get(name, 0.0) for name in names] for one in answers])
    return most_informative(_probabilities(answers), tags, [primary_artist(artist) for artist in artists], n)


def _unlabelled(catalog: Catalog, params: Params) -> pd.DataFrame:
    """The unlabelled songs as known now, whatever day the data set is of."""
    now = params.snapshot.model_copy(update={"as_of": "latest"})
    return unlabelled_songs(catalog, now, clip_recipe(params.clips))


def _ranked(songs: pd.DataFrame, answers: Mapping[str, ClipAnswer], n: int) -> tuple[UnsureSong, ...]:
    """The songs to label next by the answers for their clips, which have the clips' SHA-256 as keys."""
    songs = songs[songs["clip_sha256"].isin(list(answers))]
    found = [answers[sha256] for sha256 in songs["clip_sha256"]]
    return tuple(
        _song(songs.iloc[place], found[place], worth)
        for place, worth in label_next(found, list(songs["artist"]), n)
    )


def _shares(answers: Collection[ClipAnswer]) -> dict[str, float]:
    """The share of each mood among answers."""
    counts = Counter(answer.mood for answer in answers)
    return {mood: round(counts[mood] / len(answers), 4) for mood in MOODS} if answers else {}


def _probabilities(answers: Sequence[ClipAnswer]) -> np.ndarray:
    """Answers' probabilities, shape (n_answers, 4)."""
    return np.array([[(one.probabilities or {})[mood] for mood in MOODS] for one in answers])


def unsure_table(found: Unsure) -> str:
    """The ranking as lines of text for a terminal."""
    if not found.songs:
        return f"no song without a mood has a clip that {found.version} can answer: there is nothing to label"
    width = max(len(song.track_id) for song in found.songs)
    lines = [f"{'track_id':{width}}  worth  margin  between                  song"]
    for song in found.songs:
        lines.append(
            f"{song.track_id:{width}}  {song.worth:.3f}  {song.margin:6.3f}  {song.between:23}  {song.artist} - {song.title}"
        )
    shares = ", ".join(f"{share:.0%} {mood}" for mood, share in found.shares.items())
    lines.append(f"Of {found.n_unlabelled} songs without a mood; {found.version} finds {shares}.")
    return "\n".join([*lines, "Listen, and give one its mood: mer label TRACK MOOD --by NAME"])


def _song(row: pd.Series, answer: ClipAnswer, worth: float) -> UnsureSong:
    probabilities = _probabilities([answer])
    found = {mood: round(float(p), 4) for mood, p in zip(MOODS, probabilities[0], strict=True)}
    margin = round(float(margins(probabilities)[0]), 4)
    return UnsureSong(row["track_id"], row["artist"], row["title"], found, margin, round(worth, 4))
