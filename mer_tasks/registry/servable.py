"""What MLflow runs when it loads a registered version ("models from code"): it starts the version's process.

The caller may have imported another `mer_tasks`, so nothing is imported from it by name.
"""

import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

MOODS = ("sad", "happy", "energetic", "calm")


class ServableMoodModel(PythonModel):
    """Takes a table with the column `audio` (a file's bytes, base64 in JSON); gives a row of answers a row.

    The columns are `mood`, a probability a mood, and `error`: why a song has no mood, else empty.
    """

    def load_context(self, context: Any) -> None:
        """Start the version's process; it ends with this one."""
        folder = Path(context.artifacts["version"]).parents[1]
        # MLflow puts the version's code before the caller's own; only the process may import it
        sys.path[:] = [path for path in sys.path if path != str(folder / "code")]
        self._module = _module_at(folder / "code" / "mer_tasks" / "registry" / "process.py")
        self._module.check_files(folder)
        self._version = self._module.VersionProcess(folder)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """One row of answers a row of audio."""
        rows = [self._row(audio) for audio in model_input["audio"]]
        return pd.DataFrame(rows, columns=["mood", *MOODS, "error"])

    def _row(self, audio: Any) -> dict[str, Any]:
        try:
            with tempfile.TemporaryDirectory(prefix="mer-") as folder:
                file = Path(folder, "audio")
                file.write_bytes(audio)
                found = self._version.predict(file)
        except (TypeError, self._module.SongError, self._module.LostError) as error:
            return {"mood": "", "error": str(error)}
        return {"mood": max(found, key=found.__getitem__), **found, "error": ""}


def _module_at(path: Path) -> ModuleType:
    """A module from its source; an import would leave compiled code among the files that are checked."""
    module = ModuleType("mer_version_process")
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), module.__dict__)  # noqa: S102 - its own file
    return module


set_model(ServableMoodModel())
