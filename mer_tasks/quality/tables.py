"""The tables that expectations look at; what would need a custom expectation is a column here."""

from collections.abc import Mapping

import pandas as pd

from mer_tasks.catalog.dataset import Snapshot
from mer_tasks.domain import MOODS, normalised

LOST = "its clip "
"""What the reasons begin with that the clip store gives."""


def tables_of(snapshot: Snapshot, flaws: Mapping[str, str]) -> dict[str, pd.DataFrame]:
    """The three tables of a snapshot, each with the row numbers as its index.

    `songs` has one row a song, with `same_song`, which two spellings of a song share;
    `moods` one row a known mood that has songs, with `songs` and `times_smallest`, how many
    times as many it has as the smallest one; `candidates` one row a song or left-out song, with
    `reason`, which is null for a song, and `has_lost_clip`. A song whose clip has one of the `flaws`, by SHA-256,
    is left out by the features, so it has the flaw as its reason.
    """
    songs = snapshot.songs.reset_index(drop=True)
    same_song = [same_song_key(*pair) for pair in zip(songs["artist"], songs["title"], strict=True)]
    return {
        "songs": songs.assign(same_song=pd.Series(same_song, dtype=object)),
        "moods": _moods(songs["mood"]),
        "candidates": _candidates(songs, snapshot.left_out, flaws),
    }


def same_song_key(artist: object, title: object) -> str | None:
    """What two spellings of the same artist and title share, or None where either is missing.

    Case, width and spaces make no difference; letters, accents and punctuation do.
    """
    if not isinstance(artist, str) or not isinstance(title, str):
        return None
    return "\n".join(map(normalised, (artist, title)))


def _moods(moods: pd.Series) -> pd.DataFrame:
    counts = moods.value_counts().reindex(list(MOODS), fill_value=0)
    counts = counts[counts > 0]
    return pd.DataFrame(
        {
            "mood": list(counts.index),
            "songs": counts.to_list(),
            "times_smallest": (counts / counts.min()).to_list(),
        }
    )


def _candidates(songs: pd.DataFrame, left_out: pd.DataFrame, flaws: Mapping[str, str]) -> pd.DataFrame:
    names = ["track_id", "title", "artist"]
    reasons = [f"no clip: {flaws[clip]}" if clip in flaws else None for clip in songs["clip_sha256"]]
    kept = songs[names].assign(reason=pd.Series(reasons, dtype=object)).astype(object)
    dropped = left_out[[*names, "reason"]].astype(object)
    dropped["reason"] = dropped["reason"].fillna("no reason given")
    found = pd.concat([kept, dropped], ignore_index=True)
    has_lost = [str(reason).startswith(f"no clip: {LOST}") for reason in found["reason"]]
    return found.assign(has_lost_clip=pd.Series(has_lost, dtype=bool))
