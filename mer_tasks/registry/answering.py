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
from mer_tasks.features.joined import joined
from mer_tasks.features.representations.musicnn import TAG
from mer_tasks.registry.array_classifiers import ArrayClassifier, ArrayMean, load_arrays
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
    readers: "tuple[ClipReader, ...]"
    classifier: "Pipeline | ArrayClassifier | ArrayMean"

    @classmethod
    def load(cls, folder: Path, device: str) -> "MoodModel":
        """Load a version from its folder.

        Raises:
            InputError: a file is missing or damaged.
        """
        from mer_tasks.features.representations import ClipReader
        from mer_tasks.settings import parse_params

        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        params = parse_params(described["params"], DESCRIPTION.name)
        readers = []
        for name in described["reads"]:
            network = folder / NETWORK / name
            where = _torch_device(device, network)
            readers.append(ClipReader(params, name, network if network.is_dir() else None, where))
        classifier = load_arrays(folder / MODEL) or _load_pipeline(folder, described, params, device)
        return cls(params.clips, params.features.sr, tuple(readers), classifier)

    def answer(self, audio: Path) -> dict[str, dict[str, float]]:
        """The `probabilities` of moods for a song, whole or already a clip, in any container.

        And the probabilities of the `tags` that the representation tells, if it tells any.

        Raises:
            AudioError: the audio cannot be decoded or is too short.
        """
        from mer_tasks.audio.cut import load_clip

        y = load_clip(audio, self.clips, self.sr)
        rows = [reader.compute(y) for reader in self.readers]
        probabilities = self.classifier.predict_proba(joined(rows)[None])[0]
        found = {"probabilities": {mood: float(p) for mood, p in zip(MOODS, probabilities, strict=True)}}
        tags = {
            name.removeprefix(TAG): float(p)
            for reader, row in zip(self.readers, rows, strict=True)
            for name, p in zip(reader.names, row, strict=True)
            if name.startswith(TAG)
        }
        return found | ({"tags": tags} if tags else {})


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
        return model.answer(Path(request["audio"]))
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

    settings, shapes = params.models[described["model"]], tuple(map(tuple, described["shapes"]))
    return load_fitted(build_model(settings, shapes, params.evaluation.seed, device), folder / MODEL)


def _torch_device(device: str, network: Path) -> str:
    """Where a representation is computed: as in training, on a GPU only where one is asked for, and for a network."""
    from mer_tasks.device import features_device

    return features_device(device) if network.is_dir() else "cpu"


if __name__ == "__main__":
    main(sys.argv[1:])
