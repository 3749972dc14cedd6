"""Where the objects come from that an explanation is about, and those around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codecourier.cache.source import Source
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    MERGE_JOB_SOURCE,
    PROJECT_SOURCE,
    RECURRING_TASK_SOURCE,
    RUN_SOURCE,
    SPRINT_CHAIN_SOURCE,
    WORKFLOW_SOURCE,
)

__all__ = ["AROUND", "EXPLAINED"]

EXPLAINED: Mapping[str, Source[Any]] = {
    source.resource.kind: source
    for source in (RUN_SOURCE, SPRINT_CHAIN_SOURCE, RECURRING_TASK_SOURCE, ISSUE_SESSION_SOURCE, MERGE_JOB_SOURCE)
}
"""The kinds that can be explained."""

AROUND: Mapping[str, Source[Any]] = {
    source.resource.kind: source for source in (PROJECT_SOURCE, WORKFLOW_SOURCE, RUN_SOURCE)
}
"""The kinds of what `subjects_of` returns."""
