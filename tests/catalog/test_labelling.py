"""Labels that people give: whose counts, what is refused, and that nothing is ever overwritten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from mer_tasks.catalog.clips import record_clip
from mer_tasks.catalog.database import Catalog
from mer_tasks.catalog.importing import import_songs
from mer_tasks.catalog.labelling import LabelReport, add_labels, label_of, read_labels
from mer_tasks.catalog.schema import labels
from mer_tasks.catalog.snapshot import take_snapshot
from mer_tasks.domain import Clip, ClipOutcome
from mer_tasks.errors import InputError
from mer_tasks.settings import Params
from mer_tasks.settings import SnapshotSettings as Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(params: Params) -> Settings:
    return params.snapshot.model_copy(update={"collections": ("x",), "as_of": "latest", "needs": ()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def bring(catalog: Catalog, file: Path, *songs: str, at: datetime = NOON) -> None:
    """Import songs given as "id mood" or "id mood title"."""
    rows = []
    for song in songs:
        track_id, mood, *title = song.split()
        rows.append(f"{track_id},{title[0] if title else track_id},A,{mood},http://h/{track_id}")
    table = file.with_name("songs.csv")
    table.write_text("\n".join(("track_id,title,artist,mood,url", *rows)) + "\n")
    assert import_songs(catalog, table, "x", now=at).problems == ()


def give(catalog: Catalog, *given: str, at: datetime = NOON) -> LabelReport:
    """Add labels given as "id mood name", one after the other."""
    for label in given:
        report = add_labels(catalog, [label_of(*label.split(maxsplit=2))], at)
    return report


def outcome(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """The mood of each song of a snapshot, or why it is left out."""
    taken = take_snapshot(catalog, settings, "r")
    moods = zip(taken.songs["track_id"], taken.songs["mood"], strict=True)
    return dict(moods) | dict(zip(taken.left_out["track_id"], taken.left_out["reason"], strict=True))


@pytest.mark.parametrize(
    ("given", "mood"),
    [
        (["a happy ann"], "happy"),
        (["a happy ann", "a calm ann"], "calm"),
        (["a happy Ann", "a calm  ANN "], "calm"),
        (["a happy ann", "a happy bob"], "happy"),
        (["a happy ann", "a calm bob"], "two moods: calm (person:bob), happy (person:ann)"),
        (["a happy ann", "a calm bob", "a calm ann"], "calm"),
        (["a happy ann", "a calm bob", "a none ann"], "calm"),
        (["a happy ann", "a none ann"], "sad"),
        (["a happy ann", "a none ann", "a HAPPY ann"], "happy"),
        (["a happy ann", "a calm bob", "a none ann", "a none bob"], "sad"),
        (
            ["a happy ann", "a calm bob", "a calm eve"],
            "two moods: calm (person:bob), calm (person:eve), happy (person:ann)",
        ),
    ],
)
def test_a_person_outranks_a_file_by_the_newest_label(
    catalog: Catalog, file: Path, settings: Settings, given: list[str], mood: str
) -> None:
    bring(catalog, file, "a sad")
    before = catalog.revision()
    give(catalog, *given)
    assert outcome(catalog, settings) == {"a": mood}
    assert catalog.revision() != before
    with catalog.reading() as connection:
        kept = connection.execute(select(labels).where(labels.c.kind == "person").order_by(labels.c.id)).all()
    assert [row.mood or "none" for row in kept] == [label.split()[1].lower() for label in given]


def test_people_who_disagree_are_named_at_once(catalog: Catalog, file: Path) -> None:
    bring(catalog, file, "a sad")
    assert give(catalog, "a happy ann").disagreements == {}
    assert give(catalog, "a calm bob").disagreements == {"a": "calm (bob), happy (ann)"}
    assert give(catalog, "a none bob").disagreements == {}


def test_an_import_does_not_overwrite_a_person(catalog: Catalog, file: Path, settings: Settings) -> None:
    bring(catalog, file, "a sad")
    give(catalog, "a happy ann")
    bring(catalog, file, "a energetic", at=NOON + timedelta(days=1))
    assert outcome(catalog, settings) == {"a": "happy"}
    give(catalog, "a none ann", at=NOON + timedelta(days=2))
    assert outcome(catalog, settings) == {"a": "energetic"}


def test_a_day_in_the_past_knows_no_later_label(catalog: Catalog, file: Path, settings: Settings) -> None:
    bring(catalog, file, "a sad")
    found = []
    for day, mood in enumerate(("happy", "none", "calm"), 1):
        give(catalog, f"a {mood} ann", at=NOON + timedelta(days=day))
    for day in range(4):
        as_of = (NOON + timedelta(days=day)).date()
        found.append(outcome(catalog, settings.model_copy(update={"as_of": as_of}))["a"])
    assert found == ["sad", "happy", "sad", "calm"]


def test_a_clock_that_was_set_back_makes_no_label_older_than_the_last(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad")
    give(catalog, "a happy ann")
    give(catalog, "a calm ann", at=NOON - timedelta(days=9))
    assert outcome(catalog, settings) == {"a": "calm"}


@pytest.mark.parametrize(
    ("given", "moods"),
    [
        (["a calm ann"], {"a": "calm", "b": "same song as a"}),
        (["b calm ann"], {"a": "calm", "b": "same song as a"}),
        (["a calm ann", "b happy ann"], {"a": "happy", "b": "same song as a"}),
        (
            ["a calm ann", "b happy bob"],
            dict.fromkeys("ab", "two moods: calm (person:ann), happy (person:bob)"),
        ),
    ],
)
def test_what_a_person_says_of_one_id_holds_for_the_song(
    catalog: Catalog, file: Path, settings: Settings, given: list[str], moods: dict[str, str]
) -> None:
    bring(catalog, file, "a sad T", "b happy T")
    give(catalog, *given)
    assert outcome(catalog, settings) == moods


def test_the_same_again_adds_nothing_and_a_new_note_does(catalog: Catalog, file: Path) -> None:
    bring(catalog, file, "a sad")
    add = partial(add_labels, catalog)
    first, again = [add([label_of("a", "calm", "ann", "slow")]) for _ in range(2)]
    assert ((first.new, first.unchanged), (again.new, again.unchanged)) == ((1, 0), (0, 1))
    assert add([label_of("a", "calm", "ann", "slow, no drums")]).new == 1
    give(catalog, "a none ann")
    assert (give(catalog, "a none ann").unchanged, give(catalog, "a calm ann").new) == (1, 1)
    with catalog.reading() as connection:
        notes = connection.scalars(select(labels.c.note).where(labels.c.source == "person:ann")).all()
    assert notes == ["slow", "slow, no drums", None, None]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ("a", "angry", "ann"),
            r"mood 'angry' is none of sad, happy, energetic, calm; none takes a label back",
        ),
        (("a", "", "ann"), "mood '' is none of"),
        (("a", "sad\x1b[31m", "ann"), "mood .* holds a control character"),
        (("", "sad", "ann"), "track_id is empty"),
        (("x" * 201, "sad", "ann"), "track_id is longer than 200 characters"),
        (("a", "sad", ""), "by is empty; say who gives the label, with --by NAME or the column by"),
        (("a", "sad", "  "), "by is empty"),
        (("a", "sad", "ann\nbob"), "by .* holds a control character"),
        (("a", "sad", "ann|bob"), "a name has letters"),
        (("a", "sad", "ann (calm)"), "a name has letters"),
        (("a", "sad", "\u202eann"), "a name has letters"),
        (("a", "sad", "x" * 101), "a name has letters"),
        (("a", "sad", "ann", "x" * 1001), "note is longer than 1000 characters"),
        (("a", "sad", "ann", "a\nb"), "note .* holds a control character"),
    ],
)
def test_what_is_no_label_is_one_line(given: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}" if message[0] != "a" else message) as caught:
        label_of(*given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["Ann", "ann@example.org", "Anne-Marie O'Neil", "Bj\u00f6rk", "J. R.", "\u4e2d\u6587", "a+b"]
)
def test_names_as_people_have_them(name: str) -> None:
    assert label_of("spotify:track:a", "sad", name).by == name.casefold()


def test_bad_rows_of_a_file_are_reported_by_line_and_the_others_taken(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad", "b sad", "c sad")
    file.write_text(
        "by,track_id,mood,note,other\n"
        "ann,a,Calm,slow,1\n"
        "ann,b,angry,,\n"
        "ann,unknown,calm,,\n"
        ",c,calm,,\n"
        "ann,c\n"
        "ann,c,none,,\n"
        "\n"
        'bob,b,happy,"two\nlines",\n'
        "ann,b,happy,,\n"
        "Ann,b,energetic,,\n",
        encoding="utf-8-sig",
    )
    given, problems = read_labels(file)
    report = add_labels(catalog, given)
    assert {problem.line: problem.reason.split("; ")[0] for problem in (*problems, *report.problems)} == {
        3: "mood 'angry' is none of sad, happy, energetic, calm",
        4: "no such song in the catalog",
        5: "by is empty",
        6: "2 fields instead of 5",
        7: "ann has given it no mood that could be taken back",
        9: "note 'two\\nlines' holds a control character",
    }
    assert (report.new, report.unchanged, report.repeated) == (2, 0, 1)
    assert outcome(catalog, settings) == {"a": "calm", "b": "energetic", "c": "sad"}
    assert add_labels(catalog, given).new == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"track_id,mood\na,sad\n",
            "needs one column by; it has track_id, mood; columns are track_id, mood, by and note",
        ),
        (b"track_id,mood,by,by\na,sad,ann,bob\n", "needs one column by"),
        (b"track_id,mood,by\n", "holds no labels"),
        (b"", "holds no labels"),
        (b"track_id,mood,by\na,sad,\xff\n", "not UTF-8"),
        (None, "cannot be read: No such file or directory; name a CSV file of labels"),
    ],
)
def test_a_file_of_no_labels_is_one_line(file: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_labels(file)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


def test_labels_given_at_once_are_all_kept(
    catalog: Catalog, catalog_url: str, file: Path, settings: Settings
) -> None:
    songs = [f"{n:02}" for n in range(40)]
    bring(catalog, file, *(f"{song} sad" for song in songs))
    given = [label_of(song, "calm", "ann") for song in songs]
    with ThreadPoolExecutor(4) as pool:
        catalogs = list(pool.map(Catalog.open, [catalog_url] * 4))
        reports = list(pool.map(lambda one: add_labels(one, given), catalogs))
    assert [sum(report.new for report in reports), sum(report.unchanged for report in reports)] == [40, 120]
    assert outcome(catalog, settings) == dict.fromkeys(songs, "calm")


def test_labels_and_lost_clips_leave_an_earlier_day_as_it_was(
    catalog: Catalog, file: Path, settings: Settings
) -> None:
    bring(catalog, file, "a sad", "b sad")
    clip = Clip("ab" * 32, start_s=1.0, duration_s=30.0, sr=44100, channels=2, loudness_lufs=-14.0)
    record_clip(catalog, ClipOutcome("a", clip), "r", NOON)
    that_day = settings.model_copy(update={"as_of": NOON.date()})
    before = take_snapshot(catalog, that_day, "r").identity
    give(catalog, "a calm ann", "b happy bob", at=NOON + timedelta(days=1))
    assert take_snapshot(catalog, that_day, "r").identity == before
