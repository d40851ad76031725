"""Which seconds a clip is, and that it is cut once, whole and the same each time."""

import errno
import os
import resource
import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mer_tasks.audio.cut import SLACK_S, cut_clip, load_clip, window
from mer_tasks.audio.decode import AudioError, decode
from mer_tasks.files import sha256_of
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import ClipSettings, Params, load_params
from mer_tasks.workspace import clip_key

ROOT = Path(__file__).parents[2]
SETTINGS = load_params(ROOT / "params.yaml").clips


@pytest.fixture
def settings(params: Params) -> ClipSettings:
    """The real settings for clips of three seconds."""
    return params.clips.model_copy(update={"duration_s": 3.0, "min_duration_s": 2.0})


def write_song(path: Path, seconds: float, sr: int = 22050, channels: int = 2, gain: float = 0.2) -> Path:
    """Write noise whose colour drifts, so that each second sounds different from the others."""
    rng = np.random.default_rng(0)
    n = round(seconds * sr)
    tone = np.sin(2 * np.pi * np.cumsum(np.linspace(200, 2000, n)) / sr)
    y = gain * (tone[:, None] + 0.1 * rng.normal(size=(n, channels)))
    soundfile.write(path, y, sr)
    return path


def mp3_of(song: Path) -> Path:
    mp3 = song.with_suffix(".mp3")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", song]
    subprocess.run([*command, "-metadata", "title=A title", mp3], check=True)
    return mp3


@pytest.mark.parametrize(
    ("song_s", "start_s", "length_s"),
    [
        (240.0, 60.0, 30.0),  # the paper's: from a quarter on
        (40.0, 10.0, 30.0),
        (36.0, 6.0, 30.0),  # a quarter would leave 27 s, so the last 30 that fit
        (30.4, 0.0, 30.4),  # mp3's padding does not make a song of a clip
        (25.0, 0.0, 25.0),
        (20.0, 0.0, 20.0),
    ],
)
def test_window(song_s: float, start_s: float, length_s: float) -> None:
    assert window(song_s, SETTINGS) == (pytest.approx(start_s), pytest.approx(length_s))


@given(st.floats(20.0, 1e5), st.floats(0.0, 1.0))
def test_window_always_fits(song_s: float, fraction: float) -> None:
    start_s, length_s = window(song_s, SETTINGS.model_copy(update={"start_fraction": fraction}))
    assert start_s >= 0
    assert start_s + length_s <= song_s * (1 + 1e-12)
    assert min(song_s, 30.0) <= length_s <= 30.0 + SLACK_S


def test_window_needs_enough() -> None:
    with pytest.raises(AudioError, match=r"^short\.mp3: is 2\.0 s long; a clip needs 20 s$"):
        window(2.0, SETTINGS, "short.mp3")


