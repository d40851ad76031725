"""`mer`: one sub-command a step of the pipeline from songs to a model in service.

Heavy libraries are imported by the commands that need them, so that `--help` answers at once.
"""

import io
import logging
import os
import sys

from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.files import FULL, REFUSED
from mer_tasks.text import printable


def main() -> None:
    """Run `mer`; a mistake in the input is one line on standard error and exit code 2, and so is a full disk or a folder
    that this user may not use.

    What is unavailable for now is one line as well, and exit code 75 (EX_TEMPFAIL of sysexits.h).
    """
    from mer_tasks.cli import (  # noqa: F401 - each adds its commands
        alerts,
        board,
        dataset,
        machine,
        measuring,
        models,
        prediction,
        service,
        songs,
    )
    from mer_tasks.cli.app import app, print_error

    _prepare_output()
    try:
        _check_options(sys.argv[1:])
        app()
    except InputError as error:
        print_error(f"mer: {error}")
        sys.exit(2)
    except UnavailableError as error:
        print_error(f"mer: {error.line}")
        sys.exit(os.EX_TEMPFAIL)
    except UnicodeEncodeError as error:
        print_error(f"mer: {error.object}: is not UTF-8, so the catalog cannot keep it; rename it")
        sys.exit(2)
    except OSError as error:
        remedies = dict.fromkeys(FULL, "free some space") | dict.fromkeys(REFUSED, "let this user use it")
        if error.errno not in remedies or error.filename is None:
            raise
        print_error(
            f"mer: {os.fsdecode(error.filename)}: {error.strerror};"
            f" {remedies[error.errno]}, or set TMPDIR or MER_HOME elsewhere"
        )
        sys.exit(2)


class _Formatter(logging.Formatter):
    """A record's own line may hold names from outside; a traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


def _check_options(arguments: list[str]) -> None:
    """Refuse a file whose name looks like an option: the library would print it as it is."""
    for argument in arguments:
        if argument.startswith("-") and printable(argument) != argument:
            raise InputError(f"{argument}: no option has such a name; write ./ before a file that has")


def _prepare_output() -> None:
    """Let no name end a command: what the terminal's encoding lacks is shown as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


if __name__ == "__main__":
    main()
