"""What a clip sounds like in each frame, as librosa gives it, from one short-time Fourier transform."""

from dataclasses import dataclass, fields

import librosa
import numpy as np

from mer_tasks.settings import Features


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """A column a frame, float32; frame `t` is centred on sample `t * hop_length`.

    `mfcc` (n_mfcc, n); `centroid` (1, n), in Hz; `cens` (n_chroma, n), chroma energy normalised
    statistics; `mel` (n_mels, n), power.
    """

    mfcc: np.ndarray
    centroid: np.ndarray
    cens: np.ndarray
    mel: np.ndarray

    @property
    def mel_db(self) -> np.ndarray:
        """The mel bands in dB, none more than 80 below the loudest."""
        return librosa.power_to_db(self.mel)

    def first(self, n: int) -> "Frames":
        """The first `n` frames."""
        return Frames(*(getattr(self, field.name)[:, :n] for field in fields(self)))


def magnitude_of(y: np.ndarray, settings: Features) -> np.ndarray:
    """|STFT| of one channel `y`, shape (n,): float32 of shape (1 + n_fft / 2, frames)."""
    return np.abs(librosa.stft(y, n_fft=settings.n_fft, hop_length=settings.hop_length))


def frames_of(y: np.ndarray, magnitude: np.ndarray, settings: Features) -> Frames:
    """The frames of one channel `y`, shape (n,), at `settings.sr` Hz, and of its `magnitude`.

    Each equals what `librosa.feature` gives for `y` alone: `mfcc`, `spectral_centroid`,
    `chroma_cens` (Müller and Ewert, Chroma Toolbox, ISMIR 2011) and `melspectrogram`.
    """
    sr = settings.sr
    mel = librosa.feature.melspectrogram(S=magnitude**2, sr=sr, n_mels=settings.n_mels)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel), sr=sr, n_mfcc=settings.n_mfcc)
    centroid = librosa.feature.spectral_centroid(S=magnitude, sr=sr)
    cens = librosa.feature.chroma_cens(y=y, sr=sr, hop_length=settings.hop_length, n_chroma=settings.n_chroma)
    return Frames(*(rows.astype(np.float32, copy=False) for rows in (mfcc, centroid, cens, mel)))


def n_frames(n_samples: int, settings: Features) -> int:
    """How many frames librosa makes of so many samples."""
    return 1 + n_samples // settings.hop_length
