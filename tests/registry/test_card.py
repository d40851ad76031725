"""The model card: no section is empty, its header is Hugging Face's, and it says what the songs and weights are."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from mer_tasks.domain import MOODS
from mer_tasks.evaluation.result import ModelResult, read_result
from mer_tasks.registry import card
from mer_tasks.registry.card import model_card, short_card
from mer_tasks.registry.lookup import fetch_version, find_version
from tests.registry.conftest import Project

SECTIONS = ("What it is for", "How to use it", "Data", "How it was trained", "Scores", "Limits", "Licences")


@pytest.fixture
def result(trained: Path) -> ModelResult:
    return read_result(Project(trained).workspace, "good")


def card_of(trained: Path, result: ModelResult) -> ModelCard:
    return model_card(result, Project(trained).workspace)


def sections(text: str) -> dict[str, str]:
    parts = [part.partition("\n") for part in text.split("\n## ")[1:]]
    return {title: content.strip() for title, _, content in parts}


@pytest.mark.parametrize("model", ["good", "bad"])
def test_no_section_is_empty(trained: Path, model: str) -> None:
    found = sections(card_of(trained, read_result(Project(trained).workspace, model)).text)
    assert tuple(found) == SECTIONS
    for title, content in found.items():
        words = [word for word in content.split() if word.strip("|-:")]
        assert len(words) >= 8, title
        assert "None" not in words and "nan" not in words, title


def test_the_header_is_hugging_face_s(trained: Path, result: ModelResult) -> None:
    read = ModelCard(str(card_of(trained, result)))
    assert (read.data.pipeline_tag, read.data.license) == ("audio-classification", "other")
    found = {(one.dataset_split, one.metric_type): one.metric_value for one in read.data.eval_results}
    assert found[("out of fold", "accuracy")] == pytest.approx(result.scores.accuracy, abs=1e-4)
    assert set(found) == {
        (split, kind) for split in ("out of fold", "holdout") for kind in ("accuracy", "f1")
    }
    assert {one.dataset_revision for one in read.data.eval_results} == {result.data}


def test_scores_are_those_of_the_result_by_mood_and_slice_with_intervals(
    trained: Path, result: ModelResult
) -> None:
    text = sections(card_of(trained, result).text)["Scores"]
    rows = {
        line.split(" | ")[0].strip("| "): line.split(" | ")[1:]
        for line in text.splitlines()
        if line[:1] == "|"
    }
    for mood in MOODS:
        n, accuracy, interval = rows[f"mood {mood}"]
        assert float(accuracy) == pytest.approx(result.scores.recall[mood], abs=6e-4)
        assert int(n) == (result.out_of_fold["mood"] == mood).sum() and " to " in interval
    assert rows["out of fold"][2] == f"{result.scores.accuracy_low:.3f} to {result.scores.accuracy_high:.3f}"
    assert {"holdout", "loudness quiet", "loudness loud"} <= set(rows)
    assert "majority 0." in text


@pytest.mark.parametrize(
    ("collections", "said"),
    [
        (("sample",), "**The songs are synthetic**"),
        (("4q", "sample"), "**Part of the songs are synthetic**"),
        (("4q",), "The songs are music."),
    ],
)
def test_synthetic_songs_are_said_to_be(
    trained: Path, result: ModelResult, collections: tuple[str, ...], said: str
) -> None:
    text = sections(card_of(trained, replace(result, collections=collections)).text)["Data"]
    assert text.startswith(said)


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        ("musicnn", "Music Technology Group, Universitat Pompeu Fabra 2019"),
        ("resnet18", "ImageNet"),
        ("summary", "no weights of others"),
    ],
)
def test_the_licence_of_the_weights_goes_with_them(
    trained: Path, result: ModelResult, reads: str, said: str
) -> None:
    assert said in sections(card_of(trained, replace(result, reads=(reads,))).text)["Licences"]


def test_a_version_carries_its_card(served: Project) -> None:
    folder = fetch_version(served.machine, find_version(served.machine, "models:/mood@challenger"))
    assert ModelCard.load(folder / card.FILE).data.eval_results[0].metric_type == "accuracy"


def test_the_short_card_fits_a_description_however_many_collections_there_are(result: ModelResult) -> None:
    text = short_card(replace(result, songs=f"songs of {'x, ' * 5000}"))
    assert len(text) < 5000 and "Right by mood: sad" in text
