"""What is trained on is what is answered from: of any file, the stored clip and the song itself are decoded alike."""

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from scipy.signal import correlate

from mer_tasks.audio.cut import cut_clip, load_clip
from mer_tasks.audio.decode import AudioError, decode
from mer_tasks.audio.silence import audible
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import ClipSettings, Params
from mer_tasks.workspace import clip_key

SR, SONG_S, CLIP_S = 44100, 12.0, 3.0
READ_SR = 22050
LATE = ("-f", "lavfi", "-i", "testsrc=d=45:s=64x64:r=1", "-itsoffset", "30")
"""ffmpeg's options for a video whose sound begins after half a minute."""

Make = Callable[[Path], Path]


@pytest.fixture
def settings(params: Params) -> ClipSettings:
    """The real settings for clips of three seconds."""
    return params.clips.model_copy(update={"duration_s": CLIP_S, "min_duration_s": 2.0})


def music(seconds: float = SONG_S, channels: int = 2, sr: int = SR) -> np.ndarray:
    """A tone that rises, so that each moment differs from the others; shape (n, channels), peak 0.5."""
    n = round(seconds * sr)
    tone = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 2000, n)) / sr)
    return np.tile(0.5 * tone[:, None], channels)


def written(
    ending: str, gain: float = 1.0, offset: float = 0.0, subtype: str | None = None, **music_of: float
) -> Make:
    def make(folder: Path) -> Path:
        path = folder / f"song.{ending}"
        sr = int(music_of.get("sr", SR))
        y = music(**music_of)  # type: ignore[arg-type]
        soundfile.write(path, gain * y + offset, sr, subtype=subtype)
        return path

    return make


def encoded(name: str, *options: str, before: tuple[str, ...] = (), source: Make | None = None) -> Make:
    def make(folder: Path) -> Path:
        wav = (source or written("wav"))(folder)
        path = folder / f"encoded.{name}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *before, "-i", str(wav)]
        subprocess.run([*command, *options, str(path)], check=True)
        return path

    return make


def altered(make: Make, alter: Callable[[bytearray], bytes | bytearray]) -> Make:
    def make_altered(folder: Path) -> Path:
        path = make(folder)
        path.write_bytes(alter(bytearray(path.read_bytes())))
        return path

    return make_altered


def put(mark: bytes, distance: int, value: bytes) -> Callable[[bytearray], bytearray]:
    """Write `value` some bytes after where `mark` begins."""

    def alter(content: bytearray) -> bytearray:
        at = content.index(mark) + distance
        content[at : at + len(value)] = value
        return content

    return alter


def piped(container: str, *options: str) -> Make:
    """What ffmpeg writes where it cannot go back to fill in the sizes."""

    def make(folder: Path) -> Path:
        wav, path = written("wav")(folder), folder / f"piped.{container}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", str(wav), *options]
        done = subprocess.run([*command, "-f", container, "-"], check=True, capture_output=True)
        path.write_bytes(done.stdout)
        return path

    return make


def riff_without_sizes(content: bytearray) -> bytearray:
    return put(b"data", 4, bytes(4))(put(b"RIFF", 4, bytes(4))(content))


VBR = encoded("mp3", "-q:a", "4")
FORMATS: dict[str, Make] = {
    "16 bits": written("wav"),
    "8 bits": written("wav", subtype="PCM_U8"),
    "24 bits, 96 kHz": written("flac", subtype="PCM_24", sr=96000),
    "six channels": written("wav", channels=6),
    "vorbis": written("ogg"),
    "vbr mp3": VBR,
    "aac": encoded("m4a"),
    "opus in webm": encoded("webm", "-ar", "48000"),
    "late in mkv": encoded("mkv", "-c:a", "aac", before=LATE),
    "late in mp4": encoded("mp4", "-c:a", "aac", before=LATE),
    "late in ts": encoded("ts", "-c:a", "aac", before=LATE),
    "late in webm": encoded("webm", "-ar", "48000", "-c:v", "libvpx", before=LATE),
    "late in ogg": encoded("ogg", "-c:a", "libvorbis", "-c:v", "libtheora", before=LATE),
    "wav, data of 0 bytes": altered(written("wav"), put(b"data", 4, bytes(4))),
    "wav, nothing of a size": altered(written("wav"), riff_without_sizes),
    "wav, data of 2**32 - 1": altered(written("wav"), put(b"data", 4, b"\xff" * 4)),
    "rf64 without sizes": altered(written("rf64"), put(b"ds64", 8, bytes(24))),
    "w64 without sizes": altered(written("w64"), put(b"data\xf3\xac", 16, bytes(8))),
    "aiff, sound of 0 bytes": altered(written("aiff"), put(b"SSND", 4, bytes(4))),
    "aiff, piped": piped("aiff"),
    "flac of unknown length": piped("flac"),
    "flac, only a second promised": altered(written("flac"), put(b"fLaC", 22, struct.pack(">I", SR))),
    "mp3, Xing of too few frames": altered(VBR, put(b"Xing", 8, struct.pack(">I", 100))),
    "mp3, Xing of too many frames": altered(VBR, put(b"Xing", 8, struct.pack(">I", 10**6))),
    "mp3, Xing of none": altered(VBR, put(b"Xing", 8, bytes(4))),
    "vbr mp3 without Xing": piped("mp3", "-q:a", "4"),
    "mp3 with holes": altered(VBR, lambda content: content[:30000] + bytes(range(256)) * 8 + content[30000:]),
}
"""The whole song, at its own loudness."""

