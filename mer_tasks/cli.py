"""`mer`: one sub-command a step of the road from songs to a model in service.

Heavy libraries are imported by the commands that need them, so that `--help` answers at once.
"""

import json
import logging
import os
import sys
from dataclasses import asdict
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_tasks import layout
from mer_tasks.domain import MOODS, SAMPLE_COLLECTION, InputError, UnavailableError
from mer_tasks.settings import load_machine, load_params

if TYPE_CHECKING:
    from mer_tasks.catalog.database import Catalog

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="From songs to a model that hears their mood. Run it in the project's folder, beside params.yaml.",
)


class Model(StrEnum):
    """The models that can be trained."""

    LOGISTIC_REGRESSION = "logistic_regression"
    NEURAL_NETWORK = "neural_network"
    RESNET18 = "resnet18"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def main() -> None:
    """Run `mer`; a mistake in the input is one line on standard error and exit code 2.

    What is away for now is one line as well, and exit code 75 (EX_TEMPFAIL of sysexits.h).
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except InputError as error:
        print(f"mer: {error}", file=sys.stderr)
        sys.exit(2)
    except UnavailableError as error:
        print(f"mer: {error}", file=sys.stderr)
        sys.exit(os.EX_TEMPFAIL)


@app.command()
def sample(
    seed: Annotated[int, typer.Option(help="Another seed composes other songs.")] = 1,
) -> None:
    """Compose the sample songs and import them into the collection `sample`.

    They are synthetic: a score on them is no score on music.

    Example:  [bold]mer sample[/bold]
    """
    from mer_tasks.sources.sample import write_sample_songs

    machine = load_machine()
    tracks = write_sample_songs(machine.home / "sample", seed, machine.n_workers)
    import_(tracks, SAMPLE_COLLECTION)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV with track_id,title,artist,mood and path or url.")],
    collection: Annotated[
        str | None, typer.Option(help="The name that snapshot.collections calls them by; else the folder's.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="OURS=THEIRS", help="What the file calls one of our columns.")
    ] = None,
    moods: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=MOOD", help="What the file calls one of our moods.")
    ] = None,
    clips: Annotated[bool, typer.Option(help="Cut the clips of the songs that have audio.")] = True,
) -> None:
    """Import songs from a CSV into the catalog and cut their clips.

    Rows that break a rule are reported by line number and the rest is imported (exit code 1). Importing
    the same file again changes nothing.

    Examples:

      [bold]mer import songs/tracks.csv --collection mine[/bold]

      [bold]mer import moodify.csv --columns track_id=uri --columns title=track --moods 0=sad[/bold]
    """
    from mer_tasks.catalog.importing import import_songs

    params = load_params()  # first: a mistake there must not leave a half-done import
    catalog = _open_catalog()
    name = collection or file.absolute().parent.name
    report = import_songs(
        catalog, file, name, columns=_pairs("--columns", columns), moods=_pairs("--moods", moods)
    )
    for problem in report.problems:
        print(f"{file}:{problem.line}: {problem.reason}", file=sys.stderr)
    print(
        f"collection {name}: {report.new} new songs, {report.changed} changed, {report.unchanged} unchanged,"
        f" {report.repeated} repeated rows, {len(report.problems)} rows left out"
    )
    if report.ignored:
        print(f"Columns ignored, as not all their values are numbers: {', '.join(report.ignored)}")
    if name not in params.snapshot.collections:
        print(f"To train on them, add {name} to snapshot.collections in params.yaml.")
    _write_revision(catalog)
    if clips:
        _cut_clips(catalog, [name])
    if report.problems:
        raise typer.Exit(1)


@app.command()
def charts(
    chart: Annotated[list[str] | None, typer.Argument(help="Which of params.yaml; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read charts as they are today and add their songs to the collections of the same names.

    A chart that cannot be read is reported and the others are read (exit code 2). One that suddenly has
    far fewer songs than it used to sends an alert. docs/charts.md says which sources there are.

    Example:  [bold]mer charts && mer clips[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.refresh import fall_alert, refresh_chart

    params, machine, catalog = load_params(), load_machine(), _open_catalog()
    failed = False
    for name in chart or params.charts:
        try:
            report = refresh_chart(catalog, name, params, machine)
        except InputError as error:
            failed = True
            print(f"mer: {error}", file=sys.stderr)
            continue
        if report.fell:
            send_alert(fall_alert(report), machine)
        print(json.dumps(asdict(report)) if as_json else f"chart {name}: {report.line}")
    _write_revision(catalog)
    if failed:
        raise typer.Exit(2)


@app.command("clips")
def clips_(
    collection: Annotated[
        list[str] | None,
        typer.Option(help="Only this collection; else snapshot.collections and the charts of params.yaml."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many songs now.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what waits for its next try.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Only say how many are due.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cut the clips that are due: 30 seconds from a quarter of each song.

    A song that gives none is listed with its reason, and tried again when that may help: a busy server
    within the hour, a dead video after a month. Several collectors may run at once.

    Examples:

      [bold]mer clips --collection mine[/bold]

      [bold]mer clips --again[/bold]      (after mending what was wrong)
    """
    catalog = _open_catalog()
    collections = collection or _collections_here(catalog)
    if count:
        _count_due(catalog, collections, limit, as_json)
    else:
        _cut_clips(catalog, collections, limit, again, as_json)


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

    params = load_params()
    settings = params.snapshot
    if as_of:
        settings = settings.model_copy(update={"as_of": _day(as_of)})
    catalog = _open_catalog()
    taken = take_snapshot(catalog, settings, clip_recipe(params.clips))
    write_snapshot(taken, layout.SNAPSHOT)
    _write_revision(catalog)
    counts = taken.songs["mood"].value_counts()
    moods = ", ".join(f"{counts.get(mood, 0)} {mood}" for mood in MOODS)
    print(f"{layout.SNAPSHOT}: {len(taken.songs)} songs ({moods}), {len(taken.left_out)} left out")


