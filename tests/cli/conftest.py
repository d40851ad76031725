"""The empty registry that tests of the registry have."""

from tests.registry.conftest import empty_registry  # noqa: F401
