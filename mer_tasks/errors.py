"""What goes wrong without a fault of ours; apart from the nouns, so that what computes depends on nothing else."""


class InputError(Exception):
    """Something a person gave is wrong. The message is one line: the input, the rule, the remedy."""


class UnavailableError(Exception):
    """What the work needs cannot be reached now; later it may be. The message is one line, as an InputError's."""
