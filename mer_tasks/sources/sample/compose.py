"""From a song's plan to its notes: key, chords, melody, bass, drums, and a form with variation."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mer_tasks.sources.sample.plan import Character, Song, generator

STEPS = 16
"""Sixteenths in a bar of four beats; a `step` below is a sixteenth's place in its bar."""

METRE = np.array([8, 1, 2, 1, 4, 1, 2, 1, 6, 1, 2, 1, 4, 1, 2, 1])
"""How strong each sixteenth of a bar is, in the order of Lerdahl & Jackendoff's metrical grid (1983)."""

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)

PROGRESSIONS: dict[tuple[int, ...], tuple[tuple[int, ...], ...]] = {
    MAJOR: ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4), (0, 2, 3, 4), (0, 5, 1, 4)),
    MINOR: ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 3, 5, 4), (0, 5, 3, 4), (0, 2, 6, 3)),
}
"""Roots of four bars' chords, as degrees of the scale counted from 0."""

TONICS = (0, 2, 5, 7)
"""C, D, F and G, one an artist: few, because models cannot learn a mode in twelve keys from 96 songs."""

FORM = "AABABBAAB"
PARTS = ("lead", "chords", "bass", "kick", "snare", "hat")
DRUMS = ("kick", "snare", "hat")
PHRASE = 4
"""Bars in a phrase; each letter of `FORM` is one."""


class Note(NamedTuple):
    """`start` and `duration` in s, `pitch` as a MIDI number (drums ignore it), `gain` from 0 to 1."""

    start: float
    duration: float
    pitch: int
    gain: float


Score = dict[str, list[Note]]


