"""Templates to HTML, with everything from outside escaped."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mer_tasks.domain import MOODS
from mer_tasks.evaluation.plots import COLOURS

STATIC = Path(__file__).with_name("static")
"""The pages' style and scripts."""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mer_tasks.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(moods=MOODS, colours=COLOURS)
    environment.filters["percent"] = lambda share: f"{100 * share:.0f} %"
    return environment


def render(template: str, **values: Any) -> str:
    """A template of this package as HTML."""
    return _environment().get_template(template).render(style=_style(), **values)


def picture(png: Path) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode('ascii')}"


def _style() -> Markup:
    """The style of all pages, with a variable for each mood's colour."""
    colours = " ".join(f"--{mood}: {COLOURS[mood]};" for mood in MOODS)
    return Markup(f":root {{ {colours} }}\n{(STATIC / 'style.css').read_text(encoding='utf-8')}")
