"""Wall time and peak memory of `dvc repro`, stage by stage, and of a `dvc repro` that has nothing to do.

Run it in a project's folder whose stages have not run yet: `python benchmarks/repro.py`.
"""

import statistics
import subprocess
import sys
from pathlib import Path

import yaml
from watch import watch


def main() -> None:
    """Print a table in Markdown."""
    models = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["models"]
    stages = [
        "state",
        "snapshot",
        "validate",
        "features",
        *(f"train@{model}" for model in models),
        "evaluate",
    ]
    rows = []
    for stage in stages:
        cost = watch(["dvc", "repro", "--single-item", stage])
        if cost.exit_code:
            sys.exit(f"{stage} failed")
        rows.append((stage, cost.seconds, cost.peak_mb))
    rows.append(("all of it", sum(row[1] for row in rows), max(row[2] for row in rows)))
    idle = [watch(["dvc", "repro"]) for _ in range(5)]
    rows.append(("nothing to do", statistics.median(c.seconds for c in idle), max(c.peak_mb for c in idle)))
    print("| stage | seconds | peak MB |\n| --- | ---: | ---: |")
    for stage, seconds, mb in rows:
        print(f"| {stage} | {seconds:.1f} | {mb:.0f} |")
    subprocess.run(["dvc", "metrics", "show"], check=True)


if __name__ == "__main__":
    main()
