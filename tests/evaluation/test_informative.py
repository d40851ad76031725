"""What a label would teach: unsure songs first, those that stand for many, and no artist twice."""

import numpy as np
import pytest

from mer_tasks.evaluation.informative import margins, most_informative

SURE, UNSURE = [0.97, 0.01, 0.01, 0.01], [0.46, 0.44, 0.05, 0.05]


def rank(probabilities: list[list[float]], tags: list[list[float]], artists: str, n: int = 10) -> list[int]:
    n_songs = len(probabilities)
    moods, others = (
        np.array(probabilities).reshape(n_songs, 4),
        np.array(tags, float).reshape(n_songs, len(tags[0]) if tags else 0),
    )
    found = most_informative(moods, others, list(artists), n)
    assert all(0 <= worth <= 1 for _, worth in found)
    return [row for row, _ in found]


def test_the_margin_is_between_the_two_most_probable_moods() -> None:
    assert margins(np.array([UNSURE, SURE, [0.25] * 4])) == pytest.approx([0.02, 0.96, 0])


def test_an_unsure_song_comes_before_a_sure_one() -> None:
    assert rank([SURE, UNSURE], [[0.5], [0.5]], "ab") == [1, 0]


def test_of_equally_unsure_songs_the_one_that_stands_for_many_comes_first_and_the_next_is_unlike_it() -> None:
    tags = [[0.9], [0.1], [0.1], [0.11], [0.12]]
    first, second = rank([UNSURE] * 5, tags, "abcde", n=2)
    assert first in (1, 2, 3) and second == 0


def test_no_artist_comes_twice_and_so_no_more_songs_than_artists() -> None:
    assert sorted("aabbc"[row] for row in rank([UNSURE] * 5, [[0.1 * n] for n in range(5)], "aabbc")) == [
        "a",
        "b",
        "c",
    ]


@pytest.mark.parametrize("n", [0, 1])
def test_no_song_and_one_song(n: int) -> None:
    assert rank([UNSURE] * n, [[0.5]] * n, "a" * n) == list(range(n))


def test_songs_without_tags_are_ranked_by_their_moods() -> None:
    assert rank([SURE, UNSURE], [[], []], "ab") == [1, 0]
