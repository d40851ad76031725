"""The clip of a song: which seconds, cut once, stored under the hash of its bytes."""

import math
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyloudnorm
import soundfile
from moviepy.audio.io.ffmpeg_audiowriter import FFMPEG_AudioWriter

from mer_tasks.audio.decode import AudioError, Sound, decode, duration_of, name_of, opened
from mer_tasks.audio.fingerprint import fingerprint
from mer_tasks.audio.libsndfile import open_sound
from mer_tasks.audio.silence import audible
from mer_tasks.domain import Clip
from mer_tasks.files import naming_full, open_regular, sha256_of, temporary_folder
from mer_tasks.objects import ObjectStore
from mer_tasks.settings import ClipSettings
from mer_tasks.workspace import clip_key

SLACK_S = 0.5
"""How much longer than `duration_s` a file may be and still count as a clip: mp3 pads both ends."""

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""The sample rates an mp3 can have, in Hz (MPEG-1, 2 and 2.5, layer III)."""


MOST_BYTES = 2_000_000
"""More than an mp3 of 30 s and 320 kbit/s has."""


class Excerpt(NamedTuple):
    """The part of a song that is its clip: where it starts, whether the file's own bytes are kept, its sound."""

    start_s: float
    is_kept: bool
    sound: Sound


def window(duration_s: float, settings: ClipSettings, name: str = "the song") -> tuple[float, float]:
    """Where in a song of `duration_s` seconds its clip starts and how long it is, in seconds.

    It starts at `start_fraction` of the song, or earlier if it would not fit; a song no longer
    than a clip is its own clip.

    Raises:
        AudioError: the song, called `name`, is shorter than `min_duration_s`.
    """
    if duration_s < settings.min_duration_s:
        raise AudioError(f"{name}: is {duration_s:.1f} s long; a clip needs {settings.min_duration_s:g} s")
    if duration_s <= settings.duration_s + SLACK_S:
        return 0.0, duration_s
    start_s = min(settings.start_fraction * duration_s, duration_s - settings.duration_s)
    return start_s, settings.duration_s


def load_clip(source: Path | bytes, settings: ClipSettings, sr: int) -> np.ndarray:
    """The clip of a song as one channel at `sr` Hz, shape (n,); a clip's own file gives all of it.

    Raises:
        AudioError: the song cannot be decoded, is too short or is silent.
    """
    return audible(_excerpt(source, settings).sound, sr, name_of(source))


def cut_clip(song: Path, store: ObjectStore, settings: ClipSettings, start_s: float | None = None) -> Clip:
    """Cut a song's clip into `store` as an mp3, and measure what was written.

    With `start_s` the file holds only the clip, which starts there in a longer song. The same
    song and settings give the same bytes. An mp3 that is a clip already is copied byte for byte: a
    second encoding would lose sound for nothing.

    Raises:
        AudioError: the song cannot be decoded, is too short or is silent.
        OSError: its clip cannot be written; where the disk is full, `filename` is the place.
        UnavailableError: the store cannot be reached now.
    """
    if start_s is not None:
        settings = settings.model_copy(update={"start_fraction": 0.0})
    within_s, is_kept, sound = _excerpt(song, settings)
    audible(sound, sound.sr, song.name)
    with temporary_folder() as folder:
        mp3 = folder / "clip.mp3"
        if is_kept:
            with open_regular(song) as content, mp3.open("wb") as copy:
                shutil.copyfileobj(content, copy)
        else:
            _write_mp3(sound, mp3, settings.bitrate_kbps, song.name)
        clip = _measured(mp3, (start_s or 0.0) + within_s, song.name)
        if abs(clip.duration_s - sound.duration_s) > SLACK_S:
            raise AudioError(f"{song.name}: only {clip.duration_s:.1f} s of its clip were written")
        with store.writing(clip_key(clip.sha256)) as temporary:
            shutil.copyfile(mp3, temporary)
    return clip


def _excerpt(source: Path | bytes, settings: ClipSettings) -> Excerpt:
    duration_s = duration_of(source)
    start_s, length_s = window(duration_s, settings, name_of(source))
    sound = decode(source, start_s, length_s)
    window(sound.duration_s, settings, name_of(source))  # damaged audio gives less than its packets promise
    if length_s == duration_s and _is_mp3(source):
        whole = decode(source)  # as its stored clip will be decoded, whose length is not known then
        if abs(whole.duration_s - sound.duration_s) <= SLACK_S:
            return Excerpt(start_s, True, whole)
    return Excerpt(start_s, False, _levelled(sound))


def _is_mp3(source: Path | bytes) -> bool:
    try:
        with opened(source) as file, open_sound(file) as sound:
            return bool(sound.format == "MP3")
    except soundfile.SoundFileError:
        return False


def _levelled(sound: Sound) -> Sound:
    """The sound as an mp3 can hold it: without a constant offset, and nowhere over full scale, which would be cut off."""
    y = sound.y - sound.y.mean(axis=1, keepdims=True)
    return Sound(y / max(1.0, float(np.abs(y).max())), sound.sr)


def _write_mp3(sound: Sound, mp3: Path, bitrate_kbps: int, name: str) -> None:
    """Encode with moviepy's writer: no tags and no encoder's version, so that equal sound is equal bytes.

    An mp3 has one or two channels, so of more the mean is written; and few sample rates, so ffmpeg
    resamples to the next higher one.
    """
    y = sound.y if sound.channels <= 2 else sound.y.mean(axis=0, keepdims=True)
    rate = next((rate for rate in MP3_RATES if rate >= sound.sr), MP3_RATES[-1])
    samples = np.rint(y.T.clip(-1, 1) * 32767).astype("<i2")
    arguments = ["-ar", str(rate), "-map_metadata", "-1", "-bitexact"]
    writer = FFMPEG_AudioWriter(
        str(mp3),
        sound.sr,
        nchannels=len(y),
        codec="libmp3lame",
        bitrate=f"{bitrate_kbps}k",
        ffmpeg_params=arguments,
    )
    ffmpeg = writer.proc
    with suppress(OSError), writer:  # ffmpeg ended early; its exit code says so as well
        writer.write_frames(samples)
    if ffmpeg.wait() != 0:
        _check_room(mp3)
        raise AudioError(
            f"{name}: its clip could not be written as mp3; export it again, as mp3 for instance"
        )


def _check_room(mp3: Path) -> None:
    """Raise the error that writing where `mp3` should have been gives, with as many bytes as one can need."""
    with naming_full(mp3.parent), mp3.open("wb") as file:
        file.write(bytes(MOST_BYTES))


def _measured(mp3: Path, start_s: float, name: str) -> Clip:
    sound = decode(mp3)
    loudness = float(pyloudnorm.Meter(sound.sr).integrated_loudness(sound.y.T))
    if not math.isfinite(loudness):
        raise AudioError(f"{name}: is silent")
    return Clip(
        sha256=sha256_of(mp3),
        start_s=round(start_s, 3),
        duration_s=round(sound.duration_s, 3),
        sr=sound.sr,
        channels=sound.channels,
        loudness_lufs=round(loudness, 2),
        fingerprint=fingerprint(mp3),
    )
