"""The alert about songs that no features could be computed of."""

from collections.abc import Sequence
from pathlib import Path

from mer_tasks.alerts import Alert, Severity
from mer_tasks.features.folder import LEFT_OUT

SONGS_IN_ALERT = 10


def left_out_alert(left_out: Sequence[tuple[str, str]], folder: Path, severity: Severity) -> Alert:
    """The alert about songs left out, pairs of track_id and reason: how many, and the first of them.

    It is critical where the stage stopped, and `folder` is as it was before.
    """
    songs = f"{len(left_out)} song{'s' if len(left_out) > 1 else ''}"
    lines = [f"{track_id}: {reason}" for track_id, reason in left_out[:SONGS_IN_ALERT]]
    if len(left_out) > SONGS_IN_ALERT:
        lines.append(f"and {len(left_out) - SONGS_IN_ALERT} more")
    lines += ["", "Cut their clips again with mer verify && mer clips, then take a new snapshot."]
    if severity == "warning":
        return Alert(
            f"features: {songs} left out, training goes on",
            "\n".join([*lines, f"All of them: {(folder / LEFT_OUT).absolute()}"]),
            severity,
        )
    return Alert(f"features: stopped, {songs} cannot be used", "\n".join(lines), severity)
