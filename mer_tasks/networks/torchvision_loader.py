"""Import torchvision, also where its compiled operators do not fit the build of torch."""

import sys
from functools import cache
from types import ModuleType

import torch

_keep_alive: list[torch.library.Library] = []


@cache
def torchvision_models() -> ModuleType:
    """The module `torchvision.models`.

    torchvision's own build beside a CPU build of torch lacks two operators that it describes on
    import. ResNet needs neither, so declaring their schemas lets the import through.
    """
    try:
        import torchvision.models
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        _declare_missing_operators()
        import torchvision.models
    models: ModuleType = torchvision.models
    return models


def _declare_missing_operators() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _keep_alive.append(library)  # the schemas go with the object that declared them
