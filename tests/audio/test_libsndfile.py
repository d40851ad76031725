"""What libraries print about a damaged file stays off standard error, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from mer_tasks.audio.decode import decode, duration_of
from mer_tasks.audio.libsndfile import quiet

PRINTED = (
    b"Note: Trying to resync...\n"
    b"an error of ours\n"
    b"[src/libmpg123/layer3.c:INT123_do_layer3():1804] error: dequantization failed!\n"
    b"the last"
)


def damaged_mp3(folder: Path) -> Path:
    """Noise with bytes altered and others put in between."""
    mp3 = folder / "damaged.mp3"
    source = ["-f", "lavfi", "-i", "anoisesrc=d=20:r=44100:a=0.3:seed=1", "-q:a", "4"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, mp3], check=True)
    content, random = bytearray(mp3.read_bytes()), np.random.default_rng(0)
    for place in random.integers(5000, len(content), 100):
        content[place] = random.integers(256)
    mp3.write_bytes(content[:60_000] + random.bytes(5000) + content[60_000:])
    return mp3


def test_a_damaged_mp3_is_decoded_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mp3 = damaged_mp3(tmp_path)
    assert decode(mp3, 0.0, duration_of(mp3)).duration_s > 15
    assert decode(mp3.read_bytes(), 5.0, 3.0).duration_s > 2
    assert capfd.readouterr() == ("", "")


def test_what_others_print_meanwhile_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet(), quiet():
        os.write(2, PRINTED)
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "an error of ours\nthe lastafter\n"


def test_an_exception_leaves_standard_error_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(RuntimeError), quiet():
        raise RuntimeError
    os.write(2, b"Note: after\n")
    assert capfd.readouterr().err == "Note: after\n"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
