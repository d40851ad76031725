"""What is told of a song's probabilities."""

import pytest

from mer_tasks.prediction.mood import NOT_SURE, SongMood


def mood(sad: float, happy: float, energetic: float, calm: float, least: float = 0.45) -> SongMood:
    probabilities = {"sad": sad, "happy": happy, "energetic": energetic, "calm": calm}
    return SongMood.of(probabilities, {}, least)


def test_the_most_probable_mood_is_said_only_where_it_is_probable_enough() -> None:
    assert [mood(0.45, 0.3, 0.15, 0.1).mood, mood(0.44, 0.3, 0.16, 0.1).mood] == ["sad", NOT_SURE]
    assert mood(0.44, 0.3, 0.16, 0.1, least=0.4).mood == "sad"


@pytest.mark.parametrize(
    ("probabilities", "point"),
    [((0, 1, 0, 0), (1, 1)), ((0, 0, 0, 1), (1, -1)), ((0.25,) * 4, (0, 0)), ((0.5, 0, 0.5, 0), (-1, 0))],
)
def test_a_point_on_the_plane_is_the_mean_of_the_quadrants(
    probabilities: tuple[float, ...], point: tuple[float, float]
) -> None:
    found = mood(*probabilities)
    assert (found.valence, found.arousal) == pytest.approx(point)
