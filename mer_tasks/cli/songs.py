"""Commands that bring songs and their clips into the catalog."""

import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_error, print_line
from mer_tasks.domain import SAMPLE_COLLECTION
from mer_tasks.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from mer_tasks.catalog.database import Catalog


@app.command()
def sample(
    seed: Annotated[int, typer.Option(help="Another seed composes other songs.")] = 1,
) -> None:
    """Compose the sample songs and import them into the collection `sample`.

    They are synthetic: a score on them is no score on music.

    Example:  [bold]mer sample[/bold]
    """
    from mer_tasks.sources.sample import write_sample_songs

    machine = project.machine()
    tracks = write_sample_songs(machine.home / "sample", seed, machine.n_workers)
    import_(tracks, SAMPLE_COLLECTION)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="A CSV with track_id,title,artist,mood and path or url.", readable=False),
    ],
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

    params = project.params()  # first: a mistake there must not leave a half-done import
    catalog = project.open_catalog()
    name = collection or file.absolute().parent.name
    report = import_songs(
        catalog, file, name, columns=_pairs("--columns", columns), moods=_pairs("--moods", moods)
    )
    for problem in report.problems:
        print_error(f"{file}:{problem.line}: {problem.reason}")
    print_line(
        f"collection {name}: {report.new} new songs, {report.changed} changed, {report.unchanged} unchanged,"
        f" {report.repeated} repeated rows, {len(report.problems)} rows left out"
    )
    if report.ignored:
        print_line(f"Columns ignored, as not all their values are numbers: {', '.join(report.ignored)}")
    if name not in params.snapshot.collections:
        print_line(f"To train on them, add {name} to snapshot.collections in params.yaml.")
    if clips:
        _cut_clips(catalog, [name])
    if report.problems:
        raise typer.Exit(1)


@app.command()
def label(
    target: Annotated[
        str, typer.Argument(metavar="TRACK|FILE", help="A song's track_id, or a CSV of labels.")
    ],
    mood: Annotated[
        str | None, typer.Argument(help="sad, happy, energetic or calm; none takes your label back.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who gives the label.")] = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take your label back, as the mood none does.")
    ] = False,
) -> None:
    """Give a song its mood, which outranks files and charts, from the next snapshot on.

    Your newest label of a song counts. A song that people disagree about is left out until they agree. A file
    has the columns track_id, mood, by and perhaps note; bad rows are reported by line and the rest is taken
    (exit code 1).

    Examples:

      [bold]mer label spotify:track:5GZEeowhvSieFDiR8fQ2im sad --by ann[/bold]

      [bold]mer label labels.csv[/bold]
    """
    from mer_tasks.catalog.labelling import WITHDRAWN, add_labels, label_of, read_labels

    if withdraw:
        if mood not in (None, WITHDRAWN):
            raise InputError(f"label {target} {mood} --withdraw: leave out the mood, or --withdraw")
        mood = WITHDRAWN
    is_file = mood is None
    if is_file:
        if by is not None or note:
            raise InputError(f"label {target}: no mood; write mer label TRACK MOOD --by NAME")
        given, problems = read_labels(Path(target))
    else:
        given, problems = [label_of(target, mood or "", by or "", note)], []
    report = add_labels(project.open_catalog(), given)
    problems = sorted([*problems, *report.problems], key=lambda problem: problem.line)
    if problems and not is_file:
        raise InputError(f"{target}: {problems[0].reason}")
    for problem in problems:
        print_error(f"{target}:{problem.line}: {problem.track_id or '?'}: {problem.reason}")
    for song, moods in report.disagreements.items():
        print_error(f"{song}: left out until people agree: {moods}")
    print_line(
        f"{target}: {report.new} new labels, {report.unchanged} unchanged, {report.repeated} repeated rows,"
        f" {len(problems)} rows left out"
        if is_file
        else f"{given[0].track_id}: {given[0].mood or 'no mood any more'}, by {given[0].by}{'' if report.new else ', as before'}"
    )
    if problems:
        raise typer.Exit(1)


