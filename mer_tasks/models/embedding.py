"""The backbone's output for each song, computed once a clip: one forward pass serves every fold and epoch."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mer_tasks import settings
from mer_tasks.features.table import Features
from mer_tasks.files import replacing
from mer_tasks.models.resnet18 import BATCH, N_EMBEDDING, backbone_identity, embed
from mer_tasks.progress import progress


def embed_songs(
    backbone: torch.nn.Module,
    images: Features,
    clips: Sequence[str],
    store: Path,
    features: settings.FeatureSettings,
    device: str,
) -> np.ndarray:
    """The backbone's output, shape (n, 512), for the images of the clips with these SHA-256 hashes.

    What was computed before, with the same backbone and settings, is taken from `store`.
    """
    folder = store / "embeddings" / _key(backbone, features)
    outputs = np.empty((len(clips), N_EMBEDDING), np.float32)
    missing = []
    for row, sha256 in enumerate(clips):
        kept = _kept(folder / f"{sha256}.npy")
        if kept is None:
            missing.append(row)
        else:
            outputs[row] = kept
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    for rows in progress(batches, len(batches), "embeddings", unit="batch"):
        outputs[rows] = embed(backbone, images.values[rows], device)
        for row in rows:
            with replacing(folder / f"{clips[row]}.npy") as temporary:
                np.save(temporary, outputs[row])
    return outputs


def _key(backbone: torch.nn.Module, features: settings.FeatureSettings) -> str:
    text = json.dumps(features.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256((backbone_identity(backbone) + text).encode()).hexdigest()[:16]


def _kept(path: Path) -> np.ndarray | None:
    """A stored output, or None when it is not there or damaged."""
    try:
        output = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return output if output.shape == (N_EMBEDDING,) else None
