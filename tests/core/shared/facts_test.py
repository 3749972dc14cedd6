"""Facts: typed by their questions; what is missing is asked for, all at once where several are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from codecourier.core.shared.facts import (
    BranchHeadAsk,
    BranchHeadFact,
    Facts,
    MissingFacts,
    Problem,
    RepositoryAsk,
    RepositoryFact,
)
from codecourier.core.shared.intents import Failures, Plan, RevokeTokens, asking
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.worlds import World
from tests.support.worlds import ACCESS, NOW

SHOP, HEAD = RepositoryAsk(ACCESS), BranchHeadAsk(ACCESS, "main")
AWAY = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")


def test_a_known_answer_is_given_be_it_a_fact_or_a_problem() -> None:
    facts = Facts({SHOP: RepositoryFact("main"), HEAD: AWAY})
    repository, head = facts.get(SHOP), facts.get(HEAD)
    assert isinstance(repository, RepositoryFact)
    assert (repository.default_branch, head) == ("main", AWAY)


def test_several_are_given_in_their_order_or_asked_for_at_once() -> None:
    asks = [BranchHeadAsk(ACCESS, branch) for branch in ("one", "two", "three")]
    known = {ask: BranchHeadFact(ask.branch) for ask in asks}
    assert Facts(known).get_all(reversed(asks)) == tuple(known[ask] for ask in reversed(asks))
    with pytest.raises(MissingFacts) as raised:
        Facts({asks[1]: AWAY}).get_all(asks)
    assert raised.value.asks == (asks[0], asks[2])


def test_a_plan_asks_for_what_it_misses_and_is_void_beside() -> None:
    @asking
    def plan(world: World, now: datetime) -> Plan:
        repository = world.facts.get(SHOP)
        head = world.facts.get(HEAD)
        assert (repository, head) == (RepositoryFact("main"), AWAY)
        return Plan(look_again=now)

    world = World()
    assert plan(world, NOW) == Plan(asks=(SHOP,))
    world = replace(world, facts=Facts({SHOP: RepositoryFact("main")}))
    assert plan(world, NOW) == Plan(asks=(HEAD,))
    world = replace(world, facts=Facts({**world.facts.answers, HEAD: AWAY}))
    assert plan(world, NOW) == Plan(look_again=NOW)


def test_a_failure_is_known_of_exactly_the_intent_that_failed() -> None:
    revoke = RevokeTokens("shop", "token")
    failures = Failures({revoke: AWAY})
    assert (failures.get(revoke), failures.get(replace(revoke, is_forced=True))) == (AWAY, None)
