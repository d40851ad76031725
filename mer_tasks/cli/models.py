"""Commands that train, compare, register and promote models."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_line

ModelName = Annotated[str, typer.Argument(help="A model of params.yaml.")]


@app.command()
def train(model: ModelName) -> None:
    """Train a model on each fold and score it on the songs that the fold leaves out.

    Writes models/MODEL, data/predictions/MODEL.csv, metrics/MODEL.json and pictures in metrics/plots/MODEL.

    Example:  [bold]mer train resnet18[/bold]
    """
    from mer_tasks.evaluation.training import train_model

    result = train_model(project.workspace(), project.params_with(model), project.machine(), model)
    scores = result.scores
    print_line(
        f"{model} on {result.reads}: accuracy {scores.accuracy:.3f}"
        f" ({scores.accuracy_low:.3f} to {scores.accuracy_high:.3f}), macro F1 {scores.macro_f1:.3f},"
        f" out of fold on {scores.n} {result.songs}"
    )


@app.command()
def evaluate() -> None:
    """Compare the trained models: metrics/comparison.json, a picture and this table.

    Example:  [bold]mer evaluate[/bold]
    """
    from mer_tasks.evaluation.comparison import compare_models, comparison_table

    for line in comparison_table(compare_models(project.workspace(), project.params())).split("\n"):
        print_line(line)


@app.command()
def register(
    model: Annotated[
        str | None, typer.Argument(help="A model of params.yaml; else the best that reads audio.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Log the training in MLflow and register the best fold's model as mood@challenger.

    The same training is registered once, however often this runs.

    Example:  [bold]mer register[/bold]
    """
    from mer_tasks.registry.registration import register as register_model

    params = project.params_with(model) if model else project.params()
    version = register_model(project.workspace(), params, project.machine(), model)
    if as_json:
        print_line(json.dumps(asdict(version)))
    else:
        print_line(
            f"{version.name} version {version.version} ({version.model}) is {version.name}@{version.alias}"
        )


@app.command()
def promote(
    version: Annotated[str | None, typer.Option(help="Which version; else the challenger.")] = None,
    force: Annotated[bool, typer.Option("--force", help="A person decides: compare nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a version into service as mood@champion if it beats the champion on songs neither was trained on.

    To roll back, give the version of mood@previous and --force.

    Examples:

      [bold]mer promote[/bold]

      [bold]mer promote --version 3 --force[/bold]
    """
    from mer_tasks.registry.promotion import promote as promote_version

    decision = promote_version(project.workspace(), project.params(), project.machine(), version, force)
    if as_json:
        print_line(json.dumps(asdict(decision)))
    else:
        outcome = "is the champion" if decision.promoted else "was not promoted"
        print_line(f"version {decision.version} {outcome}: {decision.reason}")
