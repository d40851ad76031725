"""Which songs there are, who plays them, and how each is to sound: the plan, without any audio.

Every song is composed for a point of the valence-arousal plane (Russell 1980). Near the middle of a
quadrant it sounds like its mood; near an axis, between two moods. Which musical means stand for which
mood follows Hevner (1936), Juslin & Laukka (2003, 2004), Gabrielsson & Lindström (2010) and Eerola,
Friberg & Bresin (2013), who also found that such means add up, nearly linearly: so the moods' ranges
are blended in between. The ranges in numbers are this project's own. `docs/sample-songs.md` has the
references in full and the same table.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mer_tasks.domain import MOODS, Mood
from mer_tasks.errors import InputError

SAD, HAPPY, ENERGETIC, CALM = Mood.SAD, Mood.HAPPY, Mood.ENERGETIC, Mood.CALM

SIGNS = {SAD: (-1, -1), HAPPY: (1, 1), ENERGETIC: (-1, 1), CALM: (1, -1)}
"""The signs of valence and arousal in each mood's quadrant."""

ARTISTS: dict[tuple[Mood, Mood], tuple[str, ...]] = {
    (SAD, SAD): (
        *("The Unsent Letters", "Low Tide Choir", "Rainy Kingdom", "Ilse Vandermoor"),
        *("Grey Wool Sundays", "Ansel Dray", "Fading Postcards", "Snowglobe Motel"),
    ),
    (HAPPY, HAPPY): (
        *("Pepper Moonrise", "The Borrowed Umbrellas", "Mango Telegraph", "Bright Aprons"),
        *("Zinnia Blaze", "Turbo Marmalade", "The Lemon Guard", "Dot Marrable"),
    ),
    (ENERGETIC, ENERGETIC): (
        *("Static Orchard", "Iron Petunia", "Hex Boulevard", "Kilo Hurricane"),
        *("Motor Saint", "Ferro Nord", "Blister Kid", "Crash Peony"),
    ),
    (CALM, CALM): (
        *("Quiet Carriage", "Lake Nowhere", "Linden Hush", "Soft Cartography"),
        *("Meadow Archive", "Elowen Stark-Pryce", "Cloud Inspector", "Noor Silverbeck"),
    ),
    (SAD, CALM): ("Moth & Meridian", "Night Bus to Oslund", "Vesper Rowe", "Dusk Librarians"),
    (CALM, HAPPY): ("Bramble & Rook", "Fable Coast", "Tessa Quillfeather", "Glass Ferries"),
    (HAPPY, ENERGETIC): ("Amber Tollgate", "Neon Badger", "Granite Disco", "The Tin Meteors"),
    (ENERGETIC, SAD): ("Saltmarsh Radio", "Harrow Nine", "Black Tulip Motor", "Cinder Relay"),
}
"""Made-up artists, by the moods of their two songs.

The first of each of the first five rows and of the third last hash into the holdout (12 songs, 3 a mood).
"""


class Format(NamedTuple):
    """A container, its sampling rate in Hz and its channels."""

    suffix: str
    sr: int
    channels: int


FORMATS = (
    Format("mp3", 44100, 2),
    Format("mp3", 24000, 1),
    Format("ogg", 48000, 1),
    Format("ogg", 22050, 1),
    Format("m4a", 22050, 1),
    Format("flac", 44100, 1),
    Format("flac", 48000, 1),
    Format("flac", 32000, 1),
    Format("flac", 24000, 1),
    Format("flac", 22050, 2),
    Format("wav", 24000, 1),
    Format("wav", 22050, 1),
)
"""Every mood has as many songs in each, so that none of them gives a mood away."""

Range = tuple[float, float]

