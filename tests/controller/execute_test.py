"""Carrying plans out: in their order, each once, and up to the first thing that does not work."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from typing import Any

import pytest

from codecourier.controller.execute import ForeignObjectError
from codecourier.core.shared.intents import (
    Create,
    CreatePod,
    Delete,
    Event,
    Plan,
    ReleasePod,
    RestoreLabels,
    RevokeTokens,
)
from codecourier.core.shared.naming import FINALIZER, LABEL_MANAGED, LABEL_RUN_UID
from codecourier.core.shared.reasons import Reason
from codecourier.kinds.api_resources import LEARNINGS, RUNS, SANDBOXES
from codecourier.kinds.kind import Use
from codecourier.kinds.registry import ALL, Registry, UndeclaredUseError, WorkKey
from codecourier.kinds.run import RUN
from codecourier.kinds.sandbox import SANDBOX
from codecourier.kube.api import EVENTS, PODS, Json
from codecourier.kube.errors import Conflict, Forbidden, Invalid, ServerError, Unanswered
from codecourier.resources.learning import Learning, LearningRun, LearningSpec
from codecourier.resources.meta import ObjectMeta, OwnerReference
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.sandbox import Sandbox, SandboxRun, SandboxSpec
from tests.simulation.clock import virtual
from tests.simulation.refusals import exceeded_quota
from tests.support.desk import NAMESPACE, Desk

KEY = WorkKey(RUNS, NAMESPACE, "fix")
EVERYTHING = Registry(
    replace(kind, uses=(*kind.uses, *SANDBOX.uses, Use(SANDBOXES, ("delete",)))) if kind is RUN else kind
    for kind in ALL
)
"""Kinds of which a Run's plan may lead to every request that is tried here."""


def sandbox_of(run: Json, name: str = "fix-1") -> Sandbox:
    metadata = run["metadata"]
    owner = OwnerReference(
        api_version=run["apiVersion"],
        kind="Run",
        name=metadata["name"],
        uid=metadata["uid"],
        controller=True,
        block_owner_deletion=True,
    )
    labels = {LABEL_RUN_UID: metadata["uid"]}
    return Sandbox(
        metadata=ObjectMeta(name=name, namespace=NAMESPACE, labels=labels, owner_references=(owner,)),
        spec=SandboxSpec(run_ref=SandboxRun(name="fix", uid=metadata["uid"]), attempt=1, try_number=1),
    )


def pod_manifest(name: str = "fix-1", **labels: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {LABEL_MANAGED: "true", **labels}},
        "spec": {"containers": [{"name": "agent", "image": "busybox"}]},
    }


async def carry_out(desk: Desk, **parts: Any) -> None:
    obj, model = desk.run()
    status = parts.pop("phase", None)
    plan = Plan(status=model.status.updated(phase=status) if status else None, **parts)
    await desk.executor.execute(KEY, obj, model, plan)
    await desk.settle()
    desk.executor.in_flight.check(KEY)


def desk_with_run(**metadata: Any) -> Desk:
    desk = Desk(registry=EVERYTHING)
    desk.make_project()
    desk.make_secret()
    desk.make_run()
    if metadata:
        desk.server.store.patch(RUNS, NAMESPACE, "fix", {"metadata": metadata})
    desk.refresh()
    return desk


@virtual
async def test_a_plan_that_wants_nothing_sends_no_request() -> None:
    desk = desk_with_run()
    obj, model = desk.run()
    await desk.executor.execute(KEY, obj, model, Plan(status=model.status, events=(Event("Completed", "x"),)))
    assert desk.wire.calls == []


@virtual
async def test_everything_is_done_in_its_order() -> None:
    desk = desk_with_run(finalizers=[FINALIZER])
    old = desk.make_sandbox(desk.run()[0], "old")
    desk.make_secret("fix-token", read="a")
    desk.refresh()
    run, _ = desk.run()
    await carry_out(
        desk,
        phase=RunPhase.RUNNING,
        creates=(Create(sandbox_of(run)),),
        deletes=(Delete("Sandbox", NAMESPACE, "old", old["metadata"]["uid"]),),
        effects=(RevokeTokens(NAMESPACE, "fix-token", is_forced=True),),
        events=(Event("Running", "It runs."),),
        release_finalizer=True,
    )
    assert [(verb, kind) for verb, kind, _ in desk.wire.done()] == [
        ("replace_status", "Run"),
        ("create", "Sandbox"),
        ("delete", "Sandbox"),
        ("get", "Secret"),
        ("delete", "Secret"),
        ("patch", "Run"),
        ("create", "Event"),
    ]
    obj, model = desk.run()
    assert obj == desk.server.store.get(RUNS, NAMESPACE, "fix").obj, "own writes are known before the watch tells"
    assert model.status.phase is RunPhase.RUNNING
    assert FINALIZER not in model.metadata.finalizers
    assert desk.store.raw(SANDBOXES, NAMESPACE, "fix-1") is not None
    assert desk.store.raw(SANDBOXES, NAMESPACE, "old") is None


