"""Moods in songs' tags: where players read them, without a change to the sound, and back again."""

import hashlib
import os
import shutil
from pathlib import Path

import mutagen
import pytest
from mutagen.id3 import ID3

from mer_tasks.errors import InputError
from mer_tasks.library import tagging
from mer_tasks.library.mood_tag import read_moods, write_moods
from mer_tasks.library.tagging import tag_record, tag_song, untag_song
from tests.library.songs import ENCODERS, decoded_hash, make_song, run, sound_hash


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_mood_is_written_beside_the_other_tags_and_the_sound_stays(kind: str, tmp_path: Path) -> None:
    song = make_song(tmp_path / f"song.{kind}")
    before = sound_hash(song), decoded_hash(song)
    tags = {k: str(v) for k, v in dict(mutagen.File(song).tags or {}).items()}
    with tag_record(tmp_path / "home") as record:
        assert tag_song(song, "calm", record) == "written"
        assert read_moods(song) == ["calm"]
        assert (sound_hash(song), decoded_hash(song)) == before
        status = song.stat()
        assert tag_song(song, "calm", record) == "has it"
        assert song.stat() == status
        assert tag_song(song, "sad", record) == "written for calm"
        assert untag_song(song, record) == "put back: no mood"
        assert untag_song(song, record) == "was not tagged by mer"
    assert read_moods(song) == [] and (sound_hash(song), decoded_hash(song)) == before
    assert {k: str(v) for k, v in dict(mutagen.File(song).tags or {}).items()} == tags
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == [song.name]


def test_each_format_has_the_mood_where_players_look(tmp_path: Path) -> None:
    found = {}
    for kind in ("mp3", "flac", "ogg", "m4a"):
        write_moods(make_song(tmp_path / f"song.{kind}"), ["calm"])
        tags = mutagen.File(tmp_path / f"song.{kind}").tags
        found[kind] = [key for key in tags.keys() if "moo" in key.lower()]  # noqa: SIM118 - or values too
    old = make_song(tmp_path / "old.mp3", "-id3v2_version", "3")
    write_moods(old, ["calm"])
    tags = ID3(old, translate=False)
    assert tags.version == (2, 3, 0) and tags["TXXX:MOOD"].text == ["calm"] and "TMOO" not in tags
    assert found["mp3"] == ["TMOO"] and found["m4a"] == ["----:com.apple.iTunes:MOOD"]
    assert [key.lower() for key in found["flac"] + found["ogg"]] == ["mood", "mood"]


def test_an_mp3_without_tags_is_to_the_byte_what_it_was_after_undo(tmp_path: Path) -> None:
    song = make_song(tmp_path / "bare.mp3", "-id3v2_version", "0")
    content = song.read_bytes() + b"TAG" + b"Unusual \xff title".ljust(125, b"\0")  # ID3v1
    song.write_bytes(content)
    with tag_record(tmp_path) as record:
        tag_song(song, "happy", record)
        assert song.read_bytes().endswith(content) and read_moods(song) == ["happy"]
        untag_song(song, record)
    assert song.read_bytes() == content


def test_a_person_s_mood_comes_back_however_often_the_song_was_tagged_between(tmp_path: Path) -> None:
    song = make_song(tmp_path / "song.flac")
    write_moods(song, ["wistful", "Grübelnd"])
    with tag_record(tmp_path) as record:
        assert tag_song(song, "sad", record) == "written for wistful, Grübelnd"
        tag_song(song, "calm", record)
        assert untag_song(song, record) == "put back: wistful, Grübelnd"
    assert read_moods(song) == ["wistful", "Grübelnd"]


def test_what_a_person_changed_after_it_was_tagged_stays(tmp_path: Path) -> None:
    song = make_song(tmp_path / "song.mp3")
    with tag_record(tmp_path) as record:
        tag_song(song, "sad", record)
        write_moods(song, ["mine"])
        assert untag_song(song, record) == "was changed since, to mine: left as it is"
        tag_song(song, "calm", record)
        assert untag_song(song, record) == "put back: mine"


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    song = make_song(tmp_path / "song.mp3")
    before = song.read_bytes(), song.stat()
    with tag_record(tmp_path) as record:
        assert tag_song(song, "sad", record, dry_run=True) == "would be written"
        assert (song.read_bytes(), song.stat()) == before and record.had(song) is None
        tag_song(song, "sad", record)
        assert untag_song(song, record, dry_run=True) == "would be put back: no mood"
        assert read_moods(song) == ["sad"]


@pytest.mark.parametrize("at", ["write_moods", "shutil.copy2", "os.fsync"])
def test_a_process_that_ends_half_way_leaves_a_song_whole_and_the_record_true(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = make_song(tmp_path / "song.mp3")
    write_moods(song, ["mine"])

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    with tag_record(tmp_path) as record:
        tag_song(song, "sad", record)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"{tagging.__name__}.{at}", end)
            tag_song(song, "calm", record)
        assert read_moods(song) == ["sad"]
        tag_song(song, "calm", record)
        untag_song(song, record)
    assert read_moods(song) == ["mine"]


def test_what_cannot_be_tagged_is_a_reason_and_stays(tmp_path: Path) -> None:
    song = make_song(tmp_path / "song.mp3")
    (tmp_path / "link.mp3").symlink_to(song)
    shutil.copy(song, tmp_path / "locked.mp3")
    (tmp_path / "locked.mp3").chmod(0o444)
    (tmp_path / "text.mp3").write_text("no audio")
    (tmp_path / "empty.flac").touch()
    os.mkfifo(tmp_path / "fifo.mp3")
    run("-f", "lavfi", "-i", "sine=440:duration=1", "-c:a", "wmav2", str(tmp_path / "song.wma"))
    reasons = {}
    with tag_record(tmp_path / "home") as record:
        for path in sorted(tmp_path.glob("*.*")):
            if path != song:
                with pytest.raises(InputError) as error:
                    tag_song(path, "calm", record)
                reasons[path.name] = str(error.value)
        with pytest.raises(InputError, match="No such file"):
            tag_song(tmp_path / "gone.mp3", "calm", record)
    assert reasons == {
        "empty.flac": reasons["empty.flac"],
        "fifo.mp3": "cannot be tagged: Is a FIFO, not a file",
        "link.mp3": "is a link; tag the file that it leads to",
        "locked.mp3": "is read-only; let this user write to it",
        "song.wma": "ASF files have no place for a mood that players read",
        "text.mp3": reasons["text.mp3"],
    }
    assert "tags" in reasons["empty.flac"] and "tags" in reasons["text.mp3"]


def test_a_link_where_the_copy_would_be_is_not_written_through(tmp_path: Path) -> None:
    song, other = make_song(tmp_path / "song.mp3"), tmp_path / "other"
    other.write_text("mine")
    name = hashlib.sha256(b"song.mp3").hexdigest()[:16]
    (tmp_path / f".mer-tag-{name}.mp3").symlink_to(other)
    with tag_record(tmp_path) as record:
        tag_song(song, "sad", record)
    assert (other.read_text(), read_moods(song), song.is_symlink()) == ("mine", ["sad"], False)


def test_one_process_at_a_time_has_the_record(tmp_path: Path) -> None:
    with tag_record(tmp_path), pytest.raises(InputError, match="another mer tag is at work"):
        tag_record(tmp_path).__enter__()
