"""Commands that measure what no pipeline needs: other protocols, fewer songs, and which song to label next."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_error, print_line

Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Of params.yaml; else all.")]
Seeds = Annotated[int, typer.Option(min=1, max=100, help="So many, from evaluation.seed on.")]
EverySong = Annotated[
    bool, typer.Option("--every-song", help="The holdout's songs too, as published figures have it.")
]


@app.command()
def repeat(
    models: Models = None, seeds: Seeds = 5, every_song: EverySong = False, as_json: AsJson = False
) -> None:
    """Score models by several seeds and three protocols: ours, the paper's, and ten folds that split artists.

    Writes data/repeats/protocols.json, .md and .png. What is trained is measured and not kept: nothing of it can
    be registered. A run that was stopped goes on where it was.

    Examples:

      [bold]mer repeat musicnn_svm musicnn_logistic[/bold]

      [bold]mer repeat --seeds 3 --every-song[/bold]
    """
    from mer_tasks.evaluation.protocols import compare_protocols, protocols_table

    result = compare_protocols(
        project.workspace(), project.params(), project.machine(), _known(models), seeds, every_song
    )
    for line in (json.dumps(result) if as_json else protocols_table(result)).split("\n"):
        print_line(line)


@app.command("learning-curve")
def learning_curve_(
    models: Models = None, seeds: Seeds = 5, every_song: EverySong = False, as_json: AsJson = False
) -> None:
    """How accuracy grows with songs: models trained on an eighth, a quarter, half and all of each training part.

    Writes data/repeats/learning-curve.json, .md and .png, and what twice as many songs give. A run that was
    stopped goes on where it was.

    Example:  [bold]mer learning-curve musicnn_svm[/bold]
    """
    from mer_tasks.evaluation.learning_curve import curve_table, learning_curve

    result = learning_curve(
        project.workspace(), project.params(), project.machine(), _known(models), seeds, every_song
    )
    for line in (json.dumps(result) if as_json else curve_table(result)).split("\n"):
        print_line(line)


def _known(models: list[str] | None) -> list[str]:
    """The models named, each once; else all of params.yaml."""
    for model in models or []:
        project.params_with(model)
    return list(dict.fromkeys(models or project.params().models))


@app.command()
def unsure(
    n: Annotated[int, typer.Option("-n", min=1, help="So many songs at most.")] = 20,
    model: Annotated[str | None, typer.Option(help="A model's address; else the champion's.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the songs without a mood whose label would teach the model in service most.

    Those it cannot decide between two moods and that stand for many others, no artist twice. A clip that cannot
    be used is reported and the others are ranked.

    Example:  [bold]mer unsure -n 10[/bold]
    """
    from mer_tasks.registry.unsure import unsure_songs, unsure_table

    params = project.params()
    uri = model or f"models:/{params.registration.model_name}@champion"
    found = unsure_songs(project.open_catalog(), params, project.machine(), uri, n)
    for track_id, reason in found.left_out.items():
        print_error(f"{track_id}: left out: {reason}")
    for line in (json.dumps(asdict(found)) if as_json else unsure_table(found)).split("\n"):
        print_line(line)
