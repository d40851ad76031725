"""The program that the modules of this package add their commands to."""

import sys
from datetime import date
from importlib.metadata import version
from typing import Annotated

import typer

from mer_tasks.errors import InputError
from mer_tasks.text import printable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="From songs to a model that predicts their mood. Run it in the project's folder, beside params.yaml.",
)


def print_line(line: str) -> None:
    """Print a line that may hold names from outside."""
    print(printable(line))


def print_error(line: str) -> None:
    """Print such a line on standard error."""
    print(printable(line), file=sys.stderr)


def read_day(option: str, text: str) -> date:
    """The day that an option gives.

    Raises:
        InputError: it is none; names the option.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: not a day; write it as YYYY-MM-DD") from error


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"mer {version('mer')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before a command."""
