"""What real kubelets do with a pod between its steps, and the ends that the operator makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from codecourier.core.run.usage import build_usage_record
from codecourier.core.run.world import RunWorld
from codecourier.core.sandbox.news import USUAL_SHORT, USUAL_START
from codecourier.core.sandbox.plan import SILENCE_LIMIT
from codecourier.core.sandbox.pod_view import ContainerView, PodView, view_pod
from codecourier.core.sandbox.pods import pod_deadline_seconds
from codecourier.core.sandbox.waiting import OVERDUE
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.intents import Delete, RevokeTokens
from codecourier.core.shared.reasons import RETRYABLE, Reason
from codecourier.resources.sandbox import SandboxPhase, SandboxStatus
from tests.support.plans import plan_run, plan_sandbox
from tests.support.runs import run_status_of
from tests.support.sandboxes import DONE, NAME, SECRET, pod, running_run, status_of, step, world
from tests.support.worlds import NOW, make_workflow

START_TIMEOUT = timedelta(seconds=600)
PULL = 'ImagePullBackOff: Back-off pulling image "ghcr.io/acme/agnet:1"'


def going(*states: ContainerView, **changes: Any) -> PodView:
    """Return a pod that has not ended; the steps of which nothing is given have not begun."""
    given = {c.name: c for c in states}
    names = ("checkout", "agent", "collect", "publish")
    steps = (given.get(name, ContainerView(name, reason="PodInitializing")) for name in names)
    return pod(*steps, **{"phase": "Pending", "resource_version": "7", **changes})


def saying(known: SandboxWorld, now: datetime) -> SandboxWorld:
    """Return the world with the status that its plan writes."""
    return replace(known, sandbox=known.sandbox.updated(status=status_of(plan_sandbox(known, now))))


def said(status: SandboxStatus) -> tuple[SandboxPhase, str, str]:
    """Return phase, reason and message of a status that is not final."""
    condition = status.condition("Succeeded")
    assert condition is not None
    assert condition.message == status.message
    return status.phase, condition.reason, status.message


def deleted(view: PodView, at: datetime, **changes: Any) -> PodView:
    """Return a pod after the deletion that a plan asks for."""
    return replace(view, deletion_time=at, **changes)


@pytest.mark.parametrize("name", ["checkout", "agent", "verify", "collect"])
@pytest.mark.parametrize("code", [0, 137])
def test_a_step_that_lacked_memory_ends_a_pod_that_its_kubelet_leaves_pending(name: str, code: int) -> None:
    killed = replace(step(name), reason="OOMKilled", exit_code=code)
    hung = pod(*(c for c in DONE if c.name != name), killed, ContainerView("publish"), resource_version="7")
    known = world(secret=SECRET, pod=hung)
    plan = plan_sandbox(known, NOW)
    assert plan.deletes == (Delete("Pod", "shop", NAME, "uid-pod", resource_version="7"),)
    assert said(status_of(plan))[1] == Reason.OUT_OF_MEMORY
    gone = replace(saying(known, NOW), secret=None, pod=deleted(hung, NOW, phase="Failed"))
    status = status_of(plan_sandbox(gone, NOW))
    assert (status.phase, status.reason) == (SandboxPhase.FAILED, Reason.OUT_OF_MEMORY)
    assert f"Step {name} needed more memory" in status.message
    assert ("Raise resources.memory" in status.message) is (name in {"agent", "verify"})
    silent = replace(gone, pod=deleted(hung, NOW))
    assert status_of(plan_sandbox(silent, NOW + SILENCE_LIMIT)).reason == Reason.OUT_OF_MEMORY


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_each_step_has_the_start_timeout_and_says_what_it_waits_for(done: int) -> None:
    ended = tuple(replace(c, finish_time=NOW + timedelta(minutes=20 * done)) for c in DONE[:done])
    since = NOW + timedelta(minutes=20 * done) if done else NOW
    name = ("checkout", "agent", "collect", "publish")[done]
    known = world(pod=going(*ended, waiting_for=PULL))
    early = plan_sandbox(known, since)
    assert early.look_again == since + USUAL_START
    late = plan_sandbox(known, since + USUAL_START)
    phase = SandboxPhase.RUNNING if done else SandboxPhase.PENDING
    words = f"Step {name} waits to start: {PULL}"
    assert said(status_of(late)) == (phase, Reason.STARTING, words)
    assert [(e.reason, e.message) for e in late.events] == [("Starting", words)]
    assert late.look_again == since + START_TIMEOUT
    over = plan_sandbox(known, since + START_TIMEOUT)
    assert over.deletes == (Delete("Pod", "shop", NAME, "uid-pod", resource_version="7"),)
    gone = replace(saying(known, since + START_TIMEOUT), pod=deleted(known.pod or going(), since, phase="Failed"))
    status = status_of(plan_sandbox(gone, since + START_TIMEOUT))
    assert (status.phase, status.reason) == (SandboxPhase.FAILED, Reason.START_TIMEOUT)
    assert status.message == f"Step {name} did not start within 600 seconds: {PULL}"
    assert [s.name for s in status.steps] == [c.name for c in ended]


def test_a_pod_that_goes_on_costs_no_further_status() -> None:
    first = world(secret=SECRET, pod=going(ContainerView("checkout", NOW)))
    running = saying(first, NOW + USUAL_SHORT)
    views = [going(*DONE[:1]), going(DONE[0], ContainerView("agent", NOW)), going(*DONE[:2]), going(*DONE)]
    for view in views:
        plan = plan_sandbox(replace(running, pod=view), NOW + timedelta(seconds=4))
        assert (plan.status, plan.events, plan.deletes) in [(None, (), ()), (running.sandbox.status, (), ())]


def test_a_step_that_starts_after_all_is_said_to_run() -> None:
    known = world(secret=SECRET, pod=going(*DONE[:1], waiting_for=PULL))
    waiting = saying(known, NOW + USUAL_START)
    started = replace(waiting, pod=going(DONE[0], ContainerView("agent", NOW + timedelta(minutes=1))))
    assert said(saying(started, NOW + timedelta(minutes=1)).sandbox.status)[1:] == (Reason.RUNNING, f"Pod {NAME} runs.")
    given_up = saying(known, NOW + START_TIMEOUT)
    # The deletion was refused, as the pod had changed: it goes on.
    again = replace(given_up, pod=going(DONE[0], ContainerView("agent", NOW + START_TIMEOUT)))
    assert said(saying(again, NOW + START_TIMEOUT).sandbox.status)[1] == Reason.RUNNING


def test_a_pod_that_others_deleted_while_a_step_ran_did_not_wait() -> None:
    stopped = replace(DONE[1], exit_code=143, message="", reason="Error")
    known = world(pod=deleted(going(DONE[0], stopped), NOW, phase="Failed"))
    assert status_of(plan_sandbox(known, NOW + timedelta(days=1))).reason == Reason.POD_DELETED


def test_a_run_says_what_its_sandbox_waits_for() -> None:
    unschedulable = "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."
    known = world(pod=going(waiting_for=unschedulable, node=""))
    sandbox = saying(known, NOW + USUAL_START).sandbox
    run = RunWorld(running_run(), known.project, None, None, sandboxes=(sandbox,))
    status = run_status_of(plan_run(run, NOW))
    assert status.message == f"Step checkout waits to start: {unschedulable}"


def test_a_pod_that_runs_has_the_operators_own_deadline() -> None:
    workflow = make_workflow().spec
    times = {"deadline_seconds": pod_deadline_seconds(workflow), "grace_seconds": workflow.agent.grace_period_seconds}
    hung = going(DONE[0], ContainerView("agent", NOW), **times)
    known = saying(world(secret=SECRET, pod=hung), NOW + USUAL_SHORT)
    limit = NOW + timedelta(seconds=sum(times.values())) + OVERDUE
    patient = replace(known, secret=None)
    assert plan_sandbox(patient, limit - timedelta(seconds=1)).look_again == limit
    plan = plan_sandbox(patient, limit)
    assert plan.deletes == (Delete("Pod", "shop", NAME, "uid-pod", resource_version="7"),)
    expiring = saying(patient, limit)
    ended = status_of(plan_sandbox(replace(expiring, pod=deleted(hung, limit, phase="Failed")), limit))
    assert (ended.phase, ended.reason) == (SandboxPhase.EXPIRED, Reason.DEADLINE_EXCEEDED)
    silent = replace(expiring, secret=SECRET, pod=deleted(hung, limit))
    (revoke,) = plan_sandbox(silent, limit + SILENCE_LIMIT).effects
    assert isinstance(revoke, RevokeTokens)
    lost = status_of(plan_sandbox(replace(silent, secret=None), limit + SILENCE_LIMIT))
    assert (lost.phase, lost.reason) == (SandboxPhase.FAILED, Reason.NODE_LOST)


RUNTIME = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    'unable to start container process: error during container init: exec: "sh": executable file not found in $PATH'
)


def manifest(*states: tuple[str, dict[str, Any]], **status: Any) -> dict[str, Any]:
    """Return a pod as the API server gives it, with these containers' states."""
    containers = [{"name": name} for name in ("checkout", "agent", "collect", "publish")]
    return {
        "metadata": {"name": NAME, "uid": "uid-pod", "resourceVersion": "7", "creationTimestamp": NOW.isoformat()},
        "spec": {"nodeName": "node", "initContainers": containers[:3], "containers": containers[3:]},
        "status": {"initContainerStatuses": [{"name": name, "state": state} for name, state in states], **status},
    }