@app.command()
def validate() -> None:
    """Check the data set; a critical finding stops the run with a report that names the songs.

    The report is data/quality/report.html. What is checked, and where the limits stand: docs/quality.md.

    Example:  [bold]mer validate[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.quality.gate import check_snapshot, quality_alert, summary_line, write_report

    report = check_snapshot(read_snapshot(layout.SNAPSHOT), load_params())
    write_report(report, layout.QUALITY)
    if not report.passed:
        send_alert(quality_alert(report, layout.QUALITY / "report.html"), load_machine())
        raise InputError(summary_line(report))
    print(summary_line(report))


@app.command()
def features() -> None:
    """Compute each clip's image and summary; what was computed before is taken from the store.

    Example:  [bold]mer features[/bold]
    """
    from mer_tasks.catalog.dataset import read_snapshot
    from mer_tasks.device import features_device
    from mer_tasks.features.build import build_features

    machine, settings = load_machine(), load_params().features
    report = build_features(
        read_snapshot(layout.SNAPSHOT),
        machine.clip_store,
        machine.feature_store,
        layout.FEATURES,
        settings,
        machine.n_workers,
        features_device(machine.device),
    )
    print(f"{layout.FEATURES}: {report.summary}")


@app.command()
def show(
    clip: Annotated[Path, typer.Argument(help="A song or clip, in any container.")],
    out: Annotated[
        Path | None, typer.Option(help="The picture to write; else the clip's name with .png.")
    ] = None,
) -> None:
    """Draw a clip's features, those of features.stack in params.yaml, as a PNG.

    Example:  [bold]mer show song.mp3 --out song.png[/bold]
    """
    from mer_tasks.features.picture import draw_clip

    png = out or Path(f"{clip.stem}.png")
    try:
        draw_clip(clip, png, load_params().features)
    except OSError as error:
        raise InputError(f"{png}: cannot be written: {error.strerror}; give another --out") from error
    print(f"{png}: {clip.name}")


@app.command()
def local(as_json: AsJson = False) -> None:
    """How far the local stand-ins (local_energy …) follow Spotify's own features, where a song has both.

    A line a feature: songs, Pearson's r, Spearman's rho; and a picture, metrics/plots/local.png.

    Example:  [bold]mer local[/bold]
    """
    from mer_tasks.features.agreement import HEADER, compare_with_spotify

    found = compare_with_spotify(layout.FEATURES, layout.LOCAL)
    if not as_json:
        print(HEADER)
    for agreement in found:
        print(json.dumps(asdict(agreement)) if as_json else agreement.line)


@app.command()
def train(model: Annotated[Model, typer.Argument(help="Which model.")]) -> None:
    """Train a model on each fold and score it on the songs that the fold leaves out.

    Writes models/MODEL, data/predictions/MODEL.csv, metrics/MODEL.json and pictures in metrics/plots/MODEL.

    Example:  [bold]mer train resnet18[/bold]
    """
    from mer_tasks.evaluation.training import train_model

    metrics = train_model(model.value, load_params(), load_machine())
    print(
        f"{model.value} on {metrics['features']} features: accuracy {metrics['accuracy']:.3f}"
        f" ({metrics['accuracy_low']:.3f} to {metrics['accuracy_high']:.3f}), macro F1 {metrics['macro_f1']:.3f},"
        f" out of fold on {metrics['n']} {metrics['songs']}"
    )


@app.command()
def evaluate() -> None:
    """Compare the trained models: metrics/comparison.json, a picture and this table.

    Example:  [bold]mer evaluate[/bold]
    """
    from mer_tasks.evaluation.comparison import compare_models, comparison_table

    print(comparison_table(compare_models(load_params())))


@app.command()
def register(
    model: Annotated[
        Model | None, typer.Argument(help="Which model; else the best that takes audio.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Log the training in MLflow and register the best fold's model as mood@challenger.

    The same training is registered once, however often this runs.

    Example:  [bold]mer register[/bold]
    """
    from mer_tasks.registry.registration import register as register_model

    version = register_model(load_params(), load_machine(), model.value if model else None)
    if as_json:
        print(json.dumps(asdict(version)))
    else:
        print(f"{version.name} version {version.version} ({version.model}) is {version.name}@{version.alias}")


