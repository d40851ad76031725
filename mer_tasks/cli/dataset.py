"""Commands that make a data set: which songs, whether they are good enough, what models read of them."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_error, print_line, read_day
from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError

if TYPE_CHECKING:
    from mer_tasks.settings import Params


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
    """Write the data set to data/snapshot: the songs, the songs left out with the reason, a description in Croissant.

    Stored clips that have changed since they were last read are read; a song that has lost its clip is left
    out from today on.

    Example:  [bold]mer snapshot --as-of 2026-11-22[/bold]
    """
    from mer_tasks.catalog.clips import clip_recipe
    from mer_tasks.catalog.croissant import write_croissant
    from mer_tasks.catalog.dataset import write_snapshot
    from mer_tasks.catalog.lost import watch_store
    from mer_tasks.catalog.snapshot import take_snapshot

    params, folder = project.params(), project.workspace().snapshot
    settings = params.snapshot
    if as_of:
        settings = settings.model_copy(update={"as_of": read_day("--as-of", as_of)})
    machine, catalog, recipe = project.machine(), project.open_catalog(), clip_recipe(params.clips)
    project.report_lost(watch_store(catalog, settings.collections, recipe, machine), machine)
    taken = take_snapshot(catalog, settings, recipe)
    write_snapshot(taken, folder)
    write_croissant(taken, folder)
    counts = taken.songs["mood"].value_counts()
    moods = ", ".join(f"{counts.get(mood, 0)} {mood}" for mood in MOODS)
    print_line(f"{folder}: {len(taken.songs)} songs ({moods}), {len(taken.left_out)} left out")


@app.command()
def validate() -> None:
    """Check the data set; a critical finding stops the run with a report that names the songs.

    The report is data/quality/report.html. What is checked, and where the limits stand: docs/quality.md.

    Example:  [bold]mer validate[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.audio.store import find_new_flaws
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.quality.gate import check_snapshot, quality_alerts, summary_line, write_report

    workspace, machine = project.workspace(), project.machine()
    taken = read_snapshot(workspace.snapshot)
    clips = set(taken.songs["clip_sha256"].dropna())
    flaws = find_new_flaws(machine.clip_store, clips, machine.n_workers)
    report = check_snapshot(taken, project.params(), {clip: flaw.reason for clip, flaw in flaws.items()})
    page = write_report(report, workspace.quality)
    for alert in quality_alerts(report, page):
        send_alert(alert, machine)
    if not report.passed:
        raise InputError(summary_line(report, page))
    print_line(summary_line(report, page))


@app.command()
def compute(
    clips: Annotated[
        list[str] | None, typer.Argument(metavar="[SHA256]...", help="Clips; else all of the data set.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute what models read of clips, as far as the feature store lacks it; mer features then gathers it.

    The clips are those of snapshot.collections, cut by the present settings, or those that are named by the
    SHA-256 of their bytes. Several machines may each compute some. A clip that cannot be used is listed.

    Example:  [bold]mer clips && mer compute[/bold]
    """
    from mer_tasks.device import features_device
    from mer_tasks.features.build import compute_features

    params, machine = project.params(), project.machine()
    wanted = _hashes(clips) if clips else _clips_here(params)
    computed, reasons = compute_features(
        wanted,
        params,
        machine.clip_store,
        machine.feature_store,
        machine.n_workers,
        features_device(machine.device),
    )
    for sha256, reason in reasons.items():
        print_error(f"{sha256}: {reason}")
    found = {"clips": len(wanted), "computed": computed, "failed": len(reasons)}
    line = f"{machine.feature_store}: {len(wanted)} clips, {computed} computed, {len(reasons)} cannot be used"
    print_line(json.dumps(found) if as_json else line)


@app.command()
def features() -> None:
    """Compute what models read of each clip; what was computed before is taken from the store.

    One folder a representation of params.yaml, in data/features. A song whose clip cannot be used is in
    left_out.csv there, with the reason, and in an alert; more than quality.max_lost_share of them are an error.

    Example:  [bold]mer features[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.device import features_device
    from mer_tasks.features.build import TooManyLostError, build_features
    from mer_tasks.features.left_out import left_out_alert

    workspace, machine = project.workspace(), project.machine()
    try:
        report = build_features(
            read_snapshot(workspace.snapshot),
            project.params(),
            workspace,
            machine.clip_store,
            machine.feature_store,
            machine.n_workers,
            features_device(machine.device),
        )
    except TooManyLostError as error:
        send_alert(left_out_alert(error.left_out, workspace.features, str(error)), machine)
        raise
    for track_id, reason in report.left_out:
        print_error(f"{track_id}: left out: {reason}")
    if report.left_out:
        send_alert(left_out_alert(report.left_out, workspace.features), machine)
    print_line(f"{workspace.features}: {report.summary}")


@app.command()
def inputs() -> None:
    """Write data/inputs: for each model, the identities of the representations that it reads.

    `dvc repro` calls it, and trains a model again when what it reads has changed.

    Example:  [bold]mer inputs[/bold]
    """
    from mer_tasks.features.identity import write_inputs

    write_inputs(project.workspace(), project.params())


@app.command()
def show(
    clip: Annotated[Path, typer.Argument(help="A song or clip, in any container.", readable=False)],
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
    print_line(f"{png}: {clip.name}")


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
        print_line(HEADER)
    for agreement in found:
        print_line(json.dumps(asdict(agreement)) if as_json else agreement.line)


def _hashes(texts: list[str]) -> set[str]:
    for text in texts:
        if not re.fullmatch("[0-9a-f]{64}", text):
            raise InputError(f"{text}: is no SHA-256 of a clip; it has 64 digits from 0 to f")
    return set(texts)


def _clips_here(params: "Params") -> set[str]:
    """The clips of the data set's collections."""
    from mer_tasks.catalog.clips import clip_recipe, clips_of

    found = clips_of(project.open_catalog(), params.snapshot.collections, clip_recipe(params.clips))
    return set(found.values())
