"""What plans see of Secrets that users make: which version is there, as a watch shows it, and never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["UNWATCHED", "WatchedSecrets"]


@dataclass(frozen=True)
class WatchedSecrets:
    """The Secrets of a namespace that carry a label."""

    versions: Mapping[str, str] = field(default_factory=dict)
    """Their resourceVersions by name; one that is gone, or has lost its label, has a text that is no earlier one."""

    is_followed: bool = False
    """Whether their changes wake what names them; else a plan has to look for them from time to time."""


UNWATCHED = WatchedSecrets()
"""Where nothing is known of them."""
