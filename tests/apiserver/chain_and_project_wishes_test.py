"""What users ask of sprint chains and of the project over REST: pause, resume, change."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.core.shared.naming import FINALIZER
from codecourier.kinds.api_resources import PROJECTS, RUNS, SPRINT_CHAINS
from codecourier.kube.api import Json
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

URL = "https://github.com/org/repo"
CHAIN: Json = {"workflowRef": {"name": "build"}, "prompt": "Go.", "sprintRange": {"first": 1, "last": 3}}
PROJECT: Json = {
    "repositories": [{"url": URL, "isDefault": True, "credentialRef": {"name": "forge"}}],
    "retention": {"trash": {"maxAgeDays": 7}},
}
ONE = "/sprint-chains/sc_nightly"


def sprints(*phases: str) -> list[Json]:
    """Return the ledger of sprints in these phases."""
    return [{"index": index, "number": index + 1, "phase": phase} for index, phase in enumerate(phases)]


async def set_status(rest: RestApp, **status: Any) -> None:
    """Set the chain's status, as the operator does."""
    chain = await rest.api.get(SPRINT_CHAINS, NAMESPACE, "nightly")
    await rest.api.replace_status(SPRINT_CHAINS, {**chain, "status": {**chain.get("status", {}), **status}})
    await rest.settle()


async def spec_of(rest: RestApp) -> Json:
    """Return the chain's spec."""
    return dict((await rest.api.get(SPRINT_CHAINS, NAMESPACE, "nightly"))["spec"])


def test_a_chain_is_paused_and_goes_on() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, {"phase": "Running", "attempt": 1})
        for _ in range(2):
            assert (await rest.ask("POST", f"{ONE}/pause")).data["isPaused"] is True
        assert (await spec_of(rest))["suspend"] is True
        for _ in range(2):
            assert (await rest.ask("POST", f"{ONE}/unpause")).data["isPaused"] is False
        assert (await rest.ask("PATCH", ONE, {"isPaused": True})).data["isPaused"] is True
        assert (await rest.ask("PATCH", ONE, {})).data["isPaused"] is True
        assert (await rest.ask("PATCH", ONE, {"isPaused": False})).data["isPaused"] is False
        before = await rest.api.get(SPRINT_CHAINS, NAMESPACE, "nightly")
        await rest.ask("POST", f"{ONE}/unpause")
        assert await rest.api.get(SPRINT_CHAINS, NAMESPACE, "nightly") == before, "nothing was asked for"

    play_rest(scenario)


def test_what_a_chain_does_is_not_changed() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN)
        body = {"prompt": "Else.", "workflowId": "wf_x", "branchName": None, "isPaused": None, "attempt": 2}
        refused = await rest.ask("PATCH", ONE, body)
        assert (refused.status, refused.fields.keys()) == (400, body.keys())
        assert refused.fields["prompt"] == "cannot be changed: create another sprint chain."

    play_rest(scenario)


def test_a_finished_chain_is_resumed_once() -> None:
    async def scenario(rest: RestApp) -> None:
        ledger = sprints("Completed", "Failed", "Pending")
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, {"phase": "Failed", "attempt": 1, "sprints": ledger})
        assert (await rest.ask("POST", f"{ONE}/pause")).status == 409
        for _ in range(2):
            resumed = (await rest.ask("POST", f"{ONE}/resume", {"fromSprint": 0})).data
            assert (resumed["status"], resumed["resumeFromSprint"]) == ("pending", 0)
            spec = await spec_of(rest)
            assert (spec["attempt"], spec["resumeFromSprint"]) == (2, 0)
        other = await rest.ask("POST", f"{ONE}/resume", {"fromSprint": 1})
        assert (other.status, "another sprint" in other.message) == (409, True)
        await set_status(rest, phase="Running", attempt=2)
        assert (await rest.ask("POST", f"{ONE}/resume")).status == 409
        await set_status(rest, phase="Failed", attempt=2)
        # Without a body it starts with the first sprint that is not completed.
        assert (await rest.ask("POST", f"{ONE}/resume")).data["resumeFromSprint"] is None
        spec = await spec_of(rest)
        assert (spec["attempt"], spec.get("resumeFromSprint")) == (3, None)

    play_rest(scenario)


