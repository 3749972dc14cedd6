"""The collector of cycles, set for a process that holds many objects and makes few cycles."""

from __future__ import annotations

import gc

__all__ = ["collect_seldom"]

_ALLOCATIONS = 50_000
"""How many new containers the youngest generation has before a search; a page of a list has about as many."""


def collect_seldom() -> None:
    """Let the collector run seldom, and never look at what exists now; call it once all modules are loaded.

    With Python's defaults it takes twice the time of the parser while lists are read.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 20)