def ended(reason: str, started: str | None, finished: datetime = NOW, **more: Any) -> dict[str, Any]:
    """Return the state of a container that has ended."""
    times = {"startedAt": started, "finishedAt": finished.isoformat()}
    return {"terminated": {"exitCode": 128, "reason": reason, "message": RUNTIME, **times, **more}}


@pytest.mark.parametrize("started", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None])
@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun", "RunContainerError", "ContainerStatusUnknown"])
def test_what_never_started_has_no_time_and_leaves_no_usage(reason: str, started: str | None) -> None:
    view = view_pod(manifest(("checkout", ended(reason, started)), phase="Failed"))
    assert view.start_time is None
    status = status_of(plan_sandbox(world(pod=view), NOW))
    assert (status.phase, status.start_time) == (SandboxPhase.FAILED, None)
    assert [s.start_time for s in status.steps] == [None]


def test_clocks_that_differ_take_no_time_back() -> None:
    before = NOW - timedelta(seconds=30)
    view = view_pod(manifest(("checkout", ended("Error", before.isoformat(), before)), phase="Failed"))
    assert (view.start_time, view.finish_time) == (NOW, NOW)
    running = {"running": {"startedAt": "1970-01-01T00:00:00Z"}}
    assert view_pod(manifest(("checkout", running))).start_time == NOW
    status = status_of(plan_sandbox(world(pod=view), NOW))
    sandbox = world().sandbox.updated(status=status.updated(finish_time=before))
    assert [item.quantity for item in build_usage_record(running_run(), sandbox).spec.items] == [0]


