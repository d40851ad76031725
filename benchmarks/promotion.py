"""How often the champion changes by luck, and how soon a better line of models takes over, by the rule's p-value.

Simulates years of weekly runs on one holdout: `python benchmarks/promotion.py` (minutes). With `--bounds`: how often
a challenger that is better is refused because a mood is worse, rightly and wrongly. Every song has a
difficulty, shared by its artist's songs; a model is right where its skill exceeds the difficulty and a chance of
its own. How much of that is shared by two models decides how often they disagree: real models of this project,
retrained a week later, on a few per cent of songs; of different systems on a fifth to a third (docs below).
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mer_tasks.registry.significance import sign_flip_p_value

WEEKS = 52
ARTIST_SHARE = 0.3
"""How much of a song's difficulty is its artist's."""

SHARED = {"the same system, retrained": 0.97, "another system": 0.75}
"""The share of difficulty in what decides whether a model is right: which pairs of models disagree how often."""

P_VALUES = (None, 0.2, 0.1, 0.05, 0.02, 0.01)
"""None is the old rule: right more often, by anything at all."""


@dataclass(frozen=True)
class Holdout:
    """Songs by the artist of each, and how difficult each is, with unit variance."""

    artists: np.ndarray
    difficulty: np.ndarray


def holdout(rng: np.random.Generator, n_songs: int) -> Holdout:
    """Songs whose artists have one to four each."""
    sizes: list[int] = []
    while sum(sizes) < n_songs:
        sizes.append(int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1])))
    artists = np.repeat(np.arange(len(sizes)), sizes)[:n_songs]
    own, of_artist = rng.normal(size=n_songs), rng.normal(size=len(sizes))[artists]
    return Holdout(artists, np.sqrt(ARTIST_SHARE) * of_artist + np.sqrt(1 - ARTIST_SHARE) * own)


def answers(rng: np.random.Generator, songs: Holdout, accuracy: float, shared: float) -> np.ndarray:
    """Whether a new model of this accuracy is right, song by song."""
    chance = rng.normal(size=len(songs.artists))
    ease = np.sqrt(shared) * songs.difficulty + np.sqrt(1 - shared) * chance
    right: np.ndarray = ease < NormalDist().inv_cdf(accuracy)
    return right


def changes(
    rng: np.random.Generator,
    n_songs: int,
    accuracy: float,
    better: float,
    shared: float,
    p_value: float | None,
) -> Iterator[int]:
    """The weeks of a year in which the champion, of this accuracy, is replaced by one `better` by so much."""
    songs = holdout(rng, n_songs)
    champion = answers(rng, songs, accuracy, shared)
    for week in range(1, WEEKS + 1):
        challenger = answers(rng, songs, accuracy + better, shared)
        difference = challenger.astype(int) - champion.astype(int)
        if difference.sum() > 0 and (
            p_value is None or sign_flip_p_value(difference, songs.artists) <= p_value
        ):
            champion = challenger
            yield week


def print_table(rng: np.random.Generator, n_years: int, accuracies: Sequence[float]) -> None:
    """A row a holdout, kind of pair and rule."""
    print(
        "| songs | challengers | rule | changes a year | years with at most 1 | takes over within a year at +3, +5, +10 points (median week) |"
    )
    print("| ---: | --- | --- | ---: | ---: | --- |")
    for n_songs in (62, 120):
        for kind, shared in SHARED.items():
            for p_value in P_VALUES:
                luck = [
                    len(list(changes(rng, n_songs, accuracy, 0.0, shared, p_value)))
                    for accuracy in accuracies
                    for _ in range(n_years)
                ]
                power = [
                    _power(rng, n_years, n_songs, accuracies, better, shared, p_value)
                    for better in (0.03, 0.05, 0.10)
                ]
                rule = "any gain (old)" if p_value is None else f"p <= {p_value:g}"
                print(
                    f"| {n_songs} | {kind} | {rule} | {np.mean(luck):.2f} | {np.mean(np.array(luck) <= 1):.1%} |"
                    f" {', '.join(power)} |",
                    flush=True,
                )


def _power(
    rng: np.random.Generator,
    n_years: int,
    n_songs: int,
    accuracies: Sequence[float],
    better: float,
    shared: float,
    p_value: float | None,
) -> str:
    first = np.array(
        [
            next(changes(rng, n_songs, accuracy, better, shared, p_value), WEEKS + 1)
            for accuracy in accuracies
            for _ in range(n_years)
        ]
    )
    median = float(np.median(first))
    return f"{np.mean(first <= WEEKS):.0%} ({f'{median:g}' if median <= WEEKS else 'never'})"


LOSSES = {"points alone": 1.0, "p <= 0.2": 0.2, "p <= 0.1": 0.1, "p <= 0.05": 0.05}
"""When a mood's loss beyond the bound counts: always, or where luck is as unlikely as this."""

