"""CPU time of MSD_musicnn for a clip of 30 s on one thread, beside all its filters computed by torch.

Run `OMP_NUM_THREADS=1 python benchmarks/musicnn.py` where the package musicnn is installed.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from mer_tasks.features.musicnn_network import TEMPORAL, TIMBRAL, MusicNetwork
from mer_tasks.features.musicnn_output import patches_of
from mer_tasks.networks.musicnn_weights import State, package_weights

SR, TIMES = 22_050, 9


def main() -> None:
    """Print a table in Markdown."""
    torch.set_num_threads(1)
    y = np.random.default_rng(0).normal(0, 0.1, 30 * SR).astype(np.float32)
    state = package_weights()
    network, patches = MusicNetwork(state), patches_of(y, SR)
    images = torch.from_numpy(patches)[:, None]
    front = front_filters(state)
    print("| what | ms |\n| --- | ---: |")
    for name, work in {
        "resampling and mel bands": lambda: patches_of(y, SR),
        "the network": lambda: network(patches),
        "the five first layers with all filters, torch, a patch at a time": lambda: [
            front(images[i : i + 1]) for i in range(len(images))
        ],
    }.items():
        print(f"| {name} | {1000 * cpu_s(work):.0f} |")


def front_filters(state: State) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """The convolutions of the timbral and temporal layers alone, without what follows them."""
    kernels = [
        torch.from_numpy(np.ascontiguousarray(state[f"{name}/kernel"].transpose(3, 2, 0, 1)))
        for name in (*TIMBRAL, *TEMPORAL)
    ]

    @torch.inference_mode()
    def convolutions(image: torch.Tensor) -> list[torch.Tensor]:
        return [
            torch.nn.functional.conv2d(
                torch.nn.functional.pad(image, (0, 0, (len_ - 1) // 2, len_ // 2)), kernel
            )
            for kernel in kernels
            for len_ in [kernel.shape[2]]
        ]

    return convolutions


def cpu_s(work: Callable[[], object]) -> float:
    """The median of the process's CPU time, after a first call."""
    work()
    times = []
    for _ in range(TIMES):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
