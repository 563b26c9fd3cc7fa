"""The reports' fixtures: a desk without doors, where what was found is core's alone."""

from tests.core.conftest import desk

__all__ = ["desk"]
