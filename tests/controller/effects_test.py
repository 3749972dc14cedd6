"""Effects outside our own objects: where tokens lie, and that none outlives its Secret."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import pytest

from codecourier.core.shared.intents import OpenPullRequest, RevokeTokens
from codecourier.core.shared.naming import ANNOTATION_REPOSITORY, FINALIZER_TOKENS
from codecourier.core.shared.reasons import Reason
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.hosts.secret_reads import MOST_CALLS
from codecourier.kinds.api_resources import PROJECTS, SANDBOXES
from codecourier.kube.api import SECRETS, Json
from codecourier.kube.errors import Forbidden, ServerError, Unanswered
from tests.simulation.admission import Admission, Obstacle
from tests.simulation.clock import virtual
from tests.simulation.forge import MAIN
from tests.support.desk import NAMESPACE, Desk

NAME = "fix-1-token"
REVOKE = RevokeTokens(NAMESPACE, NAME)


def desk_with_sandbox(*, is_app: bool = True) -> Desk:
    """Return a desk with a Sandbox that has no tokens yet. Make it inside the running loop."""
    desk = Desk(is_app=is_app)
    desk.make_project()
    if not is_app:
        desk.make_secret()
    desk.make_sandbox(desk.make_run())
    desk.refresh()
    return desk


async def mint(desk: Desk) -> Json:
    """Mint the Sandbox's tokens; return their Secret."""
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    assert await desk.effects.do(desk.mint(uid)) is None
    desk.refresh()
    return desk.server.store.get(SECRETS, NAMESPACE, NAME).obj


def revoked(desk: Desk) -> list[bool]:
    """Tell of each token of the App whether it is revoked."""
    return [token.is_revoked for token in desk.forge.tokens.values() if token.ends is not None]


def away(call: Any) -> Exception | None:
    """Let no call to the forge be answered."""
    return Unanswered("away") if call.client.endswith("@forge") else None


@virtual
async def test_minted_tokens_lie_in_a_secret_of_the_sandbox() -> None:
    desk = desk_with_sandbox()
    secret = await mint(desk)
    assert set(secret["data"]) == {"read", "write"}
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [uid]
    known = desk.store.raw(SECRETS, NAMESPACE, NAME)
    assert known is not None
    assert known["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"]
    assert "data" not in known, "no token lies in the caches"
    assert revoked(desk) == [False, False]


async def rotate(desk: Desk) -> Json:
    """Replace the Sandbox's tokens; return their Secret."""
    secret = desk.server.store.get(SECRETS, NAMESPACE, NAME)
    uid, version = secret.metadata["ownerReferences"][0]["uid"], secret.metadata["resourceVersion"]
    assert await desk.effects.do(desk.mint(uid, replaces=version)) is None
    return desk.server.store.get(SECRETS, NAMESPACE, NAME).obj


@virtual
async def test_replaced_tokens_work_until_the_pod_has_the_new_ones() -> None:
    desk = desk_with_sandbox()
    first = await mint(desk)
    second = await rotate(desk)
    assert first["data"]["write"] != second["data"]["write"]
    assert revoked(desk) == [False] * 4, "the kubelet brings a new Secret into a pod only after a while"
    await rotate(desk)
    assert revoked(desk) == [True, True, False, False, False, False]
    assert await desk.effects.do(REVOKE) is None
    assert revoked(desk) == [True] * 6


@virtual
async def test_a_secret_that_an_unanswered_call_made_is_known_at_once() -> None:
    desk = desk_with_sandbox()
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    effect = desk.mint(uid)
    desk.wire.lose = lambda call: Unanswered("away") if (call.verb, call.resource) == ("create", SECRETS) else None
    with pytest.raises(Unanswered):
        await desk.effects.do(effect)
    desk.wire.lose = lambda _: None
    assert await desk.effects.do(effect) is None
    assert revoked(desk) == [False, False, True, True]
    assert desk.store.raw(SECRETS, NAMESPACE, NAME) is not None, "or tokens would be minted again, without a pause"


