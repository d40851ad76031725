"""The process in which a registered version answers: its side of the protocol (docs/registry.md).

It is started with the version's folder, two file descriptors and a device, and runs the version's own copy of
this package. Standard output is left to libraries that print.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import mer_tasks
from mer_tasks.domain import MOODS
from mer_tasks.errors import InputError
from mer_tasks.registry.linear import LinearClassifier, load_linear
from mer_tasks.registry.process import DESCRIPTION, FILES, PROTOCOL

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from mer_tasks.features.representations import ClipReader
    from mer_tasks.settings import ClipSettings, Params

MODEL, NETWORK = FILES / "model", FILES / "network"


@dataclass(frozen=True)
class MoodModel:
    """A version's model with the settings it was trained by, so that serving cannot drift from training."""

    clips: "ClipSettings"
    sr: int
    reader: "ClipReader"
    classifier: "Pipeline | LinearClassifier"

    @classmethod
    def load(cls, folder: Path, device: str) -> "MoodModel":
        """Load a version from its folder.

        Raises:
            InputError: a file is missing or damaged.
        """
        from mer_tasks.features.representations import ClipReader
        from mer_tasks.settings import parse_params

        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        params, network = parse_params(described["params"], DESCRIPTION.name), folder / NETWORK
        reader = ClipReader(
            params, described["reads"], network if network.is_dir() else None, _torch_device(device, network)
        )
        classifier = load_linear(folder / MODEL) or _load_pipeline(folder, described, params, device)
        return cls(params.clips, params.features.sr, reader, classifier)

    def probabilities(self, audio: Path) -> dict[str, float]:
        """The probability of each mood for a song, whole or already a clip, in any container.

        Raises:
            AudioError: the audio cannot be decoded or is too short.
        """
        from mer_tasks.audio.cut import load_clip

        row = self.reader.compute(load_clip(audio, self.clips, self.sr))
        answer = self.classifier.predict_proba(row[None])[0]
        return {mood: float(p) for mood, p in zip(MOODS, answer, strict=True)}


def main(arguments: Sequence[str]) -> None:
    """Load the version and answer until the requests end."""
    folder, requests, answers, device = arguments
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's, whose end ends this process
    with os.fdopen(int(requests)) as asked, os.fdopen(int(answers), "w") as out:
        try:
            model = MoodModel.load(Path(folder), device)
        except Exception as error:  # noqa: BLE001 - whatever a library of another version provokes
            _send(out, {"error": _in_one_line(error)})
            return
        _send(out, {"protocol": PROTOCOL, "code": str(Path(mer_tasks.__file__).parent)})
        for line in asked:
            _send(out, _answer(model, json.loads(line)))


def _answer(model: MoodModel, request: dict[str, Any]) -> dict[str, Any]:
    if "libraries" in request:
        return {"libraries": _imported_libraries()}
    try:
        return {"probabilities": model.probabilities(Path(request["audio"]))}
    except Exception as error:
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            raise  # no fault of the song's: the process ends, and the caller may ask a new one
        return {"error": _in_one_line(error)}  # one song's fault must not take the others' answers


def _send(out: IO[str], answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer, allow_nan=False) + "\n")
    out.flush()


def _in_one_line(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())


def _imported_libraries() -> dict[str, str]:
    """The distributions whose modules were imported, without this package, which a version carries itself."""
    from importlib.metadata import packages_distributions, version

    imported = {name.partition(".")[0] for name in sys.modules}
    found = {
        name for module, names in packages_distributions().items() if module in imported for name in names
    }
    return {name: version(name) for name in sorted(found - {"mer"})}


def _load_pipeline(folder: Path, described: dict[str, Any], params: "Params", device: str) -> "Pipeline":
    from mer_tasks.models import build_model
    from mer_tasks.persistence import load_fitted

    settings, shape = params.models[described["model"]], tuple(described["shape"])
    return load_fitted(build_model(settings, shape, params.evaluation.seed, device), folder / MODEL)


def _torch_device(device: str, network: Path) -> str:
    """Where a representation is computed: on a GPU only if it is the output of a network."""
    from mer_tasks.device import torch_device

    return torch_device(device) if network.is_dir() else "cpu"


if __name__ == "__main__":
    main(sys.argv[1:])
