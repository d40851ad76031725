"""A song by search on YouTube, or from a video's address there, for those who have the right."""

import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import imageio_ffmpeg

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import AudioSettings, ClipSettings
from mer_tasks.sources.audio.contract import Fetched, FetchError


def fetch(track: Track, folder: Path, audio: AudioSettings, clips: ClipSettings) -> Fetched:
    """The song's clip, or the whole song where a range cannot be had, in `folder`.

    yt-dlp does it in a process of its own (`video.py`), which ends, with what it started, when its
    time is over or this process is gone.

    Raises:
        FetchError: the settings do not allow it, or nothing there is the song; nothing is left in `folder`.
        OSError: the file cannot be written.
    """
    if not audio.youtube.download_permitted:
        known = (
            f"{track.url}:" if track.url else f"{track.track_id}: neither path nor url is known; import one."
        )
        remedy = "YouTube is asked only where audio.youtube.download_permitted is true"
        raise FetchError(f"{known} {remedy}", Failure.REFUSED)
    with tempfile.TemporaryDirectory(dir=folder, prefix="youtube-") as name:
        work = Path(name)
        (work / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        result = _run_job((track, work, audio, clips), work, audio.timeout_s)
        match result:
            case Fetched():
                path = result.path.replace(folder / f"song{result.path.suffix}")
                return Fetched(path, result.start_s, result.n_bytes, result.match)
            case OSError():
                raise result
            case (reason, failure):
                raise FetchError(f"{track.url or track.track_id}: {reason}", failure)
    raise AssertionError(result)


def _run_job(job: tuple[Any, ...], work: Path, limit_s: float) -> Any:
    """What the other process answers to a job."""
    # yt-dlp finds the ffmpeg that downloads ranges on PATH only, whatever ffmpeg_location is.
    # Nothing goes past the proxy that watches where it connects.
    inherited = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    environment = inherited | {
        "PATH": f"{work}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # the same modules as here
    }
    with (
        (work / "errors").open("w+b") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "mer_tasks.sources.audio.video"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        try:
            return _result(process, job, limit_s) or (_last_line(errors.name), Failure.BUSY)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it is waited for only after, so the id is still its own


def _result(process: subprocess.Popen[bytes], job: tuple[Any, ...], limit_s: float) -> Any:
    """Its result, one small pickle; None if it ended without. Its input stays open as long as we live."""
    assert process.stdin and process.stdout
    pickle.dump(job, process.stdin)
    process.stdin.flush()
    ready, _, _ = select.select([process.stdout], [], [], limit_s)
    if not ready:
        return f"not done within {limit_s:g} s", Failure.BUSY
    content = process.stdout.read()
    return pickle.loads(content) if content else None


def _last_line(errors: str) -> str:
    lines = Path(errors).read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "yt-dlp ended without a message")
