"""Wishes: whatever people have asked for since, the first manifest applies again and starts nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.run.status import starts_again
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts, RepositoryAsk, RepositoryFact
from codecourier.core.shared.finishing import finish_plan
from codecourier.core.shared.intents import Create, Plan
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.run import Origin, Run, RunPhase, RunSpec
from codecourier.resources.sprint_chain import (
    SprintChain,
    SprintChainPhase,
    SprintChainSpec,
    SprintChainStatus,
    SprintPhase,
)
from tests.support.plans import plan_run, plan_sprint_chain
from tests.support.runs import admitting, run_status_of
from tests.support.worlds import (
    ACCESS,
    BASE,
    NOW,
    make_project,
    make_revision,
    make_run,
    make_sprint_chain,
    make_workflow,
)

FACTS = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE), RepositoryAsk(ACCESS): RepositoryFact("main")})
ENDS = (RunPhase.COMPLETED, RunPhase.FAILED)

ATTEMPTS = st.integers(1, 4)
RUN_WISHES = st.fixed_dictionaries({}, optional={"attempt": ATTEMPTS, "cancelled": st.booleans()})
CHAIN_WISHES = st.fixed_dictionaries(
    {},
    optional={
        "attempt": ATTEMPTS,
        "resume_from_sprint": st.one_of(st.none(), st.integers(0, 2)),
        "suspend": st.booleans(),
        "cancelled": st.booleans(),
    },
)


def wished(obj: Any, **wishes: Any) -> Any:
    """Return an object after a person's patch of its wishes, as the API server keeps it."""
    spec = obj.spec.updated(**wishes)
    if spec == obj.spec:
        return obj
    metadata = obj.metadata.updated(generation=obj.metadata.generation + 1)
    return obj.updated(spec=spec, metadata=metadata)


def planned_run(run: Run) -> tuple[Run, Plan]:
    """Plan for a Run that gets every place; return it with its new status, the Notifications taken as made."""
    attempt = run.spec.attempt if run.status.phase.is_finished or not run.status.attempt else run.status.attempt
    workflow = make_workflow()
    revision = make_revision(workflow)
    world = RunWorld(run, admitting(run, attempt=attempt), workflow, None, revision=revision, facts=FACTS)
    plan = finish_plan(run, plan_run(world, NOW), NOW)
    status = run_status_of(plan) if plan.status is not None else run.status
    return run.updated(status=status.updated(unnotified=())), plan


def settled_run(run: Run, end: RunPhase) -> Run:
    """Plan until a Run is over; one that works ends so."""
    for _ in range(12):
        run, plan = planned_run(run)
        if run.status.phase is RunPhase.RUNNING:
            run = run.updated(status=run.status.updated(phase=end))
        elif plan.status is None and not plan.creates:
            return run
    raise AssertionError(f"{run.status} does not come to rest")


def planned_chain(chain: SprintChain) -> tuple[SprintChain, Plan]:
    """Plan for a chain; return it with its new status, the Notifications taken as made."""
    world = SprintChainWorld(chain, make_project(), make_workflow(), facts=FACTS)
    plan = finish_plan(chain, plan_sprint_chain(world, NOW), NOW)
    status = plan.status if isinstance(plan.status, SprintChainStatus) else chain.status
    return chain.updated(status=status.updated(unnotified=())), plan


def settled_chain(chain: SprintChain, end: SprintPhase) -> SprintChain:
    """Plan until nothing follows; a sprint that is claimed ends so, without its Run."""
    for _ in range(24):
        before = chain
        chain, plan = planned_chain(chain)
        status = chain.status
        active = next((s for s in status.sprints if s.phase is SprintPhase.RUNNING), None)
        if active is not None:
            over = active.updated(phase=end, head_commit=BASE if end is SprintPhase.COMPLETED else None)
            sprints = tuple(over if s.index == over.index else s for s in status.sprints)
            phase = status.phase if end is SprintPhase.COMPLETED else SprintChainPhase.FAILED
            chain = chain.updated(status=status.updated(sprints=sprints, phase=phase))
        elif chain == before and not plan.creates:
            return chain
    raise AssertionError(f"{chain.status} does not come to rest")


def starts(plan: Plan) -> list[str]:
    """Return the names of the Sandboxes and Runs that a plan makes."""
    return [create.resource.name for create in plan.creates if isinstance(create, Create)]


