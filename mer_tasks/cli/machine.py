"""Commands about this machine."""

from pathlib import Path
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import app


@app.command()
def doctor() -> None:
    """What is installed, reachable and configured here, and what to do about what is not.

    Example:  [bold]mer doctor[/bold]
    """
    from mer_tasks.doctor import checks, print_checks

    found = checks(project.machine())
    print_checks(found)
    if any(check.status == "problem" for check in found):
        raise typer.Exit(1)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the table instead of staying up.")] = False,
) -> None:
    """Run the main job here: Airflow and MLflow start, the sample songs are retrained on, a model goes live.

    Example:  [bold]mer demo[/bold]
    """
    from mer_tasks.demo import run

    raise typer.Exit(run(Path.cwd(), project.machine(), once=once))
