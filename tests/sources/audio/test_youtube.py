"""A song by search, with the real yt-dlp and a feed on this machine in place of YouTube's search."""

import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mer_tasks.audio.cut import cut_clip
from mer_tasks.audio.decode import duration_of
from mer_tasks.domain import Failure, Track
from mer_tasks.objects.folder import FolderStore
from mer_tasks.settings import AudioSettings
from mer_tasks.sources.audio import youtube
from mer_tasks.sources.audio.contract import FetchError
from mer_tasks.sources.audio.video import failure_of

SONG = Track("a", "Hello", "Adele", duration_s=80.0)


@pytest.fixture
def audio(audio: AudioSettings, server) -> AudioSettings:
    """Settings that search on the hostile server."""
    return searching(audio, f"{server.url}/search/?q={{query}}")


def searching(audio: AudioSettings, address: str) -> AudioSettings:
    changed = audio.youtube.model_copy(update={"search": address})
    return audio.model_copy(update={"youtube": changed})


@pytest.fixture
def failing(folder, audio, clips) -> Callable[..., FetchError]:
    """A function that fetches a song, which must fail cleanly, and gives the failure."""

    def fails(track: Track = SONG, **changes: Any) -> FetchError:
        with pytest.raises(FetchError) as caught:
            youtube.fetch(track, folder, audio.model_copy(update=changes), clips)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 700
        assert list(folder.iterdir()) == []
        return caught.value

    return fails


def test_the_best_match_is_fetched_and_only_its_clip(server, folder, audio, clips, songs, tmp_path) -> None:
    best = f"{server.url}/good/song.mp3"
    server.results += [
        ("Adele - Hello (Live)", f"{server.url}/status/500", 80.0),
        ("Adele - Hello (Official Video)", best, 81.0),
        ("Adele - Someone Like You", f"{server.url}/status/500", 80.0),
    ]
    fetched = youtube.fetch(SONG, folder, audio, clips)
    assert fetched.match == {
        "url": best,
        "title": "Adele - Hello (Official Video)",
        "score": 0.992,
        "candidates": 3,
    }
    assert fetched.start_s == pytest.approx(20.25)
    assert duration_of(fetched.path) == pytest.approx(5.0, abs=0.2)
    assert 0 < fetched.n_bytes == fetched.path.stat().st_size < (songs / "song.mp3").stat().st_size / 10
    assert list(folder.iterdir()) == [fetched.path]
    clip = cut_clip(fetched.path, FolderStore(tmp_path / "clips"), clips, fetched.start_s)
    assert (clip.start_s, clip.duration_s) == (20.25, pytest.approx(5.0, abs=0.2))


def test_the_whole_where_a_range_fails(server, folder, audio, clips, songs) -> None:
    server.results += [("Adele - Hello", f"{server.url}/not_for_ffmpeg/song.mp3", 80.0)]
    fetched = youtube.fetch(SONG, folder, audio, clips)
    assert fetched.start_s is None
    assert fetched.path.read_bytes() == (songs / "song.mp3").read_bytes()
    assert list(folder.iterdir()) == [fetched.path]


def test_the_whole_where_the_length_is_not_known(server, folder, audio, clips, songs) -> None:
    server.results += [("Adele - Hello", f"{server.url}/good/song.mp3", None)]
    fetched = youtube.fetch(Track("a", "Hello", "Adele"), folder, audio, clips)
    assert fetched.start_s is None
    assert fetched.path.read_bytes() == (songs / "song.mp3").read_bytes()


def test_an_address_is_not_searched_for(server, folder, audio, clips) -> None:
    track = Track("a", "Hello", "Adele", url=f"{server.url}/good/song.mp3", duration_s=80.0)
    fetched = youtube.fetch(track, folder, audio, clips)
    assert (fetched.start_s, fetched.match) == (20.0, None)
    assert {path for path, _ in server.log} == {"/good/song.mp3"}


def test_no_match_names_the_best_and_its_score(server, failing) -> None:
    server.results += [
        ("Adele - Hello (Live)", f"{server.url}/good/song.mp3", 80.0),
        ("Something else\nentirely", f"{server.url}/good/song.mp3", 80.0),
    ]
    error = failing()
    assert error.failure is Failure.GONE
    assert str(error) == (
        f'a: the best of 2 found is "Adele - Hello (Live)" ({server.url}/good/song.mp3), which scores 0.33; '
        "audio.youtube.min_score is 0.6"
    )


def test_nothing_found_is_gone(failing) -> None:
    error = failing()
    assert (str(error), error.failure) == ("a: a search finds nothing", Failure.GONE)


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("status/404", Failure.GONE),
        ("status/403", Failure.REFUSED),
        ("status/429", Failure.BUSY),
        ("status/503", Failure.BUSY),
        ("page/text/html", Failure.BAD),
        ("cut/song.mp3", Failure.BUSY),
        ("to/file:///etc/passwd", Failure.BUSY),
    ],
)
def test_each_refusal_has_its_kind(server, failing, path, failure) -> None:
    server.results += [("Adele - Hello", f"{server.url}/{path}", None)]
    assert failing(Track("a", "Hello", "Adele")).failure is failure