@given(first=RUN_WISHES, history=st.lists(st.tuples(RUN_WISHES, st.sampled_from(ENDS), st.booleans()), max_size=6))
def test_the_first_manifest_of_a_run_applies_after_any_history_and_starts_nothing(
    first: dict[str, Any], history: list[tuple[dict[str, Any], RunPhase, bool]]
) -> None:
    run: Run = settled_run(make_run(base_branch="main", **first), RunPhase.COMPLETED)
    for wishes, end, is_seen in history:
        run = wished(run, **wishes)
        if is_seen:
            run = settled_run(run, end)
    run = settled_run(run, RunPhase.FAILED)
    done = run.status
    # Client-side apply sets what the manifest says; server-side apply also removes what only the manifest's owner set.
    for manifest in (first, {"attempt": 1, "cancelled": False, **first}):
        again, plan = planned_run(wished(run, **manifest))
        assert starts(plan) == []
        assert (again.status.phase, again.status.attempt, again.status.message) == (
            done.phase,
            done.attempt,
            done.message,
        )


@given(
    first=CHAIN_WISHES,
    history=st.lists(
        st.tuples(CHAIN_WISHES, st.sampled_from((SprintPhase.COMPLETED, SprintPhase.FAILED)), st.booleans()),
        max_size=6,
    ),
)
def test_the_first_manifest_of_a_chain_applies_after_any_history_and_starts_nothing(
    first: dict[str, Any], history: list[tuple[dict[str, Any], SprintPhase, bool]]
) -> None:
    chain: SprintChain = settled_chain(make_sprint_chain(**first), SprintPhase.COMPLETED)
    for wishes, end, is_seen in history:
        chain = wished(chain, **wishes)
        if is_seen:
            chain = settled_chain(chain, end)
    chain = settled_chain(wished(chain, suspend=False), SprintPhase.FAILED)
    done = chain.status
    unwished = {"attempt": 1, "resume_from_sprint": None, "suspend": False, "cancelled": False}
    for manifest in (first, {**unwished, **first}):
        again, plan = planned_chain(wished(chain, **manifest))
        assert starts(plan) == []
        assert (again.status.attempt, again.status.phase, again.status.sprints) == (
            done.attempt,
            done.phase,
            done.sprints,
        )


def test_a_cancelled_attempt_stays_so_and_a_greater_one_starts() -> None:
    run = settled_run(wished(make_run(base_branch="main"), cancelled=True), RunPhase.COMPLETED)
    assert run.status.phase is RunPhase.CANCELLED
    raised = settled_run(wished(run, attempt=2), RunPhase.COMPLETED)
    assert (raised.status.phase, raised.status.attempt) == (RunPhase.CANCELLED, 1)
    taken_back = settled_run(wished(raised, cancelled=False), RunPhase.COMPLETED)
    assert (taken_back.status.phase, taken_back.status.attempt) == (RunPhase.CANCELLED, 1)
    again = settled_run(wished(taken_back, attempt=3), RunPhase.COMPLETED)
    assert (again.status.phase, again.status.attempt) == (RunPhase.COMPLETED, 3)


def test_a_cancellation_that_is_taken_back_while_the_sandbox_stops_still_cancels() -> None:
    run, _ = planned_run(make_run(base_branch="main"))
    assert run.status.phase is RunPhase.RUNNING
    run, _ = planned_run(wished(run, cancelled=True))
    run = wished(run, cancelled=False)
    _, plan = planned_run(run)
    assert run.status.cancelled_attempt == 1
    assert plan.creates, "the Sandbox that may be in flight is made, to stop it"


def test_an_attempt_of_a_chains_run_asks_for_nothing() -> None:
    origin = Origin(kind="SprintChain", name="nightly", uid="uid-nightly", index=0)
    run = make_run(origin=origin, base_branch="main")
    done = run.updated(status=run.status.updated(phase=RunPhase.COMPLETED, attempt=1))
    raised = wished(done, attempt=2)
    assert not starts_again(raised)


def test_a_chain_whose_sprints_are_all_done_has_nothing_left_and_says_so() -> None:
    chain = settled_chain(make_sprint_chain(), SprintPhase.COMPLETED)
    assert chain.status.phase is SprintChainPhase.COMPLETED
    again, plan = planned_chain(wished(chain, attempt=5))
    assert (starts(plan), again.status.phase, again.status.attempt) == ([], SprintChainPhase.COMPLETED, 5)
    assert again.status.sprints == chain.status.sprints
    assert again.status.message == (
        "All 3 sprints were finished before this attempt, so nothing was left to do. To do sprints again, set "
        "spec.resumeFromSprint to the first of them together with a greater spec.attempt."
    )
    assert [attempt.attempt for attempt in again.status.attempts] == [1]


@pytest.mark.parametrize("spec", [RunSpec, SprintChainSpec])
def test_wishes_have_no_transition_rules(spec: Any) -> None:
    rules = [rule.rule for rule in spec.rules]
    rules += [entry.rule for field in spec.model_fields.values() for entry in field.metadata if hasattr(entry, "rule")]
    assert not [rule for rule in rules if "oldSelf" in rule]
