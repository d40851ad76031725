"""The mood board as files: a page, its data, its script and the chart library; no network."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from mer_tasks.board.content import BoardContent
from mer_tasks.board.rendering import STATIC, render
from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.evaluation.plots import COLOURS
from mer_tasks.files import replacing, write_text


def write_board(content: BoardContent, folder: Path, live: bool) -> None:
    """Write the board into `folder`; `live` is the page in Airflow, with players and buttons for labels.

    Each file is there as a whole, the page last, so that who looks while it is written sees the old page or the new.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy(_plotly(), folder / "plotly.min.js")
        _copy(STATIC / "board.js", folder / "board.js")
        write_text(folder / "data.js", _data(content, live))
        write_text(folder / "index.html", render("board.html", board=content, live=live))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}; give another --out") from error


def _data(content: BoardContent, live: bool) -> str:
    """What the script reads, as a script itself: a page that is a file may fetch nothing. In ASCII, so that no
    browser finds a line's end in a title.
    """
    songs = [asdict(song) for song in content.songs]
    if not live:
        for song in songs:
            del song["clip"]
    weeks = [{"chart": chart.name, "weeks": chart.weeks} for chart in content.charts]
    data = {"moods": MOODS, "colours": dict(COLOURS), "songs": songs, "weeks": weeks}
    return f"window.BOARD = {json.dumps(data)};\n"


def _plotly() -> Path:
    """The chart library as its package ships it."""
    import plotly

    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