RANGES: dict[str, dict[Mood, Range]] = {
    "tempo": {SAD: (58, 84), HAPPY: (100, 138), ENERGETIC: (112, 166), CALM: (64, 96)},
    "minor": {SAD: (1, 1), HAPPY: (0, 0), ENERGETIC: (0.95, 0.95), CALM: (0.05, 0.05)},
    "register": {SAD: (50, 61), HAPPY: (67, 79), ENERGETIC: (56, 69), CALM: (60, 72)},
    "span": {SAD: (3, 6), HAPPY: (7, 12), ENERGETIC: (5, 12), CALM: (4, 8)},
    "density": {SAD: (0.4, 1.1), HAPPY: (1.0, 2.0), ENERGETIC: (1.6, 3.2), CALM: (0.5, 1.3)},
    "syncopation": {SAD: (0.0, 0.3), HAPPY: (0.1, 0.4), ENERGETIC: (0.3, 0.7), CALM: (0.0, 0.3)},
    "articulation": {SAD: (0.85, 1.1), HAPPY: (0.35, 0.7), ENERGETIC: (0.4, 0.8), CALM: (0.8, 1.1)},
    "timing": {SAD: (0.01, 0.03), HAPPY: (0.002, 0.01), ENERGETIC: (0.0, 0.008), CALM: (0.005, 0.025)},
    "dynamics": {SAD: (3, 12), HAPPY: (0, 4), ENERGETIC: (0, 3), CALM: (2, 9)},
    "dissonance": {SAD: (0.2, 0.6), HAPPY: (0.0, 0.2), ENERGETIC: (0.2, 0.7), CALM: (0.0, 0.2)},
    "contour": {SAD: (-0.6, 0.0), HAPPY: (0.0, 0.6), ENERGETIC: (-0.2, 0.5), CALM: (-0.2, 0.2)},
    "attack": {SAD: (0.03, 0.12), HAPPY: (0.004, 0.02), ENERGETIC: (0.002, 0.01), CALM: (0.02, 0.1)},
    "rolloff": {SAD: (1.3, 2.7), HAPPY: (1.0, 2.0), ENERGETIC: (0.4, 1.4), CALM: (1.0, 2.3)},
    "drive": {SAD: (0.2, 1.0), HAPPY: (0.8, 2.2), ENERGETIC: (1.4, 4.0), CALM: (0.2, 1.0)},
    "percussion": {SAD: (-0.3, 0.2), HAPPY: (0.1, 0.6), ENERGETIC: (0.4, 1.0), CALM: (-0.3, 0.2)},
    "reverb": {SAD: (0.15, 0.45), HAPPY: (0.08, 0.3), ENERGETIC: (0.05, 0.3), CALM: (0.15, 0.45)},
}
"""From which range each mood draws each field of `Character`."""

FULL_MOOD = 0.4
"""Distance from both axes at which a song's ranges are wholly those of its mood."""

HARD_EVERY = 8
"""One song in so many lies between two moods."""

SONG_LENGTH_S = (63.0, 74.0)

ADJECTIVES = (
    *("Paper", "Borrowed", "Northern", "Seventh", "Hollow", "Painted", "Distant", "Wooden", "Second"),
    *("Electric", "Folded", "Hidden", "Copper", "Almost", "Foreign", "Spare", "Crooked", "Silver"),
)
NOUNS = (
    *("Lanterns", "Staircase", "Weather", "Harbour", "Mirrors", "Telephone", "Orchard", "Engines"),
    *("Windows", "Compass", "Letters", "Balcony", "Satellites", "River", "Keys", "Calendar", "Thread"),
)
PLACES = ("by the Canal", "at Noon", "on Platform Two", "in October", "under Glass", "after Work")


class Character(NamedTuple):
    """What makes a song sound like its mood.

    tempo: beats a minute. minor: probability of a minor key. register: MIDI pitch the melody centres
    on. span: width of the melody in scale steps. density: melody notes a beat. syncopation: how evenly
    weak sixteenths are struck, from 0 to 1. articulation: share of a note that sounds. timing: standard
    deviation of onsets in s. dynamics: dB between soft and loud phrases. dissonance: probability that a
    chord has a seventh or second. contour: mean melodic step. attack: in s. rolloff: exponent by which
    harmonics weaken. drive: gain into the soft limiter. percussion: loudness of the drums, none below
    0. reverb: share of reverberation.
    """

    tempo: float
    minor: float
    register: float
    span: float
    density: float
    syncopation: float
    articulation: float
    timing: float
    dynamics: float
    dissonance: float
    contour: float
    attack: float
    rolloff: float
    drive: float
    percussion: float
    reverb: float


