"""Commands that make a data set: which songs, whether they are good enough, what models read of them."""

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, say
from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError


@app.command()
def state() -> None:
    """Write what DVC cannot see into data/state: the catalog's revision and the code of each stage.

    `dvc repro` calls it first, and redoes what depends on what has changed.

    Example:  [bold]mer state[/bold]
    """
    from mer_tasks.pipeline import write_state

    write_state(project.workspace(), project.params(), project.machine())


@app.command()
def snapshot(
    as_of: Annotated[
        str | None, typer.Option(metavar="DATE", help="Songs as known on this day; else snapshot.as_of.")
    ] = None,
) -> None:
    """Write the data set to data/snapshot: the songs, and the songs left out with the reason.

    Example:  [bold]mer snapshot --as-of 2026-11-22[/bold]
    """
    from mer_tasks.catalog.clips import clip_recipe
    from mer_tasks.catalog.dataset import write_snapshot
    from mer_tasks.catalog.snapshot import take_snapshot

    params, folder = project.params(), project.workspace().snapshot
    settings = params.snapshot
    if as_of:
        settings = settings.model_copy(update={"as_of": _day(as_of)})
    taken = take_snapshot(project.open_catalog(), settings, clip_recipe(params.clips))
    write_snapshot(taken, folder)
    counts = taken.songs["mood"].value_counts()
    moods = ", ".join(f"{counts.get(mood, 0)} {mood}" for mood in MOODS)
    say(f"{folder}: {len(taken.songs)} songs ({moods}), {len(taken.left_out)} left out")


@app.command()
def validate() -> None:
    """Check the data set; a critical finding stops the run with a report that names the songs.

    The report is data/quality/report.html. What is checked, and where the limits stand: docs/quality.md.

    Example:  [bold]mer validate[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.quality.gate import check_snapshot, quality_alert, summary_line, write_report

    workspace = project.workspace()
    report = check_snapshot(read_snapshot(workspace.snapshot), project.params())
    page = write_report(report, workspace.quality)
    if not report.passed:
        send_alert(quality_alert(report, page), project.machine())
        raise InputError(summary_line(report, page))
    say(summary_line(report, page))


@app.command()
def features() -> None:
    """Compute what models read of each clip; what was computed before is taken from the store.

    One folder a representation of params.yaml, in data/features.

    Example:  [bold]mer features[/bold]
    """
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.device import features_device
    from mer_tasks.features.build import build_features

    workspace, machine = project.workspace(), project.machine()
    report = build_features(
        read_snapshot(workspace.snapshot),
        project.params(),
        workspace,
        machine.clip_store,
        machine.feature_store,
        machine.n_workers,
        features_device(machine.device),
    )
    say(f"{workspace.features}: {report.summary}")


@app.command()
def show(
    clip: Annotated[Path, typer.Argument(help="A song or clip, in any container.")],
    out: Annotated[
        Path | None, typer.Option(help="The picture to write; else the clip's name with .png.")
    ] = None,
) -> None:
    """Draw a clip's features, those of representations.image.stack in params.yaml, as a PNG.

    Example:  [bold]mer show song.mp3 --out song.png[/bold]
    """
    from mer_tasks.features.picture import draw_clip

    png = out or Path(f"{clip.stem}.png")
    try:
        draw_clip(clip, png, project.params())
    except OSError as error:
        raise InputError(f"{png}: cannot be written: {error.strerror}; give another --out") from error
    say(f"{png}: {clip.name}")


@app.command()
def proxies(as_json: AsJson = False) -> None:
    """How far the proxies (proxy_energy …) follow Spotify's own features, where a song has both.

    A line a feature: songs, Pearson's r, Spearman's rho; and a picture, metrics/plots/proxies/agreement.png.

    Example:  [bold]mer proxies[/bold]
    """
    from mer_tasks.features.agreement import HEADER, compare_with_spotify

    workspace = project.workspace()
    found = compare_with_spotify(workspace.features, workspace.plots("proxies") / "agreement.png")
    if not as_json:
        say(HEADER)
    for agreement in found:
        say(json.dumps(asdict(agreement)) if as_json else agreement.line)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--as-of {text}: not a day; write it as YYYY-MM-DD") from error
