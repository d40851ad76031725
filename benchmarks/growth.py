"""What new songs add to DVC's cache, stage by stage: `python benchmarks/growth.py FIRST.csv MORE.csv`.

Run it in a copy of the project with an empty cache; it changes `params.yaml`. FIRST.csv is imported and everything is reproduced; then MORE.csv
is added to the same collection, and each stage is reproduced again.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

CACHE = Path(".dvc", "cache", "files")
COLLECTION = "growth"


def main() -> None:
    """Print a table in Markdown."""
    first, more = sys.argv[1:]
    models = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["models"]
    stages = ("snapshot", "validate", "features", *(f"train@{model}" for model in models), "evaluate")
    _run("mer", "import", first, "--collection", COLLECTION)
    params = Path("params.yaml")
    text = re.sub(r"collections: \[.*\]", f"collections: [{COLLECTION}]", params.read_text(encoding="utf-8"))
    params.write_text(text, encoding="utf-8")
    _run("dvc", "repro")
    print(f"| stage | MB added by the songs of {Path(more).name} |\n| --- | ---: |")
    before, total = _cache_mb(), _cache_mb()
    _run("mer", "import", more, "--collection", COLLECTION)
    for stage in stages:
        _run("dvc", "repro", stage)
        now = _cache_mb()
        print(f"| {stage} | {now - before:.3f} |")
        before = now
    print(f"| all, beside {total:.1f} MB | {before - total:.3f} |")


def _run(*command: str) -> None:
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        sys.exit(f"{' '.join(command)} failed")


def _cache_mb() -> float:
    return sum(path.stat().st_size for path in CACHE.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
