"""Where things lie in the project's folder, or in the workspace of a run; `dvc.yaml` names the same."""

from pathlib import Path

REVISION = Path("data/catalog.revision")
SNAPSHOT = Path("data/snapshot")
QUALITY = Path("data/quality")
FEATURES = Path("data/features")
PREDICTIONS = Path("data/predictions")
MODELS = Path("models")
METRICS = Path("metrics")
PLOTS = Path("metrics/plots")
LOCAL = PLOTS / "local.png"
COMPARISON = METRICS / "comparison.json"
