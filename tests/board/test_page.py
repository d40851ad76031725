"""The mood board in a real browser: what it shows, by mouse and by keyboard, and that axe-core finds nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import pytest

from mer_tasks.board.page import write_board
from mer_tasks.errors import InputError
from tests.board.contents import content
from tests.board.pages import HOSTILE, Page

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

PATIENCE_MS = 240_000
"""A test may meet a busy machine; nothing waits so long by itself."""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    program = which("chromium") or which("chromium-browser") or which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield found
        found.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static export."""
    folder = tmp_path_factory.mktemp("site")
    write_board(content(), folder, live=False)
    return folder


@pytest.fixture
def tab(browser: "Browser", site: Path) -> Iterator["Tab"]:
    """The export in a tab; it may ask nothing but its own files, and no script may fail."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE_MS)
    asked, errors = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto((site / "index.html").as_uri())
    yield page
    page.close()
    assert errors == []
    assert all(url.startswith(site.as_uri()) for url in asked)


def test_axe_finds_nothing(tab: "Tab") -> None:
    from axe_playwright_python.sync_playwright import Axe

    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()


def test_a_hostile_title_is_text_everywhere(tab: "Tab", site: Path) -> None:
    assert (
        Page((site / "index.html").read_text()).text.count(HOSTILE) == 5
    )  # chart, unsure, card, ledger, check
    assert tab.locator("th", has_text=HOSTILE).count() == 1
    assert tab.evaluate("document.querySelectorAll('script').length") == 3
    tab.evaluate("Plotly.Fx.hover('plane-plot', [{ curveNumber: 1, pointNumber: 0 }])")
    assert "<script>alert('x')" in (tab.locator("#plane-plot .hovertext").text_content() or "")


def test_the_plane_is_filtered_by_chart_mood_and_sureness(tab: "Tab") -> None:
    shown = tab.locator("#shown")
    assert shown.text_content() == "4 of 4 songs shown"
    tab.select_option("#by-chart", "indie")
    assert shown.text_content() == "3 of 4 songs shown"
    tab.uncheck("input[value=happy]")
    assert shown.text_content() == "2 of 4 songs shown"
    tab.fill("#sure-to", "50")
    assert shown.text_content() == "1 of 4 songs shown"


def test_the_plane_is_walked_by_keyboard(tab: "Tab") -> None:
    tab.focus("#plane-chart")
    words = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowDown"):
        tab.keyboard.press(key)
        words.append(tab.locator("#plane-song").text_content())
    assert words == [
        f"{HOSTILE}, Artist: happy, 90 % sure, in indie",
        "Title c, Artist: energetic, 70 % sure, in indie",
        "Title b, Artist: sad, 40 % sure, in indie",
        "Title d, Artist: calm, 45 % sure",
    ]


def test_a_phone_shows_it_without_scrolling_sideways(tab: "Tab") -> None:
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_export_has_neither_clips_nor_buttons_for_labels(site: Path) -> None:
    assert "abab" not in (site / "data.js").read_text() + (site / "index.html").read_text()
    assert "button" not in Page((site / "index.html").read_text()).elements


def test_a_board_of_an_empty_project_says_what_to_do(tmp_path: Path) -> None:
    nothing = {"version": None, "problem": "no such version; run mer register", "checks": None}
    nothing |= {"promotions": ()}
    write_board(replace(content(), charts=(), songs=(), unsure=(), **nothing), tmp_path, live=True)
    text = Page((tmp_path / "index.html").read_text()).text
    for remedy in ("mer charts", "mer score", "run mer register", "mer validate"):
        assert remedy in text


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot be written: File exists; give another --out"):
        write_board(content(), tmp_path / "file", live=False)
