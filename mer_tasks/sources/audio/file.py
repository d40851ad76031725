"""A song's own file, on this machine."""

from pathlib import Path

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import AudioSettings, ClipSettings
from mer_tasks.sources.audio.contract import Fetched, FetchError


def fetch(track: Track, folder: Path, audio: AudioSettings, clips: ClipSettings) -> Fetched:
    """The file as it is.

    Raises:
        FetchError: it is not there.
    """
    assert track.path
    if not Path(track.path).is_file():
        raise FetchError(f"{track.path}: no such file any more; import where it is now", Failure.LOCAL)
    return Fetched(Path(track.path))
