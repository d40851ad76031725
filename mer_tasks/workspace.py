"""Where everything lies in the project's folder, or in the folder of a run: the one place that knows file names.

`dvc.yaml` names the same.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with `params.yaml` and `dvc.yaml`, and what the stages write below it."""

    root: Path

    @property
    def params_file(self) -> Path:
        """Every constant of the work."""
        return self.root / "params.yaml"

    @property
    def pipeline_file(self) -> Path:
        """The stages."""
        return self.root / "dvc.yaml"

    @property
    def lock_file(self) -> Path:
        """What DVC knows of the stages' results; absent before the first `dvc repro`."""
        return self.root / "dvc.lock"

    @property
    def catalog_revision(self) -> Path:
        """Whether the catalog has changed, for DVC, which cannot look into a database."""
        return self.root / "data" / "state" / "catalog"

    def code_revision(self, stage: str) -> Path:
        """Which code a stage runs, for DVC."""
        return self.root / "data" / "state" / "code" / stage

    @property
    def snapshot(self) -> Path:
        """The folder of the data set."""
        return self.root / "data" / "snapshot"

    @property
    def quality(self) -> Path:
        """The folder of the quality gate's report."""
        return self.root / "data" / "quality"

    @property
    def features(self) -> Path:
        """The folder of what models read, one folder a representation."""
        return self.root / "data" / "features"

    def representation(self, name: str) -> Path:
        """The folder of one representation of the data set."""
        return self.features / name

    def inputs(self, model: str) -> Path:
        """The identities of the representations that a model reads, for DVC, whose stages list no variable number."""
        return self.root / "data" / "inputs" / f"{model}.json"

    @property
    def verdict(self) -> Path:
        """The folder of what the gate said last."""
        return self.root / "data" / "verdict"

    def predictions(self, model: str) -> Path:
        """A model's predictions, a row a song."""
        return self.root / "data" / "predictions" / f"{model}.csv"

    def model(self, name: str) -> Path:
        """The folder of a trained model: its folds and what it was trained by."""
        return self.root / "models" / name

    def checkpoints(self, model: str) -> Path:
        """The folder of where a model's training stands; it is there only until the training has ended."""
        return self.root / "data" / "training" / model

    def metrics(self, model: str) -> Path:
        """A model's scores."""
        return self.root / "metrics" / f"{model}.json"

    @property
    def comparison(self) -> Path:
        """The models side by side."""
        return self.root / "metrics" / "comparison.json"

    @property
    def report(self) -> Path:
        """The report of the run, one page."""
        return self.root / "metrics" / "report.html"

    def plots(self, name: str) -> Path:
        """The folder of pictures of a model, or of the comparison."""
        return self.root / "metrics" / "plots" / name

    @property
    def repeats(self) -> Path:
        """The folder of trainings that are only measured: for several seeds, protocols and numbers of songs."""
        return self.root / "data" / "repeats"


def clip_key(sha256: str) -> str:
    """The key of the clip with these bytes in the clip store."""
    return f"{sha256[:2]}/{sha256}.mp3"
