"""Things are deleted in the middle: what may finish does, what may not stops, nothing starts, and no token is left."""

from __future__ import annotations

from functools import partial

import pytest

from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS, SANDBOXES, SPRINT_CHAINS
from codecourier.kube.api import NAMESPACES, PODS, Json, Propagation
from codecourier.local.processnode.container import Container
from tests.support.main_job import wait_for
from tests.support.team import CHANGE, HELD, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

WAYS: tuple[Propagation, ...] = ("Background", "Foreground")

CASES = Together()


async def begun_chain(team: Team) -> tuple[Json, str]:
    """Start a chain of two sprints; return the first one's pod, whose agent waits, and the name of its Run."""
    await team.workflow(HELD + CHANGE)
    await team.sprint_chain(last=2)
    pod = await team.running_pod("agent")
    (run,) = await team.names(RUNS)
    return pod, run


async def begun_run(team: Team) -> Json:
    """Start a Run; return its pod, whose agent waits."""
    await team.workflow(HELD + CHANGE)
    await team.run()
    return await team.running_pod("agent")


async def assert_stopped(team: Team, pod: Json) -> None:
    """Check that nothing of a pod runs, that nothing was pushed, and that its tokens were revoked."""
    folder = team.cluster.layout.node / "pods" / pod["metadata"]["uid"] / "containers" / "agent"
    assert not Container(folder).is_running()
    assert (team.pushes(), team.pulls(), team.agents.count) == ([], 0, 1)
    # One for checkout and one for publish; the operator's own goes on.
    assert team.forge.counters().tokens_revoked.get(str(team.installation), 0) == 2


async def chain_is_deleted(team: Team, *, propagation: Propagation) -> None:
    """The active sprint may finish, no other starts, and the chain says so while it waits."""
    pod, run = await begun_chain(team)
    await team.delete(SPRINT_CHAINS, "chain", propagation=propagation)
    chain = await team.wait(SPRINT_CHAINS, "chain", lambda chain: reason(chain) == "Finishing")
    assert chain["status"]["message"] == "The chain is being deleted; sprint 1 may finish first."
    team.release(pod)
    await team.wait_gone(SPRINT_CHAINS, "chain")
    assert (await team.ended(run))["status"]["phase"] == "Completed"
    assert await team.names(RUNS) == [run]
    await team.assert_done_once()
    told = [name.partition("-chain-")[0] for name in await team.names(NOTIFICATIONS)]
    assert told == ["chain-cancelled", "pr-created", "sprint-completed"]


for way in WAYS:
    CASES.add(f"chain_is_deleted_in_the_{way.lower()}", partial(chain_is_deleted, propagation=way))


@CASES.case
async def chain_is_deleted_and_stopped(team: Team) -> None:
    pod, run = await begun_chain(team)
    await team.patch(SPRINT_CHAINS, "chain", {"metadata": {"annotations": {"codecourier.dev/stop-now": "true"}}})
    await team.delete(SPRINT_CHAINS, "chain")
    await team.wait_gone(SPRINT_CHAINS, "chain")
    stopped = await team.ended(run)
    assert (stopped["status"]["phase"], reason(stopped)) == ("Cancelled", "Cancelled")
    assert (
        stopped["status"]["message"]
        == "Stopped because its SprintChain was deleted with the annotation to stop at once."
    )
    assert await team.names(RUNS) == [run]
    await assert_stopped(team, pod)
    await team.assert_tokens_ended()
    told = [name.partition("-chain-")[0] for name in await team.names(NOTIFICATIONS)]
    assert told == ["chain-cancelled", "sprint-failed"]


@CASES.case
async def stop_is_wished_after_the_deletion(team: Team) -> None:
    pod, run = await begun_chain(team)
    await team.delete(SPRINT_CHAINS, "chain", propagation="Foreground")
    await team.wait(SPRINT_CHAINS, "chain", lambda chain: reason(chain) == "Finishing")
    await team.patch(SPRINT_CHAINS, "chain", {"metadata": {"annotations": {"codecourier.dev/stop-now": "true"}}})
    await team.wait_gone(SPRINT_CHAINS, "chain")
    assert (await team.ended(run))["status"]["phase"] == "Cancelled"
    await assert_stopped(team, pod)


@CASES.case
async def namespace_is_deleted(team: Team) -> None:
    pod, _ = await begun_chain(team)
    await team.api.delete(NAMESPACES, None, team.namespace)
    await team.wait_namespace_gone()
    await assert_stopped(team, pod)


@CASES.case
async def sandbox_is_deleted(team: Team) -> None:
    pod = await begun_run(team)
    await team.delete(SANDBOXES, pod["metadata"]["name"])
    team.release(await team.running_pod("agent", number=2))
    run = await team.ended()
    first, second = run["status"]["tries"]
    assert (first["phase"], first["reason"]) == ("Cancelled", "Deleted")
    assert first["message"] == "Stopped because it was deleted."
    assert second["phase"] == run["status"]["phase"] == "Completed", run["status"]
    await team.wait_gone(SANDBOXES, pod["metadata"]["name"])
    await team.assert_done_once(agents=2)


async def run_is_deleted(team: Team, *, propagation: Propagation) -> None:
    pod = await begun_run(team)
    await team.delete(RUNS, "run", propagation=propagation)
    run = await team.wait(RUNS, "run", lambda run: reason(run) == "Stopping")
    assert run["status"]["message"] == "The sandbox is being stopped."
    await team.wait_gone(RUNS, "run")
    for kind in (SANDBOXES, PODS):
        await wait_for(team.api, kind, team.namespace, lambda known: not known)
    await assert_stopped(team, pod)
    await team.assert_tokens_ended()


for way in WAYS:
    CASES.add(f"run_is_deleted_in_the_{way.lower()}", partial(run_is_deleted, propagation=way))


@CASES.case
async def run_of_a_chain_is_deleted(team: Team) -> None:
    pod, run = await begun_chain(team)
    await team.delete(RUNS, run)
    chain = await team.ended("chain", SPRINT_CHAINS)
    assert (chain["status"]["phase"], reason(chain)) == ("Cancelled", "SprintCancelled")
    assert chain["status"]["message"] == (
        "Sprint 1 was cancelled: Stopped because it was deleted. Raise spec.attempt to resume from it."
    )
    await team.wait_gone(RUNS, run)
    await assert_stopped(team, pod)


@CASES.case
async def run_is_cancelled(team: Team) -> None:
    pod = await begun_run(team)
    await team.patch(RUNS, "run", {"spec": {"cancelled": True}})
    run = await team.ended()
    assert (run["status"]["phase"], reason(run)) == ("Cancelled", "Cancelled")
    assert run["status"]["message"] == "Stopped because spec.cancelled was set."
    await assert_stopped(team, pod)


@pytest.mark.parametrize("case", CASES.names)
async def test_deletion(played: Played, case: str) -> None:
    await played[case]
