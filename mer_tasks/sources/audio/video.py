"""The process in which yt-dlp searches and downloads; `youtube.py` starts it.

It reads a pickled job from its standard input and writes a pickled result to its standard output:
what was fetched, or the reason and the kind of failure, or the error of a disk.
"""

import errno
import os
import pickle
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from yt_dlp import YoutubeDL
from yt_dlp.utils import YoutubeDLError, match_filter_func

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import AudioSettings, ClipSettings
from mer_tasks.sources.audio.contract import Fetched, FetchError, shown
from mer_tasks.sources.audio.match import Candidate, score
from mer_tasks.sources.audio.proxy import Proxy
from mer_tasks.sources.audio.ranges import clip_start_s
from mer_tasks.sources.audio.site import on_private_host

FAILURES = (
    (r"try again later|rate.?limit|Too Many Requests|HTTP Error (408|429|5\d\d)", Failure.BUSY),
    (r"private video|video is private|HTTP Error (404|410)", Failure.GONE),
    (
        r"sign in|log ?in|your age|age.restrict|not a bot|captcha|your (country|location)|geo.?restrict",
        Failure.REFUSED,
    ),
    (r"members|payment|purchase|premium|DRM|HTTP Error (401|402|403|451)", Failure.REFUSED),
    (r"unavailable|not available|removed|deleted|terminated|does not exist|no longer", Failure.GONE),
    (r"Unsupported URL|No video formats|not a valid URL|live event|data blocks", Failure.BAD),
)
"""What yt-dlp's messages mean, the first that fits; any other is of the network."""

LONGEST_QUERY = 200
"""Characters of artist and title that are searched for."""


class _NullLogger:
    """A logger for yt-dlp that logs nothing: what matters reaches the caller as an exception."""

    def debug(self, message: str) -> None:
        """Log nothing."""

    warning = error = debug


def main() -> None:
    """Do one job."""
    track, folder, audio, clips = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result: Any = fetch(track, folder, audio, clips)
    except FetchError as error:
        result = (str(error), error.failure)
    except OSError as error:
        result = error
    sys.stdout.buffer.write(pickle.dumps(result))
    sys.stdout.buffer.close()


def fetch(track: Track, folder: Path, audio: AudioSettings, clips: ClipSettings) -> Fetched:
    """The song's clip, or the whole where a range fails.

    Raises:
        FetchError: it cannot be had.
        OSError: the file cannot be written.
    """
    with Proxy(audio.private_hosts) as proxy:  # yt-dlp connects by itself, and so does its ffmpeg
        try:
            return _fetch(track, folder, audio, clips, _options(audio, proxy.url))
        except FetchError as error:
            if proxy.refused:
                raise FetchError(on_private_host(proxy.refused[0]), Failure.REFUSED) from error
            raise


def _fetch(
    track: Track, folder: Path, audio: AudioSettings, clips: ClipSettings, options: dict[str, Any]
) -> Fetched:
    if track.url:
        return _download(Candidate(track.url, track.title), track, folder, audio, clips, options)
    found = list(_candidates(track, audio, options))
    best = max(found, key=lambda one: score(track, one), default=None)
    if best is None:
        raise FetchError("a search finds nothing", Failure.GONE)
    how_well = score(track, best)
    if how_well < audio.youtube.min_score:
        raise FetchError(
            f'the best of {len(found)} found is "{shown(best.title)}" ({shown(best.url)}), which scores {how_well:.2f}; '
            f"audio.youtube.min_score is {audio.youtube.min_score:g}",
            Failure.GONE,
        )
    fetched = _download(best, track, folder, audio, clips, options)
    match = {"url": best.url, "title": best.title, "score": how_well, "candidates": len(found)}
    return Fetched(fetched.path, fetched.start_s, fetched.n_bytes, match)


def _candidates(track: Track, audio: AudioSettings, options: dict[str, Any]) -> Iterator[Candidate]:
    """What the search finds, without asking for each; live streams are none."""
    query = " ".join(f"{track.artist} {track.title}".split())[:LONGEST_QUERY]
    search = audio.youtube.search
    address = search.replace("{query}", quote(query, safe="") if "://" in search else query)
    flat = {"extract_flat": "in_playlist", "playlist_items": "1:50"}
    found = _run(options | flat, address, download=False)
    for entry in found.get("entries") or [found]:
        if entry and entry.get("url") and entry.get("live_status") not in ("is_live", "is_upcoming"):
            channel = entry.get("channel") or entry.get("uploader") or ""
            yield Candidate(entry["url"], entry.get("title") or "", channel, entry.get("duration"))


