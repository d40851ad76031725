"""Audio of every kind and every kind of damage, made with ffmpeg itself."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import librosa
import numpy as np
import pytest
import soundfile

from mer_tasks.audio.decode import AudioError, Sound, decode, duration_of, mono

CONTAINERS = ["wav", "flac", "ogg", "mp3", "m4a", "webm", "opus", "aac", "mkv", "wma", "aiff"]
REAL = os.environ.get("MER_REAL_DATA")


@pytest.fixture
def tone(tmp_path: Path, write_tone: Callable[..., Path]) -> Path:
    """Four seconds of 440 Hz in stereo at 48 kHz, which every codec takes."""
    return write_tone(tmp_path / "tone.wav", seconds=4.0, sr=48000, hz=440.0, channels=2)


def ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", *map(str, arguments)]
    subprocess.run(command, check=True)


def pitch(sound: Sound) -> float:
    spectrum = np.abs(np.fft.rfft(sound.y.mean(axis=0)))
    return spectrum.argmax() / sound.duration_s


def with_cover(tone: Path) -> Path:
    """The tone as an mp3 with a picture, which containers hold as a stream of video."""
    mp3, picture, song = (tone.with_name(name) for name in ("plain.mp3", "cover.png", "cover.mp3"))
    ffmpeg("-i", tone, mp3)
    ffmpeg("-f", "lavfi", "-i", "color=red:s=640x640:d=1", "-frames:v", "1", picture)
    ffmpeg("-i", mp3, "-i", picture, "-map", "0:a", "-map", "1:v", "-c", "copy", song)
    return song


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_tone(tone: Path, container: str) -> None:
    song = tone.with_name(f"song.{container}")
    ffmpeg("-y", "-i", tone, song)
    sound = decode(song)
    assert (sound.channels, sound.sr, sound.y.dtype) == (2, 48000, np.float32)
    assert sound.duration_s == pytest.approx(4.0, abs=0.1)
    assert duration_of(song) == pytest.approx(4.0, abs=0.1)
    assert pitch(sound) == pytest.approx(440, abs=1)
    part = decode(song, start_s=1.0, duration_s=2.0)
    assert part.duration_s == pytest.approx(2.0, abs=0.1)
    assert pitch(part) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("container", ["mp3", "m4a", "webm"])
def test_bytes_are_heard_as_the_file_is(tone: Path, container: str) -> None:
    song = tone.with_name(f"song.{container}")
    ffmpeg("-i", tone, song)
    content = song.read_bytes()
    np.testing.assert_array_equal(decode(content, 1.0, 2.0).y, decode(song, 1.0, 2.0).y)
    assert duration_of(content) == duration_of(song)


def test_cover_picture_is_no_audio(tone: Path) -> None:
    song = with_cover(tone)
    assert duration_of(song) == pytest.approx(4.0, abs=0.1)
    assert decode(song).duration_s == pytest.approx(4.0, abs=0.1)


def test_ending_does_not_matter(tone: Path) -> None:
    ffmpeg("-i", tone, tone.with_name("song.m4a"))
    song = tone.with_name("song.m4a").rename(tone.with_name("song.mp3"))
    assert pitch(decode(song)) == pytest.approx(440, abs=1)
    raw = tone.rename(tone.with_name("song.raw"))
    assert pitch(decode(raw)) == pytest.approx(440, abs=1)


def test_sound_of_a_video_counts(tone: Path) -> None:
    video = tone.with_name("video.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=4:s=64x64:r=5", "-i", tone, video)
    assert pitch(decode(video)) == pytest.approx(440, abs=1)


def test_seeking_is_exact(tone: Path) -> None:
    song = tone.with_name("noise.mp3")
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=20:r=44100:a=0.3:seed=1", song)
    whole = decode(song)
    part = decode(song, start_s=11.0, duration_s=3.0)
    np.testing.assert_array_equal(part.y, whole.y[:, 11 * 44100 : 14 * 44100])


@pytest.mark.parametrize("container", ["mp3", "ogg", "flac", "wav", "aac", "webm"])
def test_truncated_file_gives_what_is_there(tone: Path, container: str) -> None:
    song = tone.with_name(f"noise.{container}")
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=20:r=48000:a=0.3:seed=1", "-ac", "2", song)
    content = song.read_bytes()
    song.write_bytes(content[: len(content) // 2])
    assert 8 < duration_of(song) < 12
    assert decode(song).duration_s == pytest.approx(duration_of(song), abs=0.1)


def test_garbage_inside_an_mp3_is_skipped(tone: Path) -> None:
    song = tone.with_name("song.mp3")
    ffmpeg("-i", tone, song)
    content = song.read_bytes()
    garbage = np.random.default_rng(0).bytes(5000)
    song.write_bytes(content[:30000] + garbage + content[30000:])
    assert decode(song).duration_s > 3.0


@pytest.mark.parametrize(
    ("name", "content"),
    [("empty.mp3", b""), ("text.mp3", b"this is a letter, not a song\n" * 400), ("header.wav", b"RIFF")],
)
def test_what_is_no_audio_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    song = tmp_path / name
    song.write_bytes(content)
    for attempt in (decode, duration_of):
        with pytest.raises(
            AudioError, match=rf"^{name}: is not audio .*; fetch or export it again"
        ) as caught:
            attempt(song)
        assert "\n" not in str(caught.value)


def test_playlist_in_a_songs_clothes_opens_no_other_file(tone: Path) -> None:
    playlist = tone.with_name("song.mp3")
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{tone}\n#EXT-X-ENDLIST\n")
    with pytest.raises(AudioError, match=r"^song\.mp3: is not audio"):
        decode(playlist)


def test_video_without_sound_is_named(tmp_path: Path) -> None:
    video = tmp_path / "silent.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x64:r=5", video)
    for attempt in (decode, duration_of):
        with pytest.raises(AudioError, match=r"^silent\.mp4: has no audio stream$"):
            attempt(video)


def test_missing_file_and_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"^gone\.mp3: cannot be opened: No such file"):
        decode(tmp_path / "gone.mp3")
    with pytest.raises(AudioError, match="cannot be opened: Is a directory"):
        duration_of(tmp_path)


def test_nothing_after_the_end(tone: Path) -> None:
    with pytest.raises(AudioError, match=r"^tone\.wav: no audio at 60\.0 s$"):
        decode(tone, start_s=60.0)


def test_samples_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    song = tmp_path / "nan.wav"
    soundfile.write(song, np.full(1000, np.nan), 8000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"^nan\.wav: holds samples that are not numbers$"):
        decode(song)


@pytest.mark.parametrize("sr", [8000, 22050, 44100, 48000])
def test_mono_is_what_librosa_loads(tmp_path: Path, sr: int) -> None:
    song = tmp_path / "noise.wav"
    rng = np.random.default_rng(sr)
    noise = rng.uniform(-0.5, 0.5, (sr + 17, 2))
    soundfile.write(song, noise - noise.mean(axis=0), sr, subtype="FLOAT")
    expected, _ = librosa.load(song, sr=22050)
    decoded = mono(decode(song), 22050)
    assert decoded.dtype == np.float32
    np.testing.assert_allclose(decoded, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(REAL is None, reason="MER_REAL_DATA is not set")
def test_real_songs_of_every_kind() -> None:
    songs = sorted(Path(str(REAL), "full-songs").iterdir())
    assert {song.suffix for song in songs} == {".mp3", ".ogg", ".webm", ".m4a"}
    for song in songs:
        sound = decode(song)
        assert sound.duration_s == pytest.approx(duration_of(song), abs=0.1), song.name
        assert np.abs(sound.y).max() > 0.01, song.name


def test_an_offset_far_over_full_scale_leaves_the_sound_as_it_is(tmp_path: Path) -> None:
    y = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 22_050)
    for name, offset in (("plain", 0.0), ("offset", 5.0)):
        soundfile.write(tmp_path / f"{name}.wav", y + offset, 22_050, subtype="FLOAT")
    plain, offset = (mono(decode(tmp_path / f"{name}.wav"), 22_050) for name in ("plain", "offset"))
    assert offset == pytest.approx(plain, abs=1e-5)


def test_one_sample_beyond_all_scales_is_damage(tmp_path: Path) -> None:
    y = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 22_050)
    y[5000] = 1e30
    soundfile.write(tmp_path / "song.wav", y, 22_050, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"song.wav: holds samples of 1e\+30 times full scale"):
        decode(tmp_path / "song.wav")