def test_clip_is_what_was_measured(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    clip = cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    stored = tmp_path / "clips" / clip_key(clip.sha256)
    sound = decode(stored)
    assert stored == tmp_path / "clips" / clip.sha256[:2] / f"{clip.sha256}.mp3"
    assert sha256_of(stored) == clip.sha256
    assert soundfile.info(stored).format == "MP3"
    assert (clip.start_s, clip.sr, clip.channels) == (3.0, 22050, 2)
    assert clip.duration_s == pytest.approx(3.0, abs=0.06) == pytest.approx(sound.duration_s, abs=0.001)
    loudness = pyloudnorm.Meter(sound.sr).integrated_loudness(sound.y.T)
    assert clip.loudness_lufs == pytest.approx(loudness, abs=0.01)


def test_clip_is_the_songs_second_quarter(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    clip = cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    decoded = decode(tmp_path / "clips" / clip_key(clip.sha256)).y[0]
    original = decode(song, 3.0, 3.0).y[0]
    n = min(len(decoded), len(original))
    assert np.corrcoef(decoded[:n], original[:n])[0, 1] > 0.98


def test_excerpt_gives_the_clip_of_the_song(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    excerpt = tmp_path / "excerpt.wav"
    sound = decode(song, 3.0, 4.0)  # a second more than the clip
    soundfile.write(excerpt, sound.y.T, sound.sr, subtype="FLOAT")
    clip = cut_clip(excerpt, FolderStore(tmp_path / "clips"), settings, start_s=3.0)
    assert clip == cut_clip(song, FolderStore(tmp_path / "clips"), settings)


def test_excerpt_keeps_the_rules_of_songs(tmp_path: Path, settings: ClipSettings) -> None:
    with pytest.raises(AudioError, match=r"^short\.wav: is 1\.0 s long; a clip needs 2 s$"):
        cut_clip(
            write_song(tmp_path / "short.wav", 1.0), FolderStore(tmp_path / "clips"), settings, start_s=60.0
        )
    with pytest.raises(AudioError, match=r"^nothing\.wav: is silent$"):
        cut_clip(
            write_song(tmp_path / "nothing.wav", 3.0, gain=0.0),
            FolderStore(tmp_path / "clips"),
            settings,
            60.0,
        )


def test_equal_songs_give_equal_bytes(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    copy = shutil.copyfile(song, tmp_path / "other name.wav")
    assert cut_clip(song, FolderStore(tmp_path / "one"), settings) == cut_clip(
        copy, FolderStore(tmp_path / "two"), settings
    )


def test_store_holds_clips_and_nothing_else(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    store = tmp_path / "clips"
    clips = {cut_clip(song, FolderStore(store), settings), cut_clip(song, FolderStore(store), settings)}
    assert [path for path in store.rglob("*") if path.is_file()] == [
        (store / clip_key(clip.sha256)) for clip in clips
    ]


def test_damaged_clip_in_the_store_is_mended(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    store = tmp_path / "clips"
    stored = store / clip_key(cut_clip(song, FolderStore(store), settings).sha256)
    stored.write_bytes(b"half")
    assert cut_clip(song, FolderStore(store), settings).sha256 == sha256_of(stored)


def test_what_is_a_clip_already_keeps_its_bytes(tmp_path: Path, settings: ClipSettings) -> None:
    mp3 = mp3_of(write_song(tmp_path / "clip.wav", seconds=3.2))
    clip = cut_clip(mp3, FolderStore(tmp_path / "clips"), settings)
    assert (clip.sha256, clip.start_s) == (sha256_of(mp3), 0.0)
    again = cut_clip(tmp_path / "clips" / clip_key(clip.sha256), FolderStore(tmp_path / "clips"), settings)
    assert again == clip


def test_clip_from_the_very_start_of_an_mp3_is_cut(tmp_path: Path, settings: ClipSettings) -> None:
    mp3 = mp3_of(write_song(tmp_path / "song.wav", seconds=12.0))
    clip = cut_clip(mp3, FolderStore(tmp_path / "clips"), settings.model_copy(update={"start_fraction": 0.0}))
    assert clip.duration_s == pytest.approx(3.0, abs=0.06)


@pytest.mark.parametrize(
    ("sr", "channels", "clip_sr", "clip_channels"),
    [
        (8000, 1, 8000, 1),
        (11000, 1, 11025, 1),
        (32000, 2, 32000, 2),
        (96000, 2, 48000, 2),
        (48000, 6, 48000, 1),
    ],
)
def test_rates_and_channels_an_mp3_lacks(
    tmp_path: Path, settings: ClipSettings, sr: int, channels: int, clip_sr: int, clip_channels: int
) -> None:
    song = write_song(tmp_path / "song.wav", seconds=4.0, sr=sr, channels=channels)
    clip = cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    assert (clip.sr, clip.channels) == (clip_sr, clip_channels)
    assert clip.duration_s == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("gain", [0.0, 1e-4])
def test_silence_is_left_out(tmp_path: Path, settings: ClipSettings, gain: float) -> None:
    song = write_song(tmp_path / "nothing.wav", seconds=4.0, gain=gain)
    with pytest.raises(AudioError, match=r"^nothing\.wav: is silent$"):
        cut_clip(song, FolderStore(tmp_path / "clips"), settings)


@pytest.mark.parametrize("seconds", [0.1, 1.9])
def test_short_songs_are_left_out(tmp_path: Path, settings: ClipSettings, seconds: float) -> None:
    song = write_song(tmp_path / "short.wav", seconds=seconds)
    with pytest.raises(AudioError, match=rf"^short\.wav: is {seconds} s long; a clip needs 2 s$"):
        cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    assert not (tmp_path / "clips").exists()


def test_truncated_song_is_cut_from_what_is_left(tmp_path: Path, settings: ClipSettings) -> None:
    mp3 = mp3_of(write_song(tmp_path / "song.wav", seconds=24.0))
    content = mp3.read_bytes()
    mp3.write_bytes(content[: len(content) // 2])
    clip = cut_clip(mp3, FolderStore(tmp_path / "clips"), settings)
    assert clip.start_s == pytest.approx(3.0, abs=0.2)
    mp3.write_bytes(content[: len(content) // 24])
    with pytest.raises(AudioError, match=r"^song\.mp3: is .* s long; a clip needs 2 s$"):
        cut_clip(mp3, FolderStore(tmp_path / "clips"), settings)


def test_no_room_for_a_clip_is_no_fault_of_the_song(
    tmp_path: Path, settings: ClipSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    song, temporary = write_song(tmp_path / "song.wav", seconds=12.0), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))  # which ends ffmpeg
    try:
        with pytest.raises(OSError) as caught:
            cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert caught.value.errno == errno.EFBIG
    assert Path(caught.value.filename).parent == temporary
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("full", ["temporary", "clips"])
def test_the_disk_that_is_full_is_named(
    tmp_path: Path, settings: ClipSettings, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    for name in ("temporary", "clips"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20k", "x", tmp_path / full], check=False
    ).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    finally:
        subprocess.run(["umount", tmp_path / full], check=True)
    assert tmp_path / full in Path(caught.value.filename).parents


def test_model_hears_what_the_clip_holds(tmp_path: Path, settings: ClipSettings) -> None:
    song = write_song(tmp_path / "song.wav", seconds=12.0)
    clip = cut_clip(song, FolderStore(tmp_path / "clips"), settings)
    stored = tmp_path / "clips" / clip_key(clip.sha256)
    from_song, from_clip = load_clip(song, settings, 22050), load_clip(stored.read_bytes(), settings, 22050)
    assert from_song.shape == (3 * 22050,)
    assert np.corrcoef(from_song, from_clip[: len(from_song)])[0, 1] > 0.98
