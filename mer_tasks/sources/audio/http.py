"""A song from its address: only its clip's seconds where the server sends ranges, else the whole file."""

import io
from pathlib import Path

import httpx
import soundfile

from mer_tasks.domain import Failure, Track
from mer_tasks.settings import AudioSettings, ClipSettings
from mer_tasks.sources.audio.contract import Fetched, FetchError
from mer_tasks.sources.audio.ranges import BLOCK, PartialAudio, read_clip
from mer_tasks.sources.audio.site import Site
from mer_tasks.validation import is_video


def fetch(track: Track, folder: Path, audio: AudioSettings, clips: ClipSettings) -> Fetched:
    """The song, or the part that is its clip, in `folder`, which is for this song alone.

    Raises:
        FetchError: the address gives no audio within the limits; nothing is left in `folder`.
        OSError: the file cannot be written.
    """
    assert track.url
    with Site(track.url, audio) as site:
        try:
            found = _whole_or_part(site, folder / "song", clips)
        except FetchError as error:
            error.n_bytes = site.n_bytes
            raise
        if isinstance(found, PartialAudio):
            return Fetched(_written(found, folder / "clip.wav"), found.start_s, site.n_bytes)
        return Fetched(found, n_bytes=site.n_bytes)


def fetch_whole(track: Track, folder: Path, audio: AudioSettings) -> Path:
    """The whole song, in `folder`, which is for this song alone.

    Raises:
        FetchError: the address is a video's, or gives no audio within the limits; nothing is left in `folder`.
        OSError: the file cannot be written.
    """
    assert track.url
    if is_video(track.url):
        raise FetchError(f"{track.url}: a video gives only its clip; name an audio file", Failure.REFUSED)
    with Site(track.url, audio) as site, site.get() as response:
        return _saved(site, response, folder / "song")


def _whole_or_part(site: Site, path: Path, clips: ClipSettings) -> Path | PartialAudio:
    with site.get(0, BLOCK - 1) as response:
        if response.status_code == httpx.codes.OK:  # it sends the whole, ranges or not
            return _saved(site, response, path)
        first = site.part_in(response, 0, BLOCK - 1)
    if first and (found := read_clip(site, first, clips)):
        return found
    with site.get() as response:
        return _saved(site, response, path)


def _saved(site: Site, response: httpx.Response, path: Path) -> Path:
    """The body of a response as a file; a part of it is never left behind."""
    try:
        with path.open("wb") as file:
            file.writelines(site.chunks(response))
        if path.stat().st_size == 0:
            raise FetchError("sends an empty file", Failure.BAD)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _written(found: PartialAudio, path: Path) -> Path:
    """A part as a WAV file of floating point numbers: exactly what was decoded."""
    wav = io.BytesIO()  # soundfile would not report that a disk is full
    soundfile.write(wav, found.y, found.sr, format="WAV", subtype="FLOAT")
    try:
        path.write_bytes(wav.getvalue())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path
