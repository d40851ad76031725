"""How finely pitch is divided: what is computed by it and what is allowed in `params.yaml` must agree."""

BINS_PER_OCTAVE = 36
"""Bins an octave of the constant-Q transform; each pitch class is the sum of as many of them."""
