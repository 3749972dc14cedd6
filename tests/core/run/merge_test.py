"""How a Run ends that merges pull requests for another object."""

from __future__ import annotations

import pytest

from codecourier.core.origin import AbsentOrigin
from codecourier.core.run.plan import plan_run
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.revisions import revision_name
from codecourier.merging import MergeState
from codecourier.resources.merge import Merge, MergedSource, MergeResult, MergeSource
from codecourier.resources.run import Origin, PullRequestPhase, Run, RunPhase
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.workflow import FailurePullRequest, PullRequestPolicy
from tests.support.runs import admitting, ended, run_status_of, running
from tests.support.worlds import NOW, make_workflow

TIP = "c" * 40
ORIGIN = Origin(kind="SprintChain", name="job", uid="uid-job")


def merging() -> Run:
    """Return a Run that merges one pull request and whose try is in progress."""
    run = running()
    merge = Merge(sources=(MergeSource(number=7, head_commit="7" * 40),))
    return run.updated(spec=run.spec.updated(origin=ORIGIN, merge=merge))


def merged(state: MergeState, tip: str | None) -> MergeResult:
    """Return what is reported of it."""
    return MergeResult(sources=(MergedSource(number=7, state=state),), tip=tip, tree=tip)


def plan(run: Run, sandbox: Sandbox, on_failure: FailurePullRequest = FailurePullRequest.NEVER) -> Plan:
    """Plan for the Run, whose Sandbox has ended."""
    workflow = make_workflow(pull_request=PullRequestPolicy(on_failure=on_failure))
    run = run.updated(status=run.status.updated(workflow_revision=revision_name(workflow)))
    origin = AbsentOrigin(ORIGIN.kind, ORIGIN.name, ORIGIN.uid, reports_ends=True)
    return plan_run(RunWorld(run, admitting(run), workflow, origin, (sandbox,), frozenset({sandbox.name})), NOW)


def with_merge(sandbox: Sandbox, merge: MergeResult) -> Sandbox:
    """Return a Sandbox that reports merges, and when it ended."""
    return sandbox.updated(status=sandbox.status.updated(merge=merge))


@pytest.mark.parametrize(
    ("state", "publish", "tip"),
    [(MergeState.CLEAN, PublishState.PUSHED, TIP), (MergeState.EMPTY, PublishState.NO_CHANGE, "b" * 40)],
)
def test_it_is_completed_without_a_pull_request(state: MergeState, publish: PublishState, tip: str) -> None:
    run = merging()
    made = plan(run, with_merge(ended(run, SandboxPhase.COMPLETED, "Completed", publish), merged(state, tip)))
    status = run_status_of(made)
    assert (status.phase, status.head_commit, status.merge) == (RunPhase.COMPLETED, tip, merged(state, tip))
    assert status.pull_request is not None
    assert status.pull_request.phase is PullRequestPhase.SKIPPED
    assert not made.records


def test_a_cancellation_after_the_merges_were_pushed_comes_too_late() -> None:
    run = merging()
    late = run.updated(spec=run.spec.updated(cancelled=True))
    sandbox = with_merge(
        ended(run, SandboxPhase.COMPLETED, "Completed", PublishState.PUSHED), merged(MergeState.CLEAN, TIP)
    )
    assert run_status_of(plan(late, sandbox)).phase is RunPhase.COMPLETED


@pytest.mark.parametrize("reason", [Reason.MERGE_CONFLICT, Reason.RESOLUTION_REFUSED, Reason.VERIFY_FAILED])
def test_its_failure_opens_no_draft_and_says_what_was_handled(reason: Reason) -> None:
    run = merging()
    sandbox = with_merge(ended(run, SandboxPhase.FAILED, reason.value), merged(MergeState.CONFLICT, None))
    status = run_status_of(plan(run, sandbox, FailurePullRequest.DRAFT))
    condition = status.condition("Succeeded")
    assert condition is not None
    assert (status.phase, condition.reason, status.pull_request) == (RunPhase.FAILED, reason, None)
    assert status.merge == merged(MergeState.CONFLICT, None)


def test_another_try_follows_where_another_pod_pushed_first() -> None:
    run = merging()
    status = run_status_of(plan(run, ended(run, SandboxPhase.FAILED, Reason.PROGRESS_MOVED.value)))
    assert (status.phase, status.retry_time is not None) == (RunPhase.QUEUED, True)
