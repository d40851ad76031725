"""What came of a retraining, for a person: scores, version, decision, and where MLflow shows them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mer_tasks.settings import Machine
from mer_tasks.text import on_one_line, without_user


def run_page(machine: Machine, experiment: str, run_id: str) -> str | None:
    """The address of a run in MLflow's pages; None where there is no server."""
    return _page(machine, f"experiments/{quote(experiment, safe='')}/runs/{quote(run_id, safe='')}")


def version_page(machine: Machine, name: str, number: str) -> str | None:
    """The address of a version in MLflow's pages; None where there is no server."""
    return _page(machine, f"models/{quote(name, safe='')}/versions/{quote(number, safe='')}")


def retraining_summary(
    comparison: Mapping[str, Any],
    version: Mapping[str, Any],
    served: Mapping[str, Any],
    verdict: Mapping[str, Any],
    decision: Mapping[str, Any] | None,
    refused: str | None,
) -> str:
    """A retraining as Markdown.

    `comparison` is what `mer evaluate` wrote; `version`, `served`, `verdict` and `decision` are what `mer register`,
    `serve-check`, `judge` and `promote` printed as JSON. Without a decision a person has `refused` the version, or is
    still to decide.
    """
    lines = ["| model | reads | accuracy | 95 % interval | holdout |", "| --- | --- | ---: | --- | ---: |"]
    for one in comparison["models"]:
        interval = f"{one['accuracy_low']:.3f} to {one['accuracy_high']:.3f}"
        holdout = "" if one["holdout_accuracy"] is None else f"{one['holdout_accuracy']:.3f}"
        lines.append(f"| {one['model']} | {one['reads']} | {one['accuracy']:.3f} | {interval} | {holdout} |")
    n, songs, protocol = comparison["models"][0]["n"], comparison["songs"], comparison["protocol"]
    lines += [
        "",
        on_one_line(f"Accuracy out of fold on {n} {songs}, protocol {protocol}."),
        "",
        *(f"- Finding: {on_one_line(one['text'])}" for one in comparison["findings"]),
        f"- Registered: {version['name']} version {version['version']} ({version['model']})",
        f"- Serving: {served['line']}",
        f"- Decision: {_decided(decision, refused)}",
    ]
    for label, page in (("Run", version["run_page"]), ("Version", version["version_page"])):
        if page:
            lines.append(f"- {label} in MLflow: {page}")
    lines += ["", verdict["markdown"]]
    return "\n".join(lines)


def _decided(decision: Mapping[str, Any] | None, refused: str | None) -> str:
    if decision is None:
        return f"not promoted: {on_one_line(refused)}" if refused else "left to a person, with mer promote"
    return f"{'promoted' if decision['promoted'] else 'not promoted'}: {on_one_line(decision['reason'])}"


def _page(machine: Machine, path: str) -> str | None:
    return f"{without_user(machine.mlflow_pages).rstrip('/')}/#/{path}" if machine.mlflow_pages else None
