"""Which version goes into service, by the rule and by a person."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.registry import judge as judge_module
from mer_tasks.registry.aliases import CHALLENGER, CHAMPION, DECISION, IN_SERVICE, PREVIOUS, TAKEN_OUT
from mer_tasks.registry.gate import judge
from mer_tasks.registry.promotion import PersonsWord, judge_version, promote
from mer_tasks.registry.verdict import Verdict
from mer_tasks.registry.verdict_document import VERDICT
from tests.registry.conftest import Project
from tests.registry.scene import Scene


@pytest.fixture
def scene(tmp_path: Path, empty_registry: Path) -> Scene:
    return Scene(tmp_path, empty_registry)


def days_ago(n: int) -> str:
    return str(datetime.now(UTC).date() - timedelta(days=n))


def test_the_first_champion_must_be_better_than_chance_twice(scene: Scene) -> None:
    number = scene.add(accuracy_low=0.41)
    decision = scene.promote()
    assert decision.promoted and decision.champion == number == scene.champion
    assert decision.reason.startswith(
        "no champion yet; the lower end of its accuracy is 0.410 out of fold and 0.8"
    )
    assert decision.reason.endswith("on 40 holdout songs new to it: both above 0.250")
    assert scene.tags(number)[DECISION] == f"promoted: {decision.reason}"


@pytest.mark.parametrize(
    ("accuracy_low", "n_wrong", "told"),
    [(0.2, 0, "0.200 out of fold and 0.8"), (0.6, 20, "0.600 out of fold and 0.")],
)
def test_one_of_two_is_not_enough(scene: Scene, accuracy_low: float, n_wrong: int, told: str) -> None:
    wrong = [f"t{artist:02}-{song}" for artist in range(n_wrong) for song in range(2)]
    scene.add(wrong=wrong, accuracy_low=accuracy_low)
    decision = scene.promote()
    assert not decision.promoted and decision.champion is None and scene.champion is None
    assert told in decision.reason and "not both above 0.250" in decision.reason


def test_a_few_songs_prove_nothing(tmp_path: Path, empty_registry: Path) -> None:
    scene = Scene(tmp_path, empty_registry, n_artists=2)
    scene.add()
    assert not scene.promote().promoted
    assert scene.promote(force=True).promoted


def test_without_holdout_songs_a_person_decides(scene: Scene) -> None:
    scene.values["evaluation"]["holdout_share"] = 0.0
    number = scene.add(accuracy_low=0.5)
    decision = scene.promote()
    assert not decision.promoted
    assert "0.500 out of fold and unknown on 0 holdout songs" in decision.reason
    assert decision.reason.endswith("a person may decide with --force")
    assert scene.promote(force=True).champion == number


@pytest.mark.parametrize(("days", "passes"), [(0, True), (1, True), (2, False), (400, False)])
def test_only_today_s_data_promotes_by_itself(scene: Scene, days: int, passes: bool) -> None:
    scene.add()
    scene.values["snapshot"]["as_of"] = days_ago(days)
    decision = scene.promote()
    assert decision.promoted == passes
    if not passes:
        assert (
            decision.reason
            == f"the data set is as of {days_ago(days)}, not of today; a person may decide with --force"
        )
        assert scene.promote(force=True).promoted


def test_what_a_person_decides_during_the_comparison_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    other = scene.add()
    new = scene.add()

    def judge_while_a_person_decides(*arguments: Any) -> Verdict:
        verdict = judge(*arguments)
        scene.promote(other, force=True)
        return verdict

    monkeypatch.setattr(judge_module, "judge", judge_while_a_person_decides)
    decision = scene.promote(new)
    assert not decision.promoted
    assert f"version {other} was put in service meanwhile" in decision.reason
    assert scene.champion == other
    assert TAKEN_OUT in scene.tags(old)


@pytest.mark.parametrize("where", ["version", "workspace"])
def test_the_paper_s_protocol_promotes_nothing(scene: Scene, where: str) -> None:
    scene.add(protocol="paper" if where == "version" else "grouped")
    if where == "workspace":
        scene.values["evaluation"]["protocol"] = "paper"
    decision = scene.promote()
    assert not decision.promoted and decision.reason.startswith("protocol paper")
    assert scene.promote(force=True).promoted


def test_a_clearly_better_challenger_takes_over(scene: Scene) -> None:
    old = scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    new = scene.add(wrong=scene.ids(1))
    decision = scene.promote()
    assert decision.promoted and scene.champion == new
    assert decision.reason.startswith(
        f"on 40 holdout songs new to it and to version {old} it is right 0.975 of the time, version {old} 0.700:"
        " a gain of +0.275 (+"
    )
    assert "p 0.000, passes: more than 0 at p 0.05 or less is needed" in decision.reason
    assert str(scene.client.get_model_version_by_alias("mood", PREVIOUS).version) == old
    assert TAKEN_OUT not in scene.tags(old)
    assert scene.client.get_registered_model("mood").tags[IN_SERVICE].startswith(f"{new} since 20")


def test_the_verdict_is_a_document_in_the_workspace_and_in_mlflow(scene: Scene) -> None:
    one, two = scene.add(wrong=scene.ids(16)), scene.add(wrong=scene.ids(12))
    for number in (one, two):
        scene.promote(number, force=True)
    new = scene.add(wrong=scene.ids(1))
    judged = judge_version(scene.workspace, scene.params, scene.machine)
    assert (judged.version, judged.champion, judged.passed, scene.champion) == (new, two, True, two)
    run_id = scene.client.get_model_version("mood", new).run_id
    assert scene.tags(new)[VERDICT] == f"runs:/{run_id}/verdict"
    kept = {Path(file.path).name for file in scene.client.list_artifacts(run_id, "verdict")}
    assert kept == {"verdict.json", "verdict.md", "verdict.png"}
    text = (scene.workspace.verdict / "verdict.md").read_text()
    assert text.startswith(f"{judged.markdown}\n\n![")
    assert "## mood version 3: passes the gate" in text
    assert f"- version {one}: right 0.600 of the time on 40 songs, this one 0.975: +0.375, p 0.000" in text
    assert {f"mood {mood}" for mood in MOODS} <= {
        line.split(" | ")[1] for line in text.split("\n") if "| ✓" in line
    }


def test_what_was_judged_is_not_compared_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.promote(scene.add(wrong=scene.ids(12)), force=True)
    new = scene.add()
    judged = judge_version(scene.workspace, scene.params, scene.machine)
    monkeypatch.setattr(judge_module, "judge", None)
    decision = scene.promote()
    assert decision.promoted and decision.reason == judged.reason
    row = scene.ledger[-1]
    assert (row.kind, row.to_version, row.n_songs) == ("rule", new, 40)
    assert row.scores is not None
    assert (row.scores["accuracy"], row.scores["champion_accuracy"], row.scores["gain"]) == (1.0, 0.7, 0.3)


def test_other_songs_another_rule_or_another_champion_are_judged_anew(scene: Scene) -> None:
    old, other = scene.add(wrong=scene.ids(12)), scene.add(wrong=scene.ids(8))
    scene.promote(old, force=True)
    new = scene.add()
    judged = [judge_version(scene.workspace, scene.params, scene.machine).reason]
    scene.values["promotion"]["min_gain"] = 0.5
    judged.append(judge_version(scene.workspace, scene.params, scene.machine).reason)
    scene.songs = scene.songs.iloc[2:].reset_index(drop=True)
    scene.write_snapshot()
    judged.append(judge_version(scene.workspace, scene.params, scene.machine).reason)
    scene.promote(other, force=True)
    judged.append(judge_version(scene.workspace, scene.params, scene.machine, new).reason)
    assert len(set(judged)) == 4


def test_a_person_s_word_counts_only_beside_the_champion_that_was_looked_at(scene: Scene) -> None:
    old, other, new = scene.add(wrong=scene.ids(12)), scene.add(), scene.add()
    scene.promote(old, force=True)
    judge_version(scene.workspace, scene.params, scene.machine, new)
    word = PersonsWord("ann", "sounds better", instead_of=old)
    scene.promote(other, force=True)
    late = promote(scene.workspace, scene.params, scene.machine, new, word)
    assert not late.promoted and late.reason.startswith(f"version {other} was put in service meanwhile")
    scene.promote(old, force=True)
    assert promote(scene.workspace, scene.params, scene.machine, new, word).champion == new
    row = scene.ledger[-1]
    assert (row.kind, row.decided_by, row.reason, row.n_songs) == ("person", "ann", "sounds better", 40)


def test_a_gain_that_costs_a_mood_is_refused(scene: Scene) -> None:
    sad = list(scene.songs["track_id"][scene.songs["mood"] == "sad"])
    others = [one for one in scene.songs["track_id"] if one not in sad]
    scene.promote(scene.add(wrong=others[:24]), force=True)
    scene.add(wrong=sad)
    decision = scene.promote()
    assert not decision.promoted
    assert (
        "p 0.05 or less is needed; refused by mood sad (0.00, was 1.00 on 10 songs, p 0.0" in decision.reason
    )


def test_luck_does_not_take_over(scene: Scene) -> None:
    old = scene.add(wrong=scene.ids(7))
    scene.promote(force=True)
    scene.add(wrong=scene.ids(5, start=10))
    decision = scene.promote()
    assert not decision.promoted and decision.champion == old == scene.champion
    assert "a gain of +0.050" in decision.reason and "does not pass" in decision.reason


def test_the_least_gain_is_asked_for_too(scene: Scene) -> None:
    scene.values["promotion"]["min_gain"] = 0.5
    scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    scene.add()
    assert "more than 0.5 at p 0.05 or less is needed" in scene.promote().reason


def test_a_gain_on_one_artist_s_songs_is_one_piece_of_evidence(scene: Scene) -> None:
    scene.songs["artist"] = ["One feat. Two"] * 20 + scene.songs["artist"].tolist()[20:]
    scene.songs.loc[10:19, "artist"] = "ONE"
    scene.write_snapshot()
    scene.add(wrong=scene.ids(10))
    scene.promote(force=True)
    scene.add()
    decision = scene.promote()
    assert "a gain of +0.250" in decision.reason and "p 0.500, does not pass" in decision.reason


def test_songs_that_either_knows_are_left_out(scene: Scene) -> None:
    recordings = tuple(scene.songs["clip_sha256"][4:6])
    old = scene.add(wrong=scene.ids(12), training={"artists": ("artist 0", "artist 1")})
    scene.promote(force=True)
    scene.add(training={"recordings": recordings, "track_ids": ("t05-1",)})
    decision = scene.promote()
    assert decision.reason.startswith(
        f"on 33 holdout songs new to it (7 left out as known) and to version {old} it is"
    )


def test_only_songs_of_the_champion_s_collections_count(scene: Scene) -> None:
    scene.songs.loc[:9, "collections"] = "other"
    scene.songs.loc[10:19, "collections"] = "other|songs"
    scene.write_snapshot()
    scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    scene.add(training={"collections": ("other", "songs")})
    assert scene.promote().reason.startswith("on 30 holdout songs")


def test_a_challenger_without_one_of_the_champion_s_collections_is_not_comparable(scene: Scene) -> None:
    old = scene.add(wrong=scene.ids(12), training={"collections": ("4q", "songs")})
    scene.promote(force=True)
    new = scene.add()
    decision = scene.promote()
    assert not decision.promoted
    assert decision.reason == (
        f"trained without 4q, which version {old} was trained on: not comparable; a person may decide with --force"
    )
    assert scene.promote(force=True).champion == new


@pytest.mark.parametrize(
    ("ours", "theirs"), [("synthetic", "real"), ("real", "synthetic"), ("mixed", "real")]
)
def test_synthetic_and_real_are_never_compared(scene: Scene, ours: str, theirs: str) -> None:
    old = scene.add(wrong=scene.ids(12), training={"origin": theirs})
    scene.promote(force=True)
    scene.add(training={"origin": ours})
    told = f"trained on {ours} songs, version {old} on {theirs} ones: not comparable; a person may decide with --force"
    assert scene.promote().reason == told


def test_nothing_left_to_compare_on(scene: Scene) -> None:
    scene.add()
    scene.promote(force=True)
    scene.add(training={"track_ids": tuple(scene.songs["track_id"])})
    told = "cannot be compared on 0 holdout songs new to it (40 left out as known); a person may decide with --force"
    assert scene.promote().reason == told


def test_damaged_and_missing_clips_are_left_out_and_named(scene: Scene) -> None:
    scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    scene.clip("t01-0").unlink()
    scene.clip("t02-1").write_bytes(b"damaged")
    scene.add()
    decision = scene.promote()
    assert decision.promoted
    assert (
        "on 38 holdout songs new to it (clip missing or damaged: t01-0, t02-1) and to version"
        in decision.reason
    )
    for track_id in ("t03-0", "t04-0", "t05-0"):
        scene.clip(track_id).unlink()
    scene.add()
    assert "(clip missing or damaged: t01-0, t02-1, t03-0 and 2 more)" in scene.promote().reason


def test_whole_clips_that_it_alone_cannot_use_count_as_wrong(scene: Scene) -> None:
    scene.add(wrong=scene.ids(3))
    scene.promote(force=True)
    scene.add(fails=scene.ids(15))
    decision = scene.promote()
    assert (
        not decision.promoted
        and "on 40 holdout songs" in decision.reason
        and "right 0.625" in decision.reason
    )


def test_promoting_again_changes_nothing(scene: Scene) -> None:
    number = scene.add()
    scene.promote()
    again = scene.promote()
    assert (again.promoted, again.champion, again.reason) == (False, number, "is the champion already")


def test_a_version_taken_out_by_force_does_not_return_by_itself(scene: Scene) -> None:
    bad = scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    good = scene.add()
    assert scene.promote().promoted
    assert scene.promote(bad, force=True).champion == bad  # a person goes back
    assert scene.tags(good)[TAKEN_OUT] == f"for version {bad}"
    decision = scene.promote()
    assert not decision.promoted and scene.champion == bad
    assert decision.reason == f"was taken out of service for version {bad}; give --version to try it again"
    assert scene.promote(good).promoted  # asked for by its number, and better by the rule
    assert TAKEN_OUT not in scene.tags(good)


def test_an_alias_moved_in_mlflow_s_page_is_a_person_s_word(scene: Scene) -> None:
    bad = scene.add(wrong=scene.ids(12))
    scene.promote(force=True)
    good = scene.add()
    assert scene.promote().champion == good
    scene.client.set_registered_model_alias("mood", CHAMPION, bad)
    decision = scene.promote()
    assert not decision.promoted and scene.champion == bad
    assert scene.tags(good)[TAKEN_OUT] == f"by hand, for version {bad}"
    better = scene.add(wrong=scene.ids(1))
    assert scene.promote().champion == better  # another one that is better by the rule
    scene.client.set_registered_model_alias("mood", CHALLENGER, good)
    assert "was taken out of service by hand" in scene.promote().reason


def test_an_alias_deleted_in_mlflow_s_page_is_too(scene: Scene) -> None:
    first = scene.add()
    scene.promote()
    scene.client.delete_registered_model_alias("mood", CHAMPION)
    decision = scene.promote()
    assert not decision.promoted and scene.champion is None
    assert scene.tags(first)[TAKEN_OUT] == "by hand"
    second = scene.add()
    assert scene.promote().champion == second  # the first champion's rule, anew


def test_no_challenger_no_such_version(scene: Scene) -> None:
    with pytest.raises(
        InputError, match=r"^mood@challenger: no such version; run mer register, or give --version$"
    ):
        scene.promote()
    with pytest.raises(InputError, match=r"^mood: has no version 7; see the registry, or run mer register$"):
        scene.promote("7")
    with pytest.raises(InputError, match=r"^mood: has no version x"):
        scene.promote("x")


def test_a_champion_deleted_in_mlflow_is_one_line(scene: Scene) -> None:
    first = scene.add()
    scene.promote()
    scene.delete(first, dangling=True)
    second = scene.add()
    told = r"^mood@champion: is version 1, which was deleted in MLflow; choose another one with mer rollback, or mer promote --version N --force$"
    with pytest.raises(InputError, match=told):
        scene.promote()
    assert scene.promote(second, force=True).champion == second


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "DELETE FROM model_versions",
            r"^mood@challenger: is version 1, which was deleted in MLflow; run mer register, or give --version$",
        ),
        (
            "UPDATE model_versions SET status = 'FAILED_REGISTRATION'",
            r"^mood version 1: is FAILED_REGISTRATION in MLflow; delete it there and run mer register, or give",
        ),
    ],
)
def test_a_challenger_that_is_gone_or_half_there_is_one_line(scene: Scene, change: str, told: str) -> None:
    scene.add()
    with sqlite3.connect(scene.machine.home / "mlflow" / "mlflow.db") as connection:
        connection.execute(change)
    for force in (False, True):
        with pytest.raises(InputError, match=told):
            scene.promote(force=force)


def test_a_version_that_cannot_answer_here_is_one_line(scene: Scene) -> None:
    number = scene.add()
    folder = next(scene.workspace.root.glob("versions/*"))
    described = json.loads((folder / "artifacts" / "version" / "version.json").read_text())
    (folder / "artifacts" / "version" / "version.json").write_text(
        json.dumps(described | {"command": ["-c", "1/0"]})
    )
    with pytest.raises(
        InputError, match=rf"^mood version {number}: its process ended with exit code 1 \(ZeroDivisionError"
    ):
        scene.promote()


def test_real_models_from_audio(served: Project) -> None:
    served.values["promotion"]["max_p_value"] = 0.5  # three artists prove no more
    first = promote(served.workspace, served.params, served.machine, "1")
    assert not first.promoted and "not both above" in first.reason
    promote(served.workspace, served.params, served.machine, "1", PersonsWord("", "begin"))
    decision = promote(served.workspace, served.params, served.machine)
    assert decision.promoted and decision.champion == "2" and "holdout songs new to it" in decision.reason
