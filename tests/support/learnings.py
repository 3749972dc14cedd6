"""Learnings, for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.resources.learning import Learning, LearningRun, LearningSpec
from codecourier.resources.meta import LocalReference, ObjectMeta
from tests.support.worlds import NOW, URL

__all__ = ["make_learning"]


def make_learning(
    name: str,
    text: str = "Run make db first.",
    *,
    accepted: bool = True,
    is_trashed: bool = False,
    age_hours: float = 0,
    workflow: str | None = None,
    proposed: bool = False,
    **spec: Any,
) -> Learning:
    """Return a Learning about the repository of `make_project`."""
    fields: dict[str, Any] = {"text": text, "repository_url": URL, "accepted": accepted, **spec}
    if workflow is not None:
        fields["workflow_ref"] = LocalReference(name=workflow)
    if proposed:
        fields["run"] = LearningRun(name="earlier", uid="uid-earlier")
    metadata = ObjectMeta(
        name=name,
        namespace="shop",
        uid=f"uid-{name}",
        creation_timestamp=NOW - timedelta(hours=age_hours),
        labels={LABEL_TRASHED: "true"} if is_trashed else {},
    )
    return Learning(metadata=metadata, spec=LearningSpec(**fields))
