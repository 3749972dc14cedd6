"""How one pull request is merged, once its merge was made and verified.

1. The gate: its checks pass, or the user who asked for the merge may skip them.
2. The last look: the head is the verified one, the base has not moved since, nothing of the host's rules is bypassed. A
   base that moved has the merge made and verified again.
3. The claim: the status names the head and the base; only then the host is asked to merge that head.
4. Whatever the host answers, or does not, the pull request shows what happened. What landed is compared with what was
   verified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from codecourier.checks import CheckState, Gate, MergeStrategy
from codecourier.core.merge_job.gate import GATE_LIMIT, LOOK_AGAIN, QUIET, Verdict, judge_gate, pause_after
from codecourier.core.merge_job.landing import (
    Decision,
    Difference,
    LastLook,
    Verified,
    compare_landing,
    compare_queued,
    find_end,
    look_last,
)
from codecourier.core.merge_job.lane import land_until, stay_in_line, take_part, without_lapsed
from codecourier.core.merge_job.outcome import plan_outcome
from codecourier.core.merge_job.queueing import Turn, follow_place, plan_leaving, say_place
from codecourier.core.merge_job.stacking import plan_dependants, plan_stack_wait
from codecourier.core.merge_job.waiting import (
    CLAIM_LIMIT,
    HOST_LIMIT,
    QUEUE_LIMIT,
    give_up,
    hasten,
    wait_for_host,
    waiting,
)
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import BranchHeadAsk, Problem
from codecourier.core.shared.intents import MergePullRequest, Plan
from codecourier.core.shared.merge_facts import (
    CommitAsk,
    CommitFact,
    GateAsk,
    MergePullAsk,
    MergePullFact,
    QueueAsk,
    QueueFact,
)
from codecourier.core.shared.reasons import Reason, clean_word, sentence
from codecourier.resources.merge_job import (
    JobSource,
    MergeCheck,
    MergeJobPhase,
    MergeJobStatus,
    MergeLanding,
    SourceResult,
)

__all__ = ["MOST_VERIFICATIONS", "cancel_single", "plan_single"]

MOST_VERIFICATIONS = 10
"""How often the merge is made and verified: a base that moves faster than that is told to people."""

_MOST_CHECKS = 50
_UNSEEN = Gate((), has_queue=False, checks=(), unfinished_suites=0, is_whole=False)
"""What is known of the gate where the credential may not read it."""


def plan_single(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan | MergeJobStatus:
    """Return what is to be done once the step of a Single merge is over, or the status from which it is made again.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    (source,) = status.sources
    if source.result is SourceResult.EXCLUDED:
        reason = source.reason or Reason.MERGE_REFUSED.value
        return plan_outcome(world, status, MergeJobPhase.FAILED, reason, source.message or "", now)
    status = without_lapsed(status, now)
    in_line = stay_in_line(world, status, now)
    return _look(world, status, source, now) if in_line is None else in_line


def _look(world: MergeJobWorld, status: MergeJobStatus, source: JobSource, now: datetime) -> Plan | MergeJobStatus:
    """Act on the pull request as it is now."""
    pull = world.facts.get(MergePullAsk(world.access, source.number, with_place=True))
    if isinstance(pull, Problem):
        return wait_for_host(world, status, pull, now)
    merge = _Merge(world, status, source, pull, now)
    end = find_end(pull, merge.verified)
    if end is not None:
        return merge.end(end)
    if (stacked := plan_stack_wait(world, status, pull, now)) is not None:
        return stacked
    base = world.facts.get(BranchHeadAsk(world.access, pull.base_branch))
    if isinstance(base, Problem):
        return wait_for_host(world, status, base, now)
    look = look_last(pull, base.commit, merge.verified)
    return merge.gate(look, base.commit) if status.landing is None else merge.follow(look)


