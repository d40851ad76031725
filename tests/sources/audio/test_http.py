"""A song from its address, from servers that lie, stall, refuse and lead astray."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_tasks.audio.cut import cut_clip, window
from mer_tasks.audio.decode import decode
from mer_tasks.domain import Failure, Track
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import AudioSettings, ClipSettings, load_params
from mer_tasks.sources.audio import http
from mer_tasks.sources.audio.contract import FetchError
from mer_tasks.sources.audio.ranges import clip_start_s
from mer_tasks.sources.audio.site import is_text
from mer_tasks.sources.connection import is_public
from mer_tasks.temporary import retry_after

ROOT = Path(__file__).parents[3]
CLIPS = load_params(ROOT / "params.yaml").clips
Song = Callable[[str], Track]


@pytest.fixture
def refused(folder: Path, audio: AudioSettings, clips: ClipSettings, song: Song) -> Callable[..., FetchError]:
    """A function that fetches an address, which must fail cleanly, and gives the failure."""

    def fails(url: str, **changes: Any) -> FetchError:
        with pytest.raises(FetchError) as caught:
            http.fetch(song(url), folder, audio.model_copy(update=changes), clips)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
        assert list(folder.iterdir()) == []
        return caught.value

    return fails


@pytest.mark.parametrize("name", ["song.mp3", "untagged.mp3", "cover.mp3", "varying.mp3"])
def test_of_an_mp3_only_the_clip_is_fetched(server, folder, audio, clips, song, songs, name) -> None:
    fetched = http.fetch(song(f"{server.url}/good/{name}"), folder, audio, clips)
    assert fetched.start_s == pytest.approx(20.0, abs=0.1)
    assert server.n_sent <= fetched.n_bytes < (songs / name).stat().st_size / 4  # it counts after sending
    assert list(folder.iterdir()) == [fetched.path]
    decoded = decode(fetched.path)
    assert decoded.duration_s == 5.0
    assert lag_s(decoded.y[0], decode(songs / name, 19.0, 7.0).y[0], decoded.sr) == pytest.approx(
        1.0, abs=0.6
    )


@pytest.mark.parametrize("name", ["song.ogg", "song.flac", "song.wav"])
def test_an_excerpt_gives_the_clip_of_the_whole(
    server, folder, audio, clips, song, songs, tmp_path, name
) -> None:
    fetched = http.fetch(song(f"{server.url}/good/{name}"), folder, audio, clips)
    assert server.n_sent <= fetched.n_bytes < (songs / name).stat().st_size / 1.9  # it counts after sending
    clip = cut_clip(fetched.path, FolderStore(tmp_path / "clips"), clips, fetched.start_s)
    assert clip.sha256 == cut_clip(songs / name, FolderStore(tmp_path / "clips"), clips).sha256
    assert clip.start_s == 20.0


@pytest.mark.parametrize(
    "path",
    [
        "whole/song.mp3",
        "garbage_in_ranges/song.mp3",
        "elsewhere_in_ranges/song.mp3",
        "growing_in_ranges/song.mp3",
        "endless_ranges/song.mp3",
        "unsatisfiable/song.mp3",
        "good/song.m4a",  # libsndfile does not know it
        "good/short.mp3",  # hardly longer than its clip
    ],
)
def test_where_ranges_do_not_help_the_whole_is_fetched(
    server, folder, audio, clips, song, songs, path
) -> None:
    fetched = http.fetch(song(f"{server.url}/{path}"), folder, audio, clips)
    assert fetched.start_s is None
    assert fetched.path.read_bytes() == (songs / path.partition("/")[2]).read_bytes()
    assert list(folder.iterdir()) == [fetched.path]


def test_a_server_without_ranges_is_asked_once(server, folder, audio, clips, song, songs) -> None:
    fetched = http.fetch(song(f"{server.url}/whole/song.mp3"), folder, audio, clips)
    assert len(server.log) == 1
    assert fetched.n_bytes == (songs / "song.mp3").stat().st_size


@given(st.floats(1.0, 1e5))
def test_ranges_and_cutting_mean_the_same_seconds(duration_s: float) -> None:
    start_s = clip_start_s(duration_s, CLIPS)
    assert (start_s is None) == (not 60.0 < duration_s < 24 * 3600)
    if start_s is not None:
        assert (start_s, CLIPS.duration_s) == window(duration_s, CLIPS)


@pytest.mark.parametrize(
    ("path", "failure", "reason"),
    [
        ("status/404", Failure.GONE, "responds with 404 Not Found"),
        ("status/410", Failure.GONE, "responds with 410 Gone"),
        ("status/401", Failure.REFUSED, "responds with 401 Unauthorized"),
        ("status/403", Failure.REFUSED, "responds with 403 Forbidden"),
        ("status/451", Failure.REFUSED, "responds with 451"),
        ("status/429", Failure.BUSY, "responds with 429 Too Many Requests"),
        ("status/500", Failure.BUSY, "responds with 500 Internal Server Error"),
        ("status/503", Failure.BUSY, "responds with 503 Service Unavailable"),
        ("status/400", Failure.BAD, "responds with 400 Bad Request"),
        ("status/300", Failure.BAD, "responds with 300 Multiple Choices"),
        ("page/text/html", Failure.BAD, "sends a text or a web page, no audio"),
        ("page/audio/mpeg", Failure.BAD, "sends a text or a web page, no audio"),
        ("empty", Failure.BAD, "sends an empty file"),
        ("zipped", Failure.BAD, "sends its audio compressed"),
        ("cut/song.mp3", Failure.BUSY, "the connection failed: peer closed connection"),
        ("nonsense", Failure.BUSY, "the connection failed: "),
        ("busy_in_ranges/song.mp3", Failure.BUSY, "responds with 429"),
        ("round", Failure.BAD, "redirects more than 5 times"),
    ],
)
def test_each_refusal_has_its_kind(server, refused, path, failure, reason) -> None:
    error = refused(f"{server.url}/{path}")
    assert error.failure is failure
    assert str(error).startswith(f"{server.url}/{path}: {reason}")


@pytest.mark.parametrize("path", ["silence", "stall", "drip", "drip_headers"])
def test_time_is_limited(server, refused, path) -> None:
    began = time.monotonic()
    error = refused(f"{server.url}/{path}", timeout_s=0.5)
    assert (error.failure, str(error)) == (Failure.BUSY, f"{server.url}/{path}: was too slow")
    assert time.monotonic() - began < 4  # the server itself goes on for 5 s or for ever


@pytest.mark.parametrize(("announced", "most_mb"), [("2000000000", 0.5), ("", 10), ("3000000000", 0.5)])
def test_size_is_limited_whatever_is_announced(server, refused, announced, most_mb) -> None:
    error = refused(f"{server.url}/huge/{announced}", max_mb=1)
    assert error.failure is Failure.BAD
    assert str(error).endswith(": is larger than 1 MB")
    assert server.n_sent <= most_mb * 1e6 + 8e6  # what sockets hold on top


def test_retry_after_is_passed_on(server, refused) -> None:
    assert refused(f"{server.url}/status/429/120").retry_after_s == 120.0
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert refused(f"{server.url}/status/503/{date}").retry_after_s == pytest.approx(3600, abs=30)
    assert refused(f"{server.url}/status/429").retry_after_s is None


@pytest.mark.parametrize("value", ["soon", "-1", "9" * 40, "", "Mon, 99 Foo 2026", "\u0663"])
def test_an_odd_retry_after_is_none(value: str) -> None:
    assert retry_after({"Retry-After": value}) is None


def test_nobody_there_is_busy(refused) -> None:
    assert refused("http://127.0.0.1:1/a.mp3").failure is Failure.BUSY
    error = refused("http://no-such-host.invalid/a.mp3")
    assert error.failure is Failure.BUSY
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3", "gopher://127.0.0.1/a"])
def test_a_redirect_leads_to_http_only(server, refused, target) -> None:
    error = refused(f"{server.url}/to/{target}")
    assert error.failure is Failure.REFUSED
    assert "only http and https are fetched" in str(error)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.0.0.2", "0.0.0.0", "2130706433", "[::ffff:127.0.0.1]"]
)
def test_a_redirect_to_what_was_not_asked_for_is_refused(start, refused, host) -> None:
    asked, secret = start(), start()
    named = (f"127.0.0.1:{asked.port}",)
    error = refused(f"{asked.url}/to/http://{host}:{secret.port}/good/song.mp3", private_hosts=named)
    assert error.failure is Failure.REFUSED
    assert "which is not on the public internet" in str(error)
    assert secret.log == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ],
)
def test_a_song_may_not_name_what_no_setting_names(start, refused, host) -> None:
    secret, own = start(), start()
    error = refused(f"http://{host}:{secret.port}/good/song.mp3", private_hosts=(f"127.0.0.1:{own.port}",))
    assert error.failure is Failure.REFUSED
    remedy = f"if songs may come from there, add {host.lower()}:{secret.port} to audio.private_hosts"
    assert str(error).endswith(remedy)
    assert secret.log == []


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]"]
)
def test_a_song_is_in_no_private_network(refused, host) -> None:
    assert refused(f"http://{host}/latest/meta-data/").failure is Failure.REFUSED


@pytest.mark.parametrize("named", ["127.0.0.1", "127.0.0.1:{port}", "localhost:{port}"])
def test_a_host_that_the_settings_name_is_fetched_from(
    server, folder, audio, clips, song, songs, named
) -> None:
    host = named.partition(":")[0]
    allowed = audio.model_copy(update={"private_hosts": (named.format(port=server.port),)})
    fetched = http.fetch(song(f"http://{host}:{server.port}/good/short.mp3"), folder, allowed, clips)
    assert fetched.path.read_bytes() == (songs / "short.mp3").read_bytes()


@pytest.mark.parametrize("host", ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00::1]"])
def test_a_redirect_into_a_private_network_is_refused(server, refused, host) -> None:
    assert refused(f"{server.url}/to/http://{host}/a.mp3").failure is Failure.REFUSED


def test_a_redirect_on_the_same_server_is_followed(server, folder, audio, clips, song, songs) -> None:
    fetched = http.fetch(song(f"{server.url}/to//good/short.mp3"), folder, audio, clips)
    assert fetched.path.read_bytes() == (songs / "short.mp3").read_bytes()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3", "ytsearch:song", "/etc/passwd"]
)
def test_only_http_and_https_are_fetched(refused, url) -> None:
    assert refused(url).failure is Failure.REFUSED


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://a b/", "http://127.0.0.1:99999/a", "http://\u2603.\0/"]
)
def test_what_is_no_address_is_one_line(refused, url) -> None:
    assert refused(url).failure in (Failure.BAD, Failure.BUSY)


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped.mp3",
        "a \"quoted\" 'song'.mp3",
        "🎵.mp3",
        "x" * 400 + ".mp3",
        "\u202egnp.mp3",
        "-rf.mp3",
    ],
)
def test_names_do_not_leave_the_folder(server, folder, audio, clips, song, name, tmp_path) -> None:
    track = Track(name, name, name, url=f"{server.url}/whole/short.mp3?name={name}#{name}")
    fetched = http.fetch(track, folder, audio, clips)
    assert list(folder.iterdir()) == [fetched.path]
    assert fetched.path.parent == folder
    assert not (tmp_path / "escaped.mp3").exists()


def test_a_password_is_not_shown(server, refused) -> None:
    error = refused(f"http://me:secret@127.0.0.1:{server.port}/status/404")
    assert "secret" not in str(error)


def test_a_full_disk_is_not_the_songs_fault(server, audio, clips, song, tmp_path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "song").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        http.fetch(song(f"{server.url}/whole/song.mp3"), folder, audio, clips)
    (folder / "clip.wav").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        http.fetch(song(f"{server.url}/good/song.mp3"), folder, audio, clips)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("100.64.0.1", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("198.18.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"<!doctype html>\r\n\t<p>", True),
        ('{"error": "n\u00e3o"}'.encode()[:-3], True),
        (b"#EXTM3U\nhttp://a/b.mp3\n", True),
        (b"RIFF\x24\x08\0\0WAVEfmt ", False),
        (b"ID3\x04\0\0\0", False),
        (b"fLaC\0\0\0\x22", False),
        (b"\xff\xfb\x90\x64", False),
        (b"", False),
    ],
)
def test_text_is_told_from_audio(head: bytes, text: bool) -> None:
    assert is_text(head) is text


def lag_s(part: np.ndarray, whole: np.ndarray, sr: int) -> float:
    """Where in `whole` a part begins, in seconds: the peak of their correlation, by FFT."""
    n = len(part) + len(whole)
    product = np.fft.irfft(np.fft.rfft(whole, n) * np.conj(np.fft.rfft(part, n)), n)
    return float(np.argmax(product[: len(whole) - len(part) + 1])) / sr
