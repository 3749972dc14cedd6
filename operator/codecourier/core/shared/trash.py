"""The trash: objects that users have put away, which stay until they are restored or deleted for good."""

from __future__ import annotations

from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.resources.meta import CustomResource

__all__ = ["is_trashed"]


def is_trashed(obj: CustomResource) -> bool:
    """Tell whether a user put an object into the trash, so that nothing new uses it."""
    return obj.metadata.labels.get(LABEL_TRASHED) == "true"
