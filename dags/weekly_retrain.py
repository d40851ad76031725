"""The weekly retraining: what runs when, in which queue, and what follows.

The work is `mer_tasks`, called in the tasks: while Airflow parses this file, only Airflow and the
standard library are imported. Each stage of `dvc.yaml` is one task, run in a DVC workspace of its own run.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    BaseOperatorLink,
    CronTriggerTimetable,
    Param,
    TriggerRule,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException
from dag_approval import BY_PERSON, BY_RULE, NEVER, ask_for_approval, reason_of, refusal
from dag_common import DEFAULT_ARGS, PROJECT, VERSIONS, check_form, log_lines, machine, mer_json, model_names

if TYPE_CHECKING:
    from mer_tasks.workspace import Workspace

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


class PageLink(BaseOperatorLink):
    """A button of a task: an address in what the task returned, absent where there is none."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    @property
    def name(self) -> str:
        """What the button says."""
        return self._name

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the address."""
        return f"link_{self._key}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address; Airflow asks when the task has ended, and gives the task's instance."""
        returned = ti_key.xcom_pull(task_ids=operator.task_id)
        return (returned or {}).get(self._key) or ""


LINKS = (
    PageLink("Report", "report_page"),
    PageLink("Run in MLflow", "run_page"),
    PageLink("Version in MLflow", "version_page"),
)


