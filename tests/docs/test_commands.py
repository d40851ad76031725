"""The commands that README.md and docs show: each exists, with these options."""

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

from mer_tasks import cli
from mer_tasks.cli.app import app
from tests.docs.shell_blocks import PAGES, commands_in

ENDS = re.compile(r"\s(?:&&|\|\||[;|<>]|#)(?=\s|$)|;\s")
"""Where a command of a line ends: the shell's operators, and comments."""


def shown_in(page: Path) -> Iterator[str]:
    """What follows `mer` in each command of a page's code blocks."""
    for line in commands_in(page):
        for command in ENDS.split(line.replace("\\\n", " ")):
            if found := re.match(r"(?:[A-Z_]+=\S+ |docker[-/]compose .* worker )*mer (.*)", command.strip()):
                yield found[1].strip()


def named_in(page: Path) -> Iterator[str]:
    """What follows `mer` in each code span of a page's text."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`mer ([^A-Z`][^`]*)`", text))


@pytest.fixture(scope="module")
def program() -> Any:
    """`mer` with all of its commands."""
    for module in iter_modules(cli.__path__):
        import_module(f"{cli.__name__}.{module.name}")
    return typer.main.get_command(app)


def problem_of(program: Any, line: str) -> str | None:
    """Why a command line cannot be parsed; None if it can. Nothing is run."""
    name, *arguments = shlex.split(line)
    if name not in program.commands:
        return f"mer {line}: there is no such command"
    try:
        program.commands[name].make_context(name, arguments)
    except TyperException as error:
        return f"mer {line}: {error}"
    return None


def test_every_command_line_of_a_code_block_can_be_parsed(program: Any) -> None:
    lines = [line for page in PAGES for line in shown_in(page) if "…" not in line]
    assert len(lines) > 50
    assert not [problem for line in lines if (problem := problem_of(program, line))]


def test_every_command_and_option_named_in_the_text_exists(program: Any) -> None:
    problems = []
    for page in PAGES:
        for name, *words in map(str.split, named_in(page)):
            command = program.commands.get(name)
            known = {option for one in command.params for option in one.opts} if command else set()
            if not command or {word for word in words if word.startswith("-")} - known:
                problems.append(f"{page.name}: mer {name} {' '.join(words)}")
    assert not problems


@pytest.mark.parametrize("line", ["predicts a.mp3", "predict --timelines a.mp3", "label", "unsure -n many"])
def test_a_wrong_command_line_is_found(program: Any, line: str) -> None:
    assert problem_of(program, line)
