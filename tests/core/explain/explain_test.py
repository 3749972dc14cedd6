"""Why objects are where they are: every reason has an explanation that names the next step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from codecourier.core.explain.explain import explain
from codecourier.core.explain.explanation import Explanation, Subject
from codecourier.core.explain.steps import GOES_ON, NEXT_STEPS, SAYS_IT_ITSELF, find_next_step
from codecourier.core.explain.surroundings import Explained, Surroundings, subjects_of
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.core.shared.reasons import SENTENCES, Reason
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

R = TypeVar("R", bound=CustomResource)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
URL = "https://github.com/org/repo"
PROJECT = Subject("Project", "default")
WORKFLOW = Subject("Workflow", "build")
METADATA = {"namespace": "shop", "uid": "uid", "generation": 1, "creationTimestamp": BEFORE.isoformat()}


def condition(type_: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """Return a condition."""
    message = message or SENTENCES.get(Reason(reason), "") if reason in set(Reason) else message
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": BEFORE.isoformat(),
    }


def make(model: type[R], name: str, spec: Any, status: Any = None, **metadata: Any) -> R:
    """Return an object that the operator has seen."""
    seen = {"observedGeneration": 1, **(status or {})}
    return model.model_validate({"metadata": {**METADATA, "name": name, **metadata}, "spec": spec, "status": seen})


def project(*, status: Any = None, **spec: Any) -> Project:
    """Return the Project."""
    repository = {"url": URL, "isDefault": True, "credentialRef": {"name": "forge"}}
    return make(Project, "default", {"repositories": [repository], **spec}, status)


def workflow(**metadata: Any) -> Workflow:
    """Return the Workflow."""
    return make(Workflow, "build", {"image": "busybox", "agent": {"command": ["true"]}}, **metadata)


def run(phase: str = "Queued", *conditions: Any, name: str = "fix", **changes: Any) -> Run:
    """Return a Run."""
    spec = {"workflowRef": {"name": "build"}, "prompt": "Fix.", **changes.pop("spec", {})}
    status = {
        "phase": phase,
        "attempt": 1,
        "conditions": conditions,
        "message": "It is so.",
        **changes.pop("status", {}),
    }
    return make(Run, name, spec, status, **changes)


def chain(phase: str = "Running", *conditions: Any, **changes: Any) -> SprintChain:
    """Return a SprintChain."""
    spec = {"workflowRef": {"name": "build"}, "prompt": "Go.", "sprintRange": {"first": 1, "last": 3}}
    status = {"phase": phase, "attempt": 1, "conditions": conditions, **changes.pop("status", {})}
    return make(SprintChain, "nightly", {**spec, **changes.pop("spec", {})}, status, **changes)


def task(**changes: Any) -> RecurringTask:
    """Return a RecurringTask."""
    spec = {
        "workflowRef": {"name": "build"},
        "prompt": "Go.",
        "frequency": "Daily",
        "timeZone": "UTC",
        "hour": 8,
        "minute": 0,
    }
    return make(RecurringTask, "audit", {**spec, **changes.pop("spec", {})}, changes.pop("status", {}), **changes)


def session(**changes: Any) -> IssueSession:
    """Return an IssueSession."""
    spec = {"workflowRef": {"name": "build"}, "issueUrl": f"{URL}/issues/1"}
    return make(IssueSession, "bug", spec, changes.pop("status", {}), **changes)


def explained(obj: Explained, *around: CustomResource) -> Explanation:
    """Return the explanation of an object among others, a Project and a Workflow among them."""
    there: dict[Subject, CustomResource] = {PROJECT: project(), WORKFLOW: workflow()}
    there |= {Subject.of(other): other for other in around}
    return explain(obj, Surroundings({key: there[key] for key in subjects_of(obj) if key in there}), NOW)


def without(obj: Explained, *absent: Subject, unknown: tuple[Subject, ...] = ()) -> Explanation:
    """Return the explanation of an object where some are missing."""
    there: dict[Subject, CustomResource] = {PROJECT: project(), WORKFLOW: workflow()}
    return explain(obj, Surroundings({k: v for k, v in there.items() if k not in absent}, frozenset(unknown)), NOW)


def codes(explanation: Explanation) -> list[str]:
    """Return the codes of all causes."""
    return [cause.code for cause in explanation.causes]


def test_every_reason_is_in_one_table() -> None:
    tables = [frozenset(NEXT_STEPS), SAYS_IT_ITSELF, GOES_ON]
    assert frozenset().union(*tables) == set(Reason)
    assert sum(map(len, tables)) == len(Reason)


@pytest.mark.parametrize("reason", sorted(NEXT_STEPS))
def test_a_next_step_is_a_sentence(reason: Reason) -> None:
    step = NEXT_STEPS[reason]
    assert step[0].isupper()
    assert step.endswith((".", '".'))
    assert step not in SENTENCES[reason]


@pytest.mark.parametrize("reason", sorted(set(Reason) - GOES_ON))
def test_whatever_an_object_waits_with_is_said_with_its_next_step(reason: Reason) -> None:
    for type_, status in (("Succeeded", "Unknown"), ("Ready", "False"), ("Ready", "Unknown")):
        waiting = condition(type_, status, reason)
        for obj in (run("Queued", waiting), chain("Running", waiting), session(status={"conditions": [waiting]})):
            cause = explained(obj).causes[0]
            assert (cause.code, cause.sentence, cause.since) == (reason, SENTENCES[reason], BEFORE)
            assert cause.next_step == NEXT_STEPS.get(reason)
            assert explained(obj).sentence.startswith(f"{obj.kind} {obj.name} is ")
            assert (cause.next_step or cause.sentence) in explained(obj).sentence


def test_what_kubernetes_says_of_a_pod_has_a_next_step() -> None:
    waiting = condition("Succeeded", "Unknown", "ImagePullBackOff", "Step agent waits to start: no such image")
    cause = explained(run("Running", waiting)).causes[0]
    assert cause.sentence == "Step agent waits to start: no such image"
    assert "kubectl describe pod" in str(cause.next_step)


def test_a_run_that_works_says_which_sandbox_works_on_it() -> None:
    working = condition("Succeeded", "Unknown", "Running", "Sandbox fix-1 works on it.")
    ready = condition("Ready", "True", "Accepted")
    found = explained(run("Running", ready, working, status={"tries": [{"number": 1, "sandbox": "fix-1"}]}))
    assert [(cause.code, cause.subject, cause.next_step) for cause in found.causes] == [
        ("Running", Subject("Sandbox", "fix-1"), None)
    ]
    assert found.sentence == "Run fix is running: Sandbox fix-1 works on it."


def test_a_run_that_waits_for_a_place_names_the_runs_that_have_one() -> None:
    waiting = condition("Succeeded", "Unknown", "WaitingForPlace", "All 1 places are taken.")
    place = {"name": "other", "uid": "u2", "attempt": 1, "tryNumber": 1, "admissionTime": BEFORE.isoformat()}
    found = explained(run("Queued", waiting), project(status={"admitted": [place]}))
    assert [(cause.code, cause.subject) for cause in found.causes] == [
        ("WaitingForPlace", Subject("Run", "fix")),
        ("WaitingForPlace", Subject("Run", "other")),
    ]


def test_a_retry_says_when_it_comes() -> None:
    until = NOW + timedelta(minutes=5)
    waiting = condition("Succeeded", "Unknown", "RateLimited")
    assert explained(run("Queued", waiting, status={"retryTime": until.isoformat()})).causes[0].until == until
    past = {"retryTime": BEFORE.isoformat()}
    assert explained(run("Queued", waiting, status=past)).causes[0].until is None


def test_what_is_named_is_looked_at_even_where_the_operator_has_not_said_so() -> None:
    assert codes(without(run("Pending"), PROJECT, WORKFLOW)) == ["ProjectNotFound", "WorkflowNotFound"]
    assert codes(without(chain("Pending"), PROJECT, WORKFLOW)) == ["ProjectNotFound", "WorkflowNotFound"]
    assert codes(without(run("Pending"), PROJECT, WORKFLOW, unknown=(PROJECT, WORKFLOW))) == []
    suspended = explained(run("Queued"), project(suspend=True))
    assert [(cause.code, cause.subject) for cause in suspended.causes] == [("ProjectSuspended", PROJECT)]
    trashed = explained(run("Pending"), workflow(labels={LABEL_TRASHED: "true"}))
    assert [(cause.code, cause.subject) for cause in trashed.causes] == [("WorkflowTrashed", WORKFLOW)]
    elsewhere = run("Pending", spec={"repositoryUrl": "https://github.com/org/else"})
    assert codes(explained(elsewhere)) == ["RepositoryNotAllowed"]
    refused = condition("Ready", "False", "CredentialsRefused", "The credential was refused.")
    ill = explained(run("Queued"), project(status={"conditions": [refused]}))
    assert [(cause.code, cause.subject, cause.sentence) for cause in ill.causes] == [
        ("CredentialsRefused", PROJECT, "The credential was refused.")
    ]


def test_what_the_object_says_is_not_said_twice_but_about_the_object_that_it_is_about() -> None:
    said = condition("Ready", "False", "WorkflowNotFound", "The namespace has no Workflow 'build'.")
    found = without(run("Pending", said), WORKFLOW)
    assert [(cause.sentence, cause.subject) for cause in found.causes] == [(said["message"], WORKFLOW)]
    held = condition("Succeeded", "Unknown", "ProjectSuspended", "The Project is suspended.")
    found = explained(run("Queued", held), project(suspend=True))
    assert [(cause.sentence, cause.subject) for cause in found.causes] == [("The Project is suspended.", PROJECT)]


def test_an_object_that_the_operator_has_not_seen_says_so_first() -> None:
    found = explained(run("Pending", status={"observedGeneration": -1}))
    assert (codes(found), found.causes[0].since) == (["Unseen"], BEFORE)
    changed = explained(run("Queued", condition("Succeeded", "Unknown", "WaitingForPlace"), generation=2))
    assert codes(changed) == ["Unseen", "WaitingForPlace"]
    assert "the last change of its spec" in changed.causes[0].sentence


def test_a_run_that_is_over_says_why_and_how_to_repeat_it() -> None:
    failed = condition("Succeeded", "False", "VerifyFailed", "A verify step failed: tests.")
    found = explained(run("Failed", failed))
    assert found.sentence.startswith("Run fix is failed: A verify step failed: tests. Read the log")
    assert str(found.causes[0].next_step).endswith("raise spec.attempt.")
    origin = {"kind": "SprintChain", "name": "nightly", "uid": "u", "index": 0}
    assert "Resume the sprint chain" in str(
        explained(run("Failed", failed, spec={"origin": origin})).causes[0].next_step
    )
    done = explained(run("Completed", condition("Succeeded", "True", "Completed", "Done.")))
    assert (done.causes[0].next_step, done.sentence) == (None, "Run fix is completed: Done.")
    again = explained(run("Failed", failed, spec={"attempt": 2}, generation=2))
    assert codes(again) == ["Unseen"]


def test_a_chain_waits_for_what_its_run_waits_for() -> None:
    sprints = [{"index": 0, "number": 1, "phase": "Running", "run": "nightly-s0"}]
    waiting = run("Queued", condition("Succeeded", "Unknown", "RateLimited", "Wait."), name="nightly-s0")
    found = explained(chain(status={"sprints": sprints}), waiting)
    assert [(cause.code, cause.subject) for cause in found.causes] == [("RateLimited", Subject("Run", "nightly-s0"))]
    assert found.sentence.startswith("SprintChain nightly is running: Wait.")
    held = explained(chain(spec={"suspend": True}))
    assert codes(held) == ["Suspended"]


def test_a_task_says_why_it_did_not_run_and_when_it_does() -> None:
    next_time = NOW + timedelta(hours=20)
    slot = {"disposition": "Skipped", "reason": "Overlap", "message": "Slot x does not fire.", "time": NOW.isoformat()}
    history = [
        {**slot, "slot": (NOW - timedelta(days=1)).isoformat()},
        {**slot, "slot": (NOW - timedelta(days=2)).isoformat(), "disposition": "Fired", "reason": "OnTime", "run": "a"},
        {**slot, "slot": (NOW - timedelta(days=3)).isoformat(), "reason": "Superseded", "message": "Late."},
    ]
    status = {
        "phase": "Active",
        "nextRunTime": next_time.isoformat(),
        "message": "The next slot is x.",
        "history": history,
    }
    found = explained(task(status=status))
    assert codes(found) == ["Accepted", "Overlap", "Superseded"]
    assert (found.causes[0].until, found.causes[1].since) == (next_time, NOW - timedelta(days=1))
    assert found.sentence == "RecurringTask audit is active: The next slot is x."
    assert codes(explained(task(spec={"suspend": True}))) == ["Suspended"]
    held = explained(task(), project(suspend=True))
    assert [(cause.code, cause.subject) for cause in held.causes] == [("ProjectSuspended", PROJECT)]
    paused = explained(task(status={"pausedTime": BEFORE.isoformat(), "failures": 5}))
    assert (codes(paused), paused.causes[0].since) == (["PausedByFailures"], BEFORE)
    assert codes(without(task(), WORKFLOW)) == ["WorkflowNotFound"]
    unfinished = {"active": [{"run": "audit-1", "slot": NOW.isoformat(), "claimTime": NOW.isoformat()}]}
    waiting = run("Queued", condition("Succeeded", "Unknown", "ProviderLimit", "Wait."), name="audit-1")
    assert codes(explained(task(status=unfinished), waiting)) == ["ProviderLimit"]


def test_a_session_says_what_became_of_its_comment_and_its_follow_up() -> None:
    locked = condition("Commented", "False", "IssueLocked")
    found = explained(session(status={"phase": "Running", "conditions": [locked]}))
    assert codes(found) == ["IssueLocked"]
    status = {"phase": "Completed", "followUpMessage": "The follow-up makes no Run.", "conditions": [locked]}
    assert codes(explained(session(status=status))) == ["FollowUpDeclined", "IssueLocked"]


def test_records_that_are_owed_are_named_after_the_rest() -> None:
    owed = condition("RecordsOwed", "True", "QuotaExceeded", "A Notification is owed.")
    assert codes(explained(run("Failed", condition("Succeeded", "False", "AgentFailed"), owed))) == [
        "AgentFailed",
        "QuotaExceeded",
    ]


def test_unknown_words_are_taken_for_those_of_a_pod() -> None:
    assert find_next_step("SomethingNew") == find_next_step("Unschedulable") is not None
