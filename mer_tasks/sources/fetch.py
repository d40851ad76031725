"""A song's audio as a local file, wherever it is."""

import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.utils import YoutubeDLError, match_filter_func

from mer_tasks.domain import InputError, Track

LARGEST_MB = 200


class FetchError(InputError):
    """A song's audio cannot be had. The message is one line: where it should be, and the reason."""


class _Silence:
    """A logger for yt-dlp that keeps quiet: what matters reaches the caller as an exception."""

    def debug(self, message: str) -> None:
        """Say nothing."""

    warning = error = debug


def fetch_audio(track: Track, folder: Path) -> Path:
    """The file with a track's audio: its own path as it is, or its address downloaded into `folder`.

    Raises:
        FetchError: the file is gone, or the address gives no audio.
    """
    if track.path and Path(track.path).is_file():
        return Path(track.path)
    if track.url:
        return _download(track.url, folder)
    if track.path:
        raise FetchError(f"{track.path}: no such file any more; import where it is now")
    raise FetchError(f"{track.track_id}: neither path nor url is known; import one")


def _download(url: str, folder: Path) -> Path:
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError(f"{url}: only http and https addresses are fetched")
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    options: dict[str, Any] = {
        "format": "bestaudio/best",
        "paths": {"home": str(folder)},
        "outtmpl": f"{name}.%(ext)s",
        "match_filter": match_filter_func("!is_live"),  # a live stream never ends
        "max_filesize": LARGEST_MB * 10**6,
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
        raise FetchError(f"{url}: {_reason(error)}") from error
    for file in folder.glob(f"{name}.*"):
        return file
    raise FetchError(f"{url}: gives no file; it is a live stream or larger than {LARGEST_MB} MB")


def _reason(error: YoutubeDLError) -> str:
    """What yt-dlp complains of, without its own names for things."""
    complaint = " ".join(str(error).split()).split(" (caused by ")[0]
    return re.sub(r"^ERROR: (\[\S+\] \S+: )?", "", complaint)