@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
@pytest.mark.parametrize(("name", "expected"), [("agent", Reason.STEP_NOT_STARTED), ("collect", Reason.REPORT_LOST)])
def test_the_runtimes_sentence_says_why_a_step_could_not_be_started(name: str, expected: Reason, reason: str) -> None:
    view = view_pod(manifest((name, ended(reason, "1970-01-01T00:00:00Z")), phase="Failed"))
    status = status_of(plan_sandbox(world(pod=view), NOW))
    assert status.reason == expected
    assert 'exec: "sh": executable file not found in $PATH' in status.message
    assert (expected in RETRYABLE) is (name == "collect")
    assert "JSON" not in status.message


def test_a_container_that_cannot_be_created_is_waited_for_in_the_runtimes_words() -> None:
    waiting = {"waiting": {"reason": "CreateContainerError", "message": RUNTIME}}
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": NOW.isoformat()}}
    view = view_pod(manifest(("checkout", done), ("agent", waiting)))
    late = plan_sandbox(world(pod=view), NOW + USUAL_START)
    assert status_of(late).message == f"Step agent waits to start: CreateContainerError: {RUNTIME}"


@pytest.mark.parametrize(
    ("cause", "back_off"),
    [
        ("ErrImagePull: manifest unknown", "ImagePullBackOff: Back-off pulling image"),
        ("ErrImagePull: manifest unknown", "ImagePullBackOff: Back-off pulling image: ErrImagePull: manifest unknown"),
        ("RunContainerError: no such file", "CrashLoopBackOff: back-off 10s restarting failed container"),
    ],
)
def test_a_kubelet_that_tries_and_backs_off_in_turn_is_said_once_with_the_cause(cause: str, back_off: str) -> None:
    now = NOW + USUAL_START
    known = world(secret=SECRET, pod=going(waiting_for=back_off))
    known = saying(known, now)
    assert known.sandbox.status.message == f"Step checkout waits to start: {back_off}", "it was heard of first"
    known = saying(replace(known, pod=going(waiting_for=cause)), now)
    assert known.sandbox.status.message == f"Step checkout waits to start: {cause}"
    for _ in range(3):
        for words in (back_off, cause):
            plan = plan_sandbox(replace(known, pod=going(waiting_for=words)), now)
            assert plan.status == known.sandbox.status
    late = plan_sandbox(replace(known, pod=going(waiting_for=back_off)), NOW + START_TIMEOUT)
    assert cause in status_of(late).message, "the cause is reported at the end, too"


@pytest.mark.parametrize(
    "words", ["ErrImagePull: unauthorized", "Unschedulable: no node", "CrashLoopBackOff: back-off 10s", ""]
)
def test_another_trouble_is_said(words: str) -> None:
    now = NOW + USUAL_START
    known = saying(world(secret=SECRET, pod=going(waiting_for="ErrImagePull: manifest unknown")), now)
    new = status_of(plan_sandbox(replace(known, pod=going(waiting_for=words)), now))
    assert new.message != known.sandbox.status.message


def test_a_node_that_was_found_is_not_kept_from_view_by_what_kept_the_pod_from_it() -> None:
    now = NOW + USUAL_START
    known = saying(world(secret=SECRET, pod=going(waiting_for="Unschedulable: no node")), now)
    new = status_of(plan_sandbox(replace(known, pod=going(waiting_for=PULL)), now))
    assert new.message == f"Step checkout waits to start: {PULL}"
