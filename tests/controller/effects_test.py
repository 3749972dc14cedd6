"""Effects outside our own objects: where tokens lie, and that none outlives its Secret."""

from __future__ import annotations

from typing import Any

from codecourier.controller.kinds import PROJECTS, SANDBOXES
from codecourier.core.intents import MintTokens, OpenPullRequest, RevokeTokens
from codecourier.core.naming import FINALIZER_TOKENS
from codecourier.core.reasons import Reason
from codecourier.github.api import PullRequestDraft
from codecourier.kube.api import SECRETS, Json
from codecourier.kube.errors import Unanswered
from tests.simulation.clock import virtual
from tests.simulation.forge import MAIN, URL
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
    assert await desk.effects.do(MintTokens(NAMESPACE, "fix-1", uid, URL, NAME)) is None
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


@virtual
async def test_tokens_whose_secret_is_there_already_are_ended() -> None:
    desk = desk_with_sandbox()
    uid = desk.server.store.get(SANDBOXES, NAMESPACE, "fix-1").metadata["uid"]
    desk.make_secret(NAME, read="a", write="b")
    assert await desk.effects.do(MintTokens(NAMESPACE, "fix-1", uid, URL, NAME)) is None
    assert revoked(desk) == [True, True]


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
async def test_a_pull_request_of_others_for_the_branch_is_no_fault_of_the_forge() -> None:
    desk = desk_with_sandbox()
    desk.forge.branches["codecourier/fix"] = desk.forge.branches[MAIN]
    desk.forge.open(PullRequestDraft("Theirs", "", "codecourier/fix", MAIN))
    problem = await desk.effects.do(OpenPullRequest(NAMESPACE, URL, "Ours", "", "codecourier/fix", MAIN, False))
    assert problem is not None
    assert (problem.reason, problem.is_final) == (Reason.PULL_REQUEST_TAKEN, False)
    assert "branch codecourier/fix, which has a pull request that this Run did not open" in problem.message
