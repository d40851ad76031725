"""A song's audio from a path or from an address, by a real server on this machine."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from mer_tasks.domain import InputError, Track
from mer_tasks.sources import fetch
from mer_tasks.sources.fetch import FetchError, fetch_audio

Serve = Callable[..., str]
WriteTone = Callable[..., Path]


def track(path: Path | None = None, url: str | None = None) -> Track:
    return Track("a", "T", "A", str(path) if path else None, url)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloads of 100%"
    folder.mkdir()
    return folder


def test_a_local_file_is_given_as_it_is(tmp_path: Path, folder: Path) -> None:
    song = tmp_path / "song.mp3"
    song.touch()
    assert fetch_audio(track(song, url="http://127.0.0.1:1/a.mp3"), folder) == song
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["song.wav", "a song.mp3"])
def test_an_address_is_downloaded_byte_for_byte(
    tmp_path: Path, folder: Path, serve: Serve, write_tone: WriteTone, name: str
) -> None:
    song = write_tone(tmp_path / "music" / name)
    fetched = fetch_audio(track(url=f"{serve(song.parent)}/{name.replace(' ', '%20')}"), folder)
    assert fetched.parent == folder
    assert fetched.read_bytes() == song.read_bytes()
    assert list(folder.iterdir()) == [fetched]


def test_the_address_helps_when_the_file_has_gone(
    tmp_path: Path, folder: Path, serve: Serve, write_tone: WriteTone
) -> None:
    song = write_tone(tmp_path / "music" / "song.wav")
    fetched = fetch_audio(track(tmp_path / "gone.wav", f"{serve(song.parent)}/song.wav"), folder)
    assert soundfile.info(fetched).duration == 2.0


def test_a_file_that_has_gone_is_one_line(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FetchError, match=r"gone.wav: no such file any more; import where it is now$"):
        fetch_audio(track(tmp_path / "gone.wav"), folder)
    with pytest.raises(InputError, match=r"^a: neither path nor url is known; import one$"):
        fetch_audio(track(), folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.mp3", "Unable to download webpage: HTTP Error 404: File not found"),
        ("page.html", "Unsupported URL"),
        ("empty.mp3", "Did not get any data blocks"),
        ("large.mp3", r"gives no file; it is a live stream or larger than 1 MB"),
    ],
)
def test_an_address_that_gives_no_audio_is_one_line(
    tmp_path: Path, folder: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.setattr(fetch, "LARGEST_MB", 1)
    site = tmp_path / "site"
    site.mkdir()
    (site / "page.html").write_text("<html><body>no audio here</body></html>")
    (site / "empty.mp3").touch()
    (site / "large.mp3").write_bytes(bytes(1_000_001))
    address = f"{serve(site)}/{name}"
    with pytest.raises(FetchError, match=f"^{address}: {reason}") as caught:
        fetch_audio(track(url=address), folder)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_server_that_is_down_is_one_line(folder: Path) -> None:
    with pytest.raises(FetchError, match=r"^http://127.0.0.1:1/a.mp3: .*Connection refused") as caught:
        fetch_audio(track(url="http://127.0.0.1:1/a.mp3"), folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://127.0.0.1/a.mp3", "ytsearch:song", "/etc/passwd"]
)
def test_only_http_and_https_are_fetched(folder: Path, address: str) -> None:
    with pytest.raises(FetchError, match="only http and https addresses are fetched"):
        fetch_audio(track(url=address), folder)
