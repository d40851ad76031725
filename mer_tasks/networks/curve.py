"""A learning curve: what each epoch of a training came to."""

Curve = list[dict[str, float]]
"""One row an epoch: `epoch`, `train_loss`, `train_accuracy`, `valid_loss`, `valid_accuracy`."""
