"""Commands about this machine."""

from pathlib import Path
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import app, print_line


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
def housekeeping(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
) -> None:
    """Free what is needed no longer, by the rules of housekeeping in params.yaml; warn of a stale champion.

    That is old workspaces of runs, objects of DVC's cache that no kept run and no registered version needs, features
    of settings no longer used, and runs deleted in MLflow. The exit code is 1 if one of them could not be done.

    Example:  [bold]mer housekeeping --dry-run[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.housekeeping import keep_house, stale_alert

    params, machine = project.params(), project.machine()
    failed = False
    for freed in keep_house(project.workspace(), params, machine, dry_run):
        print_line(freed.line(dry_run))
        failed |= freed.failed
    if alert := stale_alert(params, machine):
        print_line(alert.title)
        if not dry_run:
            send_alert(alert, machine)
    if failed:
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