def cancel_single(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan | None:
    """Return the end of a merge that was asked for before a user stopped it; None: the host does nothing for it.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    if status.landing is None:
        return None
    (source,) = status.sources
    pull = world.facts.get(MergePullAsk(world.access, source.number, with_place=True))
    if isinstance(pull, Problem):
        if not pull.is_final and now < status.landing.claim_time + CLAIM_LIMIT:
            return waiting(world, status, pull.reason, pull.message, now, pull.retry_time or now + LOOK_AGAIN)
    elif pull.merge_commit is not None and pull.head_commit == source.head_commit:
        return _Merge(world, status, source, pull, now).conclude()
    else:
        leaving = plan_leaving(world, status, status.landing, now)
        if leaving is not False:
            return leaving if isinstance(leaving, Plan) else None
    text = sentence(Reason.MERGE_UNDER_WAY, url=source.url, detail="A user stopped the MergeJob.")
    return plan_outcome(world, status, MergeJobPhase.CANCELLED, Reason.MERGE_UNDER_WAY, text, now)


@dataclass(frozen=True)
class _Merge:
    """One pull request that is to be merged, as it is now."""

    world: MergeJobWorld
    status: MergeJobStatus
    source: JobSource
    pull: MergePullFact
    time: datetime
    """The present time."""

    @property
    def verified(self) -> Verified:
        """What was verified."""
        status = self.status
        return Verified(
            head=self.source.head_commit or "",
            base_branch=status.base_branch or "",
            base=status.base_commit or "",
            tree=status.head_tree or "",
        )

    @property
    def strategy(self) -> MergeStrategy:
        """How the host merges."""
        return self.world.job.spec.merge_strategy or MergeStrategy.SQUASH

    def fail(self, reason: Reason, message: str) -> Plan:
        """Return the plan that ends the merge."""
        return plan_outcome(self.world, self.status, MergeJobPhase.FAILED, reason, message, self.time)

    def end(self, end: LastLook) -> Plan:
        """End the merge as the pull request itself decides."""
        if end.decision is not Decision.MERGED:
            return self.fail(end.reason, end.message)
        return self.conclude()

    def conclude(self) -> Plan:
        """Take care of what is built on the merged pull request, then compare what landed."""
        return plan_dependants(self.world, self.status, self.pull, self.time) or self.compare()

    def gate(self, look: LastLook, base_head: str | None) -> Plan | MergeJobStatus:
        """Let the merge through if its checks pass; then act on the last look."""
        ask = GateAsk(self.world.access, self.pull.base_branch, self.verified.head)
        gate = self.world.facts.get(ask)
        is_skipped = self.world.job.spec.skip_ci_check
        if isinstance(gate, Problem):
            if gate.reason is not Reason.CHECKS_FORBIDDEN:
                return wait_for_host(self.world, self.status, gate, self.time)
            if not is_skipped:
                return self.fail(gate.reason, gate.message)
            # A credential that may not read checks can still merge past them. Whether there is a queue, the host knows.
            gate = _UNSEEN
        status = self.status.updated(gate_since=self.status.gate_since or self.time, waiting_since=None)
        if not is_skipped:
            project = self.world.project
            allows_no_checks = project is not None and project.spec.merges.allow_no_checks
            since = status.gate_since or self.time
            verdict = judge_gate(gate, since, self.time, allows_no_checks=allows_no_checks)
            if verdict.state is not CheckState.PASSED:
                return self._hold(status, verdict)
        place = self._look_at_queue() if gate.has_queue else None
        if isinstance(place, Problem):
            return wait_for_host(self.world, self.status, place, self.time)
        passed = replace(self, status=status.updated(checks=()))
        return passed.act(look, base_head, has_queue=gate.has_queue) or passed.claim(look, gate, place)

    def _hold(self, status: MergeJobStatus, verdict: Verdict) -> Plan:
        checks = tuple(
            MergeCheck(name=check.name, state=clean_word(check.word)[:64] or "unknown")
            for check in {check.name: check for check in verdict.open_checks[:_MOST_CHECKS]}.values()
        )
        status = status.updated(checks=checks, lane=None)
        if verdict.state is CheckState.FAILED:
            return replace(self, status=status).fail(verdict.reason, verdict.message)
        return waiting(self.world, status, verdict.reason, verdict.message, self.time, verdict.look_again)

    def _look_at_queue(self) -> QueueFact | Problem:
        return self.world.facts.get(QueueAsk(self.world.access, self.source.number))

    def act(self, look: LastLook, base_head: str | None, *, has_queue: bool) -> Plan | MergeJobStatus | None:
        """Act on the last look at a pull request whose gate has passed; None: it may be merged."""
        status, now = self.status, self.time
        if look.decision is Decision.WAIT:
            return self._wait_for_rules(look)
        # Another branch has another lane, and a branch with a merge queue has its order from the host.
        if base_head is not None and self.pull.base_branch == status.base_branch and not has_queue:
            # What has passed may fail again in an hour, and gets its time anew then.
            held = status.updated(gate_since=max(status.gate_since or now, now - QUIET))
            if (in_line := take_part(self.world, held, look.message, now)) is not None:
                return in_line
        return self._verify_again(look, base_head) if look.decision is Decision.VERIFY else None

    def _wait_for_rules(self, look: LastLook) -> Plan:
        """Wait for the host's own rules, or until it has computed whether it can merge; others wait only for that."""
        status, now = self.status, self.time
        since = status.gate_since or now
        if now >= since + GATE_LIMIT:
            return self.fail(look.reason, look.message)
        held = status.updated(lane=hasten(status.lane, now) if look.reason is Reason.MERGE_UNSETTLED else None)
        look_again = min(now + pause_after(now - since), since + GATE_LIMIT)
        return waiting(self.world, held, look.reason, look.message, now, look_again)

    def claim(self, look: LastLook, gate: Gate, place: QueueFact | None) -> Plan:
        """Claim the merge, then ask the host for it, unless a user has put it into the merge queue already."""
        was_queued = place is not None and place.is_queued
        landing = MergeLanding(
            claim_time=self.time,
            head_commit=self.verified.head,
            base_commit=self.verified.base,
            has_queue=gate.has_queue,
            queue_strategy=gate.queue_strategy,
            was_queued=was_queued,
            exit_before=None if place is None else place.exit_id,
            queue_time=self.time if was_queued else None,
            skipped_checks=self.world.job.spec.skip_ci_check,
        )
        lane = land_until(self.status.lane, self.time + CLAIM_LIMIT)
        claimed = self.status.updated(landing=landing, lane=lane, waiting_for="", waiting_since=None)
        plan = plan_outcome(self.world, claimed, MergeJobPhase.RUNNING, look.reason, look.message, self.time)
        return replace(plan, effects=() if was_queued else (self._effect(landing),))

    def _effect(self, landing: MergeLanding) -> MergePullRequest:
        return MergePullRequest(
            self.world.access,
            self.source.number,
            landing.head_commit,
            self.strategy,
            landing.has_queue,
            self.status.may_change_workflows is True,
        )

    def _verify_again(self, look: LastLook, base_head: str | None) -> Plan | MergeJobStatus:
        """Return the status in which the merge is to be made on the base as it is now."""
        if len(self.status.steps) >= MOST_VERIFICATIONS or base_head is None:
            message = sentence(Reason.BASE_UNSTEADY, count=len(self.status.steps), detail=look.message)
            return self.fail(Reason.BASE_UNSTEADY, message)
        again = self.source.updated(result=SourceResult.PENDING, commit=None)
        is_retargeted = self.pull.base_branch != self.status.base_branch
        return self.status.updated(
            sources=(again,),
            lane=None if is_retargeted else self.status.lane,
            gate_since=max(self.status.gate_since or self.time, self.time - QUIET),
            base_branch=self.pull.base_branch,
            base_commit=base_head,
            head_commit=None,
            head_tree=None,
            landing=None,
            waiting_for="",
            waiting_since=None,
        )

    def follow(self, look: LastLook) -> Plan | MergeJobStatus:
        """Follow a merge that is claimed: in the queue, or as the host's answers say."""
        landing = self.status.landing
        if landing is None:
            raise ValueError("a merge that is not claimed cannot be followed")
        problem = self.world.failures.get(self._effect(landing))
        is_queued = problem is not None and problem.reason is Reason.MERGE_QUEUED
        if not landing.has_queue and not is_queued:
            return self._settled(landing).ask(landing, look)
        place = self._look_at_queue()
        if isinstance(place, Problem):
            return wait_for_host(self.world, self.status, place, self.time)
        queue_time = landing.queue_time or (self.time if is_queued else None)
        known, turn = follow_place(landing.updated(has_queue=True, queue_time=queue_time), place, self.time)
        merge = self._settled(known)
        return merge.ask(known, look) if turn is Turn.ASK else merge.wait_in_queue(known, turn, place)

    def _settled(self, landing: MergeLanding) -> _Merge:
        """Return the merge with what is known of its landing, once the host has answered all questions."""
        # A merge queue orders what is in it, for hours: nothing else waits for that.
        lane = None if landing.has_queue else self.status.lane
        return replace(self, status=self.status.updated(landing=landing, lane=lane, waiting_since=None))

    def wait_in_queue(self, landing: MergeLanding, turn: Turn, place: QueueFact) -> Plan:
        """Wait for the merge queue, or say that the pull request left it."""
        if turn is Turn.LEFT:
            detail = place.exit_reason or "the host does not say why"
            values = {"url": self.pull.url, "branch": self.pull.base_branch, "detail": detail}
            return self.fail(Reason.MERGE_LEFT_QUEUE, sentence(Reason.MERGE_LEFT_QUEUE, **values))
        problem = Problem(Reason.MERGE_QUEUED, say_place(self.pull.url, place))
        limit = landing.claim_time + QUEUE_LIMIT
        if self.time >= limit:
            return give_up(self.world, self.status, problem, self.time)
        look_again = min(self.time + pause_after(self.time - (landing.left_time or landing.claim_time)), limit)
        return waiting(self.world, self.status, problem.reason, problem.message, self.time, look_again)

    def ask(self, landing: MergeLanding, look: LastLook) -> Plan | MergeJobStatus:
        """Ask the host to merge, or again where it did not answer; the claim is given up where it surely refused."""
        effect, may_ask = self._effect(landing), look.decision is Decision.MERGE
        problem = self.world.failures.get(effect)
        is_raced = problem is not None and problem.reason is Reason.MERGE_RACED and not may_ask
        if problem is not None and (problem.reason is Reason.MERGE_REFUSED or problem.is_final or is_raced):
            return self._refused(look, problem)
        if not may_ask:
            return self._drop_claim_later(landing, look)
        if problem is None:
            return Plan(effects=(effect,))
        limit = landing.claim_time + (QUEUE_LIMIT if problem.reason is Reason.MERGE_REQUESTED else HOST_LIMIT)
        if self.time >= limit:
            return give_up(self.world, self.status, problem, self.time)
        look_again = min(problem.retry_time or self.time + pause_after(self.time - landing.claim_time), limit)
        plan = waiting(self.world, self.status, problem.reason, problem.message, self.time, look_again)
        return replace(plan, effects=(effect,))

    def _drop_claim_later(self, landing: MergeLanding, look: LastLook) -> Plan | MergeJobStatus:
        """Wait for a request that may be under way, then give the claim up, as the merge cannot be asked for now."""
        limit = landing.claim_time + CLAIM_LIMIT
        if self.time < limit:
            look_again = min(self.time + pause_after(self.time - landing.claim_time), limit)
            return waiting(self.world, self.status, look.reason, look.message, self.time, look_again)
        return self.status.updated(landing=None)

    def _refused(self, look: LastLook, problem: Problem) -> Plan | MergeJobStatus:
        """Decide what a refusal of the host means: the base may have moved, or a rule keeps it from merging."""
        if look.decision is Decision.MERGE:
            return self.fail(problem.reason, problem.message)
        # Judged anew from the start, with the gate: the claim is taken back because nothing was merged.
        return plan_outcome(
            self.world,
            self.status.updated(landing=None),
            MergeJobPhase.RUNNING,
            look.reason,
            look.message,
            self.time,
        )

    def compare(self) -> Plan:
        """Compare what landed with what was verified, and end the merge."""
        pull, now = self.pull, self.time
        if pull.merge_commit is None or not self.verified.tree:
            return self._complete(None, Reason.COMPLETED, f"{pull.url} is merged.")
        landed = self.world.facts.get(CommitAsk(self.world.access, pull.merge_commit))
        if isinstance(landed, Problem):
            if now < (self.status.waiting_since or now) + HOST_LIMIT and not landed.is_final:
                return wait_for_host(self.world, self.status, landed, now)
            message = sentence(Reason.LANDING_UNSEEN, commit=pull.merge_commit, detail=landed.message)
            return self._complete(None, Reason.LANDING_UNSEEN, message)
        difference = self._compare(pull.merge_commit, landed)
        if difference is not None:
            return self._complete(landed.tree, difference.reason, difference.message)
        text = f"{pull.url} is merged into {pull.base_branch} as it was verified: commit {pull.merge_commit}."
        if self.status.landing is not None and self.status.landing.skipped_checks:
            text += " It was merged without a look at its checks, as spec.skipCiCheck asks."
        return self._complete(landed.tree, Reason.COMPLETED, text)

    def _compare(self, commit: str, landed: CommitFact) -> Difference | None:
        landing = self.status.landing
        if landing is not None and landing.has_queue:
            return compare_queued(self.pull.url, commit, landed, self.verified, landing.queue_strategy)
        is_rebased = self.strategy is MergeStrategy.REBASE
        return compare_landing(commit, landed, self.verified, is_rebased=is_rebased)

    def _complete(self, tree: str | None, reason: Reason, message: str) -> Plan:
        status, now = self.status, self.time
        claimed = status.landing or MergeLanding(
            claim_time=now, head_commit=self.verified.head, base_commit=self.verified.base
        )
        landing = claimed.updated(commit=self.pull.merge_commit, tree=tree, merge_time=self.pull.merge_time)
        ended = status.updated(landing=landing, checks=(), waiting_for="")
        if self.world.job.spec.skip_ci_check:
            message = f"{message} A user let it skip the checks, by spec.skipCiCheck."
        plan = plan_outcome(self.world, ended, MergeJobPhase.COMPLETED, reason, message, now)
        # Merged all the same, so people have to be told that it is not what was verified.
        is_warning = reason not in {Reason.COMPLETED, Reason.MERGED_BY_QUEUE}
        return replace(plan, events=tuple(replace(event, is_warning=is_warning) for event in plan.events))
