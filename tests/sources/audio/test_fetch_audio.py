"""Which source a song's audio comes from."""

from pathlib import Path

import pytest
import soundfile

from mer_tasks.domain import Failure, Track
from mer_tasks.errors import InputError
from mer_tasks.sources.audio import fetch_audio
from mer_tasks.sources.audio.contract import Fetched, FetchError
from mer_tasks.validation import is_video


def track(path: Path | None = None, url: str | None = None, may_fetch: bool = True) -> Track:
    return Track("a", "T", "A", str(path) if path else None, url, licence="CC BY-ND", may_fetch=may_fetch)


def test_a_local_file_is_given_as_it_is(tmp_path, folder, audio, clips) -> None:
    song = tmp_path / "song.mp3"
    song.touch()
    fetched = fetch_audio(track(song, url="http://127.0.0.1:1/a.mp3"), folder, audio, clips)
    assert fetched == Fetched(song)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["song.wav", "a song.mp3"])
def test_an_address_is_downloaded_byte_for_byte(
    tmp_path, folder, audio, clips, serve, write_tone, name
) -> None:
    song = write_tone(tmp_path / "music" / name)
    url = f"{serve(song.parent)}/{name.replace(' ', '%20')}"
    fetched = fetch_audio(track(url=url), folder, audio, clips)
    assert (fetched.path.parent, fetched.n_bytes) == (folder, song.stat().st_size)
    assert fetched.path.read_bytes() == song.read_bytes()
    assert list(folder.iterdir()) == [fetched.path]


def test_the_address_helps_when_the_file_has_gone(tmp_path, folder, audio, clips, serve, write_tone) -> None:
    song = write_tone(tmp_path / "music" / "song.wav")
    gone = track(tmp_path / "gone.wav", f"{serve(song.parent)}/song.wav")
    assert soundfile.info(fetch_audio(gone, folder, audio, clips).path).duration == 2.0


def test_a_file_that_has_gone_is_one_line(tmp_path, folder, audio, clips) -> None:
    with pytest.raises(
        FetchError, match=r"gone.wav: no such file any more; import where it is now$"
    ) as caught:
        fetch_audio(track(tmp_path / "gone.wav"), folder, audio, clips)
    assert caught.value.failure is Failure.LOCAL


def test_what_the_licence_does_not_allow_is_not_asked_for(server, folder, audio, clips) -> None:
    listed = track(url=f"{server.url}/good/song.mp3", may_fetch=False)
    with pytest.raises(
        FetchError, match=r"^a: its licence does not allow a download \(CC BY-ND\)$"
    ) as caught:
        fetch_audio(listed, folder, audio, clips)
    assert caught.value.failure is Failure.REFUSED
    assert server.log == []


@pytest.mark.parametrize("url", [None, "https://www.youtube.com/watch?v=x", "https://youtu.be/x"])
def test_youtube_is_off_until_someone_has_the_right(params, folder, clips, url) -> None:
    with pytest.raises(InputError, match=r"only where audio\.youtube\.download_permitted is true$") as caught:
        fetch_audio(track(url=url), folder, params.audio, clips)
    assert "\n" not in str(caught.value)
    assert caught.value.failure is Failure.REFUSED
    assert str(caught.value).startswith(
        f"{url}: " if url else "a: neither path nor url is known; import one. "
    )


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://youtube.com/watch?v=x", True),
        ("https://music.youtube.com/watch?v=x", True),
        ("https://YOUTU.BE/x", True),
        ("https://notyoutube.com/x", False),
        ("https://youtube.com.example.org/x", False),
        ("https://example.org/youtube.com", False),
        ("http://[::1", False),
    ],
)
def test_a_videos_address_is_known(url: str, is_one: bool) -> None:
    assert is_video(url) is is_one