@dataclass(frozen=True, slots=True)
class Theme:
    """Four bars of music: degrees of the chords and, bar by bar, (step, degree) of the melody."""

    chords: list[list[int]]
    melody: list[list[tuple[int, int]]]
    strum: list[int]
    bass: list[int]
    kick: list[int]


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (0 is C) and the semitones of its scale."""

    tonic: int
    scale: tuple[int, ...]

    def pitch(self, degree: int, around: float) -> int:
        """The MIDI pitch of a degree, counted from the tonic nearest to `around`."""
        octave, step = divmod(degree, len(self.scale))
        nearest = self.tonic + 12 * round((around - self.tonic) / 12)
        return nearest + 12 * octave + self.scale[step]


def compose(song: Song) -> Score:
    """Write the song: phrases of four bars after `FORM`, layers that come and go, a held last chord."""
    rng = song.random("notes")
    character = song.character
    tonic = int(generator(song.seed, song.artist, "key").choice(TONICS))
    key = Key(tonic, MINOR if rng.random() < character.minor else MAJOR)
    themes = {letter: _write_theme(rng, character, key) for letter in "AB"}
    arpeggio = bool(rng.random() < 0.4)
    bar_s = 4 * 60 / character.tempo
    bars = 2 * round(song.length_s / (2 * bar_s))
    gains = _phrase_gains(rng, bars // PHRASE + 1, character.dynamics)
    score: Score = {part: [] for part in PARTS}
    for bar in range(bars):
        phrase = bar // PHRASE
        theme = themes[FORM[phrase % len(FORM)]]
        player = Player(rng, character, key, start=bar * bar_s, step_s=bar_s / STEPS, gain=gains[phrase])
        layers = _layers(phrase, last=(bars - 1) // PHRASE)
        for part, notes in player.play_bar(theme, bar % PHRASE, arpeggio).items():
            if part in layers:
                score[part] += notes
    ending = Player(rng, character, key, start=bars * bar_s, step_s=bar_s / STEPS, gain=0.5)
    score["chords"] += ending.chord([0, 2, 4], [0])
    return score


def _layers(phrase: int, last: int) -> set[str]:
    """Who plays in a phrase: an intro, an outro, now and then no drums, else everyone."""
    if phrase == 0:
        return {"chords", "bass", "hat"}
    if phrase == last:
        return {"lead", "chords", "bass"}
    return set(PARTS) - (set(DRUMS) if phrase % 6 == 4 else set())


def _phrase_gains(rng: np.random.Generator, phrases: int, dynamics: float) -> list[float]:
    """A gain for each phrase, the softest `dynamics` dB under the loudest."""
    depth = rng.permutation(np.linspace(0, 1, phrases))
    return [float(10 ** (-dynamics * share / 20)) for share in depth]


def _write_theme(rng: np.random.Generator, character: Character, key: Key) -> Theme:
    """Draw a progression, two rhythms in turn, a melody over both, and what accompanies it."""
    roots = rng.choice(PROGRESSIONS[key.scale])
    chords = [_chord(rng, int(root), character.dissonance) for root in roots]
    rhythms = [_rhythm(rng, 4 * character.density, character.syncopation) for _ in range(2)]
    strikes = rng.uniform((0.5, 0.8, 0.8), (2.0, 2.0, 1.8)) * character.density
    strum, bass, kick = (_rhythm(rng, 1 + hits, character.syncopation) for hits in strikes)
    return Theme(
        chords=chords,
        melody=_melody(rng, character, chords, rhythms),
        strum=strum,
        bass=bass,
        kick=sorted({0, 8, *kick}),
    )


def _rhythm(rng: np.random.Generator, hits: float, syncopation: float) -> list[int]:
    """Draw which steps of a bar are struck: strong ones first, unless syncopated."""
    weights = METRE ** (2 * (1 - syncopation))
    count = min(max(round(hits), 1), STEPS)
    return sorted(int(step) for step in rng.choice(STEPS, count, replace=False, p=weights / weights.sum()))


def _chord(rng: np.random.Generator, root: int, dissonance: float) -> list[int]:
    """A triad on a degree, with a seventh or a second where dissonance asks for it."""
    triad = [root, root + 2, root + 4]
    return [*triad, root + int(rng.choice((6, 8)))] if rng.random() < dissonance else triad


def _melody(
    rng: np.random.Generator, character: Character, chords: list[list[int]], rhythms: list[list[int]]
) -> list[list[tuple[int, int]]]:
    """A random walk on the scale, within the span, that meets the chord on strong beats."""
    melody = []
    degree = 0.0
    for bar, chord in enumerate(chords):
        notes = []
        for step in rhythms[bar % 2]:
            degree += rng.normal(character.contour, character.span / 4)
            degree = _fold(degree, character.span / 2)
            target = round(degree)
            notes.append((step, _nearest_chord_tone(target, chord) if METRE[step] >= 4 else target))
        melody.append(notes)
    return melody


def _fold(value: float, limit: float) -> float:
    """Keep a walk within ±limit: what leaves on one side comes back in on the other."""
    return (value + limit) % (2 * limit) - limit


def _nearest_chord_tone(degree: int, chord: list[int]) -> int:
    tones = [tone + 7 * octave for tone in chord for octave in (-3, -2, -1, 0, 1)]
    return min(tones, key=lambda tone: abs(tone - degree))


@dataclass(frozen=True, slots=True)
class Player:
    """Plays one bar that begins at `start` (s), a sixteenth being `step_s` long."""

    rng: np.random.Generator
    character: Character
    key: Key
    start: float
    step_s: float
    gain: float

    def play_bar(self, theme: Theme, bar: int, arpeggio: bool) -> Score:
        """Every part's notes for a bar of the theme."""
        chord = theme.chords[bar]
        return {
            "lead": self._lead(theme.melody[bar]),
            "chords": self._arpeggio(chord, theme.strum) if arpeggio else self.chord(chord, theme.strum),
            "bass": self._bass(chord, theme.bass),
            **(self._drums(theme) if self.character.percussion > 0 else {}),
        }

    def chord(self, degrees: list[int], steps: list[int]) -> list[Note]:
        """The whole chord on each of the steps, a fifth below the melody's register."""
        around = max(self.character.register - 7, 50)
        return [
            self._note(step, until, self.key.pitch(degree % 7, around), 0.5)
            for step, until in _spans(steps)
            for degree in degrees
        ]

    def _arpeggio(self, degrees: list[int], steps: list[int]) -> list[Note]:
        """The chord's notes one after the other, twice as often as it would be struck."""
        around = max(self.character.register - 7, 50)
        steps = sorted({*steps, *((step + 4) % STEPS for step in steps), 0})
        return [
            self._note(step, until, self.key.pitch(degrees[i % len(degrees)] % 7, around), 0.8)
            for i, (step, until) in enumerate(_spans(steps))
        ]

    def _lead(self, notes: list[tuple[int, int]]) -> list[Note]:
        """The melody, with one note in six moved to its neighbour: no repeat is the same."""
        spans = _spans([step for step, _ in notes])
        moves = self.rng.choice((-1, 0, 1), len(notes), p=(1 / 12, 10 / 12, 1 / 12))
        return [
            self._note(step, until, self.key.pitch(degree + int(move), self.character.register), 1.0)
            for (step, until), (_, degree), move in zip(spans, notes, moves, strict=True)
        ]

    def _bass(self, chord: list[int], steps: list[int]) -> list[Note]:
        """The root, at times the fifth, two octaves below the melody."""
        around = max(self.character.register - 24, 38)
        tones = [chord[0] if self.rng.random() < 0.8 else chord[2] for _ in steps]
        return [
            self._note(step, until, self.key.pitch(tone % 7, around), 0.9)
            for (step, until), tone in zip(_spans(steps), tones, strict=True)
        ]

    def _drums(self, theme: Theme) -> Score:
        """Kick, backbeat and hi-hat; the louder the drums, the more of them."""
        level = self.character.percussion
        every = 4 if level < 0.25 else 2 if level < 0.75 else 1
        backbeat = [4, 12] if level > 0.15 else []
        struck = {"kick": theme.kick, "snare": backbeat, "hat": range(0, STEPS, every)}
        return {
            drum: [self._note(step, step + 1, 0, level) for step in steps] for drum, steps in struck.items()
        }

    def _note(self, step: int, until: int, pitch: int, gain: float) -> Note:
        """A note from one step until another, articulated, accented and a little out of time."""
        start = self.start + step * self.step_s + self.rng.normal(0, self.character.timing)
        duration = (until - step) * self.step_s * self.character.articulation
        accent = 0.7 + 0.3 * float(METRE[step]) / 8
        return Note(max(start, 0.0), duration, pitch, gain * accent * self.gain)


def _spans(steps: list[int]) -> list[tuple[int, int]]:
    """Each step with the one at which the next note, or the next bar, begins."""
    return list(zip(steps, [*steps[1:], STEPS], strict=True))
