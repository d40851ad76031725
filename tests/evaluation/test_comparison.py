"""The models side by side: ranked on the songs that all predicted, or not at all."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mer_tasks.catalog.dataset import write_snapshot
from mer_tasks.domain import QUADRANT
from mer_tasks.errors import InputError
from mer_tasks.evaluation.comparison import (
    SHOWN,
    accuracy_gain,
    compare_models,
    comparison_table,
    read_comparison,
    refit_gain,
)
from mer_tasks.evaluation.result import write_result
from mer_tasks.evaluation.scores import score_predictions
from mer_tasks.settings import EvaluationSettings, Machine, Params
from mer_tasks.workspace import Workspace
from tests.evaluation.results import (
    model_result,
    predictions,
    snapshot_of,
    some_moods,
    with_errors,
    with_models,
)
from tests.evaluation.workspaces import write_summary

MOODS_BY_ID = some_moods(40)
IDS = list(MOODS_BY_ID)

Answers = Mapping[str, str]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A data set with a `summary` that tells nothing."""
    workspace, clips = Workspace(tmp_path), {song: song.ljust(64, "0") for song in IDS}
    snapshot = snapshot_of(MOODS_BY_ID, clip_sha256=clips)
    write_snapshot(snapshot, workspace.snapshot)
    noise = np.random.default_rng(0).normal(size=(len(IDS), 4)).astype(np.float32)
    write_summary(workspace, snapshot.songs, noise)
    return workspace


def compared(workspace: Workspace, params: Params) -> dict[str, Any]:
    return compare_models(workspace, params, Machine(home=workspace.root, device="cpu"))


@pytest.fixture
def trained(workspace: Workspace, params: Params) -> Callable[..., Params]:
    """A function that writes results of models with these predictions, and gives the settings that name them."""

    def train(
        holdout: tuple[str, ...] = (), changes: Mapping[str, Any] | None = None, **by_model: Answers
    ) -> Params:
        quick = params.evaluation.model_copy(update={"bootstrap": 200})
        named = with_models(params, **dict.fromkeys(by_model, "summary"))
        named = named.model_copy(update={"evaluation": quick})
        for place, (model, predicted) in enumerate(by_model.items()):
            table = predictions(predicted, MOODS_BY_ID, holdout)
            last = changes if changes and place == len(by_model) - 1 else {}
            write_result(model_result(named, model, table, **last), workspace)
        return named

    return train


def ranking(comparison: Mapping[str, Any]) -> list[str]:
    return [row["model"] for row in comparison["models"]]


def test_models_are_ranked_by_accuracy_out_of_fold(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    params = trained(
        poor=with_errors(MOODS_BY_ID, *IDS[:30]),
        good=with_errors(MOODS_BY_ID, *IDS[:4]),
        fair=with_errors(MOODS_BY_ID, *IDS[:10]),
    )
    comparison = compared(workspace, params)
    assert ranking(comparison) == ["good", "fair", "poor"]
    assert comparison["best"] == "good"
    assert [row["accuracy"] for row in comparison["models"]] == [0.9, 0.75, 0.25]
    assert all(row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] for row in comparison["models"])
    assert comparison["songs"] == "songs of mine" and comparison["data"] == "d" * 64
    assert {(row["n"], row["n_own"]) for row in comparison["models"]} == {(40, 40)}