@pytest.mark.parametrize("leads", ["{secret}/good/song.mp3", "{own}/to/{secret}/good/song.mp3"])
def test_nothing_is_asked_for_outside_the_internet(start, server, failing, leads) -> None:
    secret = start()
    server.results += [("Adele - Hello", leads.format(own=server.url, secret=secret.url), 80.0)]
    error = failing(private_hosts=(f"127.0.0.1:{server.port}",))
    assert error.failure is Failure.REFUSED
    assert str(error) == (
        f"a: leads to 127.0.0.1:{secret.port}, which is not on the public internet; if songs may come from"
        f" there, add 127.0.0.1:{secret.port} to audio.private_hosts"
    )
    assert secret.log == []


def test_ffmpeg_is_not_led_outside_the_internet(start, server, folder, audio, clips, songs) -> None:
    secret = start()
    server.results += [("Adele - Hello", f"{server.url}/inside_for_ffmpeg/{secret.url}/good/song.mp3", 80.0)]
    named = audio.model_copy(update={"private_hosts": (f"127.0.0.1:{server.port}",)})
    with suppress(FetchError):
        youtube.fetch(SONG, folder, named, clips)
    assert any(path.startswith("/inside_for_ffmpeg") for path, _ in server.log)
    assert secret.log == []


def test_time_is_limited(server, failing) -> None:
    server.results += [("Adele - Hello", f"{server.url}/drip", None)]
    began = time.monotonic()
    error = failing(timeout_s=3.0)
    assert (str(error), error.failure) == ("a: not done within 3 s", Failure.BUSY)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("announced", ["2000000000", ""])
def test_size_is_limited_whatever_is_announced(server, failing, announced) -> None:
    server.results += [("Adele - Hello", f"{server.url}/huge/{announced}", None)]
    error = failing(Track("a", "Hello", "Adele"), max_mb=1)
    assert error.failure is Failure.BAD
    assert "larger than 1 MB" in str(error)
    assert server.n_sent < 30e6


@pytest.mark.parametrize("title", ["../../x", 'say "hello"; rm -rf', "x" * 400, "\u202e🎵", "100% {query}"])
def test_titles_of_all_kinds(server, folder, audio, clips, tmp_path, title) -> None:
    server.results += [(title, f"{server.url}/whole/short.mp3", None)]
    fetched = youtube.fetch(Track(title, title, "A"), folder, audio_without_score(audio), clips)
    assert list(folder.iterdir()) == [fetched.path]
    assert {path.name for path in tmp_path.iterdir()} == {folder.name}


def audio_without_score(audio: AudioSettings) -> AudioSettings:
    return audio.model_copy(update={"youtube": audio.youtube.model_copy(update={"min_score": 0.0})})


def test_the_query_is_artist_and_title(server, failing) -> None:
    failing(Track("a", "Hello & goodbye", "Adele"))
    assert server.queries == [f"q={quote('Adele Hello & goodbye')}"]


def test_ffmpeg_ends_when_time_is_over(server, failing) -> None:
    server.results += [("Adele - Hello", f"{server.url}/drip_for_ffmpeg/song.mp3", 80.0)]
    assert failing(timeout_s=10.0).failure is Failure.BUSY
    assert server.n_sent > 0  # it had begun
    wait_until(lambda: not asking(server.port))


def test_ffmpeg_ends_when_we_are_killed(server, folder, audio, clips) -> None:
    server.results += [("Adele - Hello", f"{server.url}/drip_for_ffmpeg/song.mp3", 80.0)]
    fetching = multiprocessing.get_context("spawn").Process(
        target=youtube.fetch, args=(SONG, folder, audio, clips)
    )
    fetching.start()
    wait_until(lambda: asking(server.port))
    fetching.kill()
    fetching.join()
    wait_until(lambda: not asking(server.port))


def asking(port: int) -> bool:
    """Whether ffmpeg is asking a server."""
    lines = list[bytes]()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            lines.append(file.read_bytes())
    return any(b"ffmpeg" in line and f":{port}/".encode() in line for line in lines)


def wait_until(done: Callable[[], bool]) -> None:
    for _ in range(300):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("not within 30 s")


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        ("Private video. Sign in if you've been granted access to this video", Failure.GONE),
        ("Video unavailable", Failure.GONE),
        ("Video unavailable. This video has been removed by the uploader", Failure.GONE),
        ("This video is no longer available because the YouTube account has been terminated", Failure.GONE),
        (
            "Video unavailable. The uploader has not made this video available in your country",
            Failure.REFUSED,
        ),
        ("Sign in to confirm you\u2019re not a bot. Use --cookies", Failure.REFUSED),
        ("Sign in to confirm your age. This video may be inappropriate", Failure.REFUSED),
        ("Join this channel to get access to members-only content", Failure.REFUSED),
        ("This video is not available from your location due to geo restriction", Failure.REFUSED),
        (
            "This content isn't available, try again later. The current session has been rate-limited",
            Failure.BUSY,
        ),
        ("unable to download video data: HTTP Error 403: Forbidden", Failure.REFUSED),
        ("Unable to download API page: HTTP Error 429: Too Many Requests", Failure.BUSY),
        ("Unable to download webpage: HTTP Error 502: Bad Gateway", Failure.BUSY),
        ("Unable to download webpage: <urlopen error timed out>", Failure.BUSY),
        ("Unable to download webpage: Connection refused", Failure.BUSY),
        ("Unsupported URL: http://a/", Failure.BAD),
        ("This live event will begin in 3 hours.", Failure.BAD),
    ],
)
def test_messages_of_youtube_have_their_kind(message: str, failure: Failure) -> None:
    assert failure_of(message) is failure