@app.command()
def promote(
    version: Annotated[str | None, typer.Option(help="Which version; else the challenger.")] = None,
    force: Annotated[bool, typer.Option("--force", help="A person decides: compare nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put a version into service as mood@champion if it beats the champion on the holdout.

    To roll back, give the version of mood@previous and --force.

    Examples:

      [bold]mer promote[/bold]

      [bold]mer promote --version 3 --force[/bold]
    """
    from mer_tasks.registry.promotion import promote as promote_version

    decision = promote_version(load_params(), load_machine(), version, force)
    if as_json:
        print(json.dumps(asdict(decision)))
    else:
        outcome = "is the champion" if decision.promoted else "was not promoted"
        print(f"version {decision.version} {outcome}: {decision.reason}")


@app.command()
def predict(
    audio: Annotated[list[Path], typer.Argument(help="Songs or clips, in any container.")],
    model: Annotated[str | None, typer.Option(help="A model's address; else the champion's.")] = None,
    as_json: AsJson = False,
) -> None:
    """The mood of songs, with the probability of each mood, by the model in service.

    A file that cannot be heard is reported and the others are answered (exit code 2).

    Examples:

      [bold]mer predict song.mp3 other.ogg[/bold]

      [bold]mer predict --json --model models:/mood/3 song.mp3[/bold]
    """
    from mer_tasks.registry.prediction import RegisteredModel

    machine = load_machine()
    uri = model or f"models:/{load_params().registration.model_name}@champion"
    registered = RegisteredModel(machine, uri)
    width = max(len(str(path)) for path in audio)
    if not as_json:
        print(f"{'':{width}}  {'mood':9}  " + "  ".join(f"{mood:>9}" for mood in MOODS))
    failed = False
    for path in audio:
        try:
            answer = registered.hear(path)
        except InputError as error:
            failed = True
            print(f"mer: {error}", file=sys.stderr)
            if as_json:
                print(json.dumps({"file": str(path), "error": str(error)}))
            continue
        if as_json:
            print(json.dumps({"file": str(path), "mood": answer.mood, "probabilities": answer.probabilities}))
        else:
            chances = "  ".join(f"{answer.probabilities[mood]:9.3f}" for mood in MOODS)
            print(f"{path!s:{width}}  {answer.mood:9}  {chances}")
    if failed:
        raise typer.Exit(2)


@app.command()
def doctor() -> None:
    """What is installed, reachable and configured here, and what to do about what is not.

    Example:  [bold]mer doctor[/bold]
    """
    from mer_tasks.doctor import checks, print_checks

    found = checks(load_machine())
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

    raise typer.Exit(run(Path.cwd(), load_machine(), once=once))


def _open_catalog() -> "Catalog":
    from mer_tasks.catalog.database import Catalog

    return Catalog.open(load_machine().catalog_url)


def _write_revision(catalog: "Catalog") -> None:
    """Tell DVC, which cannot look into a database, whether the catalog has changed."""
    from mer_tasks.files import write_text

    write_text(layout.REVISION, catalog.revision() + "\n")


def _collections_here(catalog: "Catalog") -> list[str]:
    """The collections that data sets are made of, and the charts; those without songs yet are left out."""
    from mer_tasks.catalog.reading import collections_filled

    params = load_params()
    with catalog.reading() as connection:
        filled = collections_filled(connection)
    for name in sorted(set(params.snapshot.collections) - filled):
        print(f"collection {name}: holds no songs yet", file=sys.stderr)
    wanted = {*params.snapshot.collections, *params.charts}
    return sorted(wanted & filled) or list(params.snapshot.collections)


def _count_due(catalog: "Catalog", collections: list[str], limit: int | None, as_json: bool) -> None:
    from mer_tasks.collect import count_due

    due = count_due(catalog, tuple(collections), load_machine().clip_store, load_params())
    due = due if limit is None else min(due, limit)
    print(json.dumps({"due": due}) if as_json else f"{due} songs are due")


def _cut_clips(
    catalog: "Catalog",
    collections: list[str],
    limit: int | None = None,
    again: bool = False,
    as_json: bool = False,
) -> None:
    from mer_tasks.collect import collect_clips

    machine = load_machine()
    report = collect_clips(
        catalog, tuple(collections), machine.clip_store, load_params(), machine.n_workers, limit, again
    )
    _write_revision(catalog)
    for failure in report.failures:
        print(f"{failure.track_id}: no clip: {failure.reason}", file=sys.stderr)
    print(json.dumps(report.summary) if as_json else f"{machine.clip_store}: {report.line}")


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """`["a=b"]` as `{"a": "b"}`."""
    for text in texts or []:
        if "=" not in text:
            raise InputError(f"{option} {text}: needs the form A=B")
    return dict(text.split("=", 1) for text in texts or [])


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--as-of {text}: not a day; write it as YYYY-MM-DD") from error


if __name__ == "__main__":
    main()
