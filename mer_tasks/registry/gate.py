"""Whether a version may go into service: its data, and the champion's and its own answers for songs new to both."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from mer_tasks.domain import MOODS, primary_artist
from mer_tasks.errors import InputError, UnavailableError
from mer_tasks.evaluation.comparison import accuracy_gain
from mer_tasks.progress import progress
from mer_tasks.registry import checks
from mer_tasks.registry.new_songs import NewSongs, new_songs
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.significance import accuracy_low, sign_flip_p_value
from mer_tasks.registry.training_data import TrainingData, read_training_data
from mer_tasks.registry.verdict import Check, Verdict, passed_or_refused
from mer_tasks.settings import Machine, Params
from mer_tasks.workspace import Workspace, clip_key

BY_FORCE = "a person may decide with --force"


def judge(
    workspace: Workspace,
    params: Params,
    machine: Machine,
    challenger: str,
    champion: str | None,
    former: Sequence[str] = (),
) -> Verdict:
    """Whether the version with the number `challenger` may take the place of `champion`, or be the first.

    It is compared with `former` champions too, which decides nothing.

    Raises:
        InputError: a version cannot answer here, or there is no snapshot.
        UnavailableError: MLflow cannot be reached now, or a version's process died.
    """
    name = params.registration.model_name
    with RegisteredModel(machine, f"models:/{name}/{challenger}") as new:
        if refused := _refused_by_settings(new.description["params"], params):
            return Verdict(False, refused)
        if champion is None:
            return _judge_first(workspace, params, machine, new)
        with RegisteredModel(machine, f"models:/{name}/{champion}") as old:
            verdict, songs = _judge_pair(workspace, params, machine, new, old)
        if not verdict.answers:
            return verdict
        ours = verdict.answers[new.version.number]
        return replace(verdict, earlier=tuple(_beside(params, machine, ours, songs, one) for one in former))


def _refused_by_settings(trained_by: dict[str, Any], params: Params) -> str | None:
    """Why a person must decide whatever the scores are: data of the past, or scores that flatter."""
    for protocol in (trained_by["evaluation"]["protocol"], params.evaluation.protocol):
        if protocol != "grouped":
            return f"protocol {protocol} is for comparison with published scores only; {BY_FORCE}"
    return refused_by_day(params)


def refused_by_day(params: Params) -> str | None:
    """Why the rule does not hold on this day, if so: the data set is one of the past."""
    # of the workspace, not of the training: a quiet week's training may be DVC's, of the week before
    as_of, yesterday = params.snapshot.as_of, datetime.now(UTC).date() - timedelta(days=1)
    if as_of != "latest" and as_of < yesterday:
        return f"the data set is as of {as_of}, not of today; {BY_FORCE}"
    return None


def _judge_first(workspace: Workspace, params: Params, machine: Machine, new: RegisteredModel) -> Verdict:
    """The first champion must be better than chance out of fold, and on songs new to it, from their audio."""
    training = read_training_data(new.folder)
    found = new_songs(workspace, params, machine, [training], training.collections)
    wanted, out_of_fold = params.promotion.min_accuracy_low, float(new.description["scores"]["accuracy_low"])
    so_far = f"no champion yet; the lower end of its accuracy is {out_of_fold:.3f} out of fold"
    if found.songs.empty:
        return Verdict(False, f"{so_far} and unknown {found}; {BY_FORCE}")
    ours = answers(new, found.songs, machine)
    low = accuracy_low(
        checks.right(ours).astype(bool), ours["artist"].to_numpy().astype(str), params.evaluation
    )
    verb = "both above" if min(out_of_fold, low) > wanted else "not both above"
    needed = f"from above {wanted:g}"
    all_checks = (
        Check("accuracy out of fold", f"its interval from {out_of_fold:.3f}", needed, out_of_fold > wanted),
        checks.floor(ours, params.evaluation, params.promotion),
        *checks.shares(ours, params.promotion),
    )
    reason = f"{so_far} and {low:.3f} {found}: {verb} {wanted:.3f}"
    return Verdict(
        all(check.passed for check in all_checks),
        passed_or_refused(reason, all_checks) if verb == "both above" else reason,
        all_checks,
        {"accuracy": round(float(checks.right(ours).mean()), 4), "accuracy_low": round(low, 4)},
        len(ours),
        answers={new.version.number: ours},
    )


def _judge_pair(
    workspace: Workspace, params: Params, machine: Machine, new: RegisteredModel, old: RegisteredModel
) -> tuple[Verdict, pd.DataFrame]:
    """The verdict, and the songs that both answered."""
    ours, theirs = read_training_data(new.folder), read_training_data(old.folder)
    found = new_songs(workspace, params, machine, [ours, theirs], theirs.collections)
    if refused := _not_comparable(ours, theirs, old.version.number):
        return Verdict(False, f"{refused}: not comparable; {BY_FORCE}"), found.songs
    if found.songs.empty:
        return Verdict(False, f"cannot be compared {found}; {BY_FORCE}"), found.songs
    return _compare(params, machine, new, old, found), found.songs


def _not_comparable(ours: TrainingData, theirs: TrainingData, champion: str) -> str | None:
    if ours.origin != theirs.origin:
        return f"trained on {ours.origin} songs, version {champion} on {theirs.origin} ones"
    if missing := sorted(set(theirs.collections) - set(ours.collections)):
        return f"trained without {', '.join(missing)}, which version {champion} was trained on"
    return None


def _compare(
    params: Params, machine: Machine, new: RegisteredModel, old: RegisteredModel, found: NewSongs
) -> Verdict:
    rule, evaluation, number = params.promotion, params.evaluation, old.version.number
    ours, theirs = (answers(one, found.songs, machine) for one in (new, old))
    gain, p = _gain(ours, theirs, params)
    is_gain = gain["gain"] > rule.min_gain and p <= rule.max_p_value
    accuracy, former = (float(checks.right(one).mean()) for one in (ours, theirs))
    measured = (
        f"a gain of {gain['gain']:+.3f} ({gain['gain_low']:+.3f} to {gain['gain_high']:+.3f}), p {p:.3f}"
    )
    needed = f"more than {rule.min_gain:g} at p {rule.max_p_value:g} or less"
    all_checks = (
        Check("gain in accuracy", measured, needed, is_gain),
        checks.floor(ours, evaluation, rule),
        *checks.losses(ours, theirs, found.songs, rule),
        checks.calibration(ours, theirs, evaluation, rule),
        *checks.shares(ours, rule),
    )
    reason = (
        f"{found} and to version {number} it is right {accuracy:.3f} of the time, version {number} {former:.3f}:"
        f" {measured}, {'passes' if is_gain else 'does not pass'}: {needed} is needed"
    )
    return Verdict(
        all(check.passed for check in all_checks),
        passed_or_refused(reason, all_checks) if is_gain else reason,
        all_checks,
        {
            "accuracy": round(accuracy, 4),
            "champion_accuracy": round(former, 4),
            **gain,
            "p_value": round(p, 4),
        },
        len(ours),
        answers={new.version.number: ours, number: theirs},
    )


def _gain(ours: pd.DataFrame, theirs: pd.DataFrame, params: Params) -> tuple[dict[str, float], float]:
    """The gain in accuracy with its interval, and how likely it is where neither is better."""
    truth, artists = ours["mood"], ours["artist"]
    gain = accuracy_gain(truth, ours["predicted"], theirs["predicted"], artists, params.evaluation)
    p = sign_flip_p_value(checks.right(ours) - checks.right(theirs), artists.to_numpy().astype(str))
    return gain, p


def _beside(params: Params, machine: Machine, ours: pd.DataFrame, songs: pd.DataFrame, number: str) -> str:
    """How a former champion does now on those of the songs that it does not know, in a line."""
    try:
        with RegisteredModel(machine, f"models:/{params.registration.model_name}/{number}") as old:
            unknown = ~read_training_data(old.folder).knows(songs).to_numpy(bool)
            if not unknown.any():
                return f"version {number}: knows all of these songs"
            theirs = answers(old, songs[unknown].reset_index(drop=True), machine)
    except (InputError, UnavailableError) as error:  # it is not in question
        return f"version {number}: cannot be asked ({error})"
    ours = ours[unknown].reset_index(drop=True)
    gain, p = _gain(ours, theirs, params)
    return (
        f"version {number}: right {checks.right(theirs).mean():.3f} of the time on {len(ours)} songs, this one"
        f" {checks.right(ours).mean():.3f}: {gain['gain']:+.3f}, p {p:.3f}"
    )


def answers(model: RegisteredModel, songs: pd.DataFrame, machine: Machine) -> pd.DataFrame:
    """What a version predicts from the songs' clips, a row a song: `predicted`, and a probability a mood.

    Beside them `track_id`, `artist` (the first one) and `mood`. A whole clip that it cannot use has the mood "none".
    """
    shown = progress(songs["clip_sha256"], len(songs), f"{model.version} on the holdout")
    found = pd.DataFrame([_answer(model, machine.clip_store.local(clip_key(sha256))) for sha256 in shown])
    return (
        songs[["track_id", "mood"]]
        .reset_index(drop=True)
        .assign(
            artist=songs["artist"].map(primary_artist).to_numpy(),
            **{name: found[name] for name in ("predicted", *MOODS)},
        )
    )


def _answer(model: RegisteredModel, clip: Path) -> dict[str, Any]:
    try:
        prediction = model.predict(clip)
    except InputError:
        return {"predicted": "none"} | dict.fromkeys(MOODS, float("nan"))
    return {"predicted": prediction.mood, **prediction.probabilities}
