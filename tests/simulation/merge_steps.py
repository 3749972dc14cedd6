"""What the steps of a pod do that merges pull requests, as the runner does it.

A conflict goes to the scripted agent, which keeps both sides of a path as a sorted list of what each had. A file whose
text is `BROKEN` does not pass the verify steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from codecourier.github.errors import CredentialsRefused
from codecourier.merging import MergeReport, MergeSource, MergeState, MergeTask, SourceReport
from codecourier.task import (
    CONTAINER_AGENT,
    CONTAINER_CHECKOUT,
    CONTAINER_COLLECT,
    CONTAINER_VERIFY,
    Details,
    Publication,
    PublishResult,
    StepReport,
    StepState,
)
from tests.simulation.history import Commit, Merged
from tests.simulation.steps import Behaviour, Ended, PodTrouble, SandboxSteps, failed, refused, succeeded, unpublished

__all__ = ["BROKEN", "MergingSteps", "steps_of"]

BROKEN = "broken"
"""Text of a file that does not pass the verify steps."""

_SEPARATOR = "|"


@dataclass(frozen=True)
class _Conflict:
    source: MergeSource
    merged: Merged


@dataclass(frozen=True)
class _Walk:
    """How far git alone came."""

    tip: str
    reports: tuple[SourceReport, ...]
    conflict: _Conflict | None = None


def steps_of(steps: SandboxSteps) -> SandboxSteps:
    """Return the steps of a pod: those of one that merges where its task says so."""
    return steps if steps.task.merge is None else MergingSteps(**vars(steps))


@dataclass
class MergingSteps(SandboxSteps):
    """The steps of one pod that merges pull requests."""

    walk: _Walk | None = None
    progress: str | None = None
    """Commit at the progress ref when the pod began."""

    verdict: bool = False
    """Whether the verify steps have passed."""

    report: MergeReport = field(default_factory=MergeReport)
    agent_succeeded: bool = False

    @property
    def merge(self) -> MergeTask:
        """What is merged."""
        assert self.task.merge is not None
        return self.task.merge

    def run(self, step: str, token: str) -> Ended:
        """See `SandboxSteps.run`."""
        ended = super().run(step, token)
        if step == CONTAINER_AGENT:
            self.agent_succeeded = (
                ended.exit_code == 0 and StepReport.from_json(ended.message).state is StepState.SUCCEEDED
            )
        return ended

    def _checkout(self, token: str) -> Ended:
        if (refused := self._refuse_checkout(token)) is not None:
            return refused
        self.progress = self.forge.branches.get(self.merge.progress_ref)
        found = self._continue()
        if isinstance(found, Ended):
            return found
        self.walk = found
        conflict = found.conflict
        self.tree = dict(self.forge.history.commits[found.tip].tree) if conflict is None else conflict.merged.tree
        return succeeded(CONTAINER_CHECKOUT, "Merged" if conflict is None else "Conflict")

    def _continue(self) -> _Walk | Ended:
        """Adopt what an earlier try of the same merges has pushed, if it is just that."""
        walk = self._merge_all(self.merge.step)
        tip = self.progress
        if tip is None or tip in {self.task.base_commit, walk.tip}:
            return walk
        commit = self.forge.history.commits[tip]
        if commit.run != self.merge.uid:
            return failed(CONTAINER_CHECKOUT, "ProgressTaken", "The progress ref is not of these merges.")
        if commit.attempt > self.merge.step:
            return failed(CONTAINER_CHECKOUT, "Superseded", "A later step has pushed.")
        earlier = self._merge_all(commit.attempt)
        if tip == earlier.tip and earlier.conflict is None:
            return earlier
        if earlier.conflict is not None and self._is_resolution(commit, earlier.tip, earlier.conflict):
            report = SourceReport(earlier.conflict.source.number, MergeState.RESOLVED, tip)
            return _Walk(tip, (*earlier.reports, report))
        return walk

    def _is_resolution(self, commit: Commit, tip: str, conflict: _Conflict) -> bool:
        kept = {path: text for path, text in commit.tree.items() if path not in conflict.merged.conflicts}
        return commit.parents == (tip, conflict.source.head_commit) and kept == conflict.merged.tree

    def _merge_all(self, step: int) -> _Walk:
        """Merge in order, up to the first conflict; the commits carry the number of a step."""
        history, tip, reports = self.forge.history, self.task.base_commit, list[SourceReport]()
        for source in self.merge.sources:
            number, head = source.number, source.head_commit
            if head not in history.commits:
                reports.append(SourceReport(number, MergeState.MISSING, reason="HeadNotFound"))
                continue
            if history.is_ancestor(head, tip):
                reports.append(SourceReport(number, MergeState.CONTAINED))
                continue
            merged = history.merge(tip, head)
            if merged.conflicts and self.merge.resolves:
                return _Walk(tip, tuple(reports), _Conflict(source, merged))
            if merged.conflicts:
                reports.append(_conflicting(number, merged, "MergeConflict"))
                break
            if merged.tree == history.commits[tip].tree:
                reports.append(SourceReport(number, MergeState.EMPTY))
                continue
            tip = self._commit(tip, merged.tree, head, step).sha
            reports.append(SourceReport(number, MergeState.CLEAN, tip))
        return _Walk(tip, tuple(reports))

    def _commit(self, tip: str, tree: Mapping[str, str], head: str, step: int) -> Commit:
        return self.forge.history.commit(tip, tree, self.merge.uid, step, others=(head,))

    def _work(self) -> Ended:
        if self._open is None:
            return succeeded(CONTAINER_AGENT, "AgentSkipped")
        return super()._work()

    @property
    def _open(self) -> _Conflict | None:
        return None if self.walk is None else self.walk.conflict

    def _write(self, path: str, content: str) -> None:
        """Settle the conflict, as an agent does that was not told how: a lazy one takes one side."""
        conflict = self._open
        assert conflict is not None
        is_lazy = self.behaviour is Behaviour.VERIFY_FAILS
        settle: Callable[[tuple[str | None, str | None]], str] = partial(_settled, is_lazy=is_lazy)
        settled = {path: settle(sides) for path, sides in conflict.merged.conflicts.items()}
        self.tree = {**conflict.merged.tree, **settled, **({path: content} if "canary" in content else {})}

    def _collect(self) -> Ended:
        return succeeded(CONTAINER_COLLECT, "Collected") if self._open is None else super()._collect()

    def _verify(self) -> Ended:
        tree = self.tree or {}
        is_lazy = self._open is not None and self.behaviour is Behaviour.VERIFY_FAILS
        if BROKEN in tree.values() or is_lazy:
            return refused(CONTAINER_VERIFY, "VerifyFailed", "make test ended with exit code 1.")
        self.verdict = True
        return succeeded(CONTAINER_VERIFY, "Succeeded")

    def _details(self) -> Details:
        return replace(super()._details(), merge=self.report)

    def _publication(self, token: str) -> PublishResult:
        walk = self.walk
        if walk is None:
            raise AssertionError("publish runs only after checkout")
        tip, reports = walk.tip, walk.reports
        if walk.conflict is not None:
            reason = self._find_fault(walk.conflict)
            if reason is not None:
                return self._failed(walk, reason)
            commit = self._commit(tip, self.tree or {}, walk.conflict.source.head_commit, self.merge.step)
            tip, reports = (
                commit.sha,
                (*reports, SourceReport(walk.conflict.source.number, MergeState.RESOLVED, commit.sha)),
            )
        if self.task.verify and not self.verdict and tip != self.task.base_commit:
            return self._failed(walk, "NotVerified")
        self.report = MergeReport(reports, self.forge.history.commits[tip].tree_id)
        if tip != self.task.base_commit:
            return replace(self._push_progress(token, tip, walk), merge=self.report.summary)
        if reports and reports[-1].state is MergeState.CONFLICT:
            return self._failed(walk, "MergeConflict")
        return PublishResult(Publication.NO_CHANGE, "NothingMerged", merge=self.report.summary)

    def _find_fault(self, conflict: _Conflict) -> str | None:
        if not self.agent_succeeded:
            return "AgentFailed"
        is_settled = conflict.merged.conflicts.keys() <= (self.tree or {}).keys()
        return None if is_settled else "ConflictUnsettled"

    def _failed(self, walk: _Walk, reason: str) -> PublishResult:
        reports = walk.reports
        if walk.conflict is not None:
            reports = (*reports, _conflicting(walk.conflict.source.number, walk.conflict.merged, reason))
        self.report = MergeReport(reports)
        return replace(unpublished(reason, "The merges do not count."), merge=self.report.summary)

    def _push_progress(self, token: str, tip: str, walk: _Walk) -> PublishResult:
        if tip == self.progress:
            return PublishResult(Publication.PUSHED, "Adopted", commit=tip, title="Merge")
        if self.trouble is PodTrouble.PUSH_UNAVAILABLE:
            return self._failed(walk, "ForgeUnavailable")
        ref = self.merge.progress_ref
        try:
            is_done = self.forge.push(token, ref, self.progress, self.forge.history.commits[tip], self.sandbox)
        except CredentialsRefused:
            return self._failed(walk, "CredentialsRefused")
        if self.trouble is PodTrouble.PUSH_ANSWER_LOST:
            return self._failed(walk, "ForgeUnavailable")
        if not is_done and self.forge.branches.get(ref) != tip:
            return self._failed(walk, "ProgressMoved")
        return PublishResult(Publication.PUSHED, "Pushed", commit=tip, title="Merge", files=1, insertions=1)


def _conflicting(number: int, merged: Merged, reason: str) -> SourceReport:
    paths = tuple(sorted(merged.conflicts))
    return SourceReport(number, MergeState.CONFLICT, None, paths, len(paths), reason)


def _settled(sides: tuple[str | None, str | None], *, is_lazy: bool) -> str:
    texts = [side for side in sides if side is not None]
    parts = set(texts[0].split(_SEPARATOR)) if is_lazy else {part for text in texts for part in text.split(_SEPARATOR)}
    return _SEPARATOR.join(sorted(parts))
