"""A Sandbox's transitions, each from a world to a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.sandbox.news import UNEXPLAINED_START, USUAL_SHORT, USUAL_START
from codecourier.core.sandbox.plan import LOG_RETRY, LOOK_AGAIN, SILENCE_LIMIT
from codecourier.core.sandbox.pod_view import ContainerView
from codecourier.core.sandbox.tokens import REVOCATION_LIMIT
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.facts import (
    AgentSecretsFact,
    Facts,
    LogAsk,
    ObjectAsk,
    ObjectFact,
    Problem,
    UnreadableSecret,
)
from codecourier.core.shared.intents import (
    CreatePod,
    Delete,
    Failures,
    MintTokens,
    ReleasePod,
    RestoreLabels,
    RevokeTokens,
)
from codecourier.core.shared.reasons import RETRYABLE, Reason
from codecourier.resources.sandbox import PublishState, SandboxPhase, SandboxStatus
from codecourier.resources.workflow import SecretKeyReference, SecretVariable
from codecourier.task import Publication, StepState
from tests.support.plans import plan_sandbox
from tests.support.sandboxes import DONE, HEAD, NAME, SECRET, pod, publish, running_run, status_of, step, world
from tests.support.worlds import NOW, make_workflow

NO_POD = Facts({ObjectAsk("Pod", "shop", NAME): ObjectFact(None, None)})


def test_tokens_come_before_the_pod() -> None:
    assert [type(e) for e in plan_sandbox(world(), NOW).effects] == [MintTokens]
    assert [type(c) for c in plan_sandbox(world(secret=SECRET), NOW).creates] == [CreatePod]


def test_no_token_is_minted_before_the_network_is_closed() -> None:
    early = plan_sandbox(world(policy=None), NOW)
    assert (early.effects, early.creates) == ((), ())
    condition = status_of(early).condition("Succeeded")
    assert condition is not None
    assert (condition.reason, status_of(early).message) == (Reason.NETWORK_POLICY_MISSING, condition.message)
    late = status_of(plan_sandbox(world(policy=None), NOW + timedelta(days=1)))
    assert (late.phase, late.reason) == (SandboxPhase.FAILED, Reason.NETWORK_POLICY_MISSING)
    assert Reason.NETWORK_POLICY_MISSING in RETRYABLE


def test_a_missing_credential_is_waited_for_and_said() -> None:
    effect = plan_sandbox(world(), NOW).effects[0]
    problem = Problem(Reason.CREDENTIALS_MISSING, "Secret 'token' is not there.")
    plan = plan_sandbox(world(failures=Failures({effect: problem})), NOW)
    assert status_of(plan).message == problem.message
    assert plan.effects == (effect,)


def test_a_secret_of_the_agents_that_is_missing_is_said_and_looked_for_again() -> None:
    variable = SecretVariable(name="API_KEY", secret_key_ref=SecretKeyReference(name="model", key="key"))
    run = running_run().updated(
        status=running_run().status.updated(workflow=make_workflow(secret_env=(variable,)).spec, workflow_revision=None)
    )
    waiting = world(run=run)
    (ask,) = plan_sandbox(waiting, NOW).asks
    missing = UnreadableSecret("model", "key", "it is not there.")
    answered = replace(waiting, facts=Facts({ask: AgentSecretsFact((missing,))}))
    plan = plan_sandbox(answered, NOW)
    assert "Secret 'model' must exist, have the key 'key'" in status_of(plan).message
    assert [(event.reason, event.is_warning) for event in plan.events] == [("SecretNotReadable", True)]
    # Long before the start's deadline: no watch reports the Secret.
    assert plan.look_again == NOW + LOOK_AGAIN
    assert status_of(plan_sandbox(answered, NOW + timedelta(hours=1))).reason == Reason.SECRET_NOT_READABLE


def test_a_pod_that_the_cluster_refuses_ends_the_try() -> None:
    create = plan_sandbox(world(secret=SECRET), NOW).creates[0]
    problem = Problem(Reason.POD_REFUSED, "Refused by admission.", is_final=True)
    known = world(secret=SECRET, facts=NO_POD, failures=Failures({create: problem}))
    assert [type(e) for e in plan_sandbox(known, NOW).effects] == [RevokeTokens]
    status = status_of(plan_sandbox(replace(known, secret=None), NOW))
    assert (status.phase, status.message) == (SandboxPhase.FAILED, problem.message)


def test_a_task_that_no_pod_can_hold_ends_the_try_before_tokens_are_minted() -> None:
    run = running_run(prompt="x")
    template = make_workflow(prompt_template="{{ sprint.number }}").spec
    known = world(run=run.updated(status=run.status.updated(workflow=template, workflow_revision=None)))
    plan = plan_sandbox(known, NOW)
    assert plan.effects == ()
    assert status_of(plan).reason == Reason.TEMPLATE_INVALID


def test_that_a_pod_waits_is_said_when_it_takes_longer_than_usual() -> None:
    plan = plan_sandbox(world(secret=SECRET, pod=pod(phase="Pending")), NOW + USUAL_START)
    assert (plan.status, plan.look_again) == (None, NOW + UNEXPLAINED_START)
    late = plan_sandbox(world(secret=SECRET, pod=pod(phase="Pending")), NOW + UNEXPLAINED_START)
    assert status_of(late).message == "Step checkout waits to start; the cluster gives no reason."
    unbound = plan_sandbox(world(secret=SECRET, pod=pod(phase="Pending", node="")), NOW + UNEXPLAINED_START)
    assert status_of(unbound).message == "The pod was made and waits for a node."
    scheduled = pod(phase="Pending", node="", waiting_for="Unschedulable: no room")
    explained = plan_sandbox(world(secret=SECRET, pod=scheduled), NOW + USUAL_START)
    assert status_of(explained).message == "Step checkout waits to start: Unschedulable: no room"


def test_a_pod_that_ended_before_its_first_look_is_written_once() -> None:
    over = pod(*DONE, publish(Publication.NO_CHANGE), phase="Succeeded")
    status = status_of(plan_sandbox(world(pod=over), NOW))
    assert (status.phase, status.start_time, status.pod_uid) == (SandboxPhase.COMPLETED, NOW, "uid-pod")


def test_it_runs_once_a_container_has_run_for_some_seconds() -> None:
    begun = ContainerView("checkout", NOW)
    early = plan_sandbox(world(pod=pod(begun)), NOW + USUAL_SHORT / 2)
    assert (early.status, early.look_again) == (None, NOW + USUAL_SHORT)
    status = status_of(plan_sandbox(world(pod=pod(begun)), NOW + USUAL_SHORT))
    assert (status.phase, status.pod_name, status.pod_uid) == (SandboxPhase.RUNNING, NAME, "uid-pod")


@pytest.mark.parametrize("changes", [{"has_finalizer": False}, {"deletion_time": NOW}])
def test_a_pod_that_may_go_is_recorded_at_once(changes: dict[str, Any]) -> None:
    leaving = pod(ContainerView("checkout", NOW), **changes)
    assert status_of(plan_sandbox(world(pod=leaving), NOW)).pod_uid == "uid-pod"


def test_a_start_in_the_future_is_no_reason_to_wait() -> None:
    ahead = pod(ContainerView("checkout", NOW + timedelta(hours=1)))
    assert status_of(plan_sandbox(world(pod=ahead), NOW)).phase is SandboxPhase.RUNNING


def test_tokens_that_are_about_to_end_are_replaced() -> None:
    going = world(secret=SECRET, pod=pod(ContainerView("checkout", NOW)))
    (effect,) = plan_sandbox(going, NOW + timedelta(minutes=50)).effects
    assert isinstance(effect, MintTokens)
    assert effect.replaces == SECRET.resource_version


def test_tokens_do_not_end_while_a_pod_waits_to_start() -> None:
    later = NOW + timedelta(minutes=50)
    run = running_run()
    patient = run.updated(
        status=run.status.updated(workflow=make_workflow(start_timeout_seconds=86_400).spec, workflow_revision=None)
    )
    waiting = pod(waiting_for="Unschedulable: no node yet.", node="")
    create = plan_sandbox(world(run=patient, secret=SECRET), NOW).creates[0]
    refused = Failures({create: Problem(Reason.POD_REFUSED, "The quota is used up.")})
    for known in (
        world(run=patient, secret=SECRET, pod=waiting),
        world(run=patient, secret=SECRET),
        world(run=patient, secret=SECRET, failures=refused, facts=NO_POD),
    ):
        early, late = plan_sandbox(known, NOW + timedelta(minutes=1)), plan_sandbox(known, later)
        assert early.effects == ()
        assert early.look_again == NOW + timedelta(minutes=45)
        assert [(type(e), e.replaces) for e in late.effects if isinstance(e, MintTokens)] == [(MintTokens, "1")]


def test_an_end_is_reported_only_after_the_tokens_are_gone() -> None:
    over = pod(*DONE, publish(Publication.PUSHED, commit=HEAD), phase="Succeeded")
    assert [type(e) for e in plan_sandbox(world(secret=SECRET, pod=over), NOW).effects] == [RevokeTokens]
    assert plan_sandbox(world(secret=SECRET, pod=over), NOW).status is None
    status = status_of(plan_sandbox(world(pod=over), NOW))
    assert status.result is not None
    assert (status.phase, status.result.state, status.result.commit) == (
        SandboxPhase.COMPLETED,
        PublishState.PUSHED,
        HEAD,
    )


def test_the_log_is_asked_for_once_when_the_tokens_are_gone() -> None:
    over = pod(*DONE, publish(Publication.PUSHED, commit=HEAD, details_digest="0" * 64), phase="Succeeded")
    early = plan_sandbox(world(secret=SECRET, pod=over, facts=Facts()), NOW)
    assert (early.asks, [type(e) for e in early.effects]) == ((), [RevokeTokens])
    assert early.is_brief, "the end is written at once"
    late = plan_sandbox(world(pod=over, facts=Facts()), NOW)
    assert [type(ask) for ask in late.asks] == [LogAsk]


REVOKE = RevokeTokens("shop", SECRET.name)
STUCK = Failures({REVOKE: Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.", since=NOW)})


def test_an_unanswered_revocation_holds_up_the_end_for_a_bounded_time() -> None:
    over = pod(*DONE, publish(Publication.NO_CHANGE), phase="Succeeded")
    stuck = world(secret=SECRET, pod=over, failures=STUCK)
    soon = plan_sandbox(stuck, NOW + REVOCATION_LIMIT / 2)
    assert (soon.status, soon.effects, soon.look_again) == (None, (REVOKE,), NOW + REVOCATION_LIMIT)
    late = plan_sandbox(stuck, NOW + REVOCATION_LIMIT)
    assert status_of(late).phase is SandboxPhase.COMPLETED
    assert late.effects == (REVOKE,), "it is tried on"
    assert [event.reason for event in late.events] == ["TokensNotRevoked"]


def test_a_lost_node_is_not_said_to_be_without_tokens_that_still_work() -> None:
    going = pod(ContainerView("agent", NOW), deletion_time=NOW)
    stuck = world(secret=SECRET, pod=going, failures=STUCK)
    assert "could not be revoked yet" in status_of(plan_sandbox(stuck, NOW + REVOCATION_LIMIT)).message
    assert "personal token" in status_of(plan_sandbox(world(pod=going), NOW + SILENCE_LIMIT)).message


def test_a_deleted_sandbox_leaves_tokens_behind_that_could_not_be_revoked() -> None:
    known = finished(secret=SECRET, failures=STUCK)
    sandbox = known.sandbox.updated(metadata=known.sandbox.metadata.updated(deletion_timestamp=NOW))
    gone = replace(known, sandbox=sandbox, run=None)
    assert not plan_sandbox(gone, NOW + REVOCATION_LIMIT / 2).release_finalizer
    late = plan_sandbox(gone, NOW + REVOCATION_LIMIT)
    assert (late.release_finalizer, late.effects) == (True, (REVOKE,))
    released = sandbox.updated(metadata=sandbox.metadata.updated(finalizers=("foregroundDeletion",)))
    forced = plan_sandbox(replace(gone, sandbox=released), NOW + REVOCATION_LIMIT)
    assert forced.effects == (replace(REVOKE, is_forced=True),), "it goes only after its Secret"


@pytest.mark.parametrize(
    ("containers", "changes", "reason"),
    [
        ((step("checkout", StepState.FAILED, "ForgeUnavailable"),), {}, Reason.FORGE_UNAVAILABLE),
        ((step("checkout", StepState.FAILED, "LfsNotSupported"),), {}, Reason.STEP_FAILED),
        ((DONE[0], step("agent", StepState.FAILED, "AgentFailed"), DONE[2]), {}, Reason.AGENT_FAILED),
        ((DONE[0], step("agent", StepState.FAILED, "AgentTimeout"), DONE[2]), {}, Reason.AGENT_TIMEOUT),
        ((DONE[0], step("agent", StepState.FAILED, "ProviderLimit"), DONE[2]), {}, Reason.PROVIDER_LIMIT),
        ((DONE[0], step("agent"), step("verify", StepState.FAILED, "VerifyFailed")), {}, Reason.VERIFY_FAILED),
        ((DONE[0], ContainerView("agent", NOW, NOW, 137, "OOMKilled")), {}, Reason.OUT_OF_MEMORY),
        ((DONE[0], replace(DONE[1], reason="OOMKilled")), {}, Reason.OUT_OF_MEMORY),
        ((replace(DONE[0], reason="OOMKilled"),), {}, Reason.OUT_OF_MEMORY),
        ((DONE[0], step("agent", StepState.FAILED, "OutOfMemory")), {}, Reason.OUT_OF_MEMORY),
        ((DONE[0], DONE[1], step("verify", StepState.FAILED, "OutOfMemory")), {}, Reason.OUT_OF_MEMORY),
        ((DONE[0], ContainerView("agent", NOW, NOW, 137, "Error")), {}, Reason.REPORT_LOST),
        ((), {"reason": "DeadlineExceeded"}, Reason.DEADLINE_EXCEEDED),
        ((), {"reason": "Evicted", "message": "The node was low on memory."}, Reason.POD_EVICTED),
        ((), {"reason": "Evicted", "message": "Usage of EmptyDir exceeds the limit."}, Reason.DISK_LIMIT),
        ((), {"deletion_time": NOW}, Reason.POD_DELETED),
        ((step("checkout", StepState.FAILED, "Terminated"),), {"deletion_time": NOW}, Reason.POD_DELETED),
        ((DONE[0], step("agent", StepState.FAILED, "Terminated")), {"deletion_time": NOW}, Reason.POD_DELETED),
        ((DONE[0], step("agent", StepState.FAILED, "Terminated")), {"reason": "NodeShutdown"}, Reason.POD_EVICTED),
        ((DONE[0], step("agent", StepState.FAILED, "Terminated")), {}, Reason.SANDBOX_RESTARTED),
        ((step("checkout", StepState.FAILED, "Terminated"),), {}, Reason.SANDBOX_RESTARTED),
        ((*DONE, publish(Publication.FAILED, reason="Terminated")), {}, Reason.SANDBOX_RESTARTED),
        ((DONE[0], step("agent", StepState.FAILED, "AgentFailed")), {"deletion_time": NOW}, Reason.AGENT_FAILED),
        ((*DONE, publish(Publication.FAILED, reason="Terminated")), {"deletion_time": NOW}, Reason.POD_DELETED),
    ],
)
def test_the_reason_of_an_end_is_the_first_thing_that_went_wrong(
    containers: tuple[ContainerView, ...], changes: dict[str, Any], reason: Reason
) -> None:
    status = status_of(plan_sandbox(world(pod=pod(*containers, phase="Failed", **changes)), NOW))
    assert status.reason == reason
    assert status.phase is (SandboxPhase.EXPIRED if reason is Reason.DEADLINE_EXCEEDED else SandboxPhase.FAILED)


def test_what_lacked_memory_in_a_pod_that_went_on_has_not_failed() -> None:
    over = pod(
        DONE[0], replace(DONE[1], reason="OOMKilled"), DONE[2], publish(Publication.NO_CHANGE), phase="Succeeded"
    )
    assert status_of(plan_sandbox(world(pod=over), NOW)).phase is SandboxPhase.COMPLETED


def test_an_agent_cannot_keep_its_sandbox_from_ending_by_what_it_reports() -> None:
    forged = json.dumps({"step": "agent", "state": "Failed", "reason": "AgentFailed", "message": "\ud800"})
    agent = ContainerView("agent", NOW, NOW, 0, "Completed", forged)
    ended = pod(DONE[0], agent, DONE[2], publish(Publication.NO_CHANGE), phase="Succeeded")
    status = status_of(plan_sandbox(world(pod=ended), NOW))
    assert (status.phase, status.reason) == (SandboxPhase.FAILED, Reason.REPORT_LOST)


def test_the_work_of_a_failed_agent_is_known() -> None:
    over = pod(
        DONE[0],
        step("agent", StepState.FAILED, "AgentFailed"),
        DONE[2],
        publish(Publication.PUSHED, commit=HEAD),
        phase="Succeeded",
    )
    status = status_of(plan_sandbox(world(pod=over), NOW))
    assert status.result is not None
    assert (status.phase, status.result.commit) == (SandboxPhase.FAILED, HEAD)


def test_a_lost_log_costs_the_details_and_not_the_outcome() -> None:
    over = pod(*DONE, publish(Publication.PUSHED, commit=HEAD, details_digest="0" * 64), phase="Succeeded")
    (ask,) = plan_sandbox(world(pod=over), NOW).asks
    delayed = Facts({ask: Problem(Reason.LOG_DELAYED, "Its node does not answer.")})
    waiting = plan_sandbox(world(pod=over, facts=delayed), NOW)
    assert (status_of(waiting).phase, status_of(waiting).message) == (SandboxPhase.PENDING, "Its node does not answer.")
    assert waiting.look_again == NOW + LOG_RETRY
    lost = Facts({ask: Problem(Reason.REPORT_LOST, "gone")})
    status = status_of(plan_sandbox(world(pod=over, facts=lost), NOW))
    assert status.phase is SandboxPhase.COMPLETED
    assert status.condition("DetailsLost") is not None


def test_a_node_that_does_not_answer_is_given_up_after_a_bounded_time() -> None:
    silent = world(pod=pod(ContainerView("checkout", NOW), deletion_time=NOW))
    assert not status_of(plan_sandbox(silent, NOW)).phase.is_finished
    status = status_of(plan_sandbox(silent, NOW + SILENCE_LIMIT))
    assert status.reason == Reason.NODE_LOST
    assert Reason.NODE_LOST in RETRYABLE


def cancelled(**changes: Any) -> SandboxWorld:
    """Return the world of a Sandbox whose Run was cancelled."""
    return world(run=running_run(cancelled=True), **changes)


def test_stopping_revokes_the_tokens_and_deletes_the_pod() -> None:
    plan = plan_sandbox(cancelled(secret=SECRET, pod=pod(ContainerView("agent", NOW))), NOW)
    assert [type(d) for d in plan.deletes] == [Delete]
    assert [type(e) for e in plan.effects] == [RevokeTokens]
    assert not status_of(plan).phase.is_finished


def test_invariant_5_cancelled_is_said_once_the_pod_is_over() -> None:
    going = pod(ContainerView("agent", NOW), deletion_time=NOW)
    assert plan_sandbox(cancelled(pod=going), NOW).status is None
    over = replace(going, phase="Failed")
    assert status_of(plan_sandbox(cancelled(pod=over), NOW)).phase is SandboxPhase.CANCELLED
    unconfirmed = status_of(plan_sandbox(cancelled(pod=going), NOW + SILENCE_LIMIT))
    assert (unconfirmed.phase, unconfirmed.reason) == (SandboxPhase.CANCELLED, Reason.PROCESS_UNCONFIRMED)


def test_a_pod_that_never_came_to_a_node_needs_no_kubelets_word() -> None:
    unbound = pod(deletion_time=NOW, node="", phase="Pending")
    assert status_of(plan_sandbox(cancelled(pod=unbound), NOW)).phase is SandboxPhase.CANCELLED


def finished(**changes: Any) -> SandboxWorld:
    """Return the world of a Sandbox that is over."""
    known = world()
    sandbox = known.sandbox.updated(status=SandboxStatus(phase=SandboxPhase.COMPLETED))
    return replace(known, sandbox=sandbox, **changes)


def test_the_pod_is_let_go_once_its_end_is_written() -> None:
    assert [type(d) for d in plan_sandbox(finished(pod=pod(phase="Succeeded")), NOW).deletes] == [ReleasePod]


def test_what_arrives_after_the_end_is_taken_away() -> None:
    """Creations that were not answered: tokens that work, and a pod that runs."""
    assert [type(e) for e in plan_sandbox(finished(secret=SECRET), NOW).effects] == [RevokeTokens]
    late = finished(pod=pod(ContainerView("checkout", NOW)), secret=SECRET)
    assert [type(d) for d in plan_sandbox(late, NOW).deletes] == [Delete, ReleasePod]


def test_work_that_was_lost_with_a_failed_agent_is_reported() -> None:
    agent = step("agent", StepState.FAILED, "AgentFailed")
    lost = publish(Publication.FAILED, reason="ForgeUnavailable", message="No answer.")
    over = pod(DONE[0], agent, DONE[2], lost, phase="Failed")
    status = status_of(plan_sandbox(world(pod=over), NOW))
    assert status.reason == Reason.AGENT_FAILED
    name = over.name
    assert f" Its output: `kubectl logs -n shop {name} -c agent`. " in status.message
    assert "What it had done was not pushed: " in status.message
    assert "No answer." in status.message


def test_a_deleted_sandbox_goes_once_its_run_has_its_end() -> None:
    known = finished()
    sandbox = known.sandbox.updated(metadata=known.sandbox.metadata.updated(deletion_timestamp=NOW))
    assert not plan_sandbox(replace(known, sandbox=sandbox), NOW).release_finalizer
    run = running_run()
    closed = run.status.tries[0].updated(phase=SandboxPhase.COMPLETED)
    recorded = run.updated(status=run.status.updated(tries=(closed,)))
    assert plan_sandbox(replace(known, sandbox=sandbox, run=recorded), NOW).release_finalizer
    assert plan_sandbox(replace(known, sandbox=sandbox, run=None), NOW).release_finalizer


def test_a_pod_that_did_not_start_in_time_is_deleted_only_as_it_was_seen() -> None:
    waiting = pod(waiting_for="Unschedulable: no node yet.", node="", resource_version="7")
    (delete,) = plan_sandbox(world(secret=SECRET, pod=waiting), NOW + timedelta(hours=1)).deletes
    assert delete == Delete("Pod", "shop", NAME, "uid-pod", resource_version="7")


LONG = "Ein sehr langer Grund. " * 500


@pytest.mark.parametrize("waiting_for", [LONG, f"ErrImagePull: {LONG}"])
def test_what_a_pod_waits_for_is_cut_to_what_a_status_holds(waiting_for: str) -> None:
    known = world(secret=SECRET, pod=pod(phase="Pending", waiting_for=waiting_for))
    status = status_of(plan_sandbox(known, NOW + USUAL_START))
    assert f"Step checkout waits to start: {waiting_for}".startswith(status.message[:-1])
    assert status.message.endswith("…")
    given_up = status_of(plan_sandbox(known, NOW + timedelta(hours=1)))
    sandbox = known.sandbox.updated(status=given_up)
    gone = world(sandbox=sandbox, pod=pod(waiting_for=LONG, deletion_time=NOW))
    late = plan_sandbox(gone, NOW + timedelta(hours=1))
    assert (status_of(late).reason, status_of(late).message[-1]) == (Reason.START_TIMEOUT, "…")


@pytest.mark.parametrize(
    ("said", "kept"), [("Start Error!", "StartError"), ("137_", None), ("é" * 9, None), ("R" * 200, "R" * 128)]
)
def test_a_reason_of_the_nodes_is_kept_as_far_as_a_reason_may_be_spelt(said: str, kept: str | None) -> None:
    agent = ContainerView("agent", NOW, NOW, 137, said, LONG)
    over = pod(DONE[0], agent, phase="Failed", reason=LONG, message=LONG, deletion_time=NOW)
    status = status_of(plan_sandbox(world(pod=over), NOW))
    assert [s.reason for s in status.steps] == ["Completed", kept]


def test_a_container_that_others_injected_is_no_step() -> None:
    injected = ContainerView("istio-init", NOW, NOW, 0, "Completed", LONG)
    over = pod(injected, *DONE, publish(Publication.NO_CHANGE), phase="Succeeded")
    status = status_of(plan_sandbox(world(pod=over), NOW))
    assert (status.phase, [s.name for s in status.steps]) == (
        SandboxPhase.COMPLETED,
        ["checkout", "agent", "collect", "publish"],
    )


def test_a_pod_is_gone_only_if_the_api_server_says_so() -> None:
    known = world(secret=SECRET)
    status = known.sandbox.status.updated(phase=SandboxPhase.RUNNING, pod_name=NAME, pod_uid="uid-pod")
    lost = replace(known, sandbox=known.sandbox.updated(status=status))
    (ask,) = plan_sandbox(lost, NOW).asks
    assert ask == ObjectAsk("Pod", "shop", NAME)
    hidden = plan_sandbox(replace(lost, facts=Facts({ask: ObjectFact("uid-pod", "7")})), NOW)
    (restored,) = hidden.creates
    assert isinstance(restored, RestoreLabels)
    assert (restored.uid, dict(restored.labels)["codecourier.dev/managed"], hidden.status) == ("uid-pod", "true", None)
    gone = plan_sandbox(replace(lost, secret=None, facts=Facts({ask: ObjectFact(None, None)})), NOW)
    assert status_of(gone).reason == Reason.POD_DELETED
    again = plan_sandbox(replace(lost, secret=None, facts=Facts({ask: ObjectFact("uid-other", "9")})), NOW)
    assert status_of(again).reason == Reason.POD_DELETED


def test_a_hidden_pod_that_was_not_recorded_is_known_by_its_owner() -> None:
    create = plan_sandbox(world(secret=SECRET), NOW).creates[0]
    taken = world(secret=SECRET, failures=Failures({create: Problem(Reason.POD_REFUSED, "The name is taken.")}))
    for known in (taken, cancelled(pod=None)):
        (ask,) = plan_sandbox(known, NOW).asks
        ours = ObjectFact("uid-pod", "7", (known.sandbox.uid,))
        (restored,) = plan_sandbox(replace(known, facts=Facts({ask: ours})), NOW).creates
        assert isinstance(restored, RestoreLabels)
        assert restored.uid == "uid-pod"
        others = plan_sandbox(replace(known, facts=Facts({ask: ObjectFact("uid-other", "7")})), NOW)
        assert not [c for c in others.creates if isinstance(c, RestoreLabels)]
