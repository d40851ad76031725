"""Commands that train, compare, register and rebuild models."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_line

ModelName = Annotated[str, typer.Argument(help="A model of params.yaml.")]


@app.command()
def train(model: ModelName) -> None:
    """Train a model on each fold and score it on the songs that the fold leaves out.

    Writes models/MODEL, data/predictions/MODEL.csv, metrics/MODEL.json and pictures in metrics/plots/MODEL. While a
    network trains, MLflow shows its curves.

    Example:  [bold]mer train resnet18[/bold]
    """
    from mer_tasks.evaluation.training import train_model
    from mer_tasks.pipeline import check_inputs
    from mer_tasks.registry.live import live_curves

    workspace, params, machine = project.workspace(), project.params_with(model), project.machine()
    if "DVC_STAGE" in os.environ:  # DVC has seen to the inputs, by their dates alone
        check_inputs(workspace, params, machine, model)
    with live_curves(workspace, params, machine, model) as watch:
        result = train_model(workspace, params, machine, model, watch)
    scores = result.scores
    print_line(
        f"{model} on {result.read_together}: accuracy {scores.accuracy:.3f}"
        f" ({scores.accuracy_low:.3f} to {scores.accuracy_high:.3f}), macro F1 {scores.macro_f1:.3f},"
        f" out of fold on {scores.n} {result.songs}"
    )


@app.command()
def evaluate() -> None:
    """Compare the trained models: metrics/comparison.json, a picture and this table.

    Example:  [bold]mer evaluate[/bold]
    """
    from mer_tasks.evaluation.comparison import compare_models, comparison_table

    comparison = compare_models(project.workspace(), project.params(), project.machine())
    for line in comparison_table(comparison).split("\n"):
        print_line(line)


@app.command()
def register(
    model: Annotated[
        str | None, typer.Argument(help="A model of params.yaml; else the best that reads audio.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Log the training in MLflow and register the best fold's model as mood@challenger.

    The same training is registered once, however often this runs. Its run has the report of mer report.

    Example:  [bold]mer register[/bold]
    """
    from mer_tasks.board.report import publish_report
    from mer_tasks.registry.registration import register as register_model

    params = project.params_with(model) if model else project.params()
    version = register_model(project.workspace(), params, project.machine(), model)
    publish_report(project.workspace(), params, project.machine())
    if as_json:
        print_line(json.dumps(asdict(version)))
    else:
        print_line(
            f"{version.name} version {version.version} ({version.model}) is {version.name}@{version.alias}"
        )


@app.command()
def reproduce(
    uri: Annotated[str, typer.Argument(metavar="VERSION", help="models:/NAME@ALIAS or models:/NAME/NUMBER.")],
    folder: Annotated[
        Path | None, typer.Option("--in", metavar="FOLDER", help="Where to rebuild it; else under MER_HOME.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild a registered version from its settings, the catalog and the clips, and compare (exit code 1 if it differs).

    It is trained anew by the code as it is here, as of the day of its data. Nothing registered changes.

    Example:  [bold]mer reproduce models:/mood@champion[/bold]
    """
    from mer_tasks.reproduction import reproduce_version

    found = reproduce_version(project.workspace(), project.machine(), uri, folder)
    if as_json:
        print_line(json.dumps(asdict(found) | {"equal": found.is_equal}))
    for line in found.lines if not as_json else ():
        print_line(line)
    if not found.is_equal:
        raise typer.Exit(1)


@app.command()
def drift(as_json: AsJson = False) -> None:
    """Whether the data set's new songs are like those that the champion was trained on.

    Compared are the proxies of Spotify's features and the moods that the champion predicts, one song an artist. What has
    drifted is a warning in the next digest.

    Example:  [bold]mer drift[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.quality.drift import drift_alert
    from mer_tasks.registry.drift import check_drift

    machine, params = project.machine(), project.params()
    report = check_drift(project.workspace(), params, machine)
    if report.drifted:
        send_alert(drift_alert(report.drifted, report.n_before, report.n_now, report.champion), machine)
    if as_json:
        print_line(json.dumps(asdict(report)))
        return
    print_line(f"{report.n_now} artists new to {report.champion}, {report.n_before} in its training")
    for column in report.columns:
        print_line(column.line)
    if not report.columns:
        print_line(f"too few to compare: quality.drift_min_songs is {params.quality.drift_min_songs}")
