"""The output of MSD_musicnn, a network trained to tell the tags of songs: what its layers hold, and the tags."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mer_tasks.errors import InputError
from mer_tasks.settings import Kept, Params, RepresentationSettings

if TYPE_CHECKING:
    from mer_tasks.features.parts import Part

KEPT: Kept = "table"
CODE: tuple[str, ...] = ("mer_tasks.features.sequences",)
WEIGHTS = "weights.npz"
NETWORK_FILES: tuple[str, ...] = (WEIGHTS,)

N_CHANNELS = 753
TAG = "tag_"
"""How the names of columns begin that hold the probability of a tag."""

TAGS = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s"),
    *("alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul"),
    *("indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies"),
    *("blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop"),
    *("70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal"),
    *("Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy"),
)
"""The tags of last.fm that the network tells, in its order."""

N_POOLED_AND_TAGS = 2 * N_CHANNELS + len(TAGS)
"""The first of a patch's columns; the rest are those of the penultimate layer."""

SHORTEST_S = 3.0

LICENCE = """\
The weights of MSD_musicnn are those of the package `musicnn` 0.1.0, under the ISC licence:

> Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019. Code developed by Jordi Pons
> (www.jordipons.me).
>
> Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is
> hereby granted, provided that the above copyright notice and this permission notice appear in all copies.
>
> THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE
> INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR
> ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE,
> DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN
> CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE."""


class Settings(RepresentationSettings):
    """None: the network is what it was trained to be."""


def names(params: Params) -> tuple[str, ...]:
    """Mean and maximum over time of each channel, and the tags."""
    pooled = (f"{pool}_{i}" for pool in ("mean", "max") for i in range(N_CHANNELS))
    return (*pooled, *(f"{TAG}{tag}" for tag in TAGS))


def check_network(params: Params) -> None:
    """See whether the package with the weights is there, and clips are long enough.

    Raises:
        InputError: it is not, or clips may be shorter than what the network reads.
    """
    from mer_tasks.networks.musicnn_weights import package_files

    if params.clips.min_duration_s < SHORTEST_S:
        raise InputError(
            f"clips.min_duration_s: musicnn reads {SHORTEST_S:g} s; write at least as many, not"
            f" {params.clips.min_duration_s:g}, or take musicnn out of representations"
        )
    package_files()


def write_network(params: Params, folder: Path) -> Mapping[str, Any]:
    """Write the network's weights into `folder`.

    Raises:
        InputError: the package that ships them is not installed, or not that of version 0.1.0.
    """
    from mer_tasks.networks.musicnn_weights import package_weights, save_weights

    save_weights(package_weights(), folder / WEIGHTS)
    return {}


def parts(params: Params, network: Path | None, device: str) -> "tuple[Part, ...]":
    """The network's output for each patch; it depends on the weights, and on the rate at which a clip is read.

    Raises:
        InputError: the weights are missing or damaged.
    """
    from mer_tasks.features.musicnn_output import Weights, clip_patches
    from mer_tasks.features.musicnn_output import network as load_network
    from mer_tasks.features.parts import DECODING, Part
    from mer_tasks.files import sha256_of

    if network is None or not (network / WEIGHTS).is_file():
        raise InputError(f"{network or 'musicnn'}: holds no {WEIGHTS}; run mer features")
    weights = Weights(network / WEIGHTS, sha256_of(network / WEIGHTS))
    load_network(weights, device)  # damaged weights are an error now, not at the first clip
    sr = params.features.sr
    depends_on = {"sr": sr, "network": weights.sha256, "device": device.partition(":")[0]}
    compute = partial(clip_patches, weights, sr, device)
    return (Part("musicnn_patches", depends_on, (DECODING,), compute),)


def assemble(parts: Sequence[np.ndarray], settings: RepresentationSettings) -> np.ndarray:
    """The means over the patches of what the pooled layers hold, and of the tags, float32 of shape (1556,)."""
    from mer_tasks.features.sequences import mean_over_time

    return mean_over_time(parts[0][:, :N_POOLED_AND_TAGS])
