"""The paper's loop, every epoch through the whole frozen ResNet-18, beside ours, one pass a clip and then the last layer.

Run `OMP_NUM_THREADS=1 python benchmarks/resnet_speed.py`. Five folds of ten epochs on images of the real size, noise in
which a band of rows tells the mood, and random weights: neither changes what a pass costs. Of the paper's loop one
fold is run whole, and its time counts five times; ours is run whole. Both draw the same first weights and the same
order of songs, so their predictions must be the same.
"""

import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold

from mer_tasks.models import resnet18
from mer_tasks.networks.perceptron import Perceptron
from mer_tasks.networks.resnet18_backbone import (
    N_OUTPUTS,
    FirstConvolution,
    backbone,
    columns_of,
    empty_backbone,
)
from mer_tasks.networks.threads import one_thread
from mer_tasks.networks.torch_classifier import TorchClassifier, torch_classifier
from mer_tasks.settings import load_params

N_SONGS, ROWS, FRAMES, FOLDS, SEED = 20, 161, 1292, 5, 20
FIRST = FirstConvolution(kernel_size=7, stride=1, padding=2)
SETTINGS = cast(resnet18.Settings, load_params(Path(__file__).parents[1] / "params.yaml").models["resnet18"])


class WholeNetwork(torch.nn.Module):
    """The frozen network, which stays in eval() mode while the last layer is trained."""

    def __init__(self, frozen: torch.nn.Module) -> None:
        super().__init__()
        self.frozen, self.last = frozen, Perceptron(N_OUTPUTS, ())

    def train(self, mode: bool = True) -> "WholeNetwork":
        """Let only the last layer train."""
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n, 4), of images, shape (n, 1, rows, frames)."""
        pooled = self.frozen(X.to(memory_format=torch.channels_last))
        logits: torch.Tensor = self.last(pooled.reshape(len(X), N_OUTPUTS, -1).mean(dim=2))
        return logits


def main() -> None:
    """Print what each way took and how far their predictions lie apart."""
    torch.manual_seed(SEED)
    frozen = backbone(empty_backbone(FIRST).state_dict(), FIRST, "cpu")
    images, y = songs()
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(y, y))

    start = time.process_time()
    outputs = np.array([columns_of(frozen, image).mean(axis=0) for image in images])
    passes_s = time.process_time() - start
    start = time.process_time()
    ours = [
        probabilities(Perceptron, {"n_features": N_OUTPUTS, "hidden": ()}, outputs, y, *fold)
        for fold in folds
    ]
    heads_s = time.process_time() - start

    start = time.process_time()
    theirs = probabilities(WholeNetwork, {"frozen": frozen}, images[:, None], y, *folds[0])
    fold_s = time.process_time() - start

    print(f"{N_SONGS} songs, {FOLDS} folds of {SETTINGS.epochs} epochs, CPU seconds of one thread")
    print(f"the paper's loop, one fold      {fold_s:8.1f} ({fold_s / SETTINGS.epochs:.2f} an epoch)")
    print(f"the paper's loop, five folds    {FOLDS * fold_s:8.1f} (five times that)")
    print(f"ours: one pass a clip           {passes_s:8.1f}")
    print(f"ours: five folds of last layers {heads_s:8.1f}")
    print(f"ours is faster by a factor of   {FOLDS * fold_s / (passes_s + heads_s):8.1f}")
    print(f"largest difference of a probability in that fold: {np.abs(theirs - ours[0]).max():.1e}")


def songs() -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 of shape (n, rows, frames) from 0 to 1, and moods."""
    rng = np.random.default_rng(SEED)
    y = np.arange(N_SONGS) % 4
    images = rng.uniform(0, 0.6, (N_SONGS, ROWS, FRAMES)).astype(np.float32)
    for image, mood in zip(images, y, strict=True):
        image[40 * mood : 40 * mood + 30] += 0.4
    return images, y


def probabilities(
    module: type[torch.nn.Module],
    arguments: dict[str, object],
    X: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """The probabilities of a fold's songs, scored after every epoch as the paper does."""
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    torch.manual_seed(SEED)
    net: TorchClassifier = torch_classifier(
        module, arguments, torch.optim.SGD, SETTINGS, "cpu", momentum=SETTINGS.momentum
    )
    net.set_params(train_split=predefined_split(Dataset(X[test], y[test])))
    with one_thread():
        found: np.ndarray = net.fit(X[train], y[train]).predict_proba(X[test])
    return found


if __name__ == "__main__":
    main()
