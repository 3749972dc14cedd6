"""All kinds, for API servers of tests: also those of which the operator has no row."""

from __future__ import annotations

from codecourier.kinds.kind import Kind
from codecourier.kinds.registry import ALL, Registry
from codecourier.resources.registry import KINDS

__all__ = ["EVERY_KIND"]

EVERY_KIND = Registry((*ALL, *(Kind(model) for model in KINDS if model not in {kind.model for kind in ALL})))
