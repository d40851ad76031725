"""Sample songs, composed by the project itself, so that everything can be tried without any music."""

import csv
import io
import subprocess
from pathlib import Path

import imageio_ffmpeg
import joblib
import soundfile
import soxr

from mer_tasks.files import replacing, write_text
from mer_tasks.progress import progress
from mer_tasks.sources.sample.plan import Format, Song, plan_songs
from mer_tasks.sources.sample.synth import SR, Signal, render

COLUMNS = ("track_id", "title", "artist", "mood", "path", "valence", "arousal")

FFMPEG_CODECS = {
    "mp3": ("libmp3lame", "-compression_level", "9"),
    "m4a": ("aac", "-aac_coder", "fast"),
}
"""What soundfile cannot write, or writes four times slower."""

BLOCK = 4096
"""Frames a write: libsndfile's Vorbis encoder overflows its stack when given a whole song."""


def write_sample_songs(folder: Path, seed: int = 1, n_workers: int = 1) -> Path:
    """Compose and write the 96 songs of a seed, and `folder/tracks.csv`, the list of them.

    The same seed gives the same sound, whatever the number of processes. The songs' ids are the same for
    every seed, so one catalog takes one seed.

    Raises:
        InputError: the seed is negative.
    """
    return write_songs(plan_songs(seed), folder, n_workers)


def write_songs(songs: list[Song], folder: Path, n_workers: int = 1) -> Path:
    """Write the songs that are not yet in `folder`, then the list of all of them.

    Returns:
        `folder/tracks.csv`: track_id, title, artist, mood, path (relative to `folder`), and the valence
        and arousal, from -1 to 1, that the song was composed for. Where it is, every song is.
    """
    missing = [song for song in songs if not (folder / song.path).is_file()]
    jobs = (joblib.delayed(_write_song)(song, folder) for song in missing)
    done = joblib.Parallel(n_jobs=n_workers, return_as="generator_unordered")(jobs)
    for _ in progress(done, total=len(missing), what="composing"):
        pass
    write_text(folder / "tracks.csv", _table(songs))
    return folder / "tracks.csv"


def _write_song(song: Song, folder: Path) -> None:
    with replacing(folder / song.path) as temporary:
        encode(render(song), song.format, temporary)


def encode(sound: Signal, form: Format, path: Path) -> None:
    """Write stereo sound of `SR` Hz, shape (samples, 2), to `path` in the given format."""
    if form.channels == 1:
        sound = sound.mean(axis=1, keepdims=True)
    sound = soxr.resample(sound, SR, form.sr)
    if form.suffix in FFMPEG_CODECS:
        _encode_with_ffmpeg(sound, form, path)
        return
    with soundfile.SoundFile(path, "w", form.sr, form.channels) as file:
        for start in range(0, len(sound), BLOCK):
            file.write(sound[start : start + BLOCK])


def _encode_with_ffmpeg(sound: Signal, form: Format, path: Path) -> None:
    given = ("-f", "f32le", "-ar", str(form.sr), "-ac", str(form.channels), "-i", "pipe:")
    codec = ("-threads", "1", "-c:a", *FFMPEG_CODECS[form.suffix])
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *given, *codec, str(path)]
    subprocess.run(command, input=sound.tobytes(), check=True)


def _table(songs: list[Song]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for song in songs:
        writer.writerow(str(getattr(song, column)) for column in COLUMNS)
    return text.getvalue()
