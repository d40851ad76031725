"""Commands that use the model in service: moods of songs, tags, playlists, a server."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mer_tasks.cli import project
from mer_tasks.cli.app import AsJson, app, print_error, print_line
from mer_tasks.domain import MOODS, Mood
from mer_tasks.errors import InputError
from mer_tasks.progress import progress
from mer_tasks.text import printable

if TYPE_CHECKING:
    from mer_tasks.library.tagging import TagRecord
    from mer_tasks.prediction.asking import Answer, Asker
    from mer_tasks.prediction.songs import Song
    from mer_tasks.registry.version_card import VersionCard

Songs = Annotated[
    list[str],
    typer.Argument(metavar="SONGS...", help="Files, folders, playlists (.m3u8) or addresses of songs."),
]
ModelAddress = Annotated[str | None, typer.Option(help="A model's address; else the champion's.")]


@app.command()
def predict(
    songs: Songs,
    model: ModelAddress = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Also the mood every few seconds through the song.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV, or go on with one.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the one song that is named.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The mood of songs, how sure it is and why, by the model in service.

    A mood that is less probable than prediction.min_probability is "not sure". A song that cannot be used is
    reported and the others are answered (exit code 2; 75 where a later try may help). With --csv, songs that
    the file has an answer for are not asked again.

    Examples:

      [bold]mer predict song.mp3 --timeline --plot song.png[/bold]

      [bold]mer predict ~/Music --csv moods.csv[/bold]
    """
    from mer_tasks.prediction.songs import find_songs

    found = find_songs(songs)
    if plot and (len(found) != 1 or found[0].url):
        raise InputError(f"--plot {plot}: draws one song's file; name one")
    with_timeline = timeline or plot is not None
    with running(model, None if with_timeline else len(found)) as (asker, card):
        if csv:
            codes = _into_table(csv, found, asker, card, with_timeline)
        else:
            codes = _onto_screen(found, asker, card, with_timeline, plot, as_json)
    if failed := codes - {0}:
        raise typer.Exit(min(failed))


@contextmanager
def running(model: str | None, n_songs: int | None) -> "Iterator[tuple[Asker, VersionCard]]":
    """The model at an address, or the champion, with a process a core, but no more than there are songs."""
    from mer_tasks.prediction.asking import Asker
    from mer_tasks.registry.prediction import RegisteredModel
    from mer_tasks.registry.version_card import VersionCard

    params, machine = project.params(), project.machine()
    uri = model or f"models:/{params.registration.model_name}@champion"
    n = max(1, min(machine.n_workers, n_songs or machine.n_workers))
    with RegisteredModel(machine, uri, n) as registered:
        yield Asker(registered, params, n), VersionCard.of(registered)


def _into_table(
    csv: Path, songs: "Sequence[Song]", asker: "Asker", card: "VersionCard", with_timeline: bool
) -> set[int]:
    """Write the answers to a CSV; return the exit codes that they mean."""
    from mer_tasks.prediction.table import open_table, song_name

    codes = [0]
    with open_table(csv, card.address, with_timeline) as table:
        due = [song for song in songs if song_name(song.name) not in table.answered]
        for answer in progress(asker.answers(due, with_timeline), len(due), "predict"):
            table.add(answer)
            codes.append(answer.exit_code)
            if answer.error:
                print_error(f"mer: {answer.error}")
    failed = sum(code != 0 for code in codes)
    before = f", {len(songs) - len(due)} answered before" if len(songs) > len(due) else ""
    print_line(f"{csv}: {len(due) - failed} songs answered{before}, {failed} failed; by {card.line}")
    return set(codes)


def _onto_screen(
    songs: "Sequence[Song]",
    asker: "Asker",
    card: "VersionCard",
    with_timeline: bool,
    plot: Path | None,
    as_json: bool,
) -> set[int]:
    """Print the answers; return the exit codes that they mean."""
    width = max(len(printable(song.name)) for song in songs)
    if not as_json:
        print_line(f"By {card.line}.")
        print_line(f"{'':{width}}  {'mood':9}  {'sure':>5}  " + "  ".join(f"{mood:>9}" for mood in MOODS))
    codes = set()
    for answer in _shown(asker.answers(songs, with_timeline), len(songs)):
        codes.add(answer.exit_code)
        if answer.error:
            print_error(f"mer: {answer.error}")
        if as_json:
            print_line(json.dumps(_as_json(answer) | {"version": card.as_json()}))
        elif answer.mood:
            for line in _rows(answer, width):
                print_line(line)
        if plot and answer.mood:
            _draw(answer, card, plot)
    return codes


def _shown(answers: "Iterable[Answer]", total: int) -> "Iterable[Answer]":
    """With a progress bar where the answers themselves go elsewhere than to the terminal."""
    elsewhere = sys.stderr.isatty() and not sys.stdout.isatty()
    return progress(answers, total, "predict") if elsewhere else answers


def _draw(answer: "Answer", card: "VersionCard", png: Path) -> None:
    from mer_tasks.prediction.picture import draw_song

    try:
        draw_song(Path(answer.name), answer, card.line, png)
    except OSError as error:
        raise InputError(f"{png}: cannot be written: {error.strerror}; give another --plot") from error
    print_error(f"{png}: {answer.name}")


def _as_json(answer: "Answer") -> dict[str, object]:
    found: dict[str, object] = {"file": answer.name}
    found |= answer.mood.as_json() if answer.mood else {"error": answer.error}
    if answer.timeline:
        found["timeline"] = [
            {"start_s": one.start_s, "end_s": one.end_s}
            | (one.mood.as_json() if one.mood else {"error": one.error})
            for one in answer.timeline
        ]
    return found


