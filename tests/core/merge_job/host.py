"""A host with one pull request, and a Single merge after its step as the operator plays it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from codecourier.checks import Check, CheckState, Gate, RequiredCheck
from codecourier.core.merge_job.single import cancel_single, plan_single
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import Ask, BranchHeadAsk, BranchHeadFact, Facts, MissingFacts, Problem
from codecourier.core.shared.intents import Failures, LeaveQueue, MergePullRequest, Plan, Retarget
from codecourier.core.shared.merge_facts import (
    CommitAsk,
    CommitFact,
    DependantsAsk,
    DependantsFact,
    GateAsk,
    MergePullAsk,
    MergePullFact,
    QueueAsk,
    QueueFact,
)
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import (
    JobSource,
    MergeJob,
    MergeJobPhase,
    MergeJobStatus,
    MergeLane,
    MergeMode,
    MergeStep,
    SourceResult,
)
from codecourier.resources.project import MergeRules
from tests.core.merge_job.played import make_job
from tests.support.worlds import NOW, URL, make_project

__all__ = [
    "BASE",
    "DOWN",
    "GREEN",
    "HEAD",
    "LANDED",
    "OTHER",
    "PULL",
    "QUEUED",
    "RACED",
    "RED",
    "REFUSED",
    "TREE",
    "WAITING",
    "Host",
    "make_single",
]

HEAD, BASE, VERIFIED, TREE, OTHER, LANDED = ("1" * 40, "2" * 40, "3" * 40, "4" * 40, "5" * 40, "6" * 40)
GREEN = Gate(
    (RequiredCheck("test", None),),
    has_queue=False,
    checks=(Check("test", 7, CheckState.PASSED, "success", NOW),),
    unfinished_suites=0,
    is_whole=True,
)
RED = replace(GREEN, checks=(Check("test", 7, CheckState.FAILED, "failure", NOW),))
WAITING = replace(GREEN, checks=(Check("test", 7, CheckState.PENDING, "in_progress", NOW),))
PULL = MergePullFact(
    number=7,
    url=f"{URL}/pull/7",
    title="Add the total",
    state=PullRequestState.OPEN,
    is_draft=False,
    is_fork=False,
    head_branch="total",
    head_commit=HEAD,
    base_branch="main",
    merge_state="clean",
    is_own=True,
)
DOWN = Problem(Reason.FORGE_UNAVAILABLE, "It is down.")
OUTSIDE = QueueFact(is_open=True, is_queued=False)
QUEUED = QueueFact(is_open=True, is_queued=True, position=2)
RACED = Problem(Reason.MERGE_RACED, "Base branch was modified.")
REFUSED = Problem(Reason.MERGE_REFUSED, "It is not allowed.")


def make_single(**spec: Any) -> MergeJob:
    """Return a Single merge whose step is over."""
    job = make_job(7, mode=MergeMode.SINGLE, **spec)
    step = MergeStep(index=0, run="step", base_commit=BASE, numbers=(7,), claim_time=NOW, head_commit=VERIFIED)
    status = MergeJobStatus(
        phase=MergeJobPhase.RUNNING,
        repository_url=URL,
        base_branch="main",
        base_commit=BASE,
        head_commit=VERIFIED,
        head_tree=TREE,
        sources=(JobSource(number=7, url=PULL.url, head_commit=HEAD, result=SourceResult.CLEAN, commit=VERIFIED),),
        steps=(step,),
        start_time=NOW,
    )
    return job.updated(status=status)


@dataclass
class Host:
    """The host, and the merge as the operator plays it."""

    job: MergeJob = field(default_factory=make_single)
    pull: MergePullFact | Problem = PULL
    base: str | Problem | None = BASE
    gate: Gate | Problem = GREEN
    landed: CommitFact | Problem = field(default_factory=lambda: CommitFact(TREE, (BASE,)))
    now: datetime = NOW
    allows_no_checks: bool = False
    """Whether the Project lets a merge pass of which nothing checks anything."""

    answer: Problem | None = None
    """What the host says to a request to merge; None: it merges."""

    place: QueueFact | Problem = OUTSIDE
    merges: list[MergePullRequest] = field(default_factory=list)
    dependants: DependantsFact | Problem = field(default_factory=lambda: DependantsFact(()))
    retargets: list[Retarget] = field(default_factory=list)
    exits: list[LeaveQueue] = field(default_factory=list)
    """What was to be taken out of the queue."""

    failed: dict[object, Problem] = field(default_factory=dict)
    has_lost_answers: bool = False
    """Whether it merges and the answer is lost."""

    @property
    def status(self) -> MergeJobStatus:
        return self.job.status

    def world(self, answers: dict[Ask[object], object]) -> MergeJobWorld:
        project = make_project()
        rules = MergeRules(allow_no_checks=self.allows_no_checks)
        project = project.updated(spec=project.spec.updated(merges=rules))
        return MergeJobWorld(self.job, project, None, facts=Facts(answers), failures=Failures(self.failed))

    def plan(self, what: Callable[..., Plan | MergeJobStatus | None] = plan_single) -> Plan | MergeJobStatus | None:
        answers: dict[Ask[object], object] = {}
        while True:
            try:
                return what(self.world(answers), self.status, self.now)
            except MissingFacts as missing:
                answers |= {ask: self._answer(ask) for ask in missing.asks}

    def look(self, after: timedelta = timedelta(0)) -> Plan | None:
        """Let time pass, plan, and carry the plan out; None: the merge has to be made again."""
        self.now += after
        before = self.status.lane
        found = self.plan()
        if not isinstance(found, Plan):
            assert found is not None
            self.job = self.job.updated(status=found)
            return None
        if found.status is not None:
            self.job = self.job.updated(status=found.status)
        for effect in found.effects:
            self.do(effect)
        # The lane is taken in one write and used after another look.
        return self.look() if self._has_taken_lane(before) else found

    def _has_taken_lane(self, before: MergeLane | None) -> bool:
        lane = self.status.lane
        return lane is not None and lane.is_holder and (before is None or not before.is_holder)

    def do(self, effect: object) -> None:
        """Carry an effect out."""
        if isinstance(effect, LeaveQueue):
            self.exits.append(effect)
            if isinstance(self.place, QueueFact):
                self.place = QueueFact(self.place.is_open, is_queued=False, exit_id=f"exit {len(self.exits)}")
            return
        if isinstance(effect, Retarget):
            self.retargets.append(effect)
            return
        assert isinstance(effect, MergePullRequest)
        self._merge(effect)

    def stop(self, after: timedelta = timedelta(0)) -> Plan | None:
        """Let time pass and plan as after a user's stop, and carry the plan out."""
        self.now += after
        found = self.plan(cancel_single)
        assert not isinstance(found, MergeJobStatus)
        if found is None:
            return None
        if found.status is not None:
            self.job = self.job.updated(status=found.status)
        for effect in found.effects:
            self.do(effect)
        return found

    def merged(self, **landed: Any) -> None:
        """Show the pull request as merged."""
        assert isinstance(self.pull, MergePullFact)
        fields: dict[str, Any] = {"state": PullRequestState.MERGED, "merge_commit": LANDED, "merge_time": self.now}
        self.pull = replace(self.pull, **fields, merge_state="unknown")
        self.place = QueueFact(is_open=False, is_queued=False)
        self.landed = CommitFact(**landed) if landed else self.landed

    def _merge(self, effect: MergePullRequest) -> None:
        self.merges.append(effect)
        self.failed.pop(effect, None)
        if self.answer is not None:
            self.failed[effect] = self.answer
        if effect.has_queue and (self.answer is None or self.has_lost_answers):
            assert isinstance(self.place, QueueFact)
            self.place = replace(self.place, is_queued=True, position=2)
            self.failed.setdefault(effect, Problem(Reason.MERGE_QUEUED, "It is in the queue."))
            return
        if (self.answer is None or self.has_lost_answers) and isinstance(self.pull, MergePullFact):
            self.pull = replace(
                self.pull,
                state=PullRequestState.MERGED,
                merge_commit=LANDED,
                merge_time=self.now,
                merge_state="unknown",
            )

    def _answer(self, ask: Ask[object]) -> object:
        if isinstance(ask, MergePullAsk):
            return self.pull
        if isinstance(ask, BranchHeadAsk):
            return self.base if isinstance(self.base, Problem) else BranchHeadFact(self.base)
        if isinstance(ask, DependantsAsk):
            return self.dependants
        if isinstance(ask, QueueAsk):
            return self.place
        if isinstance(ask, GateAsk):
            assert ask.commit == HEAD
            return self.gate
        assert isinstance(ask, CommitAsk)
        return self.landed