def test_a_model_with_easier_songs_does_not_win_by_them(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    hard, easy = IDS[:20], IDS[20:]
    all_songs = with_errors(MOODS_BY_ID, *hard[:12])  # of 40 songs 28 right: 0.7, of the easy ones all
    easy_only = with_errors(
        {track_id: MOODS_BY_ID[track_id] for track_id in easy}, *easy[:2]
    )  # of 20, 18 right
    comparison = compared(workspace, trained(easy_only=easy_only, all_songs=all_songs))
    own = {row["model"]: row["n_own"] for row in comparison["models"]}
    assert own == {"easy_only": 20, "all_songs": 40}
    assert ranking(comparison) == ["all_songs", "easy_only"]
    assert [row["accuracy"] for row in comparison["models"]] == [1.0, 0.9]
    assert {row["n"] for row in comparison["models"]} == {20}


def test_songs_of_any_models_holdout_are_not_compared(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    holdout = tuple(IDS[:8])
    params = trained(
        holdout=holdout,
        good_there=with_errors(MOODS_BY_ID, IDS[9]),
        poor_there=with_errors(MOODS_BY_ID, *holdout),
    )
    comparison = compared(workspace, params)
    assert ranking(comparison) == ["poor_there", "good_there"]
    rows = {row["model"]: row for row in comparison["models"]}
    assert rows["poor_there"]["n"] == 32
    assert rows["poor_there"]["holdout_accuracy"] == 0.0
    assert rows["good_there"]["holdout_accuracy"] == 1.0


def test_equal_accuracy_is_ranked_by_macro_f1_and_then_by_name(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    sad = [track_id for track_id, mood in MOODS_BY_ID.items() if mood == "sad"]
    spread = [*sad[:2], *(track_id for track_id, mood in MOODS_BY_ID.items() if mood == "calm")][:4]
    params = trained(
        b=with_errors(MOODS_BY_ID, *spread),
        a=with_errors(MOODS_BY_ID, *spread),
        z=with_errors(MOODS_BY_ID, *sad[:4]),
    )
    comparison = compared(workspace, params)
    assert {row["accuracy"] for row in comparison["models"]} == {0.9}
    by_f1 = {row["model"]: row["macro_f1"] for row in comparison["models"]}
    assert by_f1["a"] == by_f1["b"] > by_f1["z"]
    assert ranking(comparison) == ["a", "b", "z"]
    (tie, _) = comparison["differences"]
    assert (tie["than"], tie["gain"], tie["gain_low"], tie["gain_high"]) == ("b", 0.0, 0.0, 0.0)


def test_scores_are_those_of_the_shared_songs(workspace: Workspace, trained: Callable[..., Params]) -> None:
    one = with_errors({track_id: MOODS_BY_ID[track_id] for track_id in IDS[5:]}, *IDS[10:20])
    other = with_errors({track_id: MOODS_BY_ID[track_id] for track_id in IDS[:-5]}, *IDS[12:30:3])
    params = trained(one=one, other=other)
    rows = {row["model"]: row for row in compared(workspace, params)["models"]}
    shared = set(one) & set(other)
    for name, predicted in (("one", one), ("other", other)):
        table = predictions({track_id: predicted[track_id] for track_id in shared}, MOODS_BY_ID)
        expected = score_predictions(table, params.evaluation).as_json()
        assert {key: rows[name][key] for key in expected if key in rows[name]} == {
            key: expected[key] for key in SHOWN
        }


def test_the_best_is_compared_with_each_other_in_pairs_of_songs(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    params = trained(
        best=with_errors(MOODS_BY_ID, *IDS[:4]),
        near=with_errors(MOODS_BY_ID, *IDS[:6]),
        far=with_errors(MOODS_BY_ID, *IDS[:36]),
    )
    differences = compared(workspace, params)["differences"]
    assert [(one["better"], one["than"]) for one in differences] == [("best", "near"), ("best", "far")]
    assert [one["gain"] for one in differences] == pytest.approx([2 / 40, 32 / 40])
    assert differences[0]["gain_low"] == 0.0 and differences[1]["gain_low"] > 0.5


def test_one_model_alone_is_the_best(workspace: Workspace, trained: Callable[..., Params]) -> None:
    comparison = compared(workspace, trained(only=MOODS_BY_ID))
    assert (comparison["best"], comparison["differences"]) == ("only", [])


@pytest.mark.parametrize("changes", [{"data": "e" * 64}, {"protocol": "paper"}])
def test_models_of_other_data_or_protocol_are_refused(
    changes: dict[str, str], workspace: Workspace, trained: Callable[..., Params]
) -> None:
    params = trained(one=MOODS_BY_ID, other=MOODS_BY_ID, changes=changes)
    with pytest.raises(InputError, match=r"different snapshots or protocols; .* dvc repro$"):
        compared(workspace, params)
    assert not workspace.comparison.exists()


def test_models_that_share_no_song_are_refused(workspace: Workspace, trained: Callable[..., Params]) -> None:
    halves = [{track_id: MOODS_BY_ID[track_id] for track_id in ids} for ids in (IDS[:20], IDS[20:])]
    with pytest.raises(InputError, match=r"^models: one, other share no song, .*; see what each reads$"):
        compared(workspace, trained(one=halves[0], other=halves[1]))


def test_a_model_that_is_not_trained_is_one_line(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    params = trained(one=MOODS_BY_ID, other=MOODS_BY_ID)
    workspace.metrics("other").unlink()
    with pytest.raises(
        InputError, match=r"other\.json: no such file; run mer train other, or dvc repro, first$"
    ):
        compared(workspace, params)


def test_the_comparison_is_written_and_read(workspace: Workspace, trained: Callable[..., Params]) -> None:
    with pytest.raises(
        InputError, match=r"comparison\.json: no such file; run mer evaluate, or dvc repro, first$"
    ):
        read_comparison(workspace)
    params = trained(one=MOODS_BY_ID, other=with_errors(MOODS_BY_ID, *IDS[:9]))
    comparison = compared(workspace, params)
    assert read_comparison(workspace) == comparison
    assert (workspace.plots("comparison") / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    first = workspace.comparison.read_bytes()
    compared(workspace, params)
    assert workspace.comparison.read_bytes() == first


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_a_damaged_comparison_is_one_line(content: str, workspace: Workspace) -> None:
    workspace.comparison.parent.mkdir(parents=True)
    workspace.comparison.write_text(content)
    with pytest.raises(InputError, match=r"damaged .*; run mer evaluate, or dvc repro, again$") as caught:
        read_comparison(workspace)
    assert "\n" not in str(caught.value)


def table_row(model: str, **changes: Any) -> dict[str, Any]:
    scores = {
        "accuracy": 0.5,
        "accuracy_low": 0.4,
        "accuracy_high": 0.6,
        "macro_f1": 0.45,
        "log_loss": 1.1,
        "n": 31,
        "n_own": 31,
    }
    return {"model": model, "reads": "summary", "holdout_accuracy": None, **scores, **changes}


def test_the_table_lists_the_models_in_order() -> None:
    best = table_row("a_model_of_long_name", accuracy=0.96774, accuracy_high=1.0, holdout_accuracy=1.0)
    models = [best, table_row("short", n_own=39)]
    majority = {"baseline": "majority", "accuracy": 0.25}
    song = {"track_id": "1", "artist": "Some", "title": "One", "mood": "sad", "predicted": "calm"}
    table = comparison_table(
        {
            "models": models,
            "songs": "songs of mine",
            "protocol": "grouped",
            "baselines": [majority],
            "findings": [{"rule": "predicted shares", "text": "short predicts nothing but calm"}],
            "hardest": [song | {"probability": 0.0123}] * 9,
            "refit": [],
        }
    )
    assert table.splitlines() == [
        "model                reads   accuracy  95 % interval   macro F1 log loss     n  holdout",
        "a_model_of_long_name summary    0.968  0.400 to 1.000     0.450    1.100    31  1.000",
        "short                summary    0.500  0.400 to 0.600     0.450    1.100    31  -",
        "Scores on songs of mine, protocol grouped.",
        "To be seen beside: majority 0.250.",
        "short predicts nothing but calm",
        "Hardest for all, and worth a listen (metrics/comparison.json has more):",
        *["  1  Some - One: sad, predicted calm; 0.012 for its own mood"] * 5,
        "short has predictions for 39 songs; it is compared on the 31 that all share.",
    ]


def test_columns_stay_in_line_whatever_a_representation_is_called() -> None:
    models = [table_row("m", reads=reads) for reads in ("image", "the_output_of_a_network")]
    table = comparison_table(
        {
            "models": models,
            "songs": "songs",
            "protocol": "grouped",
            **{key: [] for key in ("baselines", "findings", "hardest", "refit")},
        }
    )
    assert len({line.index("0.500") for line in table.splitlines()[1:3]}) == 1


def test_the_table_is_made_of_what_was_written(workspace: Workspace, trained: Callable[..., Params]) -> None:
    comparison = compared(workspace, trained(one=MOODS_BY_ID, other=with_errors(MOODS_BY_ID, IDS[0])))
    written = json.loads(workspace.comparison.read_text())
    assert comparison_table(written) == comparison_table(comparison)
    assert "other summary    0.975" in comparison_table(written)


def test_baselines_and_slices_stand_beside_the_models(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    corner = {track_id: QUADRANT[mood] for track_id, mood in MOODS_BY_ID.items()}
    axes = {
        name: {track_id: place[axis] / 2 for track_id, place in corner.items()}
        for axis, name in enumerate(("valence", "energy"))
    }
    loudness = {track_id: -30.0 + place for place, track_id in enumerate(IDS)}
    clips = {song: song.ljust(64, "0") for song in IDS}
    snapshot = snapshot_of(MOODS_BY_ID, **axes, clip_sha256=clips, clip_loudness_lufs=loudness)
    write_snapshot(snapshot, workspace.snapshot)
    comparison = compared(workspace, trained(one=with_errors(MOODS_BY_ID, *IDS[:10])))
    beside = ["majority", "shuffled labels", "probe (valence, energy)"]
    assert [row["baseline"] for row in comparison["baselines"]] == beside
    by_loudness = {row["slice"]: row["accuracy"] for row in comparison["slices"]}
    assert by_loudness == {"quiet": pytest.approx(4 / 14, abs=1e-3), "medium": 1.0, "loud": 1.0}
    assert [one["rule"] for one in comparison["findings"]] == ["derived labels"]
    assert "labels look derived" in comparison_table(comparison)


def test_shares_far_from_the_training_data_s_are_a_finding(
    workspace: Workspace, trained: Callable[..., Params]
) -> None:
    comparison = compared(workspace, trained(even=MOODS_BY_ID, one_sided=dict.fromkeys(IDS, "energetic")))
    (found,) = comparison["findings"]
    assert found["rule"] == "predicted shares"
    assert found["text"].startswith("one_sided predicts shares far from the training data's: 0% sad (of 25%)")
    assert found["text"] in comparison_table(comparison).splitlines()


@pytest.fixture
def evaluation(params: Params) -> EvaluationSettings:
    return params.evaluation


def test_the_gain_is_a_paired_difference(evaluation: EvaluationSettings) -> None:
    truth = pd.Series(["sad"] * 60)
    artists = pd.Series([f"Artist {n}" for n in range(60)])
    new = pd.Series(["sad"] * 40 + ["calm"] * 20)
    old = pd.Series(["sad"] * 30 + ["calm"] * 30)  # right on a part of what the new one gets right
    gain = accuracy_gain(truth, new, old, artists, evaluation)
    assert gain["gain"] == pytest.approx(10 / 60, abs=1e-4)
    assert 0 < gain["gain_low"] < gain["gain"] < gain["gain_high"]
    back = accuracy_gain(truth, old, new, artists, evaluation)
    assert (back["gain"], back["gain_low"] < 0) == (-gain["gain"], True)
    rng = np.random.default_rng(0)
    difference = (new == truth).to_numpy().astype(int) - (old == truth).to_numpy().astype(int)
    means = [rng.choice(difference, 60).mean() for _ in range(4000)]
    expected = np.quantile(means, [0.025, 0.975])
    assert [gain["gain_low"], gain["gain_high"]] == pytest.approx(list(expected), abs=0.02)


def test_a_gain_on_songs_of_few_artists_is_less_certain(evaluation: EvaluationSettings) -> None:
    truth, old = pd.Series(["sad"] * 60), pd.Series(["calm"] * 60)
    new = pd.Series(["sad", "calm"] * 30)
    many = pd.Series([f"Artist {n}" for n in range(60)])
    few = pd.Series([f"Artist {n % 6} feat. Guest {n}" for n in range(60)])
    wide, narrow = (accuracy_gain(truth, new, old, artists, evaluation) for artists in (few, many))
    assert wide["gain_high"] - wide["gain_low"] > 2 * (narrow["gain_high"] - narrow["gain_low"])


def test_what_training_on_all_songs_gains_is_told_on_the_holdout(params: Params) -> None:
    moods = some_moods(40)
    holdout = sorted(moods)[:10]
    by_fold = predictions(with_errors(moods, *holdout[:4]), moods, holdout)
    by_all = predictions(with_errors(moods, *holdout[:1]), moods, holdout)
    result = model_result(with_models(params, one="summary"), "one", by_fold, refit=by_all)
    gain = refit_gain(result, params.evaluation)
    assert (gain["accuracy"], gain["best_fold"], gain["gain"]) == (0.9, 0.6, 0.3)
    assert 0 <= gain["gain_low"] < 0.3 < gain["gain_high"]
    assert refit_gain(dataclasses.replace(result, refit=None), params.evaluation) == {}
