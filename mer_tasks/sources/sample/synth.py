"""From notes to sound: additive synthesis, noise drums, reverberation and a soft limiter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from mer_tasks.sources.sample.compose import Note, Score, compose
from mer_tasks.sources.sample.plan import Song, generator

Signal = NDArray[np.float32]

SR = 22050
"""The sampling rate of all synthesis, in Hz."""

HARMONICS = 12
VIBRATO_HZ = 5.5
RELEASE_S = 0.15
TAIL_S = 1.5
"""What follows the last note: its release and the reverberation."""

GAINS = {"lead": 0.32, "chords": 0.2, "bass": 0.22, "kick": 0.9, "snare": 0.5, "hat": 0.16}


@dataclass(frozen=True, slots=True)
class Timbre:
    """An instrument: how its harmonics weigh, how it dies away (1/s), how it wavers (cents)."""

    hollow: float
    formant: float
    decay: float
    vibrato: float


@dataclass(frozen=True, slots=True)
class ArtistSound:
    """An artist's sound, the same in every mood: instruments, drum kit, reverberation, mastering."""

    instruments: dict[str, Timbre]
    brightness: float
    kick_hz: float
    snare_hz: float
    drum_decay: float
    reverb_s: float
    pan: float
    tilt: float
    peak: float


def artist_sound(artist: str, seed: int) -> ArtistSound:
    """Draw an artist's sound."""
    rng = generator(seed, artist, "house")  # part of the seed: another name gives other songs
    return ArtistSound(
        instruments={part: _draw_timbre(rng) for part in ("lead", "chords", "bass")},
        brightness=float(rng.uniform(-0.5, 0.5)),
        kick_hz=float(rng.uniform(42, 65)),
        snare_hz=float(rng.uniform(150, 260)),
        drum_decay=float(rng.uniform(0.6, 1.6)),
        reverb_s=float(rng.uniform(0.4, 1.6)),
        tilt=float(rng.uniform(-0.5, 0.5)),
        pan=float(rng.uniform(-0.4, 0.4)),
        peak=float(10 ** (rng.uniform(-6, -1) / 20)),
    )


def _draw_timbre(rng: np.random.Generator) -> Timbre:
    """Half of the instruments are plucked or struck, half blown or bowed."""
    plucked = rng.random() < 0.5
    return Timbre(
        hollow=float(rng.uniform(0, 0.9)),
        formant=float(rng.uniform(1, 7)),
        decay=float(rng.uniform(1.0, 5.0) if plucked else rng.uniform(0, 0.5)),
        vibrato=0.0 if plucked else float(rng.uniform(0, 18)),
    )


def render(song: Song) -> Signal:
    """The song as stereo sound, shape (samples, 2), within ±1, at `SR` Hz; the same on every call."""
    style = artist_sound(song.artist, song.seed)
    rng = song.random("sound")
    score = compose(song)
    end_s = max(note.start + note.duration for notes in score.values() for note in notes)
    mix = np.zeros((2, int((end_s + TAIL_S) * SR)), dtype=np.float32)
    for part, sounds in _sounds(song, style, score, rng).items():
        mono = _place(score[part], sounds, mix.shape[1])
        pan = {"lead": style.pan, "chords": -style.pan}.get(part, 0.0)
        for channel, side in enumerate((-1, 1)):
            mix[channel] += np.float32(GAINS[part] * (1 + side * pan)) * mono
    return _master(_reverberate(mix, style, song.character.reverb, rng), style, song.character.drive).T


Sounds = dict[tuple[int, float], Signal]
"""Each sound a part makes, once: by pitch and duration."""


def _sounds(song: Song, style: ArtistSound, score: Score, rng: np.random.Generator) -> dict[str, Sounds]:
    """Make every sound that each part of the score needs."""
    kit = _drum_kit(style, rng)
    rolloff = max(song.character.rolloff - style.brightness, 0.3)
    sounds: dict[str, Sounds] = {}
    for part, notes in score.items():
        wanted = {(note.pitch, note.duration) for note in notes}
        if part in kit:
            sounds[part] = dict.fromkeys(wanted, kit[part])
        else:
            sounds[part] = _tones(style.instruments[part], rolloff, song.character.attack, wanted)
    return sounds


def _tones(timbre: Timbre, rolloff: float, attack_s: float, wanted: set[tuple[int, float]]) -> Sounds:
    """Make each pitch's longest tone, and cut the shorter ones from it."""
    longest = dict(sorted(wanted))
    tones = {pitch: vibrate(timbre, rolloff, pitch, duration) for pitch, duration in longest.items()}
    return {(pitch, duration): _articulate(tones[pitch], duration, attack_s) for pitch, duration in wanted}


