"""Learning: a lesson for the prompts of later Runs."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    CustomResource,
    Immutable,
    KindInfo,
    LocalReference,
    Model,
    ObjectName,
    PrinterColumn,
    RepositoryUrl,
    Rule,
    Uid,
)

__all__ = ["HIDDEN_PATTERN", "LEARNING_MAX_BYTES", "Learning", "LearningRun", "LearningSpec"]

LEARNING_MAX_BYTES = 1024
"""Longest text of a Learning in UTF-8 bytes."""

HIDDEN_PATTERN = (
    r"[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x{9f}\\x{ad}\\x{34f}\\x{61c}\\x{115f}\\x{1160}\\x{17b4}\\x{17b5}"
    r"\\x{180e}\\x{200b}\\x{200e}\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{206f}\\x{2800}\\x{3164}"
    r"\\x{fe00}-\\x{fe0d}\\x{feff}\\x{ffa0}\\x{fff0}-\\x{fffb}\\x{1d173}-\\x{1d17a}\\x{e0000}-\\x{e0fff}]"
)
"""Characters that a person who accepts a text does not see; those of emoji and of joined scripts are left."""


class LearningRun(Model):
    """The Run whose agent proposed a Learning. It may be gone when a user reads the Learning."""

    name: ObjectName
    """Name of the Run."""

    uid: Uid
    """UID of the Run."""


class LearningSpec(Model):
    """What the lesson is, and whether agents get it. What it applies to and where it comes from are immutable."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.repositoryUrl) || has(self.workflowRef)", "must name a repository, a Workflow or both"),
    )

    text: Annotated[
        str,
        Field(min_length=1, max_length=LEARNING_MAX_BYTES),
        Rule(f"size(bytes(self)) <= {LEARNING_MAX_BYTES}", f"must be at most {LEARNING_MAX_BYTES} bytes of UTF-8"),
        Rule(
            f"!self.matches('{HIDDEN_PATTERN}')",
            "must not contain characters that are not shown, other than tab, newline and carriage return",
        ),
    ]
    """The lesson, as agents read it, up to 1,024 bytes. A user may correct it, before or after it is accepted."""

    repository_url: Annotated[RepositoryUrl, Immutable()] | None = None
    """Repository that the lesson is about; absent: every repository on which the Workflow works."""

    workflow_ref: Annotated[LocalReference, Immutable()] | None = None
    """Workflow whose Runs get the lesson; absent: those of every Workflow on the repository."""

    run: Annotated[LearningRun, Immutable()] | None = None
    """The Run whose agent proposed it; absent where a person wrote it."""

    accepted: bool = False
    """Set it to true to give the lesson to the agents of later attempts; false takes it back from attempts that have
    not started."""


class Learning(CustomResource):
    """A lesson for the prompts of later Runs: agents propose it, people accept it or write their own.

    The label `codecourier.dev/trashed=true` refuses it: no agent gets it, and the same lesson is not proposed again.
    """

    info: ClassVar[KindInfo] = KindInfo(
        kind="Learning",
        plural="learnings",
        short_names=("ccl",),
        columns=(
            PrinterColumn("Accepted", ".spec.accepted", type="boolean"),
            PrinterColumn("Repository", ".spec.repositoryUrl"),
            PrinterColumn("Workflow", ".spec.workflowRef.name"),
            PrinterColumn("Run", ".spec.run.name"),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
            # The last, as `kubectl` pads each column but that to its longest text.
            PrinterColumn("Text", ".spec.text", priority=1),
        ),
        selectable_fields=(".spec.accepted", ".spec.repositoryUrl"),
        is_trashable=True,
    )

    kind: str = "Learning"
    spec: LearningSpec
