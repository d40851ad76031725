"""Fitted pipelines on disk without a pickle: arrays, state dicts, and skops with a list of types of our own.

A file cannot run code when it is read: a version comes from a server that others write to. The same model gives
the same bytes, so that DVC sees a change only where there is one.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mer_tasks.errors import InputError
from mer_tasks.files import replacing, write_text

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ARRAYS: Mapping[str, tuple[str, ...]] = {
    "ColumnsAndSteps": ("column_mean_", "column_scale_", "columns_", "mean_", "n_features_in_", "scale_"),
    "ColumnScaler": ("columns_", "mean_", "n_features_in_", "scale_"),
    "FunctionTransformer": (),
    "LogisticRegression": ("classes_", "coef_", "intercept_", "n_features_in_"),
    "PlaneRegressor": (
        "classes_",
        "gamma",
        "intercept_",
        "n_features_in_",
        "slopes_",
        "support_vectors_",
        "weights_",
    ),
    "PolarRegressor": (
        "classes_",
        "concentration_",
        "gamma",
        "intercept_",
        "n_features_in_",
        "stretch_",
        "support_vectors_",
        "weights_",
    ),
    "ReliefFSelector": ("columns_", "n_features_in_"),
    "StepScaler": ("mean_", "n_features_in_", "scale_"),
    "StandardScaler": ("mean_", "n_features_in_", "scale_", "var_"),
    "SupportVectorClassifier": (
        "calibration_coef_",
        "calibration_intercept_",
        "classes_",
        "gamma",
        "intercept_",
        "n_features_in_",
        "pair_coef_",
        "support_vectors_",
    ),
}
"""What fitting gives an estimator, for those whose whole state is a few arrays."""

MEMBERS = "members.npz"
"""The columns that each member of a mean reads."""

TRUSTED = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
"""The types beside skops' own that a stored estimator may hold; never read from the file itself."""


def save_fitted(model: "Pipeline", folder: Path) -> None:
    """Write what fitting gave each step of a pipeline into `folder`."""
    for name, step in model.steps:
        if hasattr(step, "members"):
            _save_members(step, folder / name)
        elif hasattr(step, "module_"):
            _save_network(step, folder / f"{name}.pt")
        elif type(step).__name__ in ARRAYS:
            _save_arrays(step, folder / f"{name}.npz")
        else:
            _save_skops(step, folder / f"{name}.skops")
    write_text(folder / "steps.json", json.dumps([name for name, _ in model.steps]) + "\n")


def load_fitted(model: "Pipeline", folder: Path) -> "Pipeline":
    """Give an unfitted pipeline, built by the same settings, what `save_fitted` wrote; return it fitted.

    Raises:
        InputError: the files are not there, damaged, of another pipeline, or hold a type that we do not trust.
    """
    try:
        if json.loads((folder / "steps.json").read_text(encoding="utf-8")) != [
            name for name, _ in model.steps
        ]:
            raise InputError(f"{folder}: of another pipeline; train the model again")
        for place, (name, step) in enumerate(model.steps):
            if hasattr(step, "members"):
                _load_members(step, folder / name)
            elif hasattr(step, "initialize"):
                _load_network(step, folder / f"{name}.pt")
            elif type(step).__name__ in ARRAYS:
                _load_arrays(step, folder / f"{name}.npz")
            else:
                model.steps[place] = (name, _load_skops(step, folder / f"{name}.skops"))
    except InputError:
        raise
    except Exception as error:  # torch, numpy and skops raise whatever a damaged file provokes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{folder}: no fitted model that can be read ({reason}); train it again") from error
    return model


def _save_members(step: Any, folder: Path) -> None:
    for name, _, model in step.members:
        save_fitted(model, folder / name)
    with replacing(folder / MEMBERS) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: columns for name, columns, _ in step.members})


def _load_members(step: Any, folder: Path) -> None:
    with np.load(folder / MEMBERS, allow_pickle=False) as file:
        stored = [(name, columns.tolist()) for name, columns in file.items()]
    if stored != [(name, columns.tolist()) for name, columns, _ in step.members]:
        raise InputError(f"{folder}: its members read other columns; train the model again")
    for name, _, model in step.members:
        load_fitted(model, folder / name)
    classes = {tuple(model.classes_) for _, _, model in step.members}
    if len(classes) > 1:
        raise InputError(f"{folder}: its members tell other classes; train the model again")
    step.classes_ = np.array(classes.pop())


def _save_arrays(step: Any, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file, allow_pickle=False, **{name: getattr(step, name) for name in ARRAYS[type(step).__name__]}
        )


def _load_arrays(step: Any, path: Path) -> None:
    with np.load(path) as arrays:
        for name in ARRAYS[type(step).__name__]:
            value = arrays[name]
            setattr(step, name, value if value.ndim else value.item())


def _save_network(step: Any, path: Path) -> None:
    import torch

    content = io.BytesIO()  # into a file, torch would write the temporary file's name as well
    torch.save({name: value.cpu() for name, value in step.module_.state_dict().items()}, content)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


def _load_network(step: Any, path: Path) -> None:
    import torch

    with zipfile.ZipFile(path) as file:
        if altered := file.testzip():  # torch does not look at the checksums
            raise ValueError(f"{altered} is not what was written")
    state = torch.load(path, map_location="cpu", weights_only=True)
    step.initialize()
    step.module_.load_state_dict(state)


def _save_skops(step: Any, path: Path) -> None:
    import skops.io

    with replacing(path) as temporary:
        temporary.write_bytes(_without_addresses(skops.io.dumps(step)))


def _without_addresses(skops_file: bytes) -> bytes:
    """A skops file whose objects are numbered in order, where skops writes their places in memory and the time."""
    with zipfile.ZipFile(io.BytesIO(skops_file)) as file:
        members = {name: file.read(name) for name in file.namelist()}
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}

    def renumbered(node: dict[str, Any]) -> dict[str, Any]:
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        name = node.get("file")
        if isinstance(name, str):
            node["file"] = names.setdefault(name, f"{len(names)}{Path(name).suffix}")
        return node

    schema = json.loads(members.pop("schema.json"), object_hook=renumbered)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, new_name in names.items():
            file.writestr(_member(new_name), members[name])
        file.writestr(_member("schema.json"), json.dumps(schema))
    return content.getvalue()


def _member(name: str) -> zipfile.ZipInfo:
    """An entry of a zip file without the time of day."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _load_skops(step: Any, path: Path) -> Any:
    import skops.io

    loaded = skops.io.load(path, trusted=list(TRUSTED))
    if type(loaded) is not type(step):
        raise InputError(f"{path}: holds no {type(step).__name__}; train the model again")
    return loaded
