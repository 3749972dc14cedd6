"""What checkout leaves for publish about the merges, in the private folder that no other step sees."""

import json
from dataclasses import dataclass
from pathlib import Path

from codecourier.merging import MergeReport, MergeSource, SourceReport
from codecourier.runner.manifest import CONFLICTS_FILE
from codecourier.runner.merging.walk import MergeWalk, OpenConflict
from codecourier.task import Details

__all__ = ["MERGE_FILE", "MergeStart", "write_conflicts"]

MERGE_FILE = "codecourier-merge.json"
"""In ``courier``."""


@dataclass(frozen=True)
class MergeStart:
    """How far git alone came, and what was at the progress ref then."""

    tip: str
    reports: tuple[SourceReport, ...]
    conflict: MergeSource | None
    """The pull request whose conflicts the agent was given; None: it was given none."""

    progress: str | None
    """Commit at the progress ref on the forge; None where there was none."""

    @classmethod
    def of(cls, walk: MergeWalk, progress: str | None) -> "MergeStart":
        """Return what is kept of a walk."""
        return cls(walk.tip, walk.reports, walk.conflict.source if walk.conflict is not None else None, progress)

    def write(self, courier: str) -> None:
        """Write it for publish."""
        reports = Details(merge=MergeReport(self.reports)).to_json()
        conflict = None if self.conflict is None else [self.conflict.number, self.conflict.head_commit]
        value = {"tip": self.tip, "reports": reports, "conflict": conflict, "progress": self.progress}
        Path(courier, MERGE_FILE).write_text(json.dumps(value), encoding="utf-8")

    @classmethod
    def read(cls, courier: str) -> "MergeStart":
        """Read what checkout wrote."""
        value = json.loads(Path(courier, MERGE_FILE).read_bytes())
        merge = Details.from_json(value["reports"]).merge
        conflict = None if value["conflict"] is None else MergeSource(*value["conflict"])
        return cls(value["tip"], merge.sources if merge is not None else (), conflict, value["progress"])


def write_conflicts(control: str, conflict: OpenConflict | None) -> None:
    """Tell collect which paths are to be settled; it runs as the agent's user, which cannot write this."""
    paths = () if conflict is None else conflict.merged.paths
    Path(control, CONFLICTS_FILE).write_bytes(b"".join(path + b"\0" for path in paths))