def test_a_chain_is_cancelled_once_and_resumed() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, {"phase": "Running", "attempt": 1})
        assert (await rest.ask("GET", ONE)).data["isCancelRequested"] is False
        for _ in range(2):
            shown = (await rest.ask("POST", f"{ONE}/cancel")).data
            assert (shown["status"], shown["isCancelRequested"]) == ("running", True)
        assert (await rest.ask("POST", f"{ONE}/pause")).status == 409
        await set_status(rest, phase="Cancelled", cancelledAttempt=1, sprints=sprints("Cancelled", "Pending"))
        before = await spec_of(rest)
        assert (await rest.ask("POST", f"{ONE}/cancel")).data["status"] == "cancelled"
        assert await spec_of(rest) == before
        resumed = (await rest.ask("POST", f"{ONE}/resume")).data
        assert (resumed["status"], resumed["isCancelRequested"]) == ("pending", False)
        spec = await spec_of(rest)
        assert (spec["attempt"], spec["cancelled"]) == (2, False)
        assert (await rest.ask("POST", f"{ONE}/cancel")).data["isCancelRequested"] is True, "that attempt, too"
        await set_status(rest, cancelledAttempt=2)
        await rest.ask("POST", f"{ONE}/resume")
        assert (await spec_of(rest))["attempt"] == 3, "an attempt that was cancelled before it began is not asked for"

    play_rest(scenario)


@pytest.mark.parametrize("phase", ["Completed", "Failed"])
@pytest.mark.parametrize("wish", [{}, {"cancelled": True}])
def test_a_chain_that_is_over_is_not_cancelled(phase: str, wish: Json) -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", {**CHAIN, **wish}, {"phase": phase, "attempt": 1})
        refused = await rest.ask("POST", f"{ONE}/cancel")
        message = f"The chain is over: it has {phase.lower()}. There is nothing left to cancel."
        assert (refused.status, refused.message) == (409, message)

    play_rest(scenario)


@pytest.mark.parametrize("index", [3, 100, -1, "1", 1.5])
def test_a_chain_is_resumed_within_its_range(index: Any) -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, {"phase": "Failed", "attempt": 1})
        refused = await rest.ask("POST", f"{ONE}/resume", {"fromSprint": index})
        assert (refused.status, set(refused.fields)) == (400, {"fromSprint"})

    play_rest(scenario)


def test_of_a_completed_chain_the_sprint_has_to_be_named() -> None:
    async def scenario(rest: RestApp) -> None:
        ledger = sprints("Omitted", "Completed", "Completed")
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, {"phase": "Completed", "attempt": 1000, "sprints": ledger})
        refused = await rest.ask("POST", f"{ONE}/resume")
        assert (refused.status, "fromSprint" in refused.message) == (409, True)
        spent = await rest.ask("POST", f"{ONE}/resume", {"fromSprint": 1})
        assert (spent.status, "1000 attempts" in spent.message) == (409, True)

    play_rest(scenario)


def test_a_chain_that_is_being_deleted_is_left_alone() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(SPRINT_CHAINS, "nightly", CHAIN, {"phase": "Running", "attempt": 1}, finalizers=[FINALIZER])
        await rest.ask("DELETE", ONE)
        for path in ("pause", "unpause", "resume"):
            assert (await rest.ask("POST", f"{ONE}/{path}")).status == 409, path
        assert (await rest.ask("PATCH", ONE, {"isPaused": True})).status == 409

    play_rest(scenario)


def test_the_project_is_shown_and_paused() -> None:
    async def scenario(rest: RestApp) -> None:
        for method, path in [("GET", "/project"), ("POST", "/project/pause"), ("POST", "/project/resume")]:
            assert (await rest.ask(method, path)).status == 404
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "Accepted",
            "message": "It is accepted.",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        await rest.make(PROJECTS, "default", PROJECT, {"conditions": [condition]})
        shown = (await rest.ask("GET", "/project")).data
        assert shown == {
            "id": NAMESPACE,
            "isPaused": False,
            "isReady": True,
            "message": "It is accepted.",
            "repositories": [{"githubRepoUrl": URL, "isDefault": True}],
            "maxConcurrentRuns": 5,
            "runningRuns": 0,
        }
        for _ in range(2):
            assert (await rest.ask("POST", "/project/pause")).data == {**shown, "isPaused": True}
        assert (await rest.api.get(PROJECTS, NAMESPACE, "default"))["spec"]["suspend"] is True
        for _ in range(2):
            assert (await rest.ask("POST", "/project/resume")).data == shown

    play_rest(scenario)


def test_the_trash_says_when_the_project_s_retention_empties_it() -> None:
    async def scenario(rest: RestApp) -> None:
        await rest.make(PROJECTS, "default", PROJECT)
        run = {"workflowRef": {"name": "build"}, "prompt": "Fix it."}
        await rest.make(RUNS, "old", run, {"phase": "Failed", "attempt": 1})
        await rest.ask("DELETE", "/runs/old")
        (item,) = (await rest.ask("GET", "/trash")).data
        assert item["deletedAt"].startswith("2026-01-01T")
        assert item["expiresAt"] == item["deletedAt"].replace("2026-01-01T", "2026-01-08T")

    play_rest(scenario)
