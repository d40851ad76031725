import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.image import imread

from mer_tasks.quality.findings import Finding, QualityReport
from mer_tasks.quality.report import write_report

HOSTILE = "<script>alert('x')</script> \"&amp;\" {{ 7 * 7 }}"


def report(*findings: Finding) -> QualityReport:
    return QualityReport(
        findings=findings,
        rules=22,
        songs=63,
        left_out=2,
        songs_by_mood={"sad": 20, "happy": 20, "energetic": 20, "calm": 3},
        min_songs_per_mood=15,
    )


STOPPED = report(
    Finding("songs per mood", "critical", "mood calm has 3 songs, at least 15 are needed"),
    Finding("two moods", "warning", "2 songs …", (f"T1 ({HOSTILE})", "T2 (a b)")),
)


class Page(HTMLParser):
    """What a browser makes of the page: its elements, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.words: list[str] = []
        self.image = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag == "img":
            self.image = dict(attrs)["src"] or ""

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_json_holds_everything(tmp_path: Path) -> None:
    assert write_report(STOPPED, tmp_path / "quality") == tmp_path / "quality" / "report.html"
    content = json.loads((tmp_path / "quality" / "report.json").read_text(encoding="utf-8"))
    assert content["passed"] is False
    assert content["songs_by_mood"]["calm"] == 3
    assert content["findings"][1] == {
        "rule": "two moods",
        "severity": "warning",
        "message": "2 songs …",
        "songs": [f"T1 ({HOSTILE})", "T2 (a b)"],
    }


def test_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two", "one"):
        write_report(STOPPED, tmp_path / folder)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["balance.png", "report.html", "report.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_hostile_title_is_text_and_no_markup(tmp_path: Path) -> None:
    write_report(STOPPED, tmp_path)
    shown = page(tmp_path)
    assert "script" not in shown.elements
    assert f"T1 ({HOSTILE})" in "".join(shown.words)


def test_page_lists_fifty_songs_a_finding(tmp_path: Path) -> None:
    songs = tuple(f"T{n:02}" for n in range(53))
    write_report(report(Finding("nothing missing", "critical", "53 songs without artist", songs)), tmp_path)
    shown = page(tmp_path)
    assert shown.elements.count("li") == 50
    assert "and 3 more" in shown.words
    assert len(json.loads((tmp_path / "report.json").read_text())["findings"][0]["songs"]) == 53


def test_page_is_whole_in_one_file_with_the_picture(tmp_path: Path) -> None:
    write_report(STOPPED, tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=[\"'](?!data:)|url\(|@import", html)
    encoded = page(tmp_path).image.removeprefix("data:image/png;base64,")
    assert base64.b64decode(encoded) == (tmp_path / "balance.png").read_bytes()


@pytest.mark.parametrize(("written", "verdict"), [(STOPPED, "stopped"), (report(), "passed")])
def test_page_shows_the_verdict(written: QualityReport, verdict: str, tmp_path: Path) -> None:
    write_report(written, tmp_path)
    assert f"Data quality: {verdict}" in page(tmp_path).words


def test_picture_shows_a_mood_that_is_too_small_in_red(tmp_path: Path) -> None:
    write_report(STOPPED, tmp_path)
    pixels = imread(tmp_path / "balance.png")[..., :3]
    red = (pixels[..., 0] > 0.6) & (pixels[..., 1] < 0.4)
    blue = (pixels[..., 2] > 0.5) & (pixels[..., 0] < 0.4)
    columns = pixels.shape[1]
    assert red[:, : columns // 2].sum() == 0  # sad and happy
    assert 0 < red.sum() < blue.sum() / 3


def test_report_of_no_songs_can_be_written(tmp_path: Path) -> None:
    none = QualityReport((), 22, 0, 0, {}, 15)
    write_report(none, tmp_path)
    assert "0 songs, 0 left out" in "".join(page(tmp_path).words)
