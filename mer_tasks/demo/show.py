"""What a person sees of the demo: the tasks as they go, and the scores at the end."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from mer_tasks.demo.api import Task
from mer_tasks.workspace import Workspace

COLOURS = {
    "success": "green",
    "running": "cyan",
    "failed": "red",
    "upstream_failed": "red",
    "skipped": "yellow",
}
SHOWN = {"running", "up_for_retry", "success", "failed", "skipped"}


class Progress:
    """The tasks of a run: a table that moves in a terminal, elsewhere a line when a task starts or ends."""

    def __init__(self, console: Console) -> None:
        """Show on this console."""
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._seen: dict[tuple[str, int], str] = {}

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        if self._live:
            self._live.stop()

    def show(self, tasks: Sequence[Task]) -> None:
        """Show the tasks as they are now."""
        if self._live:
            self._live.update(task_table(tasks), refresh=True)
            return
        for task in tasks:
            key = (task.task_id, task.map_index)
            unnamed = task.map_index >= 0 and task.label == task.task_id
            if self._seen.get(key) != task.state and task.state in SHOWN and not unnamed:
                self._console.print(_line(task), highlight=False)
                self._seen[key] = task.state


def task_table(tasks: Sequence[Task]) -> Table:
    """The tasks with state and seconds."""
    table = Table(title="weekly_retrain", title_justify="left")
    table.add_column("task", min_width=24)
    table.add_column("state", min_width=10)
    table.add_column("seconds", justify="right")
    for task in tasks:
        colour = COLOURS.get(task.state, "dim")
        table.add_row(task.label, f"[{colour}]{task.state}[/]", f"{task.seconds:.1f}" if task.start else "")
    return table


def score_table(scores: Mapping[str, Mapping[str, Any]]) -> Table:
    """The models' scores: pooled out-of-fold accuracy with its 95 % interval and macro F1."""
    some = next(iter(scores.values()))
    table = Table(title=f"Scores on {some['songs']}, out of fold ({some['protocol']})", title_justify="left")
    for name in ("model", "reads"):
        table.add_column(name, no_wrap=True)
    for name in ("accuracy", "95 % interval", "F1", "songs"):
        table.add_column(name, justify="right", no_wrap=True)
    for model, score in sorted(scores.items(), key=lambda item: -item[1]["accuracy"]):
        interval = f"{score['accuracy_low']:.3f} to {score['accuracy_high']:.3f}"
        accuracy, macro_f1 = f"{score['accuracy']:.3f}", f"{score['macro_f1']:.3f}"
        table.add_row(model, " + ".join(score["reads"]), accuracy, interval, macro_f1, str(score["n"]))
    return table


def read_scores(workspace: Workspace, models: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`metrics/<model>.json` of each model."""
    return {model: json.loads(workspace.metrics(model).read_text(encoding="utf-8")) for model in models}


def _line(task: Task) -> str:
    if task.state == "running":
        return f"  {task.label} …"
    return f"  [{COLOURS.get(task.state, 'dim')}]{task.label}: {task.state}[/], {task.seconds:.1f} s"
