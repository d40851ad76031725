"""Many songs asked side by side."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mer_tasks.prediction.asking import Asker
from mer_tasks.prediction.songs import Song
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.version_card import VersionCard
from tests.prediction.versions import Registry, write_song


@pytest.fixture
def registered(registry: Registry) -> Iterator[RegisteredModel]:
    with RegisteredModel(registry.machine, "models:/mood@champion", 2) as model:
        yield model


@pytest.fixture
def asker(registry: Registry, registered: RegisteredModel) -> Asker:
    return Asker(registered, registry.params, 2)


def test_each_song_is_answered_in_its_place_whatever_becomes_of_the_others(
    asker: Asker, tmp_path: Path
) -> None:
    songs = [Song(str(write_song(tmp_path / f"{i}.wav", [0.5 + i / 100]))) for i in range(12)]
    (tmp_path / "bad.wav").write_text("no audio")
    deadly = write_song(tmp_path / "deadly.wav", [1.9])
    songs[3:3] = [
        Song(str(tmp_path / "bad.wav")),
        Song(str(deadly)),
        Song("gone.wav"),
        Song("x", problem="x: why"),
    ]
    answers = list(asker.answers(songs))
    assert [answer.name for answer in answers] == [song.name for song in songs]
    moods = [answer.mood.confidence for answer in answers if answer.mood]
    assert moods == pytest.approx([0.5 + i / 100 for i in range(12)], abs=1e-3)
    remedy = "try again, or see whether memory suffices"
    assert [answer.error for answer in answers[3:7]] == [
        f"{tmp_path}/bad.wav: cannot be decoded",
        f"{deadly}: mood version 1: its process ended by signal 9 (it printed nothing); {remedy}",
        "gone.wav: no such file; give a song's file",
        "x: why",
    ]
    assert [answer.exit_code for answer in answers[2:7]] == [0, 2, 75, 2, 2]


def test_a_timeline_has_the_mood_of_each_window_and_the_song_s_own(asker: Asker, tmp_path: Path) -> None:
    song = write_song(tmp_path / "song.wav", [0.1, 0.9, 0.3])
    [answer] = asker.answers([Song(str(song))], with_timeline=True)
    assert answer.mood and answer.mood.why == {"loud": answer.mood.confidence}
    found = [
        (one.start_s, one.end_s, one.mood and round(one.mood.probabilities["energetic"], 2))
        for one in answer.timeline
    ]
    assert found == [(0, 5, 0.1), (5, 10, 0.9), (10, 15, 0.3)]
    assert [one.mood.mood for one in answer.timeline if one.mood] == ["not sure", "energetic", "not sure"]


def test_an_address_is_asked_only_where_the_settings_allow_it(
    registry: Registry, registered: RegisteredModel, tmp_path: Path, serve: Callable[..., str]
) -> None:
    write_song(tmp_path / "web" / "song.wav", [0.1, 0.8, 0.2])
    url = f"{serve(tmp_path / 'web')}/song.wav"
    [refused] = Asker(registered, registry.params, 2).answers([Song(url, url)])
    assert "which is not on the public internet; if songs may come from there" in refused.error
    registry.values["audio"] |= {"private_hosts": ["127.0.0.1"]}
    asker = Asker(registered, registry.params, 2)
    [allowed] = asker.answers([Song(url, url)], with_timeline=True)
    assert [one.start_s for one in allowed.timeline] == [0, 5, 10]
    [gone, video] = asker.answers(
        [Song(f"{url}x", f"{url}x"), Song("v", "https://youtu.be/x")], with_timeline=True
    )
    assert "responds with 404" in gone.error and "a video gives only its clip" in video.error


def test_the_card_says_that_songs_were_synthetic(registered: RegisteredModel) -> None:
    assert VersionCard.of(registered).line == (
        "mood version 1 (loud), trained on 2 synthetic songs (sample): what it says of music means nothing;"
        " right on 50 % of them, out of fold"
    )
