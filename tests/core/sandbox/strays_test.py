"""Pods and tokens whose Sandbox is not there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.strays import LOOK_AGAIN
from codecourier.core.sandbox.tokens import REVOCATION_LIMIT, TokenSecret
from codecourier.core.sandbox.world import StrayWorld
from codecourier.core.shared.facts import Facts, ObjectAsk, ObjectFact, Problem
from codecourier.core.shared.intents import Delete, Failures, Plan, ReleasePod, RevokeTokens
from codecourier.core.shared.reasons import Reason
from tests.support.plans import plan_stray
from tests.support.worlds import NOW

POD = PodView("fix-1", "uid-pod", "Running", "", "", NOW, None, "node", True, (), "")
SECRET = TokenSecret("fix-1-token", "1", NOW + timedelta(hours=1))
ASK = ObjectAsk("Sandbox", "shop", "fix-1")
GONE = Facts({ASK: ObjectFact(None, None)})
WORLD = StrayWorld("shop", "fix-1", "uid-sandbox", POD, SECRET)
REVOKE = RevokeTokens("shop", "fix-1-token")
BROKEN = Problem(Reason.FORGE_UNAVAILABLE, "away", since=NOW)


def test_the_api_server_is_asked_before_anything_is_taken_for_stray() -> None:
    assert plan_stray(WORLD, NOW) == Plan(asks=(ASK,))
    there = replace(WORLD, facts=Facts({ASK: ObjectFact("uid-sandbox", "1")}))
    assert plan_stray(there, NOW) == Plan()


def test_nothing_is_taken_for_stray_while_the_api_server_cannot_be_asked() -> None:
    away = replace(WORLD, facts=Facts({ASK: BROKEN}))
    assert plan_stray(away, NOW) == Plan(look_again=NOW + LOOK_AGAIN)


def test_a_pod_without_its_sandbox_is_deleted_and_released() -> None:
    for uid in (None, "uid-of-a-later-one"):
        gone = replace(WORLD, facts=Facts({ASK: ObjectFact(uid, uid and "1")}))
        assert [type(d) for d in plan_stray(gone, NOW).deletes] == [Delete, ReleasePod]


def test_a_pod_that_is_being_deleted_is_only_released() -> None:
    deleted = replace(WORLD, pod=replace(POD, deletion_time=NOW), facts=GONE)
    assert [type(d) for d in plan_stray(deleted, NOW).deletes] == [ReleasePod]


def test_tokens_without_their_sandbox_are_revoked() -> None:
    assert plan_stray(replace(WORLD, facts=GONE), NOW).effects == (REVOKE,)
    alone = replace(WORLD, pod=None, facts=GONE)
    assert (plan_stray(alone, NOW).deletes, plan_stray(alone, NOW).effects) == ((), (REVOKE,))


def test_tokens_that_cannot_be_revoked_hold_nothing_up_without_a_limit() -> None:
    world = replace(WORLD, facts=GONE, failures=Failures({REVOKE: BROKEN}))
    soon = plan_stray(world, NOW + REVOCATION_LIMIT / 2)
    assert (soon.effects, soon.look_again) == ((REVOKE,), NOW + REVOCATION_LIMIT)
    assert plan_stray(world, NOW + REVOCATION_LIMIT).effects == (replace(REVOKE, is_forced=True),)
