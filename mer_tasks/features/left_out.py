"""The alert about songs that no features could be computed of."""

from collections.abc import Sequence
from pathlib import Path

from mer_tasks.alert_keys import key_of_stop
from mer_tasks.domain import Alert
from mer_tasks.features.folder import LEFT_OUT

SONGS_IN_ALERT = 10


REMEDY = "cut their clips again with mer verify && mer clips, then take a new snapshot"


def left_out_alert(left_out: Sequence[tuple[str, str]], folder: Path, stopped: str | None = None) -> Alert:
    """The alert about songs left out, pairs of track_id and reason: how many, and the first of them.

    It is critical where the stage was `stopped` by this error, and `folder` is as it was before.
    """
    songs = f"{len(left_out)} song{'s' if len(left_out) > 1 else ''}"
    lines = [f"{track_id}: {reason}" for track_id, reason in left_out[:SONGS_IN_ALERT]]
    if len(left_out) > SONGS_IN_ALERT:
        lines.append(f"and {len(left_out) - SONGS_IN_ALERT} more")
    if stopped:
        title, text = f"features: stopped, {songs} cannot be used", "\n".join([stopped, *lines])
        return Alert(title, text, "critical", key_of_stop(stopped), REMEDY)
    text = "\n".join([*lines, f"All of them: {(folder / LEFT_OUT).absolute()}"])
    return Alert(
        f"features: {songs} left out, training goes on", text, "warning", "features.left-out", REMEDY
    )
