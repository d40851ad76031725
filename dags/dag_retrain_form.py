"""The form of the weekly retraining: its fields, and what they change of `params.yaml`."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow.sdk import Param
from dag_approval import BY_PERSON, BY_RULE, NEVER
from dag_common import model_names

MODELS = model_names()

AS_IN_PARAMS = "Empty: as in params.yaml."

FORM = {
    "as_of": Param(
        None,
        type=["null", "string"],
        format="date",
        title="Data as of",
        description="Train on what was known at the end of this day (UTC), so that the run can be repeated. "
        "Empty: the day of the run.",
    ),
    "collections": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "minLength": 1},
        minItems=1,
        title="Collections",
        description="The collections of songs, named at mer import --collection, that make the data set, "
        f"one a line. {AS_IN_PARAMS}",
    ),
    "models": Param(
        None,
        type=["null", "array"],
        items={"enum": MODELS},
        examples=MODELS,
        minItems=1,
        uniqueItems=True,
        title="Models",
        description=f"The models to train and compare. {AS_IN_PARAMS}",
    ),
    "protocol": Param(
        None,
        type=["null", "string"],
        enum=[None, "grouped", "paper", "ungrouped"],
        values_display={
            "null": "as in params.yaml",
            "grouped": "grouped: no artist in two folds",
            "paper": "paper: no groups, best epoch",
            "ungrouped": "ungrouped: an artist may be in two folds",
        },
        title="Protocol",
        description=f"How models are scored. {AS_IN_PARAMS}",
    ),
    "size": Param(
        "full",
        type="string",
        enum=["full", "quick"],
        values_display={
            "full": "full: as in params.yaml",
            "quick": f"quick: only {MODELS[0]}, unless models are named, and two folds",
        },
        title="Full or quick",
        description="A quick run shows in minutes whether everything works; its version is judged as any other.",
    ),
    "promote": Param(
        BY_RULE,
        type="string",
        enum=[BY_RULE, BY_PERSON, NEVER],
        values_display={
            BY_RULE: "by rule: when it passes the gate",
            BY_PERSON: "by a person, who is shown the gate's verdict and asked",
            NEVER: "never: it stays registered, for mer promote in the run's folder",
        },
        title="Promote",
        description="Who decides whether the new version goes into service.",
    ),
}

OVERRIDES = {
    "collections": "snapshot.collections",
    "protocol": "evaluation.protocol",
}
"""Which key of `params.yaml` a field of the form overrides."""

QUICK = {"evaluation.folds": 2}
"""What a quick run overrides."""


def overrides(form: Mapping[str, Any], day: date) -> dict[str, Any]:
    """What the form overrides, by the keys of `params.yaml`; a form without a day means that of the run."""
    filled = {key: form[field] for field, key in OVERRIDES.items() if form[field] is not None}
    quick = QUICK if form["size"] == "quick" else {}
    return {"snapshot.as_of": form["as_of"] or day.isoformat(), **filled, **quick}


def chosen_models(form: Mapping[str, Any]) -> list[str] | None:
    """The models that the form names; for a quick run else the first one; None for all."""
    named: list[str] | None = form["models"]
    return named or (MODELS[:1] if form["size"] == "quick" else None)
