"""Where numbers are computed: on the CPU, or on a GPU that torch finds."""

from mer_tasks.errors import InputError


def torch_device(device: str) -> str:
    """`device`, with `auto` resolved to the GPU where there is one.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    import torch  # takes a second, which a command that stays on the CPU saves

    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise InputError("MER_DEVICE: cuda, but torch finds no GPU here; set it to auto or cpu")
    return ("cuda" if has_gpu else "cpu") if device == "auto" else device


def features_device(device: str) -> str:
    """The GPU only where it is asked for by name: each process of `mer features` takes a part of it.

    Raises:
        InputError: a GPU is asked for and there is none.
    """
    return torch_device(device) if device == "cuda" else "cpu"