def _download(
    best: Candidate,
    track: Track,
    folder: Path,
    audio: AudioSettings,
    clips: ClipSettings,
    options: dict[str, Any],
) -> Fetched:
    """The clip's seconds; the whole if their place is not known or they cannot be had alone."""
    starts = list[float]()

    def ranges(info: Mapping[str, Any], _: YoutubeDL) -> Iterator[dict[str, float]]:
        duration_s = info.get("duration") or best.duration_s or track.duration_s
        start_s = clip_start_s(duration_s, clips) if duration_s else None
        if start_s is None:
            yield {}
        else:
            starts.append(start_s)
            yield {"start_time": start_s, "end_time": start_s + clips.duration_s}

    try:
        path = _saved(options | {"download_ranges": ranges}, best.url, folder / "clip", audio)
        if not starts or _is_long_enough(path, clips):
            return Fetched(path, starts[-1] if starts else None, path.stat().st_size)
    except FetchError as error:
        if not starts or error.failure in (Failure.GONE, Failure.REFUSED):
            raise
    path = _saved(options, best.url, folder / "whole", audio)
    return Fetched(path, None, path.stat().st_size)


def _is_long_enough(path: Path, clips: ClipSettings) -> bool:
    """Whether a range is all there: ffmpeg takes a broken connection for the end of a song."""
    from moviepy.video.io.ffmpeg_reader import ffmpeg_parse_infos

    try:
        duration_s: float | None = ffmpeg_parse_infos(str(path))["duration"]
    except (OSError, KeyError, ValueError):
        return False
    return duration_s is not None and duration_s > clips.duration_s - 1


def _saved(options: dict[str, Any], url: str, folder: Path, audio: AudioSettings) -> Path:
    """The file that yt-dlp writes into `folder`, which is for it alone."""
    _run(options | {"paths": {"home": str(folder)}, "outtmpl": "song.%(ext)s"}, url, download=True)
    files = [file for file in folder.glob("song.*") if file.stat().st_size]
    if not files:
        raise FetchError(
            f"{shown(url)} gives no file; it is a live stream or larger than {audio.max_mb} MB",
            Failure.BAD,
        )
    return files[0]


def _options(audio: AudioSettings, proxy: str) -> dict[str, Any]:
    def stop_if_large(progress: Mapping[str, Any]) -> None:
        # yt-dlp's own max_filesize believes what the server announces.
        if progress.get("downloaded_bytes", 0) > audio.max_mb * 10**6:
            raise FetchError(f"is larger than {audio.max_mb} MB", Failure.BAD)

    return {
        "format": "bestaudio/best",
        "match_filter": match_filter_func("!is_live"),  # a live stream never ends
        "max_filesize": audio.max_mb * 10**6,
        "progress_hooks": [stop_if_large],
        "proxy": proxy,
        "noplaylist": True,
        "playlist_items": "1",
        "socket_timeout": min(20.0, audio.timeout_s),
        "retries": 2,
        "fragment_retries": 2,
        "extractor_retries": 1,
        "cachedir": False,
        "color": "no_color",
        "quiet": True,
        "noprogress": True,
        "logger": _NullLogger(),
    }


def _run(options: dict[str, Any], url: str, download: bool) -> dict[str, Any]:
    try:
        with YoutubeDL(options) as downloader:
            return downloader.extract_info(url, download=download) or {}
    except YoutubeDLError as error:
        message = _message_of(error)
        if "No space left" in message:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise FetchError(message, failure_of(message)) from error


def failure_of(message: str) -> Failure:
    """What a message of yt-dlp's means for the next try."""
    kinds = (kind for pattern, kind in FAILURES if re.search(pattern, message, re.IGNORECASE))
    return next(kinds, Failure.BUSY)


def _message_of(error: YoutubeDLError) -> str:
    """An error of yt-dlp in one line, without its own names for things and its advice."""
    message = shown(str(error)).split(" (caused by ")[0]
    return re.sub(r"^ERROR: (\[\S+\] \S+: )?", "", message)


def _end_with_parent() -> None:
    """End this process and the ffmpeg it started once nobody holds its input open."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