@dag(
    schedule=CronTriggerTimetable("0 4 * * 1", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=FORM,
    tags=["mood"],
    doc_md=(
        "Keeps the mood model fresh: every Monday at 04:00 UTC, and by hand with **Trigger**.\n\n"
        "The songs that the catalog knows become a data set; a critical finding in it stops the run. Models are "
        "trained on it, compared, and the best is registered in MLflow as `mood`. It becomes `mood@champion` when "
        "it is better than the model in service on songs that neither was trained on, or when a person says so.\n\n"
        "A failed task sends an alert. `docs/weekly-retraining.md` explains how to read, repeat and repair a run."
    ),
)
def weekly_retrain() -> None:
    """The pipeline, one task a stage."""

    @task
    def open_workspace() -> list[str]:
        """Make the folder in which this run's stages work, with the settings of the form; list what to train.

        The settings are those of `params.yaml`, changed by the form's fields. A run that is cleared and
        repeated keeps the settings it began with. The result has the models that need no GPU.
        """
        from mer_tasks.pipeline import check_run, create_workspace
        from mer_tasks.settings import load_params
        from mer_tasks.workspace import Workspace

        check_form(FORM)
        form = get_current_context()["params"]
        workspace = create_workspace(
            Workspace(PROJECT), _workspace().root, _overrides(), _models(form), machine()
        )
        check_run(load_params(workspace.params_file), machine())
        return _models_for("default")

    @task
    def list_gpu_models() -> list[str]:
        """List the models whose training gains from a GPU; a task of its own, as each result maps one task."""
        return _models_for("gpu")

    @task(pool="downloads", execution_timeout=timedelta(hours=6))
    def collect_clips() -> None:
        """Cut the 30 seconds of every song of the collections that has no clip yet.

        A song that cannot be fetched or decoded does not stop the others: the catalog keeps the reason, and
        the quality gate counts how many are missing.
        """
        from mer_tasks.command import run

        run(["mer", "clips"], _workspace().root, machine())

    @task
    def snapshot() -> str:
        """Freeze the data set: the chosen collections as the catalog knew them on that day.

        Only this task looks at the catalog, so the data set stays the same for all that follow.
        """
        from mer_tasks.pipeline import reproduce, write_catalog_state

        workspace = _workspace()
        write_catalog_state(workspace, machine())
        return reproduce(workspace, "snapshot", machine())

    @task
    def validate() -> str:
        """The quality gate. Red when a finding is critical, and nothing after it runs.

        The log and the alert name the songs; the whole report is `data/quality` in the run's workspace.
        """
        return _reproduce("validate")

    @task.short_circuit
    def is_new() -> bool:
        """End a scheduled run early that would only give the last version again; by hand it is trained all the same."""
        version = mer_json(_workspace().root, "unchanged")["version"]
        by_hand = get_current_context()["dag_run"].run_type != "scheduled"
        if version and not by_hand:
            log_lines(f"Songs, settings and code are those of version {version}: there is nothing to train")
        return by_hand or not version

    @task
    def features() -> str:
        """Compute what models read of each clip, once for all models."""
        return _reproduce("features")

    @task
    def drift() -> dict[str, Any]:
        """Compare new songs with those that the champion was trained on; skipped while there is no champion."""
        from mer_tasks.registry.lookup import has_champion
        from mer_tasks.settings import load_params

        workspace = _workspace()
        name = load_params(workspace.params_file).registration.model_name
        if not has_champion(machine(), name):
            raise AirflowSkipException("There is no champion yet")
        return mer_json(workspace.root, "drift")

    @task(
        max_active_tis_per_dagrun=1,  # DVC works on one stage of a workspace at a time
        execution_timeout=timedelta(hours=6),
        map_index_template="{{ task.op_kwargs['model'] }}",
        doc_md="Train one model fold by fold and score its predictions for the songs left out.",
    )
    def train(model: str) -> str:
        """Train one model fold by fold and score its predictions for the songs left out."""
        return _reproduce(f"train@{model}")

    @task(
        queue="gpu",
        pool="gpu",
        trigger_rule=TriggerRule.NONE_FAILED,  # there may be no model for the other queue
        max_active_tis_per_dagrun=1,
        execution_timeout=timedelta(hours=6),
        map_index_template="{{ task.op_kwargs['model'] }}",
        doc_md="The same for a model that gains from a GPU, on a worker that has one.",
    )
    def train_on_gpu(model: str) -> str:
        """Train one model that gains from a GPU."""
        return _reproduce(f"train@{model}")

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def evaluate() -> str:
        """Compare the models, with intervals and on the holdout."""
        return _reproduce("evaluate")

    @task
    def register() -> dict[str, Any]:
        """Log every model to MLflow and register the best of them."""
        return mer_json(_workspace().root, "register")

    @task
    def serve_check() -> dict[str, Any]:
        """Load the new version as it is loaded in service, and ask it a few songs; red when it does not answer."""
        return mer_json(_workspace().root, "serve-check")

    @task
    def gate() -> dict[str, Any]:
        """Compare the new version with the champion, on songs new to both; the result is the verdict.

        The log shows it; the version in MLflow has it with pictures, `data/verdict` in the run's workspace too.
        """
        verdict = mer_json(_workspace().root, "judge")
        log_lines(verdict["markdown"])
        return verdict

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def promote() -> dict[str, Any]:
        """Put the new version in service by the rule or by a person's yes; skipped without one."""
        ti, wanted = get_current_context()["ti"], get_current_context()["params"]["promote"]
        verdict, answer = ti.xcom_pull(task_ids="gate"), ti.xcom_pull(task_ids="approval")
        if wanted == NEVER:
            raise AirflowSkipException(f"Left to a person by the form: cd {_workspace().root} && mer promote")
        if wanted == BY_RULE or verdict["settled"]:
            return mer_json(_workspace().root, "promote")
        options = [
            f"--version={verdict['version']}",
            f"--instead-of={verdict['champion'] or 'none'}",
            f"--by={answer['responded_by_user']['name']}",
            f"--reason={reason_of(answer) or 'approved in Airflow'}",
        ]
        return mer_json(_workspace().root, "promote", "--force", *options)

    @task(trigger_rule=TriggerRule.NONE_FAILED, outlets=[VERSIONS], show_return_value_in_logs=False)
    def report(
        version: dict[str, Any],
        served: dict[str, Any],
        verdict: dict[str, Any],
        decision: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Say what came of the run: every model's scores, the version, the verdict, the decision, pages in MLflow.

        The log has it as text, the result and the event of the asset `versions` as Markdown and values; three
        buttons open the report and MLflow.
        """
        from mer_tasks.evaluation.comparison import read_comparison
        from mer_tasks.registry.summary import retraining_summary

        comparison = read_comparison(_workspace())
        answer = get_current_context()["ti"].xcom_pull(task_ids="approval")
        refused = refusal(answer) if answer else None
        summary = retraining_summary(comparison, version, served, verdict, decision, refused)
        log_lines(summary)
        accuracies = {one["model"]: one["accuracy"] for one in comparison["models"]}
        written = mer_json(_workspace().root, "report")  # again, now that the decision is known
        result = {
            "summary": summary,
            "accuracy": accuracies,
            **version,
            **written,
            "decision": decision,
            "refused": refused,
        }
        get_current_context()["outlet_events"][VERSIONS].extra = result
        return result

    opened, gpu_models = open_workspace(), list_gpu_models()
    trained, trained_on_gpu = train.expand(model=opened), train_on_gpu.expand(model=gpu_models)
    computed = features()
    opened >> gpu_models >> collect_clips() >> snapshot() >> validate() >> is_new() >> computed
    computed >> [trained, drift()]
    trained >> trained_on_gpu
    version, served, verdict, decision = register(), serve_check(), gate(), promote()
    reported: Any = report(version, served, verdict, decision)  # type: ignore[arg-type]  # Airflow gives results
    reported.operator.operator_extra_links = LINKS
    [trained, trained_on_gpu] >> evaluate() >> version >> served >> verdict >> ask_for_approval() >> decision


def _models_for(queue: str) -> list[str]:
    """The run's models that wait in this queue for a worker."""
    from mer_tasks.models import queue_of
    from mer_tasks.settings import load_params

    params = load_params(_workspace().params_file)
    return [name for name in params.models if queue_of(params, name) == queue]


def _workspace() -> "Workspace":
    """The run's workspace, as the task before left it on whichever worker."""
    from mer_tasks.pipeline import run_workspace
    from mer_tasks.workspace import Workspace

    return run_workspace(Workspace(PROJECT), get_current_context()["run_id"], machine())


def _overrides() -> dict[str, Any]:
    """What the form overrides, by the keys of `params.yaml`; the day of the run is the same at every retry."""
    context = get_current_context()
    form = context["params"]
    as_of = form["as_of"] or context["dag_run"].run_after.date().isoformat()
    filled = {key: form[field] for field, key in OVERRIDES.items() if form[field] is not None}
    return {"snapshot.as_of": as_of, **filled, **(QUICK if form["size"] == "quick" else {})}


def _models(form: Mapping[str, Any]) -> list[str] | None:
    """The models that the form names; for a quick run else the first one; None for all."""
    named: list[str] | None = form["models"]
    return named or (MODELS[:1] if form["size"] == "quick" else None)


def _reproduce(stage: str) -> str:
    """Reproduce a stage in the run's workspace; the hash of `dvc.lock` identifies the result."""
    from mer_tasks.pipeline import reproduce

    return reproduce(_workspace(), stage, machine())


weekly_retrain()
