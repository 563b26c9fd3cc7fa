"""The promises' fixtures: a desk without doors, where a promise is core's alone."""

from tests.core.conftest import desk

__all__ = ["desk"]
