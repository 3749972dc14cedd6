"""What the REST API says of objects that Git declares, and what it shows of API keys."""

from __future__ import annotations

from datetime import timedelta

import pytest

from codecourier.apiserver.keys import create_key
from codecourier.kinds.api_resources import LEARNINGS, MERGE_JOBS, PROJECTS, RECURRING_TASKS, RUNS, SPRINT_CHAINS
from codecourier.kube.api import Json
from tests.simulation.clock import EPOCH
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

URL = "https://github.com/org/repo"
ARGO_CD: Json = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:codecourier.dev/Run:shop/old"}}
FLUX: Json = {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}
RUN: Json = {"workflowRef": {"name": "build"}, "prompt": "Fix it."}
CHAIN: Json = {**RUN, "sprintRange": {"first": 1, "last": 3}}
TASK: Json = {**RUN, "frequency": "Daily", "timeZone": "UTC", "hour": 6, "minute": 0}
PROJECT: Json = {"repositories": [{"url": URL, "isDefault": True, "credentialRef": {"name": "forge"}}]}
CHANGES: list[tuple[str, str, Json | None]] = [
    ("PUT", "/recurring-tasks/rt_old", {"scheduledHour": 7}),
    ("PUT", "/recurring-tasks/rt_old/toggle", {"isActive": False}),
    ("DELETE", "/recurring-tasks/rt_old", None),
    ("PATCH", "/sprint-chains/sc_old", {"isPaused": True}),
    ("POST", "/sprint-chains/sc_old/unpause", None),
    ("POST", "/sprint-chains/sc_old/cancel", None),
    ("DELETE", "/sprint-chains/sc_old", None),
    ("POST", "/project/pause", None),
    ("POST", "/learnings/ln_old/accept", None),
    ("POST", "/runs/r_old/cancel", None),
    ("POST", "/merging/mj_old/cancel", None),
    ("DELETE", "/learnings/ln_old", None),
    ("POST", "/trash/learning/ln_old/restore", None),
    ("POST", "/learnings/ln_old/reject", None),
    ("DELETE", "/trash/learning/ln_old", None),
]


@pytest.mark.parametrize(("marks", "tool"), [(ARGO_CD, "Argo CD"), (FLUX, "Flux"), ({}, None)])
def test_a_change_that_git_may_undo_says_so(marks: Json, tool: str | None) -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(RECURRING_TASKS, "old", TASK, **marks)
        await rest.make(SPRINT_CHAINS, "old", CHAIN, **marks)
        await rest.make(MERGE_JOBS, "old", {"mode": "Combine", "pullRequests": [f"{URL}/pull/1"]}, **marks)
        await rest.make(PROJECTS, "default", PROJECT, **marks)
        await rest.make(LEARNINGS, "old", {"text": "Run the tests.", "repositoryUrl": URL}, **marks)
        await rest.make(RUNS, "old", RUN, {"phase": "Running", "attempt": 1}, **marks)
        warning = f"{tool} keeps this object as it is in Git, and may undo this. Change it in Git, too."
        for method, path, body in CHANGES:
            reply = await rest.ask(method, path, body)
            assert reply.status == 200, reply
            assert reply.body.get("warnings") == (None if tool is None else [warning]), path
        assert (await rest.ask("GET", "/runs/r_old")).body.keys() == {"data"}

    play_rest(scenario)


def test_keys_are_listed_without_what_they_are() -> None:
    async def scenario(rest: RestApp) -> None:
        old = await create_key(rest.api, NAMESPACE, "old", EPOCH - timedelta(days=1), 7)
        await rest.settle()
        shown = (await rest.ask("GET", "/api-keys")).data
        assert {key["owner"] for key in shown} == {"ci", "old"}
        (found,) = (key for key in shown if key["owner"] == "old")
        assert found == {
            "id": f"ak_{old.name}",
            "owner": "old",
            "isExpired": True,
            "expiresAt": "2025-12-31T00:00:00Z",
            "requestsPerMinute": 7,
            "createdAt": found["createdAt"],
        }

    play_rest(scenario)


def test_a_key_that_is_revoked_is_refused_at_once() -> None:
    async def scenario(rest: RestApp) -> None:
        other = await create_key(rest.api, NAMESPACE, "other", None, 100)
        await rest.settle()
        bearer = f"Bearer {other.key}"
        assert (await rest.ask("GET", "/runs", Authorization=bearer)).status == 200
        assert (await rest.ask("DELETE", f"/api-keys/{other.name}")).data == {
            "id": f"ak_{other.name}",
            "isDeleted": True,
        }
        assert (await rest.ask("GET", "/runs", Authorization=bearer)).status == 401
        assert (await rest.ask("DELETE", f"/api-keys/{other.name}")).status == 404
        assert (await rest.ask("DELETE", "/api-keys/r_x")).status == 400

    play_rest(scenario)


def test_a_key_may_revoke_itself_and_without_the_right_no_other() -> None:
    async def scenario(rest: RestApp) -> None:
        rest.denied.add(("delete", "apikeys"))
        other = await create_key(rest.api, NAMESPACE, "other", None, 100)
        await rest.settle()
        bearer = f"Bearer {other.key}"
        assert (await rest.ask("DELETE", f"/api-keys/ak_{other.name}")).status == 403
        assert (await rest.ask("DELETE", "/api-keys/ak_", Authorization=bearer)).status == 403
        assert (await rest.ask("DELETE", f"/api-keys/ak_{other.name}", Authorization=bearer)).status == 200
        assert (await rest.ask("DELETE", f"/api-keys/ak_{other.name}", Authorization=bearer)).status == 401

    play_rest(scenario)
