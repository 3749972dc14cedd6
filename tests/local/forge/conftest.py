"""The forge's fixtures."""

from tests.support.forge import forge, repository

__all__ = ["forge", "repository"]
