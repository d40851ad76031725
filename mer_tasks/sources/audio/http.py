"""A song from its address."""

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.utils import YoutubeDLError, match_filter_func

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import Audio, Clips
from mer_tasks.sources.audio.contract import Fetched, FetchError


class _Silence:
    """A logger for yt-dlp that keeps quiet: what matters reaches the caller as an exception."""

    def debug(self, message: str) -> None:
        """Say nothing."""

    warning = error = debug


def fetch(track: Track, folder: Path, audio: Audio, clips: Clips) -> Fetched:
    """The song, downloaded into `folder`.

    Raises:
        FetchError: the address gives no audio.
    """
    assert track.url
    url = track.url
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url}: only http and https addresses are fetched", Failure.REFUSED)
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    options: dict[str, Any] = {
        "format": "bestaudio/best",
        "paths": {"home": str(folder)},
        "outtmpl": f"{name}.%(ext)s",
        "match_filter": match_filter_func("!is_live"),  # a live stream never ends
        "max_filesize": audio.max_mb * 10**6,
        "noplaylist": True,
        "playlist_items": "1",
        "overwrites": True,
        "socket_timeout": 20,
        "retries": 2,
        "fragment_retries": 2,
        "cachedir": False,
        "color": "no_color",
        "logger": _Silence(),
    }
    try:
        with YoutubeDL(options) as downloader:
            downloader.extract_info(url)
    except YoutubeDLError as error:
        raise FetchError(f"{url}: {_reason(error)}", Failure.BUSY) from error
    for file in folder.glob(f"{name}.*"):
        return Fetched(file, n_bytes=file.stat().st_size)
    raise FetchError(
        f"{url}: gives no file; it is a live stream or larger than {audio.max_mb} MB", Failure.BAD
    )


def _reason(error: YoutubeDLError) -> str:
    """What yt-dlp complains of, without its own names for things."""
    complaint = " ".join(str(error).split()).split(" (caused by ")[0]
    return re.sub(r"^ERROR: (\[\S+\] \S+: )?", "", complaint)