def vibrate(timbre: Timbre, rolloff: float, pitch: int, duration_s: float) -> Signal:
    """A tone by additive synthesis: a damped rotating phasor z, and a polynomial in z as its timbre.

    The n-th power of z is the n-th harmonic, and dies away n times as fast, as on a string.
    """
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    t = np.arange(int((duration_s + RELEASE_S) * SR)) / SR
    weights = _harmonics(timbre, rolloff, hertz)
    waver = timbre.vibrato / 1200 * np.log(2) * np.sin(2 * np.pi * VIBRATO_HZ * t) / (2 * np.pi * VIBRATO_HZ)
    phasor = np.exp(2j * np.pi * hertz * (t + waver) - timbre.decay * t)
    return np.polyval(np.append(weights[::-1], 0), phasor).imag.astype(np.float32)


def _articulate(tone: Signal, duration_s: float, attack_s: float) -> Signal:
    """Give a tone its beginning and its end."""
    t = np.arange(int((duration_s + RELEASE_S) * SR)) / SR
    attack_s = min(attack_s, duration_s / 2)
    envelope = np.interp(t, (0, attack_s, duration_s, duration_s + RELEASE_S), (0, 1, 1, 0))
    return tone[: len(t)] * envelope.astype(np.float32)


def _harmonics(timbre: Timbre, rolloff: float, hertz: float) -> NDArray[np.float64]:
    """Weights of the harmonics below Nyquist, with unit power together."""
    n = np.arange(1, max(1, min(HARMONICS, int(0.45 * SR / hertz))) + 1)
    weights = n**-rolloff * np.where(n % 2, 1, 1 - timbre.hollow)
    weights *= 1 + 2 * np.exp(-((n - timbre.formant) ** 2) / 2)
    unit_power: NDArray[np.float64] = weights / np.sqrt(np.sum(weights**2))
    return unit_power


def _drum_kit(style: ArtistSound, rng: np.random.Generator) -> dict[str, Signal]:
    """A falling sine as kick, noise with a tone as snare, differentiated noise as hi-hat."""
    t = np.arange(SR // 2) / SR
    noise = rng.standard_normal((2, len(t)))
    falling = style.kick_hz * (t + 0.09 * (1 - np.exp(-t / 0.03)))
    kick = np.sin(2 * np.pi * falling) * np.exp(-t / (0.12 * style.drum_decay))
    snare = (0.5 * noise[0] + np.sin(2 * np.pi * style.snare_hz * t)) * np.exp(-t / (0.08 * style.drum_decay))
    hat = np.diff(noise[1], prepend=0) * np.exp(-t / (0.03 * style.drum_decay))
    sounds = {"kick": kick, "snare": snare, "hat": hat}
    return {drum: sound.astype(np.float32) for drum, sound in sounds.items()}


def _place(notes: list[Note], sounds: Sounds, length: int) -> Signal:
    """Add up a part's notes where they begin."""
    track = np.zeros(length, dtype=np.float32)
    for note in notes:
        start = int(note.start * SR)
        sound = sounds[note.pitch, note.duration][: length - start]
        track[start : start + len(sound)] += np.float32(note.gain) * sound
    return track


def _reverberate(dry: Signal, style: ArtistSound, share: float, rng: np.random.Generator) -> Signal:
    """Add reverberation: the mix convolved with exponentially dying noise, which reaches one ear later."""
    t = np.arange(int(style.reverb_s * SR)) / SR
    response = rng.standard_normal(len(t)) * 10 ** (-3 * t / style.reverb_s)
    wet = oaconvolve(dry.mean(axis=0), response.astype(np.float32))[: dry.shape[1]]
    wet *= np.float32(share * dry.std() / wet.std())
    both: Signal = dry + np.stack([wet, np.roll(wet, int(0.011 * SR))])
    return both


def _master(mix: Signal, style: ArtistSound, drive: float) -> Signal:
    """Tilt the spectrum and drive a soft limiter; the peak after it is the artist's, not the mood's."""
    mix[:, 1:] += np.float32(style.tilt) * mix[:, :-1]
    limited: Signal = np.tanh(mix * np.float32(2 * drive / np.abs(mix).max()))
    limited *= np.float32(style.peak / np.abs(limited).max())
    return limited
