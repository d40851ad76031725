"""A song's mood as a person is told it: not sure where no mood is probable enough."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mer_tasks.domain import MOODS, QUADRANT

NOT_SURE = "not sure"


@dataclass(frozen=True)
class SongMood:
    """The most probable mood, or `not sure`; `confidence` is the probability of the most probable one.

    `valence` and `arousal`, from -1 to 1, are the mean of the quadrants' corners, weighted by probability. `why`
    are the most probable tags, where the version has tags.
    """

    mood: str
    confidence: float
    valence: float
    arousal: float
    probabilities: Mapping[str, float]
    why: Mapping[str, float]

    @classmethod
    def of(
        cls, probabilities: Mapping[str, float], why: Mapping[str, float], min_probability: float
    ) -> "SongMood":
        """What is told of a song whose moods have these probabilities."""
        best = max(MOODS, key=lambda mood: probabilities[mood])
        confidence = probabilities[best]
        valence, arousal = (
            sum(probabilities[mood] * QUADRANT[mood][axis] for mood in MOODS) for axis in (0, 1)
        )
        mood = best if confidence >= min_probability else NOT_SURE
        return cls(mood, confidence, valence, arousal, probabilities, why)

    def as_json(self) -> dict[str, Any]:
        """It as JSON, `why` only where there are tags."""
        found = {name: _rounded(value) for name, value in asdict(self).items()}
        return found if self.why else {name: value for name, value in found.items() if name != "why"}


def _rounded(value: Any) -> Any:
    """Numbers with four digits: no answer is more exact."""
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return round(value, 4) if isinstance(value, float) else value
