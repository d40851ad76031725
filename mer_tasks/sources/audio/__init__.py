"""Where songs' audio comes from: one module a source, chosen by what is known of the song.

A source's module has one name, `fetch(track, folder, audio, clips)`, which gives the song or its
clip as a file.
"""

from pathlib import Path

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import AudioSettings, ClipSettings
from mer_tasks.sources.audio import file, http, youtube
from mer_tasks.sources.audio.contract import Fetched, FetchError
from mer_tasks.validation import is_video


def fetch_audio(track: Track, folder: Path, audio: AudioSettings, clips: ClipSettings) -> Fetched:
    """A track's audio: its own file as it is, else from its address or by search, into `folder`.

    Raises:
        FetchError: it cannot be had; holds the reason and when to try again.
    """
    if not track.may_fetch:
        raise FetchError(
            f"{track.track_id}: its licence does not allow a download ({track.licence or 'none given'})",
            Failure.REFUSED,
        )
    if track.path and (Path(track.path).is_file() or not track.url):
        return file.fetch(track, folder, audio, clips)
    if track.url and not is_video(track.url):
        return http.fetch(track, folder, audio, clips)
    return youtube.fetch(track, folder, audio, clips)
