"""Pictures: each is a PNG that shows its data, cuts nothing off, and is the same for the same input."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mer_tasks.domain import MOODS
from mer_tasks.evaluation import plots

TRAIN, TEST = "#4c72b0", "#c44e52"
LONG = "logistic_regression on summary, out of fold\n420 songs of " + ", ".join(
    f"collection-{n}" for n in range(9)
)


def predictions(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    moods = rng.integers(4, size=n)
    probabilities = rng.dirichlet(np.ones(4), size=n) + np.eye(4)[moods]
    table = pd.DataFrame(probabilities / 2, columns=list(MOODS))
    return table.assign(mood=np.array(MOODS)[moods], predicted=np.array(MOODS)[probabilities.argmax(axis=1)])


def curves(n_epochs: int) -> list[list[dict[str, float]]]:
    return [
        [{"train_accuracy": 0.9 - fold / 50, "valid_accuracy": 0.4 + fold / 50} for _ in range(n_epochs)]
        for fold in range(3)
    ]


def model(name: str, accuracy: float, half: float = 0.05) -> dict[str, Any]:
    low, high = max(0.0, accuracy - half), min(1.0, accuracy + half)
    return {"model": name, "accuracy": accuracy, "accuracy_low": low, "accuracy_high": high}


def draw_confusion(path: Path, title: str = "Title") -> None:
    plots.confusion_matrix(path, predictions()["mood"], predictions()["predicted"], title)


def draw_plane(path: Path, title: str = "Title") -> None:
    plots.mood_plane(path, predictions(), title)


def draw_curves(path: Path, title: str = "Title") -> None:
    plots.learning_curves(path, curves(30), title)


def draw_calibration(path: Path, title: str = "Title") -> None:
    rng = np.random.default_rng(1)
    sure = rng.uniform(0.3, 1, 200)
    plots.calibration(path, rng.random(200) < sure, sure, title)


def draw_comparison(path: Path, title: str = "Title") -> None:
    plots.comparison(path, [model("a", 0.99), model("a_model_with_a_long_name_indeed", 0.3)], title)


PICTURES: Mapping[str, Callable[..., None]] = {
    "confusion": draw_confusion,
    "calibration": draw_calibration,
    "plane": draw_plane,
    "curves": draw_curves,
    "comparison": draw_comparison,
}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def places_of(picture: np.ndarray, colour: str) -> np.ndarray:
    """Rows and columns of the pixels that have nearly this colour."""
    rgb = np.array(matplotlib.colors.to_rgb(colour)) * 255
    return np.argwhere(np.abs(picture - rgb).max(axis=2) < 24)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_something_and_leaves_no_figure_open(name: str, tmp_path: Path) -> None:
    path = tmp_path / "plots" / "model" / f"{name}.png"
    PICTURES[name](path)
    picture = pixels(path)
    assert min(picture.shape[:2]) > 150
    assert 0.01 < (picture.min(axis=2) < 200).mean() < 0.9
    assert plt.get_fignums() == []
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_input_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for file in ("one.png", "other.png"):
        PICTURES[name](tmp_path / file)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


@pytest.mark.parametrize("title", ["Short", LONG])
@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_cut_off_at_the_border(name: str, title: str, tmp_path: Path) -> None:
    PICTURES[name](tmp_path / "x.png", title)
    picture = pixels(tmp_path / "x.png")
    for border in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert border.min() == 255


def test_a_title_is_in_the_picture(tmp_path: Path) -> None:
    for name, draw in PICTURES.items():
        draw(tmp_path / "one.png", "Title")
        draw(tmp_path / "other.png", "Other")
        assert (tmp_path / "one.png").read_bytes() != (tmp_path / "other.png").read_bytes(), name


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_fails_leaves_no_file_and_no_figure(name: str, tmp_path: Path) -> None:
    broken: dict[str, Callable[[Path], None]] = {
        "confusion": lambda path: plots.confusion_matrix(
            path, pd.Series(["sad"]), pd.Series(["sad"] * 2), ""
        ),
        "calibration": lambda path: plots.calibration(path, np.ones(3), np.ones(2), ""),
        "plane": lambda path: plots.mood_plane(path, predictions().drop(columns="calm"), ""),
        "curves": lambda path: plots.learning_curves(path, [[{"train_accuracy": 1.0}]], ""),
        "comparison": lambda path: plots.comparison(path, [{"model": "a"}], ""),
    }
    with pytest.raises((KeyError, ValueError)):
        broken[name](tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []
    assert plt.get_fignums() == []


def test_the_confusion_matrix_is_dark_where_songs_are(tmp_path: Path) -> None:
    truth = pd.Series(["sad"] * 9 + ["calm"] * 9)
    plots.confusion_matrix(tmp_path / "right.png", truth, truth, "Title")
    plots.confusion_matrix(tmp_path / "wrong.png", truth, pd.Series(["calm"] * 9 + ["sad"] * 9), "Title")
    darkest = matplotlib.colors.to_hex(plt.get_cmap("Blues")(1.0))
    right, wrong = (places_of(pixels(tmp_path / f"{name}.png"), darkest) for name in ("right", "wrong"))
    centre = (right.min(axis=0) + right.max(axis=0)) / 2
    for places, on_diagonal in ((right, True), (wrong, False)):
        diagonal = ((places - centre) < 0).all(axis=1) | ((places - centre) > 0).all(axis=1)
        assert diagonal.mean() == pytest.approx(1.0 if on_diagonal else 0.0, abs=0.02)


def test_each_mood_has_its_colour_and_its_quadrant_on_the_plane(tmp_path: Path) -> None:
    sure = pd.DataFrame(np.eye(4), columns=list(MOODS)).assign(mood=list(MOODS))
    plots.mood_plane(tmp_path / "nobody.png", sure.iloc[:0], "Title")
    nobody = pixels(tmp_path / "nobody.png")
    height, width = {}, {}
    for mood in MOODS:
        plots.mood_plane(tmp_path / "one.png", sure[sure["mood"] == mood], "Title")
        point = places_of(pixels(tmp_path / "one.png"), plots.COLOURS[mood])
        drawn = [place for place in point if (nobody[tuple(place)] == 255).all()]
        height[mood], width[mood] = np.mean(drawn, axis=0)
    top, bottom, left, right = height["happy"], height["sad"], width["sad"], width["happy"]
    assert 2 * top < bottom and 2 * left < right
    assert (height["energetic"], height["calm"]) == pytest.approx((top, bottom), abs=2)
    assert (width["energetic"], width["calm"]) == pytest.approx((left, right), abs=2)


def test_names_of_moods_stand_beyond_the_points(tmp_path: Path) -> None:
    """Points at all corners of the square change no pixel of the names."""
    nobody = predictions(0)
    corners = pd.DataFrame(np.eye(4), columns=list(MOODS)).assign(mood=list(MOODS))
    plots.mood_plane(tmp_path / "nobody.png", nobody, "Title")
    plots.mood_plane(tmp_path / "corners.png", corners, "Title")
    without, with_points = pixels(tmp_path / "nobody.png"), pixels(tmp_path / "corners.png")
    changed = (without != with_points).any(axis=2)
    assert changed.any()
    named = (without.min(axis=2) < 250) & changed
    assert not named.any()


@pytest.mark.parametrize("n_epochs", [1, 2, 200])
def test_curves_are_seen_whatever_the_number_of_epochs(n_epochs: int, tmp_path: Path) -> None:
    plots.learning_curves(tmp_path / "x.png", curves(n_epochs), "Title")
    picture = pixels(tmp_path / "x.png")
    above_legend = picture[: int(picture.shape[0] * 0.7)]
    train, test = (places_of(above_legend, colour) for colour in (TRAIN, TEST))
    assert len(train) > 10 and len(test) > 10
    assert train[:, 0].mean() < test[:, 0].mean()  # more accurate is higher up


def test_the_best_model_is_on_top(tmp_path: Path) -> None:
    plots.comparison(tmp_path / "x.png", [model("good", 0.9), model("poor", 0.3)], "Title")
    places = places_of(pixels(tmp_path / "x.png"), TRAIN)
    middle = places[:, 0].mean()
    upper, lower = places[places[:, 0] < middle], places[places[:, 0] > middle]
    assert upper[:, 1].mean() > lower[:, 1].mean() + 100


def test_a_wider_interval_is_a_longer_line(tmp_path: Path) -> None:
    widths = []
    for half in (0.02, 0.2):
        plots.comparison(tmp_path / "x.png", [model("one", 0.5, half)], "Title")
        columns = places_of(pixels(tmp_path / "x.png"), TRAIN)[:, 1]
        widths.append(columns.max() - columns.min())
    assert widths[1] > 4 * widths[0]


@pytest.mark.parametrize("n_models", [1, 3, 12])
def test_a_comparison_grows_with_its_models(n_models: int, tmp_path: Path) -> None:
    plots.comparison(tmp_path / "x.png", [model(f"m{n}", 1 - n / 12) for n in range(n_models)], "Title")
    picture = pixels(tmp_path / "x.png")
    assert picture.shape[0] == pytest.approx((1.4 + 0.6 * n_models) * plots.DPI, abs=2)
    dots = np.unique(places_of(picture, TRAIN)[:, 0])
    assert (np.diff(dots) > 20).sum() == n_models - 1  # a line of ink a model, and white between them