@dataclass(frozen=True, slots=True)
class Song:
    """A song of the plan; its sound follows from it alone."""

    seed: int
    number: int
    title: str
    artist: str
    mood: Mood
    valence: float
    arousal: float
    length_s: float
    format: Format
    character: Character

    @property
    def track_id(self) -> str:
        """Like `sample-0001`."""
        return f"sample-{self.number:04d}"

    @property
    def path(self) -> str:
        """Where it is written, relative to the sample's folder; another seed has other files."""
        return f"songs/seed-{self.seed}/{self.track_id}.{self.format.suffix}"

    def random(self, purpose: str) -> np.random.Generator:
        """Random numbers of this song alone, so that songs can be made in any order."""
        return generator(self.seed, self.track_id, purpose)


def generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that belong to `names`: the same for the same names, else independent."""
    return np.random.default_rng([seed, *"/".join(names).encode()])


def plan_songs(seed: int) -> list[Song]:
    """The 96 songs, 24 a mood, two an artist, in a shuffled order.

    Raises:
        InputError: the seed is negative.
    """
    if seed < 0:
        raise InputError(f"seed {seed}: negative; give 0 or more")
    rng = generator(seed, "plan")
    parts = [(name, mood) for moods, names in ARTISTS.items() for name in names for mood in moods]
    parts = [parts[i] for i in rng.permutation(len(parts))]
    titles = _titles(rng, len(parts))
    formats = {mood: list(rng.permutation(len(parts) // len(MOODS))) for mood in Mood}
    songs = []
    for number, ((artist, mood), title) in enumerate(zip(parts, titles, strict=True), start=1):
        place = int(formats[mood].pop())  # the place among the mood's songs decides format and difficulty
        valence, arousal = _point(rng, mood, hard=place % HARD_EVERY == 0)
        songs.append(
            Song(
                seed=seed,
                number=number,
                title=title,
                artist=artist,
                mood=mood,
                valence=valence,
                arousal=arousal,
                length_s=float(rng.uniform(*SONG_LENGTH_S)),
                format=FORMATS[place % len(FORMATS)],
                character=draw_character(rng, valence, arousal),
            )
        )
    return songs


def draw_character(rng: np.random.Generator, valence: float, arousal: float) -> Character:
    """Draw each field evenly from the four moods' ranges, blended by nearness to the point."""
    weights = _nearness(valence, arousal)
    drawn = {}
    for name, ranges in RANGES.items():
        low, high = (sum(weights[mood] * ranges[mood][end] for mood in Mood) for end in (0, 1))
        drawn[name] = float(rng.uniform(low, high))
    return Character(**drawn)


def _nearness(valence: float, arousal: float) -> dict[Mood, float]:
    """Bilinear weights of the moods at a point; they add up to 1."""
    v, a = (max(-1.0, min(1.0, value / FULL_MOOD)) for value in (valence, arousal))
    return {mood: (1 + v * sign_v) * (1 + a * sign_a) / 4 for mood, (sign_v, sign_a) in SIGNS.items()}


def _point(rng: np.random.Generator, mood: Mood, hard: bool) -> tuple[float, float]:
    """A point in the mood's quadrant; a hard song's lies beside an axis."""
    size = rng.uniform(0.35, 0.9, size=2)
    if hard:
        size[rng.integers(2)] = rng.uniform(0.02, 0.1)
    valence, arousal = np.round(size, 3) * SIGNS[mood]
    return float(valence), float(arousal)


def _titles(rng: np.random.Generator, count: int) -> list[str]:
    """Different titles, of three shapes in turn."""
    titles = []
    for number, pick in enumerate(rng.permutation(len(ADJECTIVES) * len(NOUNS))[:count]):
        words = f"{ADJECTIVES[pick // len(NOUNS)]} {NOUNS[pick % len(NOUNS)]}"
        place = PLACES[rng.integers(len(PLACES))]
        titles.append((words, f"The {words}", f"{words} {place}")[number % 3])
    return titles
