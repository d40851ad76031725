"""Commands that make pages for people: the report of a run, the moods of all songs, the mood board."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_error, print_line


@app.command()
def report(as_json: AsJson = False) -> None:
    """Write the report of the run, metrics/report.html: one page, which needs no network.

    Where the training is registered, the report says what was decided, and is put among the artifacts of its run
    in MLflow.

    Example:  [bold]mer report[/bold]
    """
    from mer_tasks.board.report import publish_report

    page, outcome = publish_report(project.workspace(), project.params(), project.machine())
    if as_json:
        print_line(json.dumps({"file": str(page), "report_page": outcome and outcome.report_page}))
    else:
        print_line(
            f"{page}: {f'also in MLflow, run {outcome.run_id}' if outcome else 'nothing is registered'}"
        )


@app.command()
def score(
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many songs now.")] = None,
    as_json: AsJson = False,
) -> None:
    """The mood of every song with a clip that the version in service has not answered yet, kept in the catalog.

    It may be stopped at any time, and goes on where it was. A song that cannot be answered is listed with its
    reason and stops no other.

    Example:  [bold]mer score[/bold]
    """
    from mer_tasks.registry.scoring import score_songs

    uri = f"models:/{project.params().registration.model_name}@champion"
    report = score_songs(project.open_catalog(), project.machine(), uri, limit)
    for track_id, reason in {**report.unusable, **report.lost}.items():
        print_error(f"{track_id}: no mood: {reason}")
    if as_json:
        print_line(json.dumps(asdict(report)))
    else:
        print_line(
            f"{report.version}: {report.new} songs scored, {len(report.unusable)} that it cannot use,"
            f" {len(report.lost)} to be asked again"
        )


@app.command()
def board(
    out: Annotated[
        Path | None, typer.Option(help="A folder for pages that need no server; else Airflow's own page.")
    ] = None,
) -> None:
    """Write the mood board: the charts' moods, the plane of moods, what is unsure, the version in service.

    Without --out it is written where Airflow's page Mood board shows it, with players and buttons for labels; an
    export has neither, for clips are played only to who may hear them.

    Example:  [bold]mer board --out site[/bold]
    """
    from mer_tasks.board.content import board_content
    from mer_tasks.board.page import write_board

    machine = project.machine()
    content = board_content(project.open_catalog(), project.workspace(), project.params(), machine)
    folder = out or machine.board
    write_board(content, folder, live=out is None)
    print_line(f"{folder / 'index.html'}: {len(content.songs)} songs, {len(content.charts)} charts")
