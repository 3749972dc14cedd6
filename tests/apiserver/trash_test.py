"""The trash over REST: what goes in, what comes out, who may, and what two clients do at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from codecourier.apiserver.views.trash import TRASH
from codecourier.core.shared.naming import (
    ANNOTATION_TRASHED_BY,
    ANNOTATION_TRASHED_TIME,
    FINALIZER,
    LABEL_TRASHED,
)
from codecourier.kinds.api_resources import (
    ISSUE_SESSIONS,
    LEARNINGS,
    RECURRING_TASKS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    WORKFLOWS,
)
from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import NotFound
from codecourier.resources.registry import KINDS
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

URL = "https://github.com/org/repo"
USES: Json = {"workflowRef": {"name": "build"}}
RUN: Json = {**USES, "prompt": "Fix it."}
CHAIN: Json = {**RUN, "sprintRange": {"first": 1, "last": 2}}
TASK: Json = {**RUN, "frequency": "Daily", "timeZone": "UTC", "hour": 6, "minute": 0}
SESSION: Json = {**USES, "issueUrl": f"{URL}/issues/7"}
WORKFLOW: Json = {"image": "busybox", "agent": {"command": ["true"]}}
SPECS: dict[str, tuple[Resource, str, Json, Json | None, str]] = {
    "run": (RUNS, "r_", RUN, {"phase": "Cancelled", "attempt": 1}, "cancelled"),
    "sandbox": (
        SANDBOXES,
        "sb_",
        {"runRef": {"name": "fix", "uid": "uid-fix"}, "attempt": 1, "tryNumber": 1},
        {"phase": "Expired"},
        "expired",
    ),
    "workflow": (WORKFLOWS, "wf_", WORKFLOW, None, "active"),
    "learning": (LEARNINGS, "ln_", {"text": "Run  the\ntests.", "repositoryUrl": URL}, None, "proposed"),
    "issueSession": (ISSUE_SESSIONS, "is_", SESSION, {"phase": "Failed"}, "failed"),
}
PATHS: dict[str, str] = {word: kind.path for word, kind in TRASH.items()}


def test_every_kind_that_can_be_trashed_is_a_type_of_the_trash() -> None:
    assert {kind.source.resource.kind for kind in TRASH.values()} == {
        kind.info.kind for kind in KINDS if kind.info.is_trashable
    }


async def make(rest: RestApp, word: str, name: str = "old", **changes: Any) -> Json:
    """Make a finished object of a type."""
    resource, _, spec, status, _ = SPECS[word]
    return await rest.make(resource, name, spec, changes.pop("status", status), **changes)


def test_an_object_goes_into_the_trash_and_comes_out_as_it_was() -> None:
    async def come_and_go(rest: RestApp, word: str) -> None:
        resource, prefix, _, _, status = SPECS[word]
        before = await make(rest, word)
        put = await rest.ask("DELETE", f"{PATHS[word]}/{prefix}old")
        assert (put.data["id"], put.data["isDeleted"]) == (f"{prefix}old", True)
        found = await rest.api.get(resource, NAMESPACE, "old")
        assert found["metadata"]["labels"][LABEL_TRASHED] == "true"
        assert (await rest.ask("DELETE", f"{PATHS[word]}/old")).data == put.data
        assert await rest.api.get(resource, NAMESPACE, "old") == found, "the second request changed something"
        (item,) = (await rest.ask("GET", "/trash/list")).data
        assert (item["entityType"], item["entityId"]) == (word, f"{prefix}old")
        assert (item["deletedAt"], item["deletedBy"]) == (put.data["deletedAt"], "codecourier:shop:ci")
        restored = await rest.ask("POST", f"/trash/{word}/{prefix}old/restore")
        assert restored.data == {"entityType": word, "entityId": f"{prefix}old", "status": status}
        after = await rest.api.get(resource, NAMESPACE, "old")
        assert (after["spec"], after.get("status")) == (before["spec"], before.get("status"))
        assert after["metadata"]["annotations"].keys() & {ANNOTATION_TRASHED_BY, ANNOTATION_TRASHED_TIME} == set()
        assert (await rest.ask("GET", "/trash")).data == []
        again = await rest.ask("POST", "/trash/restore", {"entityType": word, "entityId": "old"})
        assert again.status == 409, again

    async def scenario(rest: RestApp) -> None:
        for word in SPECS:
            await come_and_go(rest, word)

    play_rest(scenario)


def test_only_what_is_in_the_trash_is_deleted_for_good() -> None:
    async def come_and_go(rest: RestApp, word: str) -> None:
        resource, prefix, _, _, _ = SPECS[word]
        await make(rest, word)
        early = await rest.ask("DELETE", f"/trash/{word}/old")
        assert (early.status, "is not in the trash" in early.message) == (409, True)
        await rest.ask("DELETE", f"{PATHS[word]}/old")
        body = {"entityType": word, "entityId": f"{prefix}old"}
        gone = await rest.ask("POST", "/trash/permanent-delete", body)
        assert gone.data == {**body, "isDeleted": True}
        with pytest.raises(NotFound):
            await rest.api.get(resource, NAMESPACE, "old")
        for method, path in [("DELETE", f"/trash/{word}/old"), ("POST", f"/trash/{word}/old/restore")]:
            assert (await rest.ask(method, path)).status == 404

    async def scenario(rest: RestApp) -> None:
        for word in SPECS:
            await come_and_go(rest, word)

    play_rest(scenario)


CLAIMED: Json = {"index": 0, "run": "made", "claimTime": "2026-01-01T00:00:00Z"}
UNDER_WAY: list[tuple[str, Json | None, str]] = [
    ("run", {"phase": "Running", "attempt": 1}, "The Run is not finished."),
    ("run", None, "The Run is not finished."),
    ("run", {"phase": "Failed", "attempt": 0}, "The Run is not finished."),
    ("sandbox", {"phase": "Pending"}, "Cancel its Run fix"),
    ("issueSession", {"phase": "Running", "runs": [CLAIMED]}, "Run made works on the issue."),
]


def test_what_is_under_way_is_not_put_into_the_trash() -> None:
    async def scenario(rest: RestApp) -> None:
        for number, (word, status, sentence) in enumerate(UNDER_WAY):
            await make(rest, word, f"busy-{number}", status=status)
            refused = await rest.ask("DELETE", f"{PATHS[word]}/busy-{number}")
            assert (refused.status, sentence in refused.message) == (409, True), refused
        assert (await rest.ask("GET", "/trash")).data == []

    play_rest(scenario)


def test_a_session_that_has_not_begun_is_put_into_the_trash() -> None:
    async def scenario(rest: RestApp) -> None:
        await make(rest, "issueSession", status=None)
        assert (await rest.ask("DELETE", "/issue-sessions/old")).status == 200

    play_rest(scenario)


def test_the_last_that_was_put_into_the_trash_is_the_first() -> None:
    async def scenario(rest: RestApp) -> None:
        for word in SPECS:
            await make(rest, word)
            await rest.ask("DELETE", f"{PATHS[word]}/old")
        # A label that a user set alone says nothing of when and by whom.
        await make(rest, "learning", "bare", labels={LABEL_TRASHED: "true"})
        shown = (await rest.ask("GET", "/trash")).data
        assert [item["entityType"] for item in shown] == [*reversed(SPECS), "learning"]
        assert (shown[-1]["deletedAt"], shown[-1]["deletedBy"]) == (None, None)
        assert [item["name"] for item in shown] == [
            f"{URL}/issues/7",
            "Run the tests.",
            "old",
            "old",
            "Fix it.",
            "Run the tests.",
        ]
        paged, path = [], "/trash?limit=4"
        while path:
            page = await rest.ask("GET", path)
            paged += page.data
            path = f"/trash?limit=4&cursor={page.body['nextCursor']}" if page.body["nextCursor"] else ""
        assert paged == shown
        assert [item["entityId"] for item in (await rest.ask("GET", "/trash/list?type=learning")).data] == [
            "ln_old",
            "ln_bare",
        ]

    play_rest(scenario)


def test_a_label_on_another_kind_is_no_trash() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, labels={LABEL_TRASHED: "true"})
        assert (await rest.ask("GET", "/trash")).data == []
        assert [chain["id"] for chain in (await rest.ask("GET", "/sprint-chains")).data] == ["sc_nightly"]

    play_rest(scenario)


def test_what_is_asked_wrongly_is_refused_by_its_field() -> None:
    async def scenario(rest: RestApp) -> None:
        await make(rest, "run")
        assert (await rest.ask("GET", "/trash?type=chain")).fields.keys() == {"type"}
        assert (await rest.ask("GET", "/trash?kind=run")).fields.keys() == {"kind"}
        assert (await rest.ask("DELETE", "/trash/chain/old")).fields.keys() == {"type"}
        assert (await rest.ask("DELETE", "/trash/workflow/r_old")).fields.keys() == {"id"}
        body = {"entityType": "workflow", "entityId": "r_old"}
        assert (await rest.ask("POST", "/trash/restore", body)).fields.keys() == {"entityId"}
        body = {"entityType": "issue_session", "why": "x"}
        assert (await rest.ask("POST", "/trash/permanent-delete", body)).fields.keys() == {
            "entityType",
            "entityId",
            "why",
        }
        absent = {"entityType": "workflow", "entityId": "old"}
        assert (await rest.ask("POST", "/trash/restore", absent)).status == 404

    play_rest(scenario)


def test_each_type_has_its_own_rights() -> None:
    async def scenario(rest: RestApp) -> None:
        for word in ("run", "workflow"):
            await make(rest, word)
            await rest.ask("DELETE", f"{PATHS[word]}/old")
        await asyncio.sleep(11)  # an answer of the authorizer counts for ten seconds
        rest.denied |= {("list", "runs"), ("update", "workflows"), ("delete", "workflows")}
        assert [item["entityType"] for item in (await rest.ask("GET", "/trash")).data] == ["workflow"]
        assert (await rest.ask("GET", "/trash?type=run")).status == 403
        assert (await rest.ask("POST", "/trash/workflow/old/restore")).status == 403
        assert (await rest.ask("DELETE", "/trash/workflow/old")).status == 403
        assert (await rest.ask("POST", "/trash/run/old/restore")).status == 200
        await asyncio.sleep(11)
        rest.denied |= {("list", kind.plural) for kind in TRASH.values()}
        assert (await rest.ask("GET", "/trash")).status == 403

    play_rest(scenario)


USERS: list[tuple[Resource, Json, Json | None]] = [
    (RUNS, RUN, {"phase": "Queued"}),
    (SPRINT_CHAINS, CHAIN, None),
    (RECURRING_TASKS, TASK, None),
    (ISSUE_SESSIONS, SESSION, {"phase": "Pending"}),
]


def test_a_workflow_in_use_is_not_deleted_for_good() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(WORKFLOWS, "build", WORKFLOW)
        await rest.ask("DELETE", "/workflows/build")
        for resource, spec, status in USERS:
            await rest.make(resource, "user", spec, status)
            refused = await rest.ask("DELETE", "/trash/workflow/build")
            assert (refused.status, f"{resource.kind} user use" in refused.message) == (409, True), refused
            await rest.api.delete(resource, NAMESPACE, "user")
            await rest.settle()
        assert (await rest.ask("DELETE", "/trash/workflow/build")).status == 200

    play_rest(scenario)


def test_what_is_finished_or_in_the_trash_uses_no_workflow() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(WORKFLOWS, "build", WORKFLOW)
        await rest.make(RUNS, "done", RUN, {"phase": "Completed"})
        await rest.make(SPRINT_CHAINS, "done", CHAIN, {"phase": "Failed"})
        await rest.make(ISSUE_SESSIONS, "away", SESSION, labels={LABEL_TRASHED: "true"})
        await rest.make(RUNS, "other", {**RUN, "workflowRef": {"name": "else"}})
        await rest.ask("DELETE", "/workflows/build")
        assert (await rest.ask("DELETE", "/trash/workflow/build")).status == 200

    play_rest(scenario)


def test_new_work_with_a_workflow_in_the_trash_is_refused() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(WORKFLOWS, "build", WORKFLOW)
        await rest.ask("DELETE", "/workflows/build")
        chain = {"workflowId": "wf_build", "sprintRange": [1, 2], "prompt": "Go.", "githubRepoUrl": URL}
        refused = await rest.ask("POST", "/sprint-chains", chain)
        assert (refused.status, "in the trash" in refused.fields["workflowId"]) == (400, True)

    play_rest(scenario)


def test_eight_clients_at_once_put_one_object_into_the_trash_and_one_restores_it() -> None:
    async def scenario(rest: RestApp) -> None:
        await make(rest, "run")
        put = await asyncio.gather(*(rest.ask("DELETE", "/runs/old") for _ in range(8)))
        assert [reply.status for reply in put] == [200] * 8
        assert len({reply.data["deletedAt"] for reply in put}) == 1
        out = await asyncio.gather(*(rest.ask("POST", "/trash/run/old/restore") for _ in range(8)))
        assert sorted(reply.status for reply in out) == [200, *[409] * 7]

    play_rest(scenario)


def test_a_restore_that_the_deletion_has_not_seen_wins() -> None:
    """The REST API reads its cache; another client may have restored the object since."""

    async def scenario(rest: RestApp) -> None:
        await make(rest, "run")
        await rest.ask("DELETE", "/runs/old")
        await rest.api.patch(RUNS, NAMESPACE, "old", {"metadata": {"labels": {LABEL_TRASHED: None}}})
        lost = await rest.ask("DELETE", "/trash/run/old")
        assert (lost.status, "is not in the trash" in lost.message) == (409, True)
        assert (await rest.api.get(RUNS, NAMESPACE, "old"))["metadata"]["name"] == "old"

    play_rest(scenario)


def test_of_a_restore_and_a_deletion_at_once_one_wins() -> None:
    async def scenario(rest: RestApp) -> None:
        for number in range(10):
            name = f"old-{number}"
            await make(rest, "run", name)
            await rest.ask("DELETE", f"/runs/{name}")
            restored, deleted = await asyncio.gather(
                rest.ask("POST", f"/trash/run/{name}/restore"), rest.ask("DELETE", f"/trash/run/{name}")
            )
            assert sorted([restored.status, deleted.status]) in ([200, 404], [200, 409]), (restored, deleted)

    play_rest(scenario)


def test_what_is_being_deleted_for_good_is_not_restored() -> None:
    async def scenario(rest: RestApp) -> None:
        await make(rest, "run", finalizers=[FINALIZER])
        await rest.ask("DELETE", "/runs/old")
        assert (await rest.ask("DELETE", "/trash/run/old")).status == 200
        assert (await rest.ask("GET", "/trash")).data == []
        assert (await rest.ask("DELETE", "/trash/run/old")).status == 200
        refused = await rest.ask("POST", "/trash/run/old/restore")
        assert (refused.status, "for good" in refused.message) == (409, True)

    play_rest(scenario)
