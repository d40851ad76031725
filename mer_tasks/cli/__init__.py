"""`mer`: one sub-command a step of the pipeline from songs to a model in service.

Heavy libraries are imported by the commands that need them, so that `--help` answers at once.
"""

import logging
import os
import sys

from mer_tasks.errors import InputError, UnavailableError


def main() -> None:
    """Run `mer`; a mistake in the input is one line on standard error and exit code 2.

    What is unavailable for now is one line as well, and exit code 75 (EX_TEMPFAIL of sysexits.h).
    """
    from mer_tasks.cli import dataset, machine, models, songs  # noqa: F401 - each adds its commands
    from mer_tasks.cli.app import app

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except InputError as error:
        print(f"mer: {error}", file=sys.stderr)
        sys.exit(2)
    except UnavailableError as error:
        print(f"mer: {error.line}", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    main()
