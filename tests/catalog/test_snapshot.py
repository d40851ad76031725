"""The data set as of a day: which sources count, which songs are left out and why, the same bytes every time."""

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, update

from mer_tasks.catalog.clips import record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.dataset import SONG_COLUMNS, Snapshot, read_snapshot, write_snapshot
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.schema import items, labels, tracks
from mer_tasks.catalog.snapshot import take_snapshot, unlabelled_songs
from mer_tasks.domain import SPOTIFY_FEATURES, Clip, ClipOutcome, normalised
from mer_tasks.errors import InputError
from mer_tasks.settings import Params
from mer_tasks.settings import SnapshotSettings as Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REAL_DATA = os.environ.get("MER_REAL_DATA")
needs_real_data = pytest.mark.skipif(not REAL_DATA, reason="MER_REAL_DATA names no folder")


@pytest.fixture
def settings(params: Params) -> Settings:
    return params.snapshot.model_copy(update={"collections": ("x",), "as_of": "latest", "needs": ()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "songs.csv"


def bring(catalog: Catalog, file: Path, *songs: str, collection: str = "x", at: datetime = NOON) -> None:
    """Import songs given as "id mood", "id mood title" or "id mood title artist"."""
    rows = []
    for song in songs:
        track_id, mood, *names = song.split()
        title, artist = [*names, f"title of {track_id}", "A"][:1] + [*names[1:], "A"][:1]
        rows.append(f"{track_id},{title},{artist},{mood},http://h/{track_id}")
    file.write_text("\n".join(("track_id,title,artist,mood,url", *rows)) + "\n")
    assert import_songs(catalog, file, collection, now=at).problems == ()


def state(catalog: Catalog, track_id: str, mood: str, source: str, at: datetime = NOON) -> None:
    kind = source.split(":")[0]
    row = {"track_id": track_id, "mood": mood, "kind": kind, "source": source, "observed_at": at}
    with catalog.transaction() as connection:
        connection.execute(insert(labels), row)


def put_in_collection(catalog: Catalog, track_id: str) -> None:
    """A song without a mood, as a chart without one brings it."""
    item = {"track_id": track_id, "collection": "x", "title": "T", "artist": "A", "observed_at": NOON}
    with catalog.transaction() as connection:
        connection.execute(insert(tracks), {"track_id": track_id, "first_seen_at": NOON})
        connection.execute(insert(items), item)


def clip(sha256: str) -> Clip:
    return Clip(
        sha256.ljust(64, "0"), start_s=1 / 3, duration_s=30.0, sr=44100, channels=2, loudness_lufs=-14.25
    )


def moods(snapshot: Snapshot) -> dict[str, str]:
    return dict(zip(snapshot.songs["track_id"], snapshot.songs["mood"], strict=True))


def reasons(snapshot: Snapshot) -> dict[str, str]:
    return dict(zip(snapshot.left_out["track_id"], snapshot.left_out["reason"], strict=True))


def test_only_songs_of_the_collections_in_order_of_id(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "b sad", "a happy", "Z calm")
    bring(catalog, file, "c calm", collection="y")
    both = settings.model_copy(update={"collections": ("x", "y")})
    assert list(moods(take_snapshot(catalog, settings, "r"))) == ["Z", "a", "b"]
    assert list(moods(take_snapshot(catalog, both, "r"))) == ["Z", "a", "b", "c"]


def test_each_song_names_the_snapshot_s_collections_that_list_it_on_that_day(
    catalog: Catalog, file: Path, settings: Settings, tmp_path: Path
) -> None:
    bring(catalog, file, "a sad", "b happy", collection="y")
    bring(catalog, file, "a sad", "c calm")
    bring(catalog, file, "a sad", "c calm", collection="z")
    both = settings.model_copy(update={"collections": ("y", "x")})
    that_day = both.model_copy(update={"as_of": NOON.date()})
    before = take_snapshot(catalog, that_day, "r")
    assert before.songs["collections"].tolist() == ["x|y", "y", "x"]
    bring(catalog, file, "b happy", at=NOON + timedelta(days=1))
    assert take_snapshot(catalog, both, "r").songs["collections"].tolist() == ["x|y", "x|y", "x"]
    write_snapshot(take_snapshot(catalog, that_day, "r"), tmp_path)
    assert (tmp_path / "songs.csv").read_text().splitlines()[1].startswith("a,title of a,A,sad,x|y,")
    assert read_snapshot(tmp_path).identity == before.identity


@pytest.mark.parametrize(
    ("statements", "outcome"),
    [
        (["chart:1 calm", "person:ann happy"], "happy"),
        (["person:ann happy", "person:bob happy"], "happy"),
        (["person:ann happy", "person:bob calm"], "two moods: calm (person:bob), happy (person:ann)"),
        (["person:ann happy", "person:ann calm"], "calm"),
        (["chart:1 calm", "chart:2 calm", "chart:3 calm"], "sad"),
    ],
)
def test_a_person_outranks_a_file_and_a_file_charts(
    catalog: Catalog, file: Path, settings: Settings, statements: list[str], outcome: str
) -> None:
    bring(catalog, file, "a sad")
    for minute, statement in enumerate(statements):
        source, mood = statement.split()
        state(catalog, "a", mood, source, NOON + timedelta(minutes=minute))
    snapshot = take_snapshot(catalog, settings, "r")
    assert [*moods(snapshot).values(), *reasons(snapshot).values()] == [outcome]


@pytest.mark.parametrize(
    ("statements", "outcome"),
    [
        (["chart:1 calm", "chart:2 calm", "chart:3 sad"], "calm"),
        (["chart:1 calm", "chart:2 sad"], "two moods: calm (chart:1), sad (chart:2)"),
        (
            ["chart:1 calm", "chart:2 sad", "chart:3 calm", "chart:4 sad", "chart:5 happy"],
            "two moods: calm (chart:1), calm (chart:3), sad (chart:2), sad (chart:4)",
        ),
        (["chart:1 sad", "chart:1 calm", "chart:2 calm"], "calm"),
        ([], "no mood: no source gives one"),
    ],
)
def test_charts_vote_with_their_newest_statement(
    catalog: Catalog, settings: Settings, statements: list[str], outcome: str
) -> None:
    put_in_collection(catalog, "a")
    for minute, statement in enumerate(statements):
        source, mood = statement.split()
        state(catalog, "a", mood, source, NOON + timedelta(minutes=minute))
    snapshot = take_snapshot(catalog, settings, "r")
    assert [*moods(snapshot).values(), *reasons(snapshot).values()] == [outcome]


def test_one_file_with_two_moods_is_a_finding_until_it_is_corrected(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad", "a happy", "b calm")
    snapshot = take_snapshot(catalog, settings, "r")
    assert moods(snapshot) == {"b": "calm"}
    assert reasons(snapshot) == {"a": "two moods: happy (file:x), sad (file:x)"}
    assert snapshot.left_out["mood"].isna().all()
    bring(catalog, file, "a sad", at=NOON + timedelta(days=1))
    assert moods(take_snapshot(catalog, settings, "r")) == {"a": "sad", "b": "calm"}


def test_files_must_agree_but_only_those_that_are_asked_for(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad")
    bring(catalog, file, "a happy", collection="y")
    both = settings.model_copy(update={"collections": ("x", "y")})
    assert moods(take_snapshot(catalog, settings, "r")) == {"a": "sad"}
    assert reasons(take_snapshot(catalog, both, "r")) == {"a": "two moods: happy (file:y), sad (file:x)"}


def test_a_day_in_the_past_gives_what_was_known_then(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    last_moment = datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
    bring(catalog, file, "a sad", "b sad", at=last_moment)
    that_day = settings.model_copy(update={"as_of": date(2026, 3, 1)})
    before = take_snapshot(catalog, that_day, "r")
    bring(catalog, file, "a happy renamed", "c calm", at=last_moment + timedelta(microseconds=1))
    record_clip(catalog, ClipOutcome("a", clip("1")), now=last_moment + timedelta(hours=1))
    assert take_snapshot(catalog, that_day, "r").identity == before.identity
    assert moods(take_snapshot(catalog, settings, "r")) == {"a": "happy", "b": "sad", "c": "calm"}
    with pytest.raises(InputError, match="collection x: holds no songs"):
        take_snapshot(catalog, settings.model_copy(update={"as_of": date(2026, 2, 28)}), "r")


def test_a_song_without_a_clip_is_left_out_with_the_last_reason(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad", "b happy", "c calm", "d calm")
    for track_id, outcome in [("a", None), ("b", "gone"), ("b", "too short"), ("d", "gone"), ("d", None)]:
        clip_or_none = None if outcome else clip(track_id)
        record_clip(catalog, ClipOutcome(track_id, clip_or_none, outcome))
    snapshot = take_snapshot(catalog, settings.model_copy(update={"needs": ("clip",)}), "r")
    assert list(moods(snapshot)) == ["a", "d"]
    assert reasons(snapshot) == {"b": "no clip: too short", "c": "no clip: not tried yet; run mer clips"}
    assert snapshot.left_out["mood"].tolist() == ["happy", "calm"]


def test_the_newest_clip_counts_even_when_a_later_attempt_failed(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad")
    for outcome in (
        ClipOutcome("a", clip("1")),
        ClipOutcome("a", clip("2")),
        ClipOutcome("a", reason="gone"),
    ):
        record_clip(catalog, outcome)
    [song] = take_snapshot(catalog, settings, "r").songs.to_dict("records")
    assert song["clip_sha256"] == clip("2").sha256
    assert (song["clip_start_s"], song["clip_sr"], song["clip_loudness_lufs"]) == (1 / 3, 44100, -14.25)


def test_a_snapshot_never_mixes_clips_of_two_recipes(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad", "b happy", "c calm")
    for track_id, recipe in (("a", "r"), ("a", "s"), ("b", "s"), ("c", "r"), ("c", None)):
        record_clip(catalog, ClipOutcome(track_id, clip(f"{track_id}{recipe or 0}")), recipe, NOON)
    needed = settings.model_copy(update={"needs": ("clip",)})
    found = {recipe: take_snapshot(catalog, needed, recipe) for recipe in "rst"}
    assert {
        recipe: snapshot.songs["clip_sha256"].str.strip("0").tolist() for recipe, snapshot in found.items()
    } == {
        "r": ["ar", "c"],
        "s": ["as", "bs", "c"],
        "t": ["c"],
    }
    assert reasons(found["r"]) == {"b": "no clip: not cut by these settings yet; run mer clips"}


def test_a_clip_of_unknown_recipe_counts_on_days_before_one_is_known(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad")
    record_clip(catalog, ClipOutcome("a", clip("1")), None, NOON)
    record_clip(catalog, ClipOutcome("a", clip("2")), "s", NOON + timedelta(days=1))
    that_day = settings.model_copy(update={"as_of": NOON.date()})
    assert take_snapshot(catalog, that_day, "r").songs["clip_sha256"].tolist() == [clip("1").sha256]
    assert take_snapshot(catalog, settings, "r").songs["clip_sha256"].isna().all()


def test_a_song_without_spotifys_features_is_left_out_where_they_are_needed(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    header = ("track_id", "title", "artist", "mood", "url", *SPOTIFY_FEATURES)
    whole, holes = ["0.5"] * 11, ["0.5"] * 11
    holes[SPOTIFY_FEATURES.index("key")] = holes[SPOTIFY_FEATURES.index("tempo")] = ""
    rows = [header, ("a", "T", "A", "sad", "", *whole), ("b", "U", "A", "sad", "http://h/b", *holes)]
    file.write_text("\n".join(",".join(row) for row in rows) + "\n")
    assert import_songs(catalog, file, "x").problems == ()
    snapshot = take_snapshot(catalog, settings.model_copy(update={"needs": ("spotify",)}), "r")
    needs_clip = take_snapshot(catalog, settings.model_copy(update={"needs": ("clip",)}), "r")
    assert snapshot.songs.loc[0, list(SPOTIFY_FEATURES)].tolist() == [0.5] * 11
    assert reasons(snapshot) == {"b": "Spotify's features missing: key, tempo"}
    assert reasons(needs_clip)["a"] == "no clip: neither path nor url is known"


def test_valence_of_spotify_and_of_people_are_kept_apart(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    names = ",".join(SPOTIFY_FEATURES)
    file.write_text(f"track_id,title,artist,mood,{names}\na,T,A,sad{',0.25' * 11}\n")
    import_songs(catalog, file, "x")
    file.write_text("track_id,title,artist,mood,url,valence,arousal\na,T,A,sad,http://h/a,7,3\n")
    import_songs(catalog, file, "y")
    both = settings.model_copy(update={"collections": ("x", "y")})
    [song] = take_snapshot(catalog, both, "r").songs.to_dict("records")
    assert (song["valence"], song["annotated_valence"], song["annotated_arousal"]) == (0.25, 7, 3)


def test_a_song_under_two_ids_counts_once(catalog: Catalog, file: Path, settings: Settings) -> None:
    bring(catalog, file, "b sad Straße \uff21", "a sad STRASSE a", "c sad strasse B")
    snapshot = take_snapshot(catalog, settings, "r")
    assert list(moods(snapshot)) == ["a", "c"]
    assert reasons(snapshot) == {"b": "same song as a"}


def test_of_two_ids_the_first_that_is_complete_is_kept(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad T", "b sad T", "c sad T")
    record_clip(catalog, ClipOutcome("b", clip("1")))
    record_clip(catalog, ClipOutcome("c", clip("2")))
    snapshot = take_snapshot(catalog, settings.model_copy(update={"needs": ("clip",)}), "r")
    assert list(moods(snapshot)) == ["b"]
    assert reasons(snapshot) == {"a": "no clip: not tried yet; run mer clips", "c": "same song as b"}


def test_the_same_clip_is_the_same_song_also_through_a_third(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad T", "b sad U", "c sad U")
    record_clip(catalog, ClipOutcome("a", clip("1")))
    record_clip(catalog, ClipOutcome("c", clip("1")))
    snapshot = take_snapshot(catalog, settings, "r")
    assert list(moods(snapshot)) == ["a"]
    assert reasons(snapshot) == {"b": "same song as a", "c": "same song as a"}


def test_the_same_code_or_sound_is_the_same_song(catalog: Catalog, file: Path, settings: Settings) -> None:
    bring(catalog, file, "a sad T", "b sad U", "c sad V", "d sad W", "e sad X")
    recording, other = (np.random.default_rng(n).integers(0, 2**32, 230, np.uint32) for n in (1, 2))
    later = np.concatenate([recording[5:], other[:5]])
    for track_id, recorded in (("a", recording), ("b", later), ("c", other)):
        record_clip(catalog, ClipOutcome(track_id, replace(clip(track_id), fingerprint=recorded.tobytes())))
    coded = {"collection": "x", "artist": "A", "isrc": "GBAYE0601498", "observed_at": NOON}
    with catalog.transaction() as connection:
        connection.execute(insert(items), [coded | {"track_id": t, "title": t} for t in "de"])
    assert reasons(take_snapshot(catalog, settings, "r")) == {"b": "same song as a", "e": "same song as d"}


def test_a_song_whose_ids_have_two_moods_is_a_finding(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad T", "b happy T", "c sad U", "c calm U", "d sad U")
    snapshot = take_snapshot(catalog, settings, "r")
    assert moods(snapshot) == {}
    assert reasons(snapshot) == {
        "a": "two moods: happy (b), sad (a)",
        "b": "two moods: happy (b), sad (a)",
        "c": "two moods: calm (file:x), sad (file:x)",
        "d": "two moods: calm (c), sad (c), sad (d)",
    }
    assert snapshot.left_out["mood"].fillna("").tolist() == ["sad", "happy", "", "sad"]


@pytest.mark.parametrize("other", ["Björk", "BJÖRK", "  björk ", "Ｂｊöｒｋ", "Bjo\u0308rk"])
def test_an_artist_is_the_same_in_every_spelling(other: str) -> None:
    assert normalised(other) == "björk"


def test_a_snapshot_survives_its_files(
    catalog: Catalog, file: Path, settings: Settings, tmp_path: Path
) -> None:
    odd_numbers = ",".join(repr(number / 7) for number in range(11))
    rows = [
        ",".join(("track_id,title,artist,mood,url", *SPOTIFY_FEATURES)),
        f'a,"null, ""NA""",None,sad,,{odd_numbers}',
        f"007,1999,nan,calm,http://h/b,{',' * 10}",
    ]
    file.write_text("\n".join(rows) + "\n")
    assert import_songs(catalog, file, "x").problems == ()
    record_clip(catalog, ClipOutcome("a", clip("1")))
    bring(catalog, file, "c sad", "c calm")
    taken = take_snapshot(catalog, settings, "r")
    write_snapshot(taken, tmp_path / "snapshot")
    back = read_snapshot(tmp_path / "snapshot")
    pd.testing.assert_frame_equal(back.songs, taken.songs)
    pd.testing.assert_frame_equal(back.left_out, taken.left_out)
    assert back.identity == taken.identity
    assert list(back.songs.columns) == list(SONG_COLUMNS)
    assert back.songs["track_id"].tolist() == ["007", "a"]
    assert sorted(path.name for path in (tmp_path / "snapshot").iterdir()) == ["left_out.csv", "songs.csv"]


def test_the_same_observations_give_the_same_bytes(
    catalog: Catalog, file: Path, settings: Settings, tmp_path: Path
) -> None:
    twin = Catalog.open(f"sqlite:///{tmp_path / 'twin.db'}")
    bring(catalog, file, "a sad", "b happy", "c calm")
    bring(twin, file, "c calm", "b happy", "a sad", at=NOON + timedelta(days=3))
    assert take_snapshot(twin, settings, "r").identity == take_snapshot(catalog, settings, "r").identity
    bring(twin, file, "a energetic", at=NOON + timedelta(days=4))
    assert take_snapshot(twin, settings, "r").identity != take_snapshot(catalog, settings, "r").identity


def test_a_snapshot_of_nothing_but_findings_can_be_written(
    catalog: Catalog, file: Path, settings: Settings, tmp_path: Path
) -> None:
    bring(catalog, file, "a sad", "a calm")
    write_snapshot(take_snapshot(catalog, settings, "r"), tmp_path)
    back = read_snapshot(tmp_path)
    assert (len(back.songs), len(back.left_out)) == (0, 1)


def test_a_missing_or_foreign_snapshot_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"songs.csv: no such file; run mer snapshot$"):
        read_snapshot(tmp_path)
    for text in ("", "a,b\n1,2\n", "track_id\n", ",".join(SONG_COLUMNS) + "\n" + "x," * 23 + "x\n"):
        (tmp_path / "songs.csv").write_text(text)
        with pytest.raises(InputError, match="run mer snapshot again") as caught:
            read_snapshot(tmp_path)
        assert "\n" not in str(caught.value)


@needs_real_data
def test_the_real_tables_hold_seven_songs_with_two_moods_and_ten_under_two_ids(
    catalog: Catalog, settings: Settings
) -> None:
    folder = Path(REAL_DATA or "") / "spotify-moods"
    columns = {"track_id": "uri", "title": "track", "mood": "labels", "time_signature": "time signature"}
    meaning = {"0": "sad", "1": "happy", "2": "energetic", "3": "calm"}
    import_songs(catalog, folder / "moodify_1200.csv", "moodify", columns=columns, moods=meaning)
    import_songs(
        catalog, folder / "data_moods.csv", "data_moods", columns={"track_id": "id", "title": "name"}
    )
    for collections in (("moodify",), ("moodify", "data_moods")):
        wanted = settings.model_copy(update={"collections": collections, "needs": ("spotify",)})
        snapshot = take_snapshot(catalog, wanted, "r")
        kinds = snapshot.left_out["reason"].str.split(":").str[0].str.split(" as ").str[0].value_counts()
        assert len(snapshot.songs) == 1171
        assert kinds.to_dict() == {"same song": 10, "two moods": 7}


def test_unlabelled_songs_have_a_clip_and_no_id_of_theirs_a_mood(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "labelled sad One", "person happy Two")
    for name in ("alone", "twin", "other-id", "of-labelled", "without-clip"):
        put_in_collection(catalog, name)
        with catalog.transaction() as connection:
            connection.execute(update(items).where(items.c.track_id == name).values(title=name))
    clips = {"labelled": "1", "of-labelled": "1", "alone": "2", "twin": "3", "other-id": "3", "person": "4"}
    for name, sha256 in clips.items():
        record_clip(catalog, ClipOutcome(name, clip(sha256)), "r", NOON)
    found = unlabelled_songs(catalog, settings, "r")
    assert found["track_id"].tolist() == ["alone", "other-id"]
    assert found["clip_sha256"].tolist() == ["2".ljust(64, "0"), "3".ljust(64, "0")]
    assert list(found.columns) == list(SONG_COLUMNS) and found["mood"].isna().all()
    state(catalog, "twin", "calm", "person:ann")
    assert unlabelled_songs(catalog, settings, "r")["track_id"].tolist() == ["alone"]
