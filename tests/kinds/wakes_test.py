"""Which keys a change concerns."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.cache.store import Store
from codecourier.core.shared.naming import (
    ANNOTATION_FOLLOW_UP,
    ANNOTATION_TRASHED_TIME,
    LABEL_SANDBOX_UID,
    LABEL_TRASHED,
)
from codecourier.kinds.api_resources import (
    DAILY_STATS,
    ISSUE_SESSIONS,
    LEARNINGS,
    NOTIFICATIONS,
    PROJECTS,
    RECURRING_TASKS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.kinds.registry import REGISTRY
from codecourier.kinds.sources import AGENT_SECRET_SOURCE, CREDENTIAL_SOURCE
from codecourier.kube.api import NAMESPACES, PODS, SECRETS, Json, Resource
from tests.support.views import make_store

SHOP = "shop"
RUNNING: dict[str, Any] = {"attempt": 1, "phase": "Running", "tries": [{}]}


def obj(name: str, *, spec: Json | None = None, status: Json | None = None, **metadata: Any) -> Json:
    fields = {"name": name, "namespace": SHOP, "uid": f"uid-{name}", "resourceVersion": "1", **metadata}
    return {"metadata": fields, "spec": spec or {}, "status": status or {}}


def run(name: str, origin: str | None = None, **status: Any) -> Json:
    spec: Json = {"workflowRef": {"name": "scripted"}}
    if origin:
        spec["origin"] = {"kind": "SprintChain", "name": origin, "uid": f"uid-{origin}"}
    return obj(name, spec=spec, status=status)


def chain(name: str, **status: Any) -> Json:
    return obj(name, spec={"workflowRef": {"name": "scripted"}}, status=status)


def task(name: str, **status: Any) -> Json:
    return obj(name, spec={"workflowRef": {"name": "daily"}}, status=status)


def session(name: str, **status: Any) -> Json:
    return obj(name, spec={"workflowRef": {"name": "fixer"}}, status=status)


def sandbox(name: str, of: str) -> Json:
    return obj(name, spec={"runRef": {"name": of, "uid": f"uid-{of}"}})


@pytest.fixture
def store() -> Store:
    made = make_store()
    for resource, item in (
        (SPRINT_CHAINS, chain("nightly")),
        (SPRINT_CHAINS, chain("ended", phase="Completed", attempt=1)),
        (RECURRING_TASKS, task("audit")),
        (ISSUE_SESSIONS, session("total")),
        (ISSUE_SESSIONS, session("settled", phase="Completed")),
        (RUNS, run("s0", "nightly")),
        (RUNS, run("s1", "nightly", phase="Completed", attempt=1)),
        (RUNS, run("alone")),
        (SANDBOXES, sandbox("s0-1", "s0")),
        (SANDBOXES, sandbox("alone-1", "alone")),
    ):
        made.cache(resource).apply(item)
    return made


def woken(store: Store, resource: Resource, old: Json | None, new: Json | None) -> set[str]:
    found = list(REGISTRY.wakes(store, resource, old, new))
    assert {key.namespace for key in found} <= {SHOP}
    return {f"{key.resource.kind}/{key.name}" for key in found}


def test_no_object_wakes_no_key(store: Store) -> None:
    assert woken(store, RUNS, None, None) == set()


@pytest.mark.parametrize(
    "resource", [PROJECTS, WORKFLOWS, RUNS, SPRINT_CHAINS], ids=lambda resource: str(resource.kind)
)
def test_an_object_wakes_itself_when_it_comes_changes_and_goes(store: Store, resource: Resource) -> None:
    item = obj("x", spec={"a": 1})
    for old, new in ((None, item), (item, item), (item, None)):
        assert f"{resource.kind}/x" in woken(store, resource, old, new)


@pytest.mark.parametrize("resource", [PODS, SECRETS], ids=lambda resource: str(resource.kind))
def test_what_was_made_for_a_sandbox_wakes_it_alone(store: Store, resource: Resource) -> None:
    name = "s0-1" if resource == PODS else "s0-1-token"
    item = obj(name, labels={LABEL_SANDBOX_UID: "uid-s0-1"})
    assert woken(store, resource, None, item) == {"Sandbox/s0-1"}
    assert woken(store, resource, item, None) == {"Sandbox/s0-1"}
    item["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "other", "uid": "other"}]
    assert woken(store, resource, None, item) == {"Sandbox/s0-1"}, "ownerReferences say nothing"


def test_a_sandbox_wakes_its_run(store: Store) -> None:
    item = sandbox("s0-1", "s0")
    assert woken(store, SANDBOXES, None, item) == {"Sandbox/s0-1", "Run/s0"}
    assert woken(store, SANDBOXES, item, None) == {"Sandbox/s0-1", "Run/s0"}


def test_a_run_wakes_its_chain_and_its_sandboxes(store: Store) -> None:
    old, new = run("s0", "nightly"), run("s0", "nightly", message="now")
    assert woken(store, RUNS, old, new) == {"Run/s0", "SprintChain/nightly", "Sandbox/s0-1"}
    assert woken(store, RUNS, run("alone"), run("alone", message="now")) == {"Run/alone", "Sandbox/alone-1"}


def test_a_follow_up_wakes_the_run_that_it_continues_and_that_one_wakes_it(store: Store) -> None:
    child = run("f1")
    child["spec"]["origin"] = {"kind": "Run", "name": "alone", "uid": "uid-alone"}
    assert woken(store, RUNS, None, child) == {"Run/f1", "Run/alone", "Project/default"}
    store.cache(RUNS).apply(child)
    assert woken(store, RUNS, run("alone"), run("alone", message="now")) >= {"Run/alone", "Run/f1"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, run("s0")),
        (run("s0"), None),
        (run("s0"), run("s0", attempt=1, phase="Queued")),
        (run("s0", attempt=1, phase="Running"), run("s0", attempt=1, phase="Completed")),
        (run("s0", attempt=1), run("s0", attempt=2)),
        (run("s0", attempt=1, tries=[]), run("s0", attempt=1, tries=[{}])),
        (run("s0", attempt=1), run("s0", attempt=1, retryTime="2026-01-01T00:00:00Z")),
        (
            run("s0", **RUNNING),
            run("s0", **RUNNING, pullRequest={"phase": "Creating"}),
        ),
        (run("s0"), run("s0") | {"spec": {"cancelled": True}}),
        (run("s0"), obj("s0", deletionTimestamp="2026-01-01T00:00:00Z")),
        (run("s0"), obj("s0", uid="other")),
    ],
    ids=["comes", "goes", "phase", "end", "attempt", "tries", "retry", "pushed", "cancelled", "deleted", "made again"],
)
def test_what_admission_reads_of_a_run_wakes_the_project(store: Store, old: Json | None, new: Json | None) -> None:
    assert "Project/default" in woken(store, RUNS, old, new)


def test_a_chain_wakes_its_runs_and_their_sandboxes(store: Store) -> None:
    woken_by_it = woken(store, SPRINT_CHAINS, None, obj("nightly"))
    assert woken_by_it == {"SprintChain/nightly", "Run/s0", "Run/s1", "Sandbox/s0-1"}


def test_a_run_wakes_the_task_that_made_it(store: Store) -> None:
    made = run("slot")
    made["spec"]["origin"] = {"kind": "RecurringTask", "name": "audit", "uid": "uid-audit"}
    assert woken(store, RUNS, None, made) == {"Run/slot", "RecurringTask/audit", "Project/default"}


def test_a_workflow_wakes_the_tasks_that_name_it(store: Store) -> None:
    assert woken(store, WORKFLOWS, None, obj("daily")) == {
        "Workflow/daily",
        "Project/default",
        "RecurringTask/audit",
    }


def test_a_run_wakes_the_session_that_made_it(store: Store) -> None:
    made = run("r0")
    made["spec"]["origin"] = {"kind": "IssueSession", "name": "total", "uid": "uid-total"}
    assert woken(store, RUNS, None, made) == {"Run/r0", "IssueSession/total", "Project/default"}


def test_a_workflow_wakes_the_sessions_that_name_it_and_are_not_finished(store: Store) -> None:
    assert woken(store, WORKFLOWS, None, obj("fixer")) == {
        "Workflow/fixer",
        "Project/default",
        "IssueSession/total",
    }


@pytest.mark.parametrize(("handled", "is_woken"), [("", True), ("9646c1eccdd6c119", False)])
def test_a_finished_session_is_woken_while_a_follow_up_is_asked_for(
    store: Store, handled: str, *, is_woken: bool
) -> None:
    asked = session("settled", phase="Completed", handledFollowUp=handled)
    asked["metadata"]["annotations"] = {ANNOTATION_FOLLOW_UP: "Again."}
    store.cache(ISSUE_SESSIONS).apply(asked | {"metadata": asked["metadata"] | {"resourceVersion": "2"}})
    assert ("IssueSession/settled" in woken(store, WORKFLOWS, None, obj("fixer"))) is is_woken


def test_a_workflow_wakes_what_names_it_and_is_not_finished(store: Store) -> None:
    assert woken(store, WORKFLOWS, None, obj("scripted")) == {
        "Workflow/scripted",
        "Project/default",
        "Run/s0",
        "Run/alone",
        "SprintChain/nightly",
    }
    assert woken(store, WORKFLOWS, None, obj("other")) == {"Workflow/other", "Project/default"}


def test_a_change_wakes_no_key_twice(store: Store) -> None:
    for resource, item in ((WORKFLOWS, obj("scripted")), (PROJECTS, obj("default")), (RUNS, run("s0", "nightly"))):
        keys = list(REGISTRY.wakes(store, resource, None, item))
        assert len(keys) == len(set(keys)), keys


def project(*admitted: str, number: int = 1, generation: int = 1, ready: str = "True", since: str = "08:00") -> Json:
    place = {"attempt": 1, "tryNumber": number, "admissionTime": f"2026-03-01T{since}:00Z"}
    places = [{"name": name, "uid": f"uid-{name}", **place} for name in admitted]
    status = {
        "admitted": places,
        "conditions": [{"type": "Ready", "status": ready}],
    }
    return obj("default", status=status, generation=generation)


def test_a_place_wakes_the_run_that_has_got_it(store: Store) -> None:
    assert woken(store, PROJECTS, project(), project("s0")) == {"Project/default", "Run/s0"}
    assert woken(store, PROJECTS, project("s0"), project("s0")) == {"Project/default"}
    assert woken(store, PROJECTS, project("s0"), project()) == {"Project/default"}


def test_a_place_that_was_given_back_and_given_again_in_one_write_wakes_its_run(store: Store) -> None:
    again = project("s0", since="08:01")
    assert woken(store, PROJECTS, project("s0"), again) == {"Project/default", "Run/s0"}


def test_a_place_for_the_next_try_wakes_a_run_that_is_listed_already(store: Store) -> None:
    assert woken(store, PROJECTS, project("s0"), project("s0", number=2)) == {"Project/default", "Run/s0"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, project()),
        (project(), None),
        (project(), project(generation=2)),
        (project(), project(ready="False")),
        (project(), project() | {"metadata": project()["metadata"] | {"uid": "again"}}),
    ],
    ids=["comes", "goes", "spec", "ready", "made again"],
)
def test_what_a_project_declares_wakes_everything_that_is_not_finished(
    store: Store, old: Json | None, new: Json | None
) -> None:
    unfinished = {
        "Run/s0",
        "Run/alone",
        "SprintChain/nightly",
        "RecurringTask/audit",
        "IssueSession/total",
        "Sandbox/s0-1",
        "Sandbox/alone-1",
    }
    assert woken(store, PROJECTS, old, new) == {"Project/default", *unfinished}


@pytest.mark.parametrize("kind", ["Project", "Run", "SprintChain", "RecurringTask"])
def test_a_notification_wakes_what_it_is_about(store: Store, kind: str) -> None:
    item = obj("n", spec={"entity": {"kind": kind, "name": "x", "uid": "u"}})
    assert woken(store, NOTIFICATIONS, None, item) == {f"{kind}/x"}
    assert woken(store, NOTIFICATIONS, item, None) == {f"{kind}/x"}


def test_a_usage_record_wakes_its_run(store: Store) -> None:
    assert woken(store, USAGE_RECORDS, None, obj("u", spec={"run": "s0"})) == {"Run/s0"}


def test_a_learning_wakes_nothing(store: Store) -> None:
    spec = {"repositoryUrl": "https://forge.test/example/shop", "run": {"name": "s0", "uid": "uid-s0"}}
    proposed, accepted = obj("l", spec=spec), obj("l", spec=spec | {"accepted": True}, resourceVersion="2")
    for old, new in ((None, proposed), (proposed, accepted), (accepted, None)):
        assert woken(store, LEARNINGS, old, new) == set()


def test_a_seal_wakes_the_tasks_whose_runs_wait_for_it(store: Store) -> None:
    seal = obj("stats-2026-11-30", spec={"day": "2026-11-30"})
    for old, new in ((None, seal), (seal, None)):
        assert woken(store, DAILY_STATS, old, new) == {"RecurringTask/audit"}
    assert woken(store, DAILY_STATS, seal, seal) == set()


@pytest.mark.parametrize("resource", [LEARNINGS, SANDBOXES, ISSUE_SESSIONS], ids=lambda resource: str(resource.kind))
def test_the_trash_wakes_the_project(store: Store, resource: Resource) -> None:
    plain = obj("x", spec={"runRef": {"name": "gone", "uid": "u"}})
    trashed = obj("x", spec=plain["spec"], labels={LABEL_TRASHED: "true"}, resourceVersion="2")
    trashed["metadata"]["annotations"] = {ANNOTATION_TRASHED_TIME: "2026-11-30T12:00:00Z"}
    for old, new in ((None, trashed), (plain, trashed), (trashed, plain), (trashed, None)):
        assert "Project/default" in woken(store, resource, old, new)
    assert "Project/default" not in woken(store, resource, None, plain)


def test_a_namespace_that_goes_wakes_everything_that_asks_for_it(store: Store) -> None:
    going = {"metadata": {"name": SHOP, "uid": "n", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    everything = {
        "SprintChain/nightly",
        "SprintChain/ended",
        "RecurringTask/audit",
        "IssueSession/total",
        "IssueSession/settled",
        "Run/s0",
        "Run/s1",
        "Run/alone",
    }
    assert woken(store, NAMESPACES, None, going) == everything
    assert woken(store, NAMESPACES, going, None) == set()
    assert woken(store, NAMESPACES, None, {"metadata": {"name": SHOP, "uid": "n"}}) == set()


def test_a_namespace_that_is_given_the_app_wakes_what_is_unfinished(store: Store) -> None:
    before = {"metadata": {"name": SHOP, "uid": "n"}}
    annotations = {"codecourier.dev/app-repositories": "https://github.com/acme"}
    after = {"metadata": {"name": SHOP, "uid": "n", "annotations": annotations}}
    other = {"metadata": {"name": SHOP, "uid": "n", "annotations": {"a": "b"}}}
    found = woken(store, NAMESPACES, before, after)
    assert "Run/alone" in found
    assert "SprintChain/ended" not in found
    assert woken(store, NAMESPACES, before, other) == set()


CREDENTIAL, AGENT_SECRET = CREDENTIAL_SOURCE.resource, AGENT_SECRET_SOURCE.resource


def naming(*credentials: str) -> Json:
    """Return a Project whose repositories name Secrets."""
    return obj("default", spec={"repositories": [{"credentialRef": {"name": name}} for name in credentials]})


def workflow(name: str, *secrets: str) -> Json:
    """Return a Workflow whose agents read Secrets."""
    return obj(name, spec={"secretEnv": [{"name": "A", "secretKeyRef": {"name": n, "key": "k"}} for n in secrets]})


def test_a_credential_wakes_the_project_that_names_it_and_what_works_there(store: Store) -> None:
    store.cache(PROJECTS).apply(naming("token", "token", "second"))
    runs = {"Run/s0", "Run/alone", "Sandbox/s0-1", "Sandbox/alone-1"}
    unfinished = {*runs, "SprintChain/nightly", "IssueSession/total"}
    for name in ("token", "second"):
        for old, new in ((None, obj(name)), (obj(name), obj(name)), (obj(name), None)):
            assert woken(store, CREDENTIAL, old, new) == {"Project/default", *unfinished}
    assert woken(store, CREDENTIAL, None, obj("other")) == set()
    assert woken(store, AGENT_SECRET, None, obj("token")) == set()
    assert woken(store, CREDENTIAL, None, obj("token", namespace="another")) == set()
    store.cache(PROJECTS).remove(naming("token") | {"metadata": {**naming()["metadata"], "resourceVersion": "2"}})
    assert woken(store, CREDENTIAL, None, obj("token")) == set()


def test_an_agents_secret_wakes_the_workflows_that_name_it_and_what_waits_for_these(store: Store) -> None:
    store.cache(WORKFLOWS).apply(workflow("scripted", "model", "model"))
    store.cache(WORKFLOWS).apply(workflow("unused", "model", "other"))
    waiting = {"Run/s0", "Run/alone", "SprintChain/nightly"}
    for old, new in ((None, obj("model")), (obj("model"), obj("model")), (obj("model"), None)):
        assert woken(store, AGENT_SECRET, old, new) == {"Workflow/scripted", "Workflow/unused", *waiting}
    assert woken(store, AGENT_SECRET, None, obj("other")) == {"Workflow/unused"}
    assert woken(store, CREDENTIAL, None, obj("model")) == set()
    keys = list(REGISTRY.wakes(store, AGENT_SECRET, None, obj("model")))
    assert len(keys) == len(set(keys))


def test_a_secret_that_no_object_names_costs_no_look_at_others(store: Store) -> None:
    for number in range(100):
        store.cache(WORKFLOWS).apply(workflow(f"w{number}", "model"))
    assert woken(store, AGENT_SECRET, None, obj("unrelated")) == set()