@virtual
async def test_a_secret_of_others_under_the_name_is_said_and_no_token_is_minted_for_it_again() -> None:
    desk = desk_with_sandbox()
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    desk.make_secret(NAME, read="a", write="b")
    for _ in range(3):
        problem = await desk.effects.do(desk.mint(uid))
        assert problem is not None
        assert problem.reason is Reason.CREATION_REFUSED
        assert f"Secret {NAME}: an object that is not the operator's" in problem.message
    assert revoked(desk) == [True, True]


@virtual
async def test_no_token_is_minted_while_its_secret_is_refused() -> None:
    desk = desk_with_sandbox()
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    admission = Admission(NAMESPACE)
    desk.server.store.admission.append(admission.check)
    admission.obstacles[SECRETS] = Obstacle.QUOTA
    for _ in range(5):
        problem = await desk.effects.do(desk.mint(uid))
        assert problem is not None
        assert problem.reason is Reason.QUOTA_EXCEEDED
    assert (admission.refused[SECRETS], revoked(desk)) == (5, [True, True])
    admission.obstacles.clear()
    await mint(desk)
    assert revoked(desk) == [True, True, False, False]


@virtual
async def test_tokens_that_a_broken_server_may_have_stored_are_not_revoked() -> None:
    desk = desk_with_sandbox()
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    desk.wire.lose = lambda call: (
        ServerError(500, "", "timed out") if (call.verb, call.resource) == ("create", SECRETS) else None
    )
    problem = await desk.effects.do(desk.mint(uid))
    assert problem is not None
    assert not problem.is_final
    assert desk.has(SECRETS, NAME)
    assert revoked(desk) == [False, False]


@virtual
async def test_a_secret_that_is_gone_is_known_to_be() -> None:
    desk = desk_with_sandbox(is_app=False)
    await mint(desk)
    desk.server.store.delete(SECRETS, NAMESPACE, NAME)
    assert desk.store.raw(SECRETS, NAMESPACE, NAME) is not None
    assert await desk.effects.do(REVOKE) is None
    assert desk.store.raw(SECRETS, NAMESPACE, NAME) is None, "or it would be revoked again, without a pause"


@virtual
async def test_revoked_tokens_leave_no_secret() -> None:
    desk = desk_with_sandbox()
    await mint(desk)
    assert await desk.effects.do(REVOKE) is None
    assert revoked(desk) == [True, True]
    assert not desk.has(SECRETS, NAME)
    assert desk.store.raw(SECRETS, NAMESPACE, NAME) is None
    desk.wire.calls.clear()
    assert await desk.effects.do(REVOKE) is None, "what is gone is revoked"
    assert [call.verb for call in desk.wire.calls] == ["get"]


@virtual
async def test_a_secret_that_others_delete_stays_until_its_tokens_are_revoked() -> None:
    desk = desk_with_sandbox()
    await mint(desk)
    desk.server.store.delete(SECRETS, NAMESPACE, NAME)
    assert desk.has(SECRETS, NAME)
    desk.server.store.patch(PROJECTS, NAMESPACE, "default", {"metadata": {"finalizers": None}})
    desk.server.store.delete(PROJECTS, NAMESPACE, "default")
    desk.refresh()
    assert await desk.effects.do(REVOKE) is None, "neither Project nor App is needed for it"
    assert revoked(desk) == [True, True]
    assert not desk.has(SECRETS, NAME)


@virtual
async def test_a_secret_that_others_hold_is_let_go_all_the_same() -> None:
    desk = desk_with_sandbox()
    await mint(desk)
    desk.server.store.patch(SECRETS, NAMESPACE, NAME, {"metadata": {"finalizers": [FINALIZER_TOKENS, "a.person/s"]}})
    assert await desk.effects.do(REVOKE) is None
    left = desk.server.store.get(SECRETS, NAMESPACE, NAME).metadata
    assert left["finalizers"] == ["a.person/s"]
    assert "deletionTimestamp" in left


@virtual
async def test_tokens_that_nobody_could_revoke_keep_their_secret() -> None:
    desk = desk_with_sandbox()
    await mint(desk)
    desk.wire.refuse = away
    problem = await desk.effects.do(REVOKE)
    assert problem is not None
    assert problem.reason is Reason.FORGE_UNAVAILABLE
    assert desk.server.store.get(SECRETS, NAMESPACE, NAME).metadata["finalizers"] == [FINALIZER_TOKENS]
    assert await desk.effects.do(RevokeTokens(NAMESPACE, NAME, is_forced=True)) is None
    assert not desk.has(SECRETS, NAME)


