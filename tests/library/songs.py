"""Songs of every kind that has a place for a mood, made by ffmpeg, and the sound in them."""

import hashlib
import subprocess
from pathlib import Path

import imageio_ffmpeg

ENCODERS = {
    "mp3": ["-c:a", "libmp3lame", "-id3v2_version", "4"],
    "flac": ["-c:a", "flac"],
    "ogg": ["-c:a", "libvorbis"],
    "opus": ["-c:a", "libopus"],
    "m4a": ["-c:a", "aac"],
    "wav": [],
    "aiff": ["-write_id3v2", "1"],
}


def make_song(path: Path, *more: str) -> Path:
    """A second of a tone with a title, in the format of the name's ending."""
    source = ["-f", "lavfi", "-i", "sine=440:duration=1", "-metadata", "title=A song"]
    run(*source, *ENCODERS[path.suffix[1:]], *more, str(path))
    return path


def sound_hash(path: Path) -> str:
    """A hash of the encoded packets, and so of the sound, whatever stands around them."""
    return run("-i", str(path), "-map", "0:a", "-c", "copy", "-f", "hash", "-").strip()


def decoded_hash(path: Path) -> str:
    """A hash of the samples."""
    return run("-i", str(path), "-map", "0:a", "-f", "hash", "-").strip()


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(*arguments: str) -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-y", "-v", "error", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