@virtual
async def test_a_request_that_the_row_does_not_declare_is_not_sent() -> None:
    desk = Desk()
    desk.make_run()
    desk.refresh()
    with pytest.raises(UndeclaredUseError, match="Run does not declare 'create' of pods"):
        await carry_out(desk, creates=(CreatePod(pod_manifest()),))
    with pytest.raises(UndeclaredUseError, match="Run does not declare 'delete' of pods"):
        await carry_out(desk, deletes=(Delete("Pod", NAMESPACE, "none", "u"),))
    assert desk.wire.calls == []


@virtual
async def test_a_finalizer_comes_before_and_without_everything_else() -> None:
    desk = desk_with_run(finalizers=["example.com/other"])
    await carry_out(desk, phase=RunPhase.RUNNING, add_finalizer=True, creates=(Create(sandbox_of(desk.run()[0])),))
    assert desk.wire.done() == [("patch", "Run", "fix")]
    assert desk.run()[0]["metadata"]["finalizers"] == ["example.com/other", FINALIZER]


@virtual
async def test_nothing_happens_when_the_claim_fails() -> None:
    desk = desk_with_run()
    desk.server.store.patch(RUNS, NAMESPACE, "fix", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(Conflict):
        await carry_out(desk, phase=RunPhase.RUNNING, creates=(Create(sandbox_of(desk.run()[0])),))
    assert desk.wire.done() == [("replace_status", "Run", "fix")]
    assert not desk.has(SANDBOXES, "fix-1")


@virtual
async def test_a_run_made_again_is_not_claimed() -> None:
    desk = desk_with_run()
    desk.server.store.delete(RUNS, NAMESPACE, "fix")
    desk.make_run()
    with pytest.raises(Conflict):
        await carry_out(desk, phase=RunPhase.RUNNING)


@virtual
async def test_the_shared_object_is_not_changed() -> None:
    desk = desk_with_run()
    obj, _ = desk.run()
    before = copy.deepcopy(obj)
    await carry_out(desk, phase=RunPhase.RUNNING)
    assert obj == before


@virtual
async def test_what_was_made_by_an_unanswered_call_is_accepted() -> None:
    desk = desk_with_run()
    run, _ = desk.run()
    desk.wire.lose = lambda call: Unanswered("lost") if call.verb == "create" else None
    with pytest.raises(Unanswered):
        await carry_out(desk, creates=(Create(sandbox_of(run)),))
    desk.wire.lose = lambda _: None
    await carry_out(desk, creates=(Create(sandbox_of(run)),))
    assert desk.store.raw(SANDBOXES, NAMESPACE, "fix-1") is not None


@virtual
async def test_a_name_that_another_object_took_is_not_ours() -> None:
    desk = desk_with_run()
    run, _ = desk.run()
    desk.make_sandbox(desk.make_run("other"))
    create = Create(sandbox_of(run))
    await carry_out(desk, creates=(create,))
    assert desk.store.raw(SANDBOXES, NAMESPACE, "fix-1") is None
    problem: Any = desk.backlog.problems(KEY)[create]
    assert (problem.reason, problem.is_final, problem.is_refusal) == (Reason.CREATION_REFUSED, False, True)
    assert "Sandbox fix-1: an object that is not the operator's has this name. Delete that object" in problem.message


@virtual
async def test_two_runs_that_end_at_once_share_a_lesson() -> None:
    desk = desk_with_run()
    desk.make_run("other")
    spec = {"text": "Run make db first.", "repositoryUrl": "https://forge.test/example/shop"}
    desk.make(LEARNINGS, "shop-1", spec | {"run": {"name": "other", "uid": "uid-other"}})
    mine = LearningSpec(text=spec["text"], repository_url=spec["repositoryUrl"], run=LearningRun(name="fix", uid="uid"))
    create = Create(Learning(metadata=ObjectMeta(name="shop-1", namespace=NAMESPACE), spec=mine))
    await carry_out(desk, records=(create,), phase=RunPhase.COMPLETED)
    assert desk.backlog.problems(KEY) == {}
    assert desk.server.store.get(RUNS, NAMESPACE, "fix").obj["status"]["phase"] == "Completed"


@virtual
async def test_an_object_without_a_mark_is_never_taken_for_ours() -> None:
    desk = desk_with_run()
    desk.make_run("other")
    unmarked = Run(metadata=ObjectMeta(name="other", namespace=NAMESPACE), spec=desk.run()[1].spec)
    with pytest.raises(ForeignObjectError, match="Run default/other"):
        await desk.executor._make(RUNS, unmarked.to_json())


@pytest.mark.parametrize(("change", "is_ours"), [({"new": 1}, True), ({"uid": "other"}, False)])
def test_what_a_newer_version_adds_to_a_mark_makes_no_object_foreign(change: Json, *, is_ours: bool) -> None:
    @virtual
    async def scenario() -> None:
        desk = desk_with_run()
        wanted = sandbox_of(desk.run()[0]).to_json()
        found = copy.deepcopy(wanted)
        found["spec"]["runRef"] |= change
        assert desk.executor._is_ours(SANDBOXES, wanted, found) is is_ours

    scenario()


@virtual
async def test_an_object_whose_owner_reference_was_removed_is_still_ours() -> None:
    desk = desk_with_run()
    run, _ = desk.run()
    desk.make_sandbox(run)
    await carry_out(desk, creates=(Create(sandbox_of(run)),))
    assert desk.store.raw(SANDBOXES, NAMESPACE, "fix-1") is not None


@virtual
async def test_only_the_object_that_was_meant_is_deleted() -> None:
    desk = desk_with_run()
    old = desk.make_pod("fix-1", labels={LABEL_MANAGED: "true"})
    desk.refresh()
    desk.server.store.delete(PODS, NAMESPACE, "fix-1")
    desk.make_pod("fix-1", labels={LABEL_MANAGED: "true"})
    with pytest.raises(Conflict):
        await carry_out(desk, deletes=(Delete("Pod", NAMESPACE, "fix-1", old["metadata"]["uid"]),))
    assert desk.has(PODS, "fix-1")


@virtual
async def test_what_has_changed_since_is_not_deleted_where_that_matters() -> None:
    desk = desk_with_run()
    old = desk.make_pod("fix-1", labels={LABEL_MANAGED: "true"})["metadata"]
    desk.server.edit(PODS, NAMESPACE, "fix-1", lambda pod: pod.setdefault("status", {}).update(phase="Running"))
    delete = Delete("Pod", NAMESPACE, "fix-1", old["uid"], old["resourceVersion"])
    with pytest.raises(Conflict):
        await carry_out(desk, deletes=(delete,))
    assert desk.has(PODS, "fix-1")
    await carry_out(desk, deletes=(replace(delete, resource_version=None),))
    assert not desk.has(PODS, "fix-1")


@virtual
async def test_what_is_gone_already_is_deleted() -> None:
    desk = desk_with_run()
    await carry_out(desk, deletes=(Delete("Pod", NAMESPACE, "none", "u"), Delete("Sandbox", NAMESPACE, "none", "u")))
    assert len(desk.wire.calls) == 2


@virtual
async def test_one_that_may_not_be_deleted_keeps_no_other() -> None:
    desk = desk_with_run()
    pods = [desk.make_pod(f"fix-{number}", labels={LABEL_MANAGED: "true"})["metadata"] for number in range(3)]
    deletes = tuple(Delete("Pod", NAMESPACE, pod["name"], pod["uid"]) for pod in pods)
    desk.wire.refuse = lambda call: Forbidden(403, "Forbidden", "kept by a policy") if call.name == "fix-0" else None
    with pytest.raises(Forbidden):
        await carry_out(desk, deletes=deletes)
    assert [desk.has(PODS, pod["name"]) for pod in pods] == [True, False, False]


@virtual
async def test_what_waits_for_its_node_is_known_to_go() -> None:
    desk = desk_with_run()
    pod = desk.make_pod("fix-1", node="n", labels={LABEL_MANAGED: "true"})
    desk.refresh()
    await carry_out(desk, deletes=(Delete("Pod", NAMESPACE, "fix-1", pod["metadata"]["uid"]),))
    known = desk.store.raw(PODS, NAMESPACE, "fix-1")
    assert known is not None
    assert known["metadata"]["deletionTimestamp"]


def held_pod(desk: Desk, *, grace_seconds: int) -> Json:
    pod = desk.make_pod("fix-1", node="n", labels={LABEL_MANAGED: "true"}, finalizers=[FINALIZER])
    desk.server.store.delete(PODS, NAMESPACE, "fix-1", grace_seconds=grace_seconds)
    desk.refresh()
    return pod


@virtual
async def test_a_pod_that_loses_its_last_hold_is_gone() -> None:
    desk = desk_with_run()
    pod = held_pod(desk, grace_seconds=0)
    await carry_out(desk, deletes=(ReleasePod(NAMESPACE, "fix-1", pod["metadata"]["uid"]),))
    assert not desk.has(PODS, "fix-1")
    assert desk.store.raw(PODS, NAMESPACE, "fix-1") is None


@virtual
async def test_a_released_pod_that_waits_for_its_node_is_still_there() -> None:
    desk = desk_with_run()
    pod = held_pod(desk, grace_seconds=30)
    await carry_out(desk, deletes=(ReleasePod(NAMESPACE, "fix-1", pod["metadata"]["uid"]),))
    assert desk.has(PODS, "fix-1")
    known = desk.store.raw(PODS, NAMESPACE, "fix-1")
    assert known is not None
    assert "finalizers" not in known["metadata"]


@virtual
async def test_a_pod_made_again_is_not_released() -> None:
    desk = desk_with_run()
    desk.make_pod("fix-1", labels={LABEL_MANAGED: "true"}, finalizers=[FINALIZER])
    desk.refresh()
    await carry_out(desk, deletes=(ReleasePod(NAMESPACE, "fix-1", "old"),))
    assert desk.wire.calls == []


@virtual
async def test_a_pod_that_went_before_it_was_released_is_forgotten() -> None:
    desk = desk_with_run()
    pod = desk.make_pod("fix-1", labels={LABEL_MANAGED: "true"}, finalizers=[FINALIZER])
    desk.refresh()
    desk.server.store.patch(PODS, NAMESPACE, "fix-1", {"metadata": {"finalizers": None}})
    desk.server.store.delete(PODS, NAMESPACE, "fix-1")
    await carry_out(desk, deletes=(ReleasePod(NAMESPACE, "fix-1", pod["metadata"]["uid"]),))
    assert desk.store.raw(PODS, NAMESPACE, "fix-1") is None


@pytest.mark.parametrize(
    ("error", "reason", "is_final"),
    [
        (Forbidden(403, "Forbidden", "exceeded quota: few"), Reason.QUOTA_EXCEEDED, False),
        (
            Forbidden(403, "Forbidden", 'error looking up service account shop/default: "default" not found'),
            Reason.POD_REFUSED,
            False,
        ),
        (Forbidden(403, "Forbidden", "violates PodSecurity"), Reason.POD_REFUSED, True),
        (Invalid(422, "Invalid", "spec is wrong"), Reason.POD_REFUSED, True),
    ],
    ids=["quota", "new namespace", "admission", "validation"],
)
def test_a_refused_pod_is_a_problem_for_the_next_plan(error: Exception, reason: Reason, *, is_final: bool) -> None:
    @virtual
    async def scenario() -> None:
        desk = desk_with_run()
        create = CreatePod(pod_manifest())
        desk.wire.refuse = lambda call: error if call.resource == PODS else None
        await carry_out(desk, creates=(create,))
        problem: Any = desk.backlog.problems(KEY)[create]
        assert (problem.reason, problem.is_final) == (reason, is_final)
        desk.wire.calls.clear()
        await carry_out(desk, creates=(create,))
        assert desk.wire.calls == [], "not before its time"

    scenario()


@virtual
async def test_what_a_broken_server_did_not_make_is_tried_again_and_may_still_come() -> None:
    desk = desk_with_run()
    create = CreatePod(pod_manifest())
    desk.wire.refuse = lambda call: ServerError(500, "", "broken") if call.resource == PODS else None
    await carry_out(desk, creates=(create,))
    problem: Any = desk.backlog.problems(KEY)[create]
    assert (problem.reason, problem.is_final, problem.refused_since) == (Reason.POD_REFUSED, False, None)
    desk.wire.refuse = lambda _: None
    await asyncio.sleep(2)
    await carry_out(desk, creates=(create,))
    assert desk.store.raw(PODS, NAMESPACE, "fix-1") is not None
    assert desk.backlog.problems(KEY) == {}


@virtual
async def test_a_refused_record_keeps_the_status_from_being_written() -> None:
    desk = desk_with_run()
    record = Create(sandbox_of(desk.run()[0]))
    desk.wire.refuse = lambda call: exceeded_quota(call.resource, call.name) if call.verb == "create" else None
    for _ in range(2):
        await carry_out(desk, phase=RunPhase.RUNNING, records=(record,), events=(Event("Running", "It runs."),))
    assert desk.wire.done() == [("create", "Sandbox", "fix-1")]
    assert list(desk.backlog.problems(KEY)) == [record]


@virtual
async def test_after_a_refused_creation_the_rest_of_the_plan_goes_on() -> None:
    desk = desk_with_run()
    first, second = (Create(sandbox_of(desk.run()[0], name)) for name in ("fix-1", "fix-2"))
    refused = exceeded_quota(SANDBOXES, "fix-1")
    desk.wire.refuse = lambda call: refused if (call.verb, call.name) == ("create", "fix-1") else None
    await carry_out(desk, phase=RunPhase.RUNNING, creates=(first, second), events=(Event("Running", "It runs."),))
    assert [verb for verb, _, _ in desk.wire.done()] == ["replace_status", "create", "create", "create"]
    assert desk.store.raw(SANDBOXES, NAMESPACE, "fix-2") is not None


@virtual
async def test_a_creation_without_an_answer_may_come_however_often_it_was_refused_before() -> None:
    desk = desk_with_run()
    create = Create(sandbox_of(desk.run()[0]))
    desk.wire.refuse = lambda call: exceeded_quota(call.resource, call.name)
    await carry_out(desk, creates=(create,))
    problem: Any = desk.backlog.problems(KEY)[create]
    assert problem.refused_since == problem.since
    await asyncio.sleep(2)
    desk.wire.refuse = lambda _: Unanswered("away")
    with pytest.raises(Unanswered):
        await carry_out(desk, creates=(create,))
    problem = desk.backlog.problems(KEY)[create]
    assert (problem.reason, problem.refused_since) == (Reason.QUOTA_EXCEEDED, None)


@virtual
async def test_an_effect_that_fails_is_noted_and_not_tried_before_its_time() -> None:
    desk = Desk(is_app=True)
    desk.make_project()
    sandbox = desk.make_sandbox(desk.make_run())
    desk.refresh()
    effect = desk.mint(sandbox["metadata"]["uid"])
    desk.wire.refuse = lambda call: Unanswered("away") if call.client.endswith("@forge") else None
    for _ in range(2):
        await carry_out(desk, effects=(effect,))
    assert len([call for call in desk.wire.calls if call.client.endswith("@forge")]) == 1
    problem: Any = desk.backlog.problems(KEY)[effect]
    assert problem.reason is Reason.FORGE_UNAVAILABLE


@virtual
async def test_a_lost_event_is_no_error() -> None:
    desk = desk_with_run()
    desk.wire.refuse = lambda call: Unanswered("lost") if call.resource == EVENTS else None
    await carry_out(desk, phase=RunPhase.RUNNING, events=(Event("Running", "It runs."),))
    await desk.settle()
    assert [call for call in desk.wire.calls if call.resource == EVENTS]
    assert desk.run()[1].status.phase is RunPhase.RUNNING


@virtual
async def test_a_finalizer_that_was_taken_off_ends_an_object_that_goes() -> None:
    desk = desk_with_run(finalizers=[FINALIZER])
    desk.server.store.delete(RUNS, NAMESPACE, "fix")
    desk.refresh()
    await carry_out(desk, release_finalizer=True)
    assert not desk.has(RUNS, "fix")
    assert desk.store.raw(RUNS, NAMESPACE, "fix") is None


@virtual
async def test_removed_labels_are_set_again_on_the_same_object_only() -> None:
    desk = desk_with_run()
    made = desk.server.store.create(PODS, pod_manifest()).obj
    desk.server.store.patch(PODS, NAMESPACE, "fix-1", {"metadata": {"labels": {LABEL_MANAGED: None}}})
    desk.refresh()
    assert desk.store.raw(PODS, NAMESPACE, "fix-1") is None
    labels = ((LABEL_MANAGED, "true"),)
    await carry_out(desk, creates=(RestoreLabels("Pod", NAMESPACE, "fix-1", "uid-of-another", labels),))
    assert desk.store.raw(PODS, NAMESPACE, "fix-1") is None
    await carry_out(desk, creates=(RestoreLabels("Pod", NAMESPACE, "fix-1", made["metadata"]["uid"], labels),))
    known = desk.store.raw(PODS, NAMESPACE, "fix-1")
    assert known is not None
    assert known["metadata"]["labels"] == {LABEL_MANAGED: "true"}