@app.command()
def charts(
    chart: Annotated[list[str] | None, typer.Argument(help="Which of params.yaml; else all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read charts as they are today and add their songs to the collections of the same names.

    A chart that cannot be read is reported and the others are read. The exit code is 2 if one of them needs
    a person, 75 if all that is missing may be had later. A chart that suddenly has far fewer songs than it
    used to sends an alert. docs/charts.md lists the sources.

    Example:  [bold]mer charts && mer clips[/bold]
    """
    from mer_tasks.alerts import send_alert
    from mer_tasks.refresh import fall_alert, refresh_chart

    params, machine, catalog = project.params(), project.machine(), project.open_catalog()
    codes = set()
    for name in chart or params.charts:
        try:
            report = refresh_chart(catalog, name, params, machine)
        except InputError as error:
            codes.add(2)
            print_error(f"mer: {error}")
            continue
        except UnavailableError as error:
            codes.add(os.EX_TEMPFAIL)
            print_error(f"mer: {error.line}")
            continue
        if report.fell:
            send_alert(fall_alert(report), machine)
        print_line(json.dumps(asdict(report)) if as_json else f"chart {name}: {report.line}")
    if codes:
        raise typer.Exit(min(codes))


@app.command("clips")
def clips_(
    collection: Annotated[
        list[str] | None,
        typer.Option(help="Only this collection; else snapshot.collections and the charts of params.yaml."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many songs now.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what waits for its next try.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Only print how many are due.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cut the clips that are due: 30 seconds from a quarter of each song.

    A song that gives none is listed with its reason, and tried again when that may help: a busy server
    within the hour, a dead video after a month. Several collectors may run at once.

    Examples:

      [bold]mer clips --collection mine[/bold]

      [bold]mer clips --again[/bold]      (after mending what was wrong)
    """
    catalog = project.open_catalog()
    collections = collection or _collections_here(catalog)
    if count:
        _count_due(catalog, collections, limit, as_json)
    else:
        _cut_clips(catalog, collections, limit, again, as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Read every stored clip and see that it is what was cut (exit code 1 if one is not).

    A song whose clip is missing or altered is listed, and due for mer clips; what is in the clip's place is
    taken away. Clips of all collections and settings are read.

    Example:  [bold]mer verify && mer clips[/bold]
    """
    from datetime import UTC, datetime

    from mer_tasks.catalog.lost import count_clips, verify_clips
    from mer_tasks.progress import progress

    machine, catalog = project.machine(), project.open_catalog()
    n_clips = count_clips(catalog)
    found = verify_clips(catalog, machine.clip_store, machine.n_workers, datetime.now(UTC))
    lost = [clip for clips in progress(found, n_clips, "verify", "clip") for clip in clips]
    project.report_lost(lost, machine)
    if as_json:
        print_line(json.dumps({"clips": n_clips, "lost": [clip._asdict() for clip in lost]}))
    else:
        counts = Counter(clip.kind for clip in lost)
        which = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "all whole"
        print_line(
            f"{machine.clip_store}: {n_clips} clips: {which}{'; cut them again with mer clips' if lost else ''}"
        )
    if lost:
        raise typer.Exit(1)


def _collections_here(catalog: "Catalog") -> list[str]:
    """The collections that data sets are made of, and the charts; those without songs yet are left out."""
    from mer_tasks.catalog.reading import collections_filled

    params = project.params()
    with catalog.reading() as connection:
        filled = collections_filled(connection)
    for name in sorted(set(params.snapshot.collections) - filled):
        print_error(f"collection {name}: holds no songs yet")
    wanted = {*params.snapshot.collections, *params.charts}
    return sorted(wanted & filled) or list(params.snapshot.collections)


def _count_due(catalog: "Catalog", collections: list[str], limit: int | None, as_json: bool) -> None:
    from mer_tasks.collect import count_due

    machine = project.machine()
    due, lost = count_due(catalog, tuple(collections), machine, project.params())
    project.report_lost(lost, machine)
    due = due if limit is None else min(due, limit)
    print_line(json.dumps({"due": due}) if as_json else f"{due} songs are due")


def _cut_clips(
    catalog: "Catalog",
    collections: list[str],
    limit: int | None = None,
    again: bool = False,
    as_json: bool = False,
) -> None:
    from mer_tasks.collect import collect_clips

    machine = project.machine()
    report = collect_clips(catalog, tuple(collections), machine, project.params(), limit, again)
    project.report_lost(report.lost, machine)
    for failure in report.failures:
        print_error(f"{failure.track_id}: no clip: {failure.reason}")
    print_line(json.dumps(report.summary) if as_json else f"{machine.clip_store}: {report.line}")


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """`["a=b"]` as `{"a": "b"}`."""
    for text in texts or []:
        if "=" not in text:
            raise InputError(f"{option} {text}: needs the form A=B")
    return dict(text.split("=", 1) for text in texts or [])