def _rows(answer: "Answer", width: int) -> "Iterator[str]":
    """The lines of a song in the table, and of its windows below it."""
    for one in (answer, *answer.timeline):
        name = answer.name if one is answer else f"  {one.start_s:g} to {one.end_s:g} s"
        if one.mood is None:
            yield f"{printable(name):{width}}  no mood: {one.error}"
            continue
        chances = "  ".join(f"{one.mood.probabilities[mood]:9.3f}" for mood in MOODS)
        why = ", ".join(f"{tag} {p:.2f}" for tag, p in one.mood.why.items())
        sure = f"{100 * one.mood.confidence:3.0f} %"
        row = f"{printable(name):{width}}  {one.mood.mood:9}  {sure:>5}  {chances}"
        yield row + (f"  why: {why}" if why else "")


@app.command()
def tag(
    songs: Songs,
    model: ModelAddress = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put back what the tags had before.")] = False,
) -> None:
    """Write each song's mood into its tags, where players read it; the sound is not touched.

    A song that has the mood already is left as it is, and so is one that the model is not sure of. A song that
    cannot be tagged is a line with the reason (exit code 2).

    Examples:

      [bold]mer tag ~/Music --dry-run[/bold]

      [bold]mer tag ~/Music --undo[/bold]
    """
    from mer_tasks.library.tagging import tag_record, untag_song
    from mer_tasks.prediction.songs import find_songs

    found = find_songs(songs)
    with tag_record(project.machine().home) as record:
        if undo:
            outcomes = [
                _tagged(song.name, "", lambda path: untag_song(path, record, dry_run)) for song in found
            ]
        else:
            outcomes = _tag(found, model, record, dry_run)
    failed = outcomes.count(False)
    print_line(f"{len(outcomes)} songs, {failed} failed")
    if failed:
        raise typer.Exit(2)


def _tag(songs: "Sequence[Song]", model: str | None, record: "TagRecord", dry_run: bool) -> list[bool]:
    """Ask the model for each song and write its mood; return what went well."""
    from mer_tasks.library.tagging import tag_song
    from mer_tasks.prediction.mood import NOT_SURE

    outcomes = []
    with running(model, len(songs)) as (asker, card):
        print_line(f"By {card.line}.")
        for song, answer in zip(songs, _shown(asker.answers(songs), len(songs)), strict=True):
            if answer.mood is None:
                print_error(f"mer: {answer.error}")
                outcomes.append(False)
            elif song.url:
                print_error(f"mer: {song.name}: is at an address; only files have tags")
                outcomes.append(False)
            elif (mood := answer.mood.mood) == NOT_SURE:
                print_line(f"{song.name}: {mood}: left as it is")
                outcomes.append(True)
            else:
                write = partial(tag_song, mood=mood, record=record, dry_run=dry_run)
                outcomes.append(_tagged(song.name, f"{mood}: ", write))
    return outcomes


def _tagged(name: str, what: str, write: "Callable[[Path], str]") -> bool:
    """Print what came of one song; return whether that is well."""
    try:
        print_line(f"{name}: {what}{write(Path(name))}")
    except InputError as error:
        print_error(f"mer: {name}: {error}")
        return False
    return True


@app.command()
def playlist(
    out: Annotated[Path, typer.Option(metavar="FILE.m3u8", help="The playlist to write.")],
    table: Annotated[
        Path,
        typer.Argument(help="The songs and their moods, as mer predict --csv wrote them.", readable=False),
    ] = Path("moods.csv"),
    mood: Annotated[Mood | None, typer.Option(help="The songs of this mood, the surest first.")] = None,
    start: Annotated[Mood | None, typer.Option("--from", help="Or songs from this mood …")] = None,
    end: Annotated[Mood | None, typer.Option("--to", help="… to this one.")] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=100_000, help="How long it is to be.")] = None,
) -> None:
    """Write a playlist from a table of moods: the songs of a mood, or a path from one mood to another.

    Examples:

      [bold]mer playlist --mood calm --out calm.m3u8[/bold]

      [bold]mer playlist moods.csv --from calm --to energetic --minutes 60 --out morning.m3u8[/bold]
    """
    from mer_tasks.library.playlist import along, of_mood, read_entries, write_playlist

    is_path = start is not None and end is not None and minutes is not None
    if is_path == (mood is not None) or (mood and (start or end)):
        raise InputError("playlist: give either --mood, or --from, --to and --minutes")
    entries, problems = read_entries(table)
    for problem in problems:
        print_error(f"mer: {problem}")
    if start and end and minutes:
        chosen = along(entries, start, end, minutes)
    else:
        chosen = of_mood(entries, str(mood), minutes)
    if not chosen:
        raise InputError(f"{table}: no song for this playlist among {len(entries)}; predict more songs")
    write_playlist(chosen, out)
    length = sum(entry.duration_s for entry in chosen) / 60
    short = f", of the {minutes:g} asked for" if minutes and length < minutes - 5 else ""
    print_line(f"{out}: {len(chosen)} songs, {length:.0f} minutes{short}")


@app.command()
def serve(
    model: ModelAddress = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with MER_SERVE_TOKEN.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8008,
) -> None:
    """Answer over HTTP: POST /predict takes songs, GET /health says which version answers, /docs describes both.

    A new champion takes over within serving.poll_s seconds, and no request is lost by it.

    Example:  [bold]mer serve --port 8008[/bold]
    """
    from mer_tasks.serving.server import serve as run_server

    params = project.params()
    uri = model or f"models:/{params.registration.model_name}@champion"
    run_server(params, project.machine(), uri, host, port)
