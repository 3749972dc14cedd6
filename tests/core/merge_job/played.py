"""A MergeJob and its host, played by hand: plans are carried out whole, and time passes as a test says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from codecourier.checks import Approval, Check, CheckState, Gate, MergeMethods, MergeStrategy, RequiredCheck
from codecourier.core.merge_job.plan import plan_merge_job
from codecourier.core.merge_job.world import LaneMember, MergeJobWorld
from codecourier.core.shared.facts import (
    AgentSecretsAsk,
    AgentSecretsFact,
    Ask,
    BranchHeadAsk,
    BranchHeadFact,
    Facts,
    Problem,
    PullRequestFact,
    PullRequestsAsk,
    PullRequestsFact,
    RepositoryAsk,
    RepositoryFact,
)
from codecourier.core.shared.following import Follow, PullRequestLifeFact
from codecourier.core.shared.intents import (
    ClosePullRequest,
    Create,
    CreateBranch,
    Effect,
    Event,
    Failures,
    MergePullRequest,
    OpenPullRequest,
    Plan,
    Retarget,
)
from codecourier.core.shared.merge_facts import (
    ApprovalAsk,
    ApprovalFact,
    CommitAsk,
    CommitFact,
    DependantsAsk,
    DependantsFact,
    GateAsk,
    MergeMethodsAsk,
    MergePullAsk,
    MergePullFact,
    QueueAsk,
    QueueFact,
    WorkflowRightAsk,
    WorkflowRightFact,
)
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.worlds import check_world
from codecourier.merging import MergeState
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge import MergedSource, MergeResult
from codecourier.resources.merge_job import MergeJob, MergeJobSpec, MergeJobStatus, MergeMode
from codecourier.resources.meta import LocalReference, ObjectMeta
from codecourier.resources.notification import Notification
from codecourier.resources.project import Project
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.workflow import Workflow
from tests.core.playing import Playing
from tests.support.worlds import BASE, NOW, URL, make_project, make_workflow

__all__ = ["Played", "commit", "make_job", "make_pull", "reason_of"]


GREEN = Gate(
    required=(RequiredCheck("test", None),),
    has_queue=False,
    checks=(Check("test", None, CheckState.PASSED, "success", NOW),),
    unfinished_suites=0,
    is_whole=True,
)
"""A gate whose only required check has passed."""


def commit(text: str) -> str:
    """Return the commit id of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def make_pull(number: int, **changes: Any) -> MergePullFact:
    """Return an open pull request of the Project's repository for its default branch."""
    pull = MergePullFact(
        number=number,
        url=f"{URL}/pull/{number}",
        title=f"Change {number}",
        state=PullRequestState.OPEN,
        is_draft=False,
        is_fork=False,
        head_branch=f"change-{number}",
        head_commit=commit(f"head {number}"),
        base_branch="main",
        merge_state="clean",
        is_own=True,
    )
    return replace(pull, **changes)


def make_job(*numbers: int, url: str = URL, **spec: Any) -> MergeJob:
    """Return a MergeJob of mode Combine for these pull requests of the Project's repository, or for 7 and 8."""
    fields: dict[str, Any] = {
        "mode": MergeMode.COMBINE,
        "pull_requests": tuple(f"{url}/pull/{number}" for number in numbers or (7, 8)),
        "workflow_ref": LocalReference(name="scripted"),
    }
    metadata = ObjectMeta(
        name="release",
        namespace="shop",
        uid="uid-release",
        creation_timestamp=NOW,
        finalizers=(FINALIZER,),
    )
    return MergeJob(metadata=metadata, spec=MergeJobSpec(**{**fields, **spec}))