BOUND = 0.1


def refusals(
    rng: np.random.Generator, n_songs: int, gains: Sequence[float], shared: float, n_pairs: int
) -> dict[str, float]:
    """How often a challenger that is better overall is refused for a mood, by each rule of `LOSSES`.

    `gains` are the true differences in accuracy, a mood each, from a champion of accuracy 0.65.
    """
    refused, passed = dict.fromkeys(LOSSES, 0), 0
    for _ in range(n_pairs):
        songs = holdout(rng, n_songs)
        mood = rng.permutation(np.arange(n_songs) % len(gains))
        champion = answers(rng, songs, 0.65, shared)
        challenger = np.choose(mood, [answers(rng, songs, 0.65 + gain, shared) for gain in gains])
        won = challenger.astype(int) - champion.astype(int)
        if won.sum() <= 0 or sign_flip_p_value(won, songs.artists) > 0.05:
            continue
        passed += 1
        worst = _worst_moods(-won, mood, songs.artists)
        for rule, p_value in LOSSES.items():
            refused[rule] += any(loss > BOUND and p <= p_value for loss, p in worst)
    return {rule: n / max(passed, 1) for rule, n in refused.items()}


def _worst_moods(lost: np.ndarray, mood: np.ndarray, artists: np.ndarray) -> list[tuple[float, float]]:
    """The loss of every mood and how likely it is by luck."""
    moods = [mood == one for one in np.unique(mood)]
    return [(float(lost[one].mean()), sign_flip_p_value(lost[one], artists[one])) for one in moods]


def print_refusals(rng: np.random.Generator, n_pairs: int) -> None:
    """A row a holdout and kind of challenger: how often it is refused for a mood, of those that gain by the rule."""
    print(f"| songs | true gain by mood | {' | '.join(LOSSES)} |")
    print(f"| ---: | --- | {' | '.join(['---:'] * len(LOSSES))} |")
    for n_songs in (60, 120):
        for gains in (
            (0.1, 0.1, 0.1, 0.1),
            (0.2, 0.2, 0.2, -0.1),
            (0.25, 0.25, 0.25, -0.3),
            (0.3, 0.3, 0.3, -0.5),
        ):
            shares = refusals(rng, n_songs, gains, SHARED["another system"], n_pairs)
            cells = " | ".join(f"{share:.0%}" for share in shares.values())
            print(f"| {n_songs} | {', '.join(f'{gain:+.2f}' for gain in gains)} | {cells} |", flush=True)


def print_disagreement(rng: np.random.Generator) -> None:
    """How often the simulated pairs disagree on whether they are right."""
    for kind, shared in SHARED.items():
        songs = holdout(rng, 100_000)
        one, other = (answers(rng, songs, 0.68, shared) for _ in range(2))
        print(f"{kind}: two models of accuracy 0.68 differ in {np.mean(one != other):.1%} of songs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("years", type=int, nargs="?", default=250, help="simulated years a row and accuracy")
    parser.add_argument(
        "--bounds", action="store_true", help="only how often a mood's bound refuses (a minute)"
    )
    arguments = parser.parse_args()
    years, generator = arguments.years, np.random.default_rng(0)
    if arguments.bounds:
        print_refusals(generator, 10 * years)
        raise SystemExit
    print_disagreement(generator)
    print_table(generator, years, (0.60, 0.65, 0.70, 0.75))
