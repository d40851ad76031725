"""Commands that make pages for people: the report of a run, the moods of all songs, the mood board."""

import json

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_line


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
