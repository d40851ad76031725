"""The weekly retraining: what runs when, in which queue, and what follows.

The work is `mer_tasks`, called in the tasks: while Airflow parses this file, only Airflow and the
standard library are imported. Each stage of `dvc.yaml` is one task, run in a DVC workspace of its own run.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import CronTriggerTimetable, TriggerRule, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException
from dag_approval import BY_RULE, NEVER, ask_for_approval, reason_of, refusal
from dag_common import DEFAULT_ARGS, PROJECT, VERSIONS, check_form, log_lines, machine, mer_json
from dag_retrain_form import FORM, chosen_models, overrides
from dag_retrain_links import LINKS

if TYPE_CHECKING:
    from mer_tasks.workspace import Workspace


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
    context = get_current_context()
    form, day = context["params"], context["dag_run"].run_after.date()  # the same at every retry
    workspace = create_workspace(
        Workspace(PROJECT), _workspace().root, overrides(form, day), chosen_models(form), machine()
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


def _reproduce(stage: str) -> str:
    """Reproduce a stage in the run's workspace; the hash of `dvc.lock` identifies the result."""
    from mer_tasks.pipeline import reproduce

    return reproduce(_workspace(), stage, machine())


weekly_retrain()