@virtual
async def test_a_personal_token_is_its_owners() -> None:
    desk = desk_with_sandbox(is_app=False)
    secret = await mint(desk)
    assert not secret["metadata"].get("finalizers"), "nothing has to be waited for"
    desk.wire.refuse = away
    assert await desk.effects.do(REVOKE) is None
    assert not desk.has(SECRETS, NAME)


@virtual
async def test_a_personal_token_is_deleted_without_being_read() -> None:
    desk = desk_with_sandbox(is_app=False)
    await mint(desk)
    desk.wire.calls.clear()
    assert await desk.effects.do(REVOKE) is None
    assert desk.wire.done() == [("delete", "Secret", NAME)]


@virtual
async def test_tokens_that_came_into_the_secret_of_a_personal_token_are_revoked() -> None:
    desk = desk_with_sandbox()
    written = (await mint(desk))["metadata"]
    personal = {"annotations": dict.fromkeys(written["annotations"]), "finalizers": []}
    desk.server.store.patch(SECRETS, NAMESPACE, NAME, {"metadata": personal})
    desk.refresh()
    replaced = {"annotations": written["annotations"], "finalizers": written["finalizers"]}
    desk.server.store.patch(SECRETS, NAMESPACE, NAME, {"metadata": replaced})
    assert await desk.effects.do(REVOKE) is None
    assert revoked(desk) == [True, True]
    assert not desk.has(SECRETS, NAME)


@virtual
async def test_a_pull_request_of_others_for_the_branch_is_no_fault_of_the_forge() -> None:
    desk = desk_with_sandbox()
    desk.forge.branches["codecourier/fix"] = desk.forge.branches[MAIN]
    desk.forge.open(CreatePullRequest("Theirs", "", "codecourier/fix", MAIN))
    problem = await desk.effects.do(OpenPullRequest(desk.access, "Ours", "", "codecourier/fix", MAIN, False))
    assert problem is not None
    assert (problem.reason, problem.is_final) == (Reason.PULL_REQUEST_TAKEN, False)
    assert "branch codecourier/fix, which has a pull request that this Run did not open" in problem.message


@virtual
async def test_effects_that_begin_together_leave_connections_to_the_workers() -> None:
    desk = desk_with_sandbox(is_app=False)
    running = most = 0
    right = desk.api.get

    async def get(*arguments: Any) -> Json:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await right(*arguments)
        finally:
            running -= 1

    with patch.object(desk.api, "get", get):
        await asyncio.gather(*(desk.effects.do(RevokeTokens(NAMESPACE, f"s{number}")) for number in range(500)))
        await asyncio.gather(*(desk.credentials.find(desk.access) for _ in range(500)))
    assert most == MOST_CALLS


@pytest.mark.parametrize("verb", ["get", "patch", "delete"])
def test_a_refused_secret_delays_a_revocation_like_a_host_that_is_away(verb: str) -> None:
    @virtual
    async def scenario() -> None:
        desk = desk_with_sandbox()
        await mint(desk)
        denied = Forbidden(403, "Forbidden", 'admission webhook "keep.example.com" denied the request: Secrets stay')
        desk.wire.refuse = lambda call: denied if (call.verb, call.resource) == (verb, SECRETS) else None
        problem = await desk.effects.do(REVOKE)
        assert problem is not None
        assert (problem.reason, problem.is_final) == (Reason.CREATION_REFUSED, False)
        assert "Secrets stay" in problem.message
        assert revoked(desk) == [verb != "get"] * 2

    scenario()


@virtual
async def test_a_secret_without_its_repository_is_a_problem_and_nothing_is_asked() -> None:
    desk = desk_with_sandbox()
    await mint(desk)
    desk.server.edit(SECRETS, NAMESPACE, NAME, lambda s: s["metadata"]["annotations"].pop(ANNOTATION_REPOSITORY))
    desk.refresh()
    problem = await desk.effects.do(REVOKE)
    assert problem is not None
    assert revoked(desk) == [False, False]
