"""The gate's verdict as a document: `verdict.json`, `verdict.md` and a picture, in the workspace and in MLflow."""

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from mer_tasks.domain import MOODS
from mer_tasks.files import replacing, write_text
from mer_tasks.registry import checks
from mer_tasks.registry.verdict import Verdict
from mer_tasks.text import on_one_line

VERDICT = "mer.verdict"
"""The tag of a version with the address of its verdict's files in MLflow."""

JSON, MARKDOWN, PICTURE = "verdict.json", "verdict.md", "verdict.png"


def as_markdown(title: str, verdict: Verdict) -> str:
    """The verdict as a person reads it, under a headline."""
    lines = [
        f"## {title}: {'passes' if verdict.passed else 'does not pass'} the gate",
        "",
        on_one_line(verdict.reason),
    ]
    if verdict.checks:
        lines += ["", "| | condition | measured | needed |", "| --- | --- | --- | --- |"]
        for check in sorted(verdict.checks, key=lambda check: check.passed):
            mark = "✓" if check.passed else "✗ refused"
            cells = (
                on_one_line(text).replace("|", "/") for text in (check.name, check.measured, check.needed)
            )
            lines.append(f"| {mark} | {' | '.join(cells)} |")
    if verdict.earlier:
        lines += ["", "Beside former champions, which decides nothing:", ""]
        lines += [f"- {on_one_line(line)}" for line in verdict.earlier]
    return "\n".join(lines)


def write_verdict(folder: Path, title: str, key: Mapping[str, Any], verdict: Verdict) -> None:
    """Write the files of a verdict; `key` is what it was about, for `kept_verdict`."""
    text = as_markdown(title, verdict)
    (folder / PICTURE).unlink(missing_ok=True)
    if verdict.answers:
        draw(folder / PICTURE, verdict.answers, f"{title}, on {verdict.n_songs} holdout songs")
        text += f"\n\n![Which moods are taken for which, and how sure each version is]({PICTURE})"
    write_text(folder / MARKDOWN, f"{text}\n")
    write_text(folder / JSON, json.dumps({"key": _hash(key), **verdict.as_json()}, indent=1) + "\n")


def kept_verdict(folder: Path, key: Mapping[str, Any]) -> Verdict | None:
    """The verdict in a folder, if it is about the same."""
    try:
        values = json.loads((folder / JSON).read_text(encoding="utf-8"))
        if values.pop("key") == _hash(key):
            return Verdict.from_json(values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # there is none, or it is damaged: it is given anew
    return None


def attach_verdict(client: MlflowClient, name: str, number: str, run_id: str | None, folder: Path) -> None:
    """Put the files beside those of the training run, and their address on the version; a deleted run takes none."""
    if not run_id:
        return
    with suppress(MlflowException):  # the verdict itself is in a tag
        if client.get_run(run_id).info.lifecycle_stage == "active":
            client.log_artifacts(run_id, str(folder), "verdict")
            client.set_model_version_tag(name, number, VERDICT, f"runs:/{run_id}/verdict")


def draw(path: Path, answers: Mapping[str, pd.DataFrame], title: str) -> None:
    """A column a version: which moods are taken for which, and below it accuracy by confidence."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from sklearn.metrics import ConfusionMatrixDisplay

    figure, axes = plt.subplots(
        2, len(answers), figsize=(3.6 * len(answers), 7), squeeze=False, layout="constrained"
    )
    figure.suptitle(title, fontsize=10)
    for (number, table), (above, below) in zip(answers.items(), axes.T, strict=True):
        known = table[table["predicted"] != "none"]
        ConfusionMatrixDisplay.from_predictions(
            known["mood"], known["predicted"], labels=list(MOODS), cmap="Blues", colorbar=False, ax=above
        )
        above.set(
            title=f"version {number}: {checks.right(table).mean():.3f}",
            xlabel="predicted mood",
            ylabel="mood",
        )
        _draw_reliability(below, known)
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=120, metadata={"Software": None})
    finally:
        plt.close(figure)


def _draw_reliability(axes: Any, known: pd.DataFrame) -> None:
    from mer_tasks.evaluation.calibration import confidence, reliability

    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    if len(known):
        table = reliability(checks.right(known), confidence(known[list(MOODS)].to_numpy()))
        sizes = 20 + 300 * table[:, 2] / len(known)
        axes.scatter(table[:, 0], table[:, 1], s=sizes, color="#4c72b0", alpha=0.8)
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="accuracy")
    axes.grid(alpha=0.3)


def _hash(key: Mapping[str, Any]) -> str:
    return sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
