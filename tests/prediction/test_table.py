"""The CSV of moods, whatever ended the run before."""

from pathlib import Path

import pytest

from mer_tasks.errors import InputError
from mer_tasks.prediction.asking import Answer
from mer_tasks.prediction.mood import SongMood
from mer_tasks.prediction.table import open_table, read_rows

MOOD = SongMood.of({"sad": 0.7, "happy": 0.1, "energetic": 0.1, "calm": 0.1}, {"rock": 0.5}, 0.45)
VERSION = "models:/mood/1"


def write(path: Path, *answers: Answer, with_timeline: bool = False) -> None:
    with open_table(path, VERSION, with_timeline) as table:
        for answer in answers:
            table.add(answer)


def answered(path: Path, with_timeline: bool = False) -> set[str]:
    with open_table(path, VERSION, with_timeline) as table:
        return set(table.answered)


def test_a_song_is_a_row_that_says_all(tmp_path: Path) -> None:
    csv = tmp_path / "moods.csv"
    write(csv, Answer("/a\n.mp3", MOOD), Answer("/b\udcff.mp3", error="/b: no audio"))
    first, second = read_rows(csv)
    assert first | {"file": "/a\\n.mp3", "mood": "sad", "confidence": "0.7000", "version": VERSION} == first
    assert (first["valence"], first["arousal"], first["why"]) == ("-0.6000", "-0.6000", "rock 0.50")
    assert (second["file"], second["mood"], second["error"]) == ("/b\\udcff.mp3", "", "/b: no audio")
    assert len(csv.read_text().splitlines()) == 3


def test_after_an_end_at_any_byte_the_whole_rows_are_kept_and_only_failures_are_asked_again(
    tmp_path: Path,
) -> None:
    csv = tmp_path / "moods.csv"
    write(csv, Answer("/a", MOOD), Answer("/bad", error="no audio"), Answer("/c", MOOD))
    whole = csv.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole) + 1):  # the header comes with the file
        csv.write_bytes(whole[:end])
        lines = whole[:end].count(b"\n")
        assert answered(csv) == {name for name, line in (("/a", 2), ("/c", 4)) if lines >= line}
    write(csv, Answer("/bad", MOOD))
    assert [row["file"] for row in read_rows(csv)] == ["/a", "/c", "/bad"]


def test_a_timeline_counts_only_with_its_song(tmp_path: Path) -> None:
    csv = tmp_path / "moods.csv"
    windows = tuple(Answer(f"{s} s", MOOD, start_s=s, end_s=s + 30) for s in (0.0, 5.0))
    write(csv, Answer("/a", MOOD, timeline=windows), Answer("/b", MOOD, timeline=windows), with_timeline=True)
    assert [row["start_s"] for row in read_rows(csv)] == ["0", "5", "", "0", "5", ""]
    lines = csv.read_bytes().splitlines(keepends=True)
    csv.write_bytes(b"".join(lines[:-1]))
    assert answered(csv, with_timeline=True) == {"/a"}
    assert answered(csv) == {"/a"}
    write(csv, Answer("/c", MOOD))
    assert answered(csv, with_timeline=True) == {"/a"}


def test_a_table_is_of_one_version_and_one_writer(tmp_path: Path) -> None:
    csv = tmp_path / "moods.csv"
    write(csv, Answer("/a", MOOD))
    with pytest.raises(InputError, match="has answers of models:/mood/1, the model is models:/mood/2 now"):
        open_table(csv, "models:/mood/2", False).__enter__()
    with open_table(csv, VERSION, False), pytest.raises(InputError, match="another mer predict writes it"):
        answered(csv)


@pytest.mark.parametrize("content", ["name,mood\nx,y\n", "something else\n"])
def test_another_file_is_not_touched(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.csv").write_text(content)
    with pytest.raises(InputError, match="not a table of mer predict --csv"):
        answered(tmp_path / "other.csv")
    assert (tmp_path / "other.csv").read_text() == content
    for path in (tmp_path, tmp_path / "nowhere" / "moods.csv"):
        with pytest.raises(InputError, match="cannot be written"):
            answered(path)