@dataclass
class Played(Playing):
    """What is there; `look` plans and carries the plan out."""

    job: MergeJob = field(default_factory=make_job)
    project: Project | None = field(default_factory=make_project)
    workflow: Workflow | None = field(default_factory=make_workflow)
    now: datetime = NOW
    runs: dict[str, Run] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Names of the Runs that were ever made, in their order."""

    pulls: dict[int, MergePullFact | Problem] = field(default_factory=dict)
    """Pull requests at the host that are not as `make_pull` says."""

    states: dict[int, MergeState] = field(default_factory=dict)
    """What becomes of pull requests in a step; others are Clean."""

    attempts_needed: dict[int, int] = field(default_factory=dict)
    """Pull requests that conflict, with the attempt that resolves them."""

    hindrances: dict[int, str] = field(default_factory=dict)
    """Pull requests whose conflict no agent is given, with the reason."""

    broken: set[int] = field(default_factory=set)
    """Pull requests with which the verify steps fail."""

    tried: dict[int, int] = field(default_factory=dict)
    """How often agents have tried to resolve conflicts of a pull request."""

    branches: dict[str, str] = field(default_factory=lambda: {"main": BASE})
    opened: list[OpenPullRequest] = field(default_factory=list)
    merges: list[MergePullRequest] = field(default_factory=list)
    """What the host was asked to merge."""

    place: QueueFact | None = None
    """Where the pull request is in the merge queue; None: the base branch has none."""

    host_problem: Problem | None = None
    """Why the host does nothing now."""

    is_answer_lost: bool = False
    """Whether the host does what it is asked for, and its answer is lost."""

    approvals: dict[int, dict[str, Approval | Problem]] = field(default_factory=dict)
    """What users say of commits of pull requests from forks; of others they say nothing."""

    methods: MergeMethods | Problem = field(
        default_factory=lambda: MergeMethods(allowed=frozenset(MergeStrategy), has_queue=False)
    )
    """How the host lets pull requests be merged."""

    may_change_workflows: bool | None = None
    """What the host says of the credential; it is asked about an App only."""

    secrets: AgentSecretsFact = field(default_factory=AgentSecretsFact)
    is_namespace_ending: bool = False
    refusal: Problem | None = None
    """Why Runs cannot be made now."""

    makers: dict[int, str] = field(default_factory=dict)
    """Names of the Runs that made pull requests, by number."""

    follow: Follow | None = None
    """What the last plan follows."""

    life: PullRequestLifeFact | None = None
    """What the host says of the new pull request."""

    closed: list[int] = field(default_factory=list)
    """Pull requests that the host was asked to close."""

    notification_refusal: Problem | None = None
    """Why Notifications cannot be made now."""

    notifications: dict[str, Notification] = field(default_factory=dict)
    """Every Notification that was made, by name."""

    failed: dict[Any, Problem] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """The Events of all plans that were carried out."""

    @property
    def status(self) -> MergeJobStatus:
        """The MergeJob's status."""
        return self.job.status

    def change(self, **spec: Any) -> None:
        """Change the spec as a user does."""
        self.job = self.job.updated(spec=self.job.spec.updated(**spec))

    def delete(self) -> None:
        """Delete the MergeJob as a user does: its finalizer keeps it."""
        self.job = self.job.updated(metadata=self.job.metadata.updated(deletion_timestamp=self.now))

    @property
    def results(self) -> dict[int, str]:
        """What became of the pull requests."""
        return {source.number: source.reason or source.result.value for source in self.status.sources}

    @property
    def active(self) -> Run | None:
        """The Run that is not finished."""
        return next((run for run in self.runs.values() if not run.status.phase.is_finished), None)

    def end(self, phase: RunPhase | None = None, reason: Reason = Reason.COMPLETED, message: str = "It ended.") -> None:
        """End the active Run: as its pull requests say, or with a phase and a reason, and without a report."""
        run = self.active
        assert run is not None
        assert run.spec.merge is not None
        result = None
        if phase is None:
            phase, reason, result = self._merge(run)
        ended = with_outcome(run, run.status, phase, reason.value, message, self.now)
        self.runs[run.name] = run.updated(status=ended.updated(merge=result, attempt=1))

    def work(self) -> None:
        """Let Runs end as their pull requests say, until nothing is left to do."""
        self.rest()
        while self.active is not None:
            self.end()
            self.rest()

    def _merge(self, run: Run) -> tuple[RunPhase, Reason, MergeResult]:
        """Merge as a step does: up to the first conflict, and verify what came of it."""
        assert run.spec.merge is not None
        handled: list[MergedSource] = []
        for source in run.spec.merge.sources:
            number = source.number
            state = self.states.get(number, MergeState.CLEAN)
            if number in self.hindrances:
                handled.append(MergedSource(number=number, state=MergeState.CONFLICT, reason=self.hindrances[number]))
                break
            if (needed := self.attempts_needed.get(number)) is not None:
                self.tried[number] = self.tried.get(number, 0) + 1
                state = MergeState.RESOLVED if self.tried[number] >= needed else MergeState.CONFLICT
            is_merged = state in {MergeState.CLEAN, MergeState.RESOLVED}
            made = commit(f"{run.spec.base_commit} {number}") if is_merged else None
            handled.append(MergedSource(number=number, state=state, commit=made))
            if needed is not None:
                break
        has_commit = any(merged.commit is not None for merged in handled)
        if handled[-1].number in self.hindrances and not has_commit:
            return RunPhase.FAILED, Reason.MERGE_CONFLICT, MergeResult(sources=tuple(handled))
        if handled[-1].state is MergeState.CONFLICT and handled[-1].number not in self.hindrances:
            return RunPhase.FAILED, Reason.AGENT_FAILED, MergeResult(sources=tuple(handled))
        if self.broken & {h.number for h in handled if h.commit is not None}:
            return RunPhase.FAILED, Reason.VERIFY_FAILED, MergeResult(sources=tuple(handled))
        tip = next((h.commit for h in reversed(handled) if h.commit is not None), run.spec.base_commit)
        report = MergeResult(sources=tuple(handled), tip=tip, tree=commit(f"tree {tip}"))
        return RunPhase.COMPLETED, Reason.COMPLETED, report

    def plan(self) -> Plan:
        """Return the plan of the present world, with every question answered."""
        answers: dict[Ask[Any], object] = {}
        if self.follow is not None and self.life is not None:
            answers[self.follow.ask] = self.life
        while True:
            world = MergeJobWorld(
                job=self.job,
                project=self.project,
                workflow=self.workflow,
                runs=tuple(self.runs.values()),
                is_namespace_ending=self.is_namespace_ending,
                lane=tuple(self.find_lane()),
                makers=self.makers,
                notifications=frozenset(self.notifications),
                facts=Facts(answers),
                failures=Failures(self.failed),
            )
            check_world(world)
            plan = plan_merge_job(world, self.now)
            if not plan.asks:
                return plan
            assert not answers.keys() & set(plan.asks)
            answers |= {ask: self._answer(ask) for ask in plan.asks}

    def find_lane(self) -> Iterable[LaneMember]:
        """Return the other merges into the same branch that hold the lane or wait in line."""
        return ()

    def look(self, at: datetime | None = None) -> Plan:
        """Let time pass, plan once, and carry the plan out."""
        self.now = self.now if at is None else at
        plan = self.plan()
        self.carry_out(plan)
        return plan

    def carry_out(self, plan: Plan) -> None:
        """Carry a plan out."""
        self.follow = plan.follow
        self.events += plan.events
        if isinstance(plan.status, MergeJobStatus):
            self.job = self.job.updated(status=plan.status)
        for create in (*plan.records, *plan.creates):
            self._create(create)
        for effect in plan.effects:
            self._do(effect)

    def seen(self) -> object:
        """Return all that a plan may change."""
        here = (self.job, dict(self.notifications), dict(self.runs), dict(self.failed), self.follow)
        return (*here, dict(self.branches), dict(self.pulls), list(self.opened), list(self.merges))

    def _answer(self, ask: Ask[Any]) -> object:
        if isinstance(ask, AgentSecretsAsk):
            return self.secrets
        if isinstance(ask.repository, Problem):  # type: ignore[attr-defined]
            return ask.repository  # type: ignore[attr-defined]
        simple: dict[type, Callable[[Any], object]] = {
            MergePullAsk: lambda ask: self.pulls.get(ask.number, make_pull(ask.number)),
            BranchHeadAsk: lambda ask: BranchHeadFact(self.branches.get(ask.branch)),
            RepositoryAsk: lambda _: RepositoryFact("main"),
            GateAsk: lambda _: replace(GREEN, has_queue=self.place is not None),
            QueueAsk: lambda _: self.place,
            DependantsAsk: lambda _: DependantsFact(()),
            MergeMethodsAsk: lambda _: self.methods,
            ApprovalAsk: self._approval,
            WorkflowRightAsk: lambda _: WorkflowRightFact(self.may_change_workflows),
            CommitAsk: lambda _: CommitFact(self.status.head_tree or "", (self.branches["main"],)),
        }
        if type(ask) in simple:
            return simple[type(ask)](ask)
        assert isinstance(ask, PullRequestsAsk)
        found = (number for number, effect in enumerate(self.opened, 100) if effect.head == ask.head_branch)
        facts = (
            PullRequestFact(n, f"{URL}/pull/{n}", PullRequestState.OPEN, is_draft=False, creation_time=NOW)
            for n in found
        )
        return PullRequestsFact(tuple(facts))

    def _approval(self, ask: ApprovalAsk) -> ApprovalFact | Problem:
        found = self.approvals.get(ask.number, {}).get(ask.commit, Approval.MISSING)
        return found if isinstance(found, Problem) else ApprovalFact(found)

    def _do(self, effect: Effect) -> None:
        if self.host_problem is not None:
            self.failed[effect] = self.host_problem
            return
        if isinstance(effect, ClosePullRequest):
            self._close(effect)
        elif isinstance(effect, CreateBranch):
            assert effect.branch not in self.branches, "the branch is made twice"
            self.branches[effect.branch] = effect.commit
        elif isinstance(effect, MergePullRequest):
            assert not self.merges, "the pull request is merged twice"
            self.merges.append(effect)
            if self.place is not None:
                self.place = QueueFact(is_open=True, is_queued=True)
                self.failed[effect] = Problem(Reason.MERGE_QUEUED, "It is in the queue.")
                return
            merged = {"state": PullRequestState.MERGED, "merge_commit": commit("landed"), "merge_time": self.now}
            self.pulls[effect.number] = make_pull(effect.number, **merged)
        elif isinstance(effect, Retarget):
            pull = self.pulls[effect.number]
            assert isinstance(pull, MergePullFact)
            self.pulls[effect.number] = replace(pull, base_branch=effect.base, new_base=None)
        else:
            assert isinstance(effect, OpenPullRequest)
            self.opened.append(effect)
        if self.is_answer_lost:
            text = sentence(Reason.FORGE_UNAVAILABLE, repository=URL, detail="it did not answer.")
            self.failed[effect] = Problem(Reason.FORGE_UNAVAILABLE, text)

    def _close(self, effect: ClosePullRequest) -> None:
        """Close a pull request as the host does: at this head only."""
        pull = self.pulls.get(effect.number, make_pull(effect.number))
        assert not isinstance(pull, Problem)
        assert pull.state is PullRequestState.OPEN, "it is closed twice"
        self.closed.append(effect.number)
        if pull.head_commit == effect.head:
            self.pulls[effect.number] = replace(pull, state=PullRequestState.CLOSED)

    def _notify(self, create: Create, notification: Notification) -> None:
        if self.notification_refusal is not None:
            self.failed[create] = replace(self.notification_refusal, tried=self.now, refused_since=self.now)
            return
        assert self.notifications.setdefault(notification.name, notification) == notification, "it is told otherwise"
        self.failed.pop(create, None)

    def _create(self, create: Any) -> None:
        assert isinstance(create, Create)
        run = create.resource
        if isinstance(run, Notification):
            self._notify(create, run)
            return
        assert isinstance(run, Run)
        if self.refusal is not None:
            self.failed[create] = replace(self.refusal, tried=self.now, refused_since=self.now)
        elif run.name not in self.runs:
            metadata = run.metadata.updated(uid=f"uid-{run.name}", creation_timestamp=self.now)
            self.runs[run.name] = run.updated(metadata=metadata)
            self.made.append(run.name)
            self.failed.pop(create, None)


def reason_of(played: Played, type_: str = "Succeeded") -> str | None:
    """Return the reason of a condition; None: there is none."""
    condition = played.status.condition(type_)
    return None if condition is None else condition.reason
