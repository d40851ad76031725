"""A song by search on YouTube, for those who have the right."""

from pathlib import Path
from urllib.parse import urlsplit

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import Audio, Clips
from mer_tasks.sources.audio.contract import Fetched, FetchError

HOSTS = ("youtube.com", "youtu.be")


def is_video(url: str) -> bool:
    """Whether an address is a video's there."""
    host = urlsplit(url).hostname or ""
    return any(host == known or host.endswith(f".{known}") for known in HOSTS)


def fetch(track: Track, folder: Path, audio: Audio, clips: Clips) -> Fetched:
    """The song's clip.

    Raises:
        FetchError: the settings do not allow it.
    """
    raise FetchError(f"{track.track_id}: neither path nor url is known; import one", Failure.REFUSED)
