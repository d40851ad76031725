"""From challenger to champion: the two are compared on songs that neither has learnt from."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks import layout
from mer_tasks.audio.cut import clip_path
from mer_tasks.catalog.dataset import read_snapshot
from mer_tasks.domain import InputError
from mer_tasks.evaluation.comparison import accuracy_gain
from mer_tasks.evaluation.folds import split
from mer_tasks.progress import progress
from mer_tasks.registry.connection import connect
from mer_tasks.registry.prediction import RegisteredModel
from mer_tasks.registry.registration import CHALLENGER
from mer_tasks.settings import Machine, Params

CHAMPION = "champion"
PREVIOUS = "previous"
ROLLED_BACK = "mer.rolled_back"
"""The tag of a version that a person took out of service: it does not come back by itself."""


@dataclass(frozen=True)
class Decision:
    """Whether a version went into service, and why; `champion` is the version in service afterwards."""

    version: str
    promoted: bool
    champion: str | None
    reason: str


def promote(params: Params, machine: Machine, version: str | None = None, force: bool = False) -> Decision:
    """Put `version`, or the challenger, into service if it is better than the champion on the holdout.

    The first champion need only be better than chance. With `force` a person decides: nothing is
    compared. The former champion keeps the alias `previous`. The decision is written on the version.

    Raises:
        InputError: there is no such version, or no holdout to compare on.
    """
    client = connect(machine)
    name = params.registration.model_name
    number = version or _version_at(client, name, CHALLENGER)
    if number is None:
        raise InputError(f"{name}@{CHALLENGER}: no such version; run mer register, or give --version")
    found = _existing(client, name, number)
    champion = _version_at(client, name, CHAMPION)
    if champion == number:
        return Decision(number, False, champion, "is the champion already")
    if not version and ROLLED_BACK in found.tags:
        return Decision(
            number, False, champion, "a person took it out of service; give --version to try it again"
        )
    promoted, reason = (True, "a person decided") if force else _judge(params, machine, found, champion)
    if promoted:
        if champion:
            client.set_registered_model_alias(name, PREVIOUS, champion)
            if force:  # else the same training, registered again next week, would undo the decision
                client.set_model_version_tag(name, champion, ROLLED_BACK, f"for version {number}")
        client.set_registered_model_alias(name, CHAMPION, number)
    client.set_model_version_tag(
        name, number, "mer.decision", f"{'promoted' if promoted else 'kept out'}: {reason}"
    )
    return Decision(number, promoted, number if promoted else champion, reason)


def _version_at(client: MlflowClient, name: str, alias: str) -> str | None:
    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        # Anything but "there is none" must not pass for an empty place: nothing would be compared.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise InputError(
            f"{name}@{alias}: MLflow did not say ({' '.join(str(error).split())[:150]})"
        ) from error


def _existing(client: MlflowClient, name: str, number: str) -> ModelVersion:
    try:
        return client.get_model_version(name, number)
    except MlflowException as error:
        raise InputError(f"{name}: has no version {number}; see the registry, or run mer register") from error


def _judge(
    params: Params, machine: Machine, challenger: ModelVersion, champion: str | None
) -> tuple[bool, str]:
    if champion is None:
        low = float(challenger.tags.get("mer.accuracy_low", 0))
        wanted = params.promotion.min_accuracy_low
        verb = "is above" if low > wanted else "is not above"
        return low > wanted, f"no champion yet; the lower end of its accuracy, {low:.3f}, {verb} {wanted:.3f}"
    holdout = _holdout_songs(params)
    new, old = (_answers(params, machine, holdout, number) for number in (challenger.version, champion))
    gain = accuracy_gain(holdout["mood"], new, old, holdout["artist"], params)
    verb = "is more" if gain["gain"] > params.promotion.min_gain else "is not more"
    return gain["gain"] > params.promotion.min_gain, (
        f"on {len(holdout)} holdout songs it is right {(new == holdout['mood']).mean():.3f} of the time, version"
        f" {champion} {(old == holdout['mood']).mean():.3f}: a gain of {gain['gain']:+.3f}"
        f" ({gain['gain_low']:+.3f} to {gain['gain_high']:+.3f}) {verb} than {params.promotion.min_gain:g}"
    )


def _holdout_songs(params: Params) -> pd.DataFrame:
    songs = read_snapshot(layout.SNAPSHOT).songs
    holdout = songs.iloc[split(songs, params.evaluation).holdout]
    holdout = holdout[holdout["clip_sha256"].notna() & (holdout["clip_sha256"] != "")].reset_index(drop=True)
    if holdout.empty:
        raise InputError(
            "data/snapshot: no holdout song has a clip, so models cannot be compared; raise"
            " evaluation.holdout_share, import more songs, or decide with --force"
        )
    return holdout


def _answers(params: Params, machine: Machine, songs: pd.DataFrame, number: str) -> pd.Series:
    """The moods that a registered version hears in the songs' clips, from audio as in service."""
    model = RegisteredModel(machine, f"models:/{params.registration.model_name}/{number}")
    clips: list[Path] = [clip_path(machine.clip_store, sha256) for sha256 in songs["clip_sha256"]]
    heard = progress(clips, len(clips), f"version {number} on the holdout")
    return pd.Series([model.hear(clip).mood for clip in heard], index=songs.index)
