"""Several Single merges into one branch, of several namespaces, as one leader plays them: writes may come late."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from codecourier.checks import Gate
from codecourier.core.merge_job.waiting import CLAIM_LIMIT
from codecourier.core.merge_job.world import LaneMember
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Effect, MergePullRequest, Plan
from codecourier.core.shared.merge_facts import CommitAsk, CommitFact, GateAsk, MergePullAsk
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.reasons import Reason
from codecourier.kinds.merge_job import lane_of, view_lane
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import MergeJob, MergeMode
from codecourier.resources.meta import CustomResource, ObjectMeta
from tests.core.merge_job.host import GREEN
from tests.core.merge_job.played import Played, commit, make_job, make_pull
from tests.support.worlds import BASE, NOW, make_project, make_workflow

__all__ = ["DOWN", "Line", "Member"]

DOWN = Problem(Reason.FORGE_UNAVAILABLE, "It is down.")
PENDING = Problem(Reason.MERGE_PENDING, "It works on it.")


def _moved_to(obj: Any, namespace: str) -> Any:
    return obj.updated(metadata=obj.metadata.updated(namespace=namespace))


def _make_job(number: int, namespace: str, **spec: Any) -> MergeJob:
    job = make_job(number, mode=MergeMode.SINGLE, **spec)
    # The first one is the oldest.
    metadata = ObjectMeta(
        name=f"merge-{number}",
        namespace=namespace,
        uid=f"uid-{number}",
        creation_timestamp=NOW + timedelta(seconds=number),
        finalizers=(FINALIZER,),
    )
    return job.updated(metadata=metadata)


@dataclass
class Member(Played):
    """One of the merges, with its own pull request and its own answers."""

    line: Line = field(kw_only=True)
    gate: Gate | Problem = GREEN
    pull_problem: Problem | None = None
    is_gone: bool = False
    is_unfair: bool = False
    """Whether it lands without a look at the lane, as of another leader."""

    is_mute: bool = False
    """Whether its plans may ask nothing."""

    late: Plan | None = None
    """A plan whose writes have not arrived yet."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.is_gone or self.status.phase.is_finished

    @property
    def is_landing(self) -> bool:
        """Whether the host was asked to merge it, and may do so yet."""
        landing = self.status.landing
        return not self.is_over and landing is not None and self.now < landing.claim_time + CLAIM_LIMIT

    def find_lane(self) -> Iterable[LaneMember]:
        return () if self.is_unfair else self.line.find_others(self)

    def begin(self) -> None:
        """Plan; what that writes arrives later."""
        if self.late is None and not self.is_gone:
            self.late = self.plan()

    def arrive(self) -> None:
        """Let what was planned arrive: the plans of one object never overlap."""
        if self.late is not None:
            plan, self.late = self.late, None
            self.carry_out(plan)

    def carry_out(self, plan: Plan) -> None:
        super().carry_out(plan)
        self.is_gone = plan.release_finalizer and self.job.is_deleting

    def look(self, at: datetime | None = None) -> Plan:
        return Plan() if self.is_gone else super().look(at)

    def _answer(self, ask: Any) -> object:
        assert not self.is_mute, ask
        if isinstance(ask, GateAsk):
            return self.gate
        if isinstance(ask, MergePullAsk) and self.pull_problem is not None:
            return self.pull_problem
        if isinstance(ask, CommitAsk):
            return self.line.commits[ask.commit]
        return super()._answer(ask)

    def _do(self, effect: Effect) -> None:
        if not isinstance(effect, MergePullRequest) or self.pull_problem is not None:
            super()._do(effect)
            return
        self.line.ask(self, effect)


@dataclass
class Line:
    """Merges into branch `main` of one repository, and that branch."""

    members: list[Member] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=lambda: {"main": BASE})
    commits: dict[str, CommitFact] = field(default_factory=dict)
    landed: list[int] = field(default_factory=list)
    is_slow: bool = False
    """Whether the host merges only what it has taken, later."""

    asked: dict[int, tuple[Member, MergePullRequest]] = field(default_factory=dict)
    """What the host has taken, by the number of the pull request."""

    now: datetime = NOW

    def add(self, number: int, namespace: str = "shop", **spec: Any) -> Member:
        """Add a merge of a pull request."""
        others: dict[str, CustomResource] = {"project": make_project(), "workflow": make_workflow()}
        member = Member(
            job=_make_job(number, namespace, **spec),
            line=self,
            branches=self.branches,
            now=self.now,
            **{name: _moved_to(obj, namespace) for name, obj in others.items()},
        )
        self.members.append(member)
        return member

    def find_others(self, reader: Member) -> Iterable[LaneMember]:
        """Return the others of a lane as the cache shows them."""
        for member in self.members:
            seen = None if member.is_gone else view_lane(member.job.to_json())
            if member is not reader and seen is not None and seen[0] == lane_of(reader.job):
                yield seen[1]

    def ask(self, member: Member, effect: MergePullRequest) -> None:
        """Ask for a merge, as an operator does, also where it has asked before."""
        if not self.is_slow:
            self.land(member, effect)
            return
        member.failed[effect] = PENDING
        self.asked[effect.number] = member, effect

    def deliver(self) -> None:
        """Merge what was asked for before."""
        for member, effect in self.asked.values():
            if effect.number not in self.landed:
                self.land(member, effect)
        self.asked.clear()

    def land(self, member: Member, effect: MergePullRequest) -> None:
        """Merge a pull request onto the head of the branch, whatever that is by now."""
        made = commit(f"{effect.number} onto {self.branches['main']}")
        landing, onto = member.status.landing, self.branches["main"]
        is_verified = landing is not None and landing.base_commit == onto
        tree = (member.status.head_tree or "") if is_verified else commit(f"tree of {made}")
        self.commits[made] = CommitFact(tree, (onto,))
        self.branches["main"] = made
        self.landed.append(effect.number)
        merged = {"state": PullRequestState.MERGED, "merge_commit": made, "merge_time": self.now}
        member.pulls[effect.number] = make_pull(effect.number, **merged)

    def pass_time(self, time: timedelta) -> None:
        """Let time pass for all."""
        self.now += time
        for member in self.members:
            member.now = self.now

    def rest(self) -> None:
        """Let each look until nothing changes any more at this time; Runs do not end."""
        for _ in range(20 * len(self.members) + 20):
            before = [_all_of(member) for member in self.members]
            for member in self.members:
                member.arrive()
                member.look()
            if before == [_all_of(member) for member in self.members]:
                return
        raise AssertionError("something is written without end")


def _all_of(member: Member) -> object:
    """Return all of a merge that plans may change."""
    return member.seen(), member.is_gone
