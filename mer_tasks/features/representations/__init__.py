"""What models read of a clip: one module a representation, found by the name it has in `params.yaml`."""