LOUD: dict[str, Make] = {
    "a little over": written("wav", gain=2.4, subtype="FLOAT"),
    "range of 16 bits": written("wav", gain=65536.0, subtype="FLOAT"),
    "range of 32 bits": written("wav", gain=2.0**32, subtype="DOUBLE"),
    "range of 16 bits in mkv": encoded(
        "mkv", "-c:a", "pcm_f32le", source=written("wav", gain=65536.0, subtype="FLOAT")
    ),
    "offset": written("wav", gain=0.8, offset=0.5),
    "offset beyond full scale": written("wav", offset=40.0, subtype="FLOAT"),
    "a clip already": encoded("mp3", source=written("wav", seconds=CLIP_S)),
    "a clip already, over": encoded("mp3", source=written("wav", gain=2.4, subtype="FLOAT", seconds=CLIP_S)),
    "a clip already, offset": encoded("mp3", source=written("wav", offset=0.4, seconds=CLIP_S)),
    "a clip already, Xing of too few frames": altered(
        encoded("mp3", "-q:a", "4", source=written("wav", seconds=CLIP_S)),
        put(b"Xing", 8, bytes(3) + b"\x40"),
    ),
}
"""Levels that a clip cannot hold, and clips whose bytes are kept."""


def shift_s(a: np.ndarray, b: np.ndarray) -> float:
    """By how many seconds `b` comes later than `a`."""
    n = min(len(a), len(b))
    return float(np.argmax(np.abs(correlate(b[:n], a[:n]))) - (n - 1)) / READ_SR


def level_db(y: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(y.astype(float) ** 2))))


def assert_alike(song: Path, settings: ClipSettings, store: Path) -> np.ndarray:
    """The song and its stored clip are decoded alike; return what models read."""
    clip = store / clip_key(cut_clip(song, FolderStore(store), settings).sha256)
    trained, answered = (
        audible(decode(clip.read_bytes()), READ_SR, "clip"),
        load_clip(song, settings, READ_SR),
    )
    assert len(trained) == pytest.approx(len(answered), abs=0.06 * READ_SR)
    assert abs(shift_s(trained, answered)) < 0.002
    assert level_db(trained) == pytest.approx(level_db(answered), abs=0.3)
    n = min(len(trained), len(answered))
    assert np.corrcoef(trained[:n], answered[:n])[0, 1] > 0.95
    assert np.abs(trained).max() < 1.5
    return answered


@pytest.mark.parametrize("name", FORMATS)
def test_of_any_file_the_clip_is_the_song_s_own_second_quarter(
    name: str, tmp_path: Path, settings: ClipSettings
) -> None:
    answered = assert_alike(FORMATS[name](tmp_path), settings, tmp_path / "clips")
    original = music(sr=READ_SR)[3 * READ_SR :, 0]
    assert abs(shift_s(original[: len(answered)], answered)) < 0.1
    assert level_db(answered) == pytest.approx(level_db(original), abs=0.6)


@pytest.mark.parametrize("name", LOUD)
def test_of_any_level_and_of_a_clip_training_hears_the_same(
    name: str, tmp_path: Path, settings: ClipSettings
) -> None:
    assert_alike(LOUD[name](tmp_path), settings, tmp_path / "clips")


def test_a_gap_in_a_container_counts_for_nothing(tmp_path: Path, settings: ClipSettings) -> None:
    gap = encoded("mkv", "-c:a", "aac", "-af", "asetpts='PTS+gte(T,6)*100/TB'")(tmp_path)
    answered = assert_alike(gap, settings, tmp_path / "clips")
    original = music(sr=READ_SR)[3 * READ_SR :, 0]
    assert abs(shift_s(original[: len(answered)], answered)) < 0.1


N = round(SONG_S * SR)
NOTHING: dict[str, np.ndarray] = {
    "nothing": np.zeros((N, 2)),
    "offset": np.full((N, 1), 0.5),
    "offset of each channel": np.tile([0.5, -0.3], (N, 1)),
    "offset beyond full scale": np.full((N, 1), 1e4),
    "offset with some noise": 0.5 + 1e-4 * np.random.default_rng(0).normal(size=(N, 1)),
    "slow drift": np.linspace(-0.5, 0.5, N)[:, None],
    "below the threshold": 0.3 * np.sin(2 * np.pi * 0.5 * np.arange(N) / SR)[:, None],
    "a faint click": np.where(np.arange(N) == N // 3, 0.002, 0.0)[:, None],
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_nobody_hears_is_silent_in_training_and_in_answers(
    name: str, tmp_path: Path, settings: ClipSettings
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, NOTHING[name], SR, subtype="FLOAT")
    for use in (
        lambda: cut_clip(song, FolderStore(tmp_path / "clips"), settings),
        lambda: load_clip(song, settings, READ_SR),
    ):
        with pytest.raises(AudioError, match=r"^song\.wav: is silent$"):
            use()
    assert not (tmp_path / "clips").exists()


@pytest.mark.parametrize("left_over", [0.0, 5e-4])
def test_channels_that_cancel_are_named(left_over: float, tmp_path: Path, settings: ClipSettings) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, music(channels=1) * [1.0, left_over - 1.0] + 0.1, SR)
    for use in (
        lambda: cut_clip(song, FolderStore(tmp_path / "clips"), settings),
        lambda: load_clip(song, settings, READ_SR),
    ):
        with pytest.raises(AudioError, match=r"^song\.wav: is silent as one channel, as its channels cancel"):
            use()
