"""The weights of MSD_musicnn: from the files of the package `musicnn`, none of whose code is run.

Network: Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR 2019
late-breaking. The package's licence is ISC; its notice is in docs/licences/musicnn.md.
"""

import hashlib
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from mer_tasks.errors import InputError
from mer_tasks.files import replacing
from mer_tasks.networks.tensorflow_checkpoint import read_checkpoint

State = Mapping[str, np.ndarray]

PACKAGE, FOLDER = "musicnn", "musicnn/MSD_musicnn"
SHA256 = {
    ".index": "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8",
    ".data-00000-of-00001": "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
}
"""The checkpoint's files, as version 0.1.0 ships them."""

REINSTALL = (
    "install the locked environment again (make setup), or take musicnn and its models out of params.yaml"
)

KERNELS: Mapping[str, tuple[int, ...]] = {
    "conv2d": (7, 38, 1, 204),
    "conv2d_1": (7, 67, 1, 204),
    "conv2d_2": (128, 1, 1, 51),
    "conv2d_3": (64, 1, 1, 51),
    "conv2d_4": (32, 1, 1, 51),
    "conv2d_5": (7, 561, 1, 64),
    "conv2d_6": (7, 64, 1, 64),
    "conv2d_7": (7, 64, 1, 64),
    "dense": (1506, 200),
    "dense_1": (200, 50),
}
"""Shapes of the layers' weights: (time, frequency, in, out), or (in, out)."""

NORMS: Mapping[str, int] = {
    "batch_normalization": 1,
    **{f"batch_normalization_{i + 1}": KERNELS[name][-1] for i, name in enumerate(list(KERNELS)[:8])},
    "batch_normalization_9": 1506,
    "batch_normalization_10": 200,
}
"""Channels of the batch normalisations: of the input, after each convolution, around the dense layer."""

SHAPES: Mapping[str, tuple[int, ...]] = {
    **{f"{name}/kernel": shape for name, shape in KERNELS.items()},
    **{f"{name}/bias": shape[-1:] for name, shape in KERNELS.items()},
    **{
        f"{name}/{part}": (n,)
        for name, n in NORMS.items()
        for part in ("beta", "gamma", "moving_mean", "moving_variance")
    },
}
"""All that a state holds."""


def package_files() -> dict[str, Path]:
    """The checkpoint's files in the installed package, by the names in `SHA256`.

    Raises:
        InputError: the package is not installed, or lacks one.
    """
    try:
        folder = Path(str(distribution(PACKAGE).locate_file(FOLDER)))
    except PackageNotFoundError as error:
        raise InputError(f"representations.musicnn: no package {PACKAGE} here; {REINSTALL}") from error
    paths = {name: folder / name for name in SHA256}
    if missing := [path for path in paths.values() if not path.is_file()]:
        raise InputError(f"representations.musicnn: {missing[0]}: no such file; {REINSTALL}")
    return paths


def package_weights() -> State:
    """The weights that the package ships.

    Raises:
        InputError: it is not installed, or its files are not those of version 0.1.0.
    """
    contents = {}
    for name, path in package_files().items():
        contents[name] = path.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != SHA256[name]:
            raise InputError(f"representations.musicnn: {path}: not the file of musicnn 0.1.0; {REINSTALL}")
    index, data = contents.values()
    return read_checkpoint(index, data)


def save_weights(state: State, path: Path) -> None:
    """Write the weights to `path`; the same weights give the same bytes."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **{name: state[name] for name in SHAPES})


def read_weights(path: Path) -> State:
    """The weights that `save_weights` wrote.

    Raises:
        InputError: they are not there, damaged, or another network's.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            state = {name: np.asarray(file[name], np.float32) for name in SHAPES}
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: no weights of MSD_musicnn ({reason}); run mer features again") from error
    for name, shape in SHAPES.items():
        if state[name].shape != shape or not np.isfinite(state[name]).all():
            raise InputError(f"{path}: {name} is not MSD_musicnn's; run mer features again")
    return state
