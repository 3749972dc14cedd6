"""Clusters and forges that refuse, over the whole operator: all is said, ends, and comes to rest."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.github.errors import CredentialsRefused, ForgeNotFound, ForgeRefused, RateLimited, Unavailable
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS, RUNS, SANDBOXES, SPRINT_CHAINS
from codecourier.kube.api import CONTROLLER_REVISIONS
from tests.simulation.admission import Obstacle
from tests.simulation.clock import EPOCH
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.forge import ForgeTrouble
from tests.simulation.stories import (
    CHAIN,
    HOUR,
    RUN,
    TWO_RUNS,
    cancel,
    delete,
    find,
    is_over,
    notes,
    play_story,
    refused_minting,
    status_of,
    until,
)

MOST_TRY_SECONDS = 600.0 + 600.0
"""The start timeout of a try, and the longest wait for the next one."""

_UNCERTAIN = (Obstacle.BROKEN, Obstacle.SILENCE)
"""After these a Secret can be there, so its tokens can be in use; they expire in an hour."""

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]


def test_a_run_ends_and_gives_its_place_on_although_its_notifications_are_refused() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 300, lambda: is_over(cluster, "run-0") and is_over(cluster, "run-1"))
        status = status_of(cluster)
        assert (status["phase"], len(status["unnotified"])) == ("Completed", 2)
        await asyncio.sleep(60)
        assert any("PrCreated" in c["message"] or "quota" in c["message"] for c in status_of(cluster)["conditions"])
        assert any("quota of namespace shop refuses Notification" in note for note in notes(cluster))
        delete(cluster, "run-0")
        await until(cluster, 900, lambda: find(cluster, RUNS, "run-0") is None)
        before = cluster.admission.refused[NOTIFICATIONS]
        await asyncio.sleep(HOUR)
        assert cluster.admission.refused[NOTIFICATIONS] - before < 60, "what has failed for long is tried less often"
        cluster.admission.obstacles.clear()
        await until(cluster, 660, lambda: not status_of(cluster, "run-1").get("unnotified"))
        assert all(c["type"] != "RecordsOwed" for c in status_of(cluster, "run-1")["conditions"])

    play_story(TWO_RUNS, story, notifications=Obstacle.QUOTA)


def test_runs_whose_sandboxes_are_refused_say_so_and_can_be_cancelled_and_deleted() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await asyncio.sleep(60)
        assert "quota of namespace shop refuses Sandbox" in status_of(cluster)["message"]
        assert any("refuses Sandbox" in note for note in notes(cluster))
        cancel(cluster, "run-0")
        delete(cluster, "run-1")
        await until(cluster, 120, lambda: is_over(cluster, "run-0") and find(cluster, RUNS, "run-1") is None)
        assert status_of(cluster)["phase"] == "Cancelled"

    play_story(replace(TWO_RUNS, limit=2), story, sandboxes=Obstacle.QUOTA)


def test_a_run_whose_revision_is_refused_leaves_its_place_to_others_and_ends() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 300, lambda: is_over(cluster, "run-0"))
        cluster.admission.obstacles[CONTROLLER_REVISIONS] = Obstacle.QUOTA
        cluster.monitor.is_people = True
        cluster.make_workflow("other")
        for name, workflow in (("a-refused", "other"), ("b-good", "scripted")):
            cluster.make_run(name, workflow)
        cluster.monitor.is_people = False
        await until(cluster, 120, lambda: is_over(cluster, "b-good"))
        assert status_of(cluster, "b-good")["phase"] == "Completed"
        assert "refuses ControllerRevision" in status_of(cluster, "a-refused")["message"]
        await until(cluster, 900, lambda: is_over(cluster, "a-refused"))
        assert status_of(cluster, "a-refused")["phase"] == "Failed"

    async def lifted(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: cluster.admission.refused[CONTROLLER_REVISIONS] > 0)
        await asyncio.sleep(60)
        assert status_of(cluster)["phase"] == "Pending"
        cluster.admission.obstacles.clear()
        await until(cluster, 180, lambda: is_over(cluster))
        assert status_of(cluster)["phase"] == "Completed"

    play_story(RUN, story)
    play_story(RUN, lifted, controllerrevisions=Obstacle.QUOTA)


@pytest.mark.parametrize(
    "obstacle", [Obstacle.QUOTA, Obstacle.POLICY, Obstacle.PERMISSION, Obstacle.BROKEN, Obstacle.SILENCE]
)
@pytest.mark.parametrize("kind", ["sandboxes", "secrets", "pods"])
def test_a_run_that_cannot_start_ends_after_its_tries(kind: str, obstacle: Obstacle) -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 4 * HOUR, lambda: is_over(cluster))
        status = status_of(cluster)
        reason = {"sandboxes": "CreationRefused", "secrets": "CreationRefused", "pods": "PodRefused"}[kind]
        wanted = "QuotaExceeded" if obstacle is Obstacle.QUOTA else reason
        assert {entry["reason"] for entry in status["tries"]} == {wanted}
        assert (len(status["tries"]) > 1) is (obstacle is Obstacle.QUOTA)
        assert status["phase"] == "Failed"
        assert len(cluster.forge.tokens) <= 2 * len(status["tries"])
        if obstacle not in _UNCERTAIN:
            assert all(token.is_revoked for token in cluster.forge.tokens.values())

    play_story(RUN, story, **{kind: obstacle})


MINTING = {
    "CredentialsRefused": CredentialsRefused("the installation lacks a permission: contents: write", status=403),
    "ForgeUnavailable": Unavailable("503 Service Unavailable", may_have_happened=False, status=503),
    "RepositoryNotFound": ForgeNotFound("there is no such repository", status=404),
    "ForgeRefused": ForgeRefused("Validation Failed", status=422),
    "RateLimited": RateLimited("slow down", retry_at=EPOCH + timedelta(days=1), status=429),
}


@pytest.mark.parametrize("reason", MINTING)
def test_a_run_whose_tokens_the_forge_does_not_mint_says_so_and_ends_after_its_tries(reason: str) -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: MINTING[reason].message in status_of(cluster).get("message", ""))
        assert any(MINTING[reason].message in note for note in notes(cluster))
        start = asyncio.get_running_loop().time()
        await until(cluster, 24 * HOUR, lambda: is_over(cluster))
        status = status_of(cluster)
        assert status["phase"] == "Failed"
        assert {entry["reason"] for entry in status["tries"]} == {reason}
        assert asyncio.get_running_loop().time() - start <= len(status["tries"]) * MOST_TRY_SECONDS
        assert (cluster.forge.tokens, cluster.nodes.starts) == ({}, [])

    async def stop(cluster: SimulatedCluster) -> None:
        await asyncio.sleep(60)
        cancel(cluster, "run-0")
        delete(cluster, "run-1")
        await until(cluster, 120, lambda: is_over(cluster, "run-0") and find(cluster, RUNS, "run-1") is None)
        assert status_of(cluster)["phase"] == ("Failed" if reason == "ForgeRefused" else "Cancelled")

    with refused_minting(MINTING[reason]):
        play_story(replace(RUN, is_personal=False), story)
        play_story(replace(TWO_RUNS, limit=2, is_personal=False), stop)


def test_a_sandbox_that_was_given_up_and_comes_late_starts_no_agent() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: cluster.admission.refused[SANDBOXES] > 0)
        run = find(cluster, RUNS, "run-0")
        assert run is not None
        name = run["status"]["tries"][0]["sandbox"]
        await until(cluster, HOUR, lambda: status_of(cluster)["phase"] == "Queued")
        cluster.admission.obstacles.clear()
        metadata = {"name": name, "namespace": NAMESPACE, "finalizers": ["codecourier.dev/recorded"]}
        reference = {"name": "run-0", "uid": run["metadata"]["uid"]}
        spec = {"runRef": reference, "attempt": 1, "tryNumber": 1}
        cluster.server.store.create(SANDBOXES, {"metadata": metadata, "spec": spec})
        await until(cluster, 600, lambda: is_over(cluster))
        assert status_of(cluster, name, SANDBOXES)["phase"] == "Cancelled"
        assert [start.try_number for start in cluster.nodes.starts] == [2]

    play_story(RUN, story, sandboxes=Obstacle.QUOTA)


def test_a_chain_whose_run_is_refused_says_so_and_fails_or_goes() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await asyncio.sleep(60)
        assert "refuses Run" in status_of(cluster, "chain-0", SPRINT_CHAINS)["message"]
        await until(cluster, HOUR, lambda: is_over(cluster, "chain-0", SPRINT_CHAINS))
        assert status_of(cluster, "chain-0", SPRINT_CHAINS)["phase"] == "Failed"

    async def deletion(cluster: SimulatedCluster) -> None:
        await asyncio.sleep(30)
        delete(cluster, "chain-0", SPRINT_CHAINS)
        await until(cluster, 120, lambda: find(cluster, SPRINT_CHAINS, "chain-0") is None)

    play_story(CHAIN, story, runs=Obstacle.QUOTA)
    play_story(CHAIN, deletion, runs=Obstacle.QUOTA)


def test_a_chain_goes_on_while_its_notifications_are_refused() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 600, lambda: is_over(cluster, "chain-0", SPRINT_CHAINS))
        assert status_of(cluster, "chain-0", SPRINT_CHAINS)["phase"] == "Completed"
        delete(cluster, "chain-0", SPRINT_CHAINS)
        await until(cluster, 900, lambda: find(cluster, SPRINT_CHAINS, "chain-0") is None)

    play_story(CHAIN, story, notifications=Obstacle.QUOTA, usagerecords=Obstacle.QUOTA)


def test_a_project_says_that_its_policy_is_refused() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: any("refuses NetworkPolicy" in note for note in notes(cluster)))
        conditions = status_of(cluster, "default", PROJECTS)["conditions"]
        assert [c["status"] for c in conditions if c["type"] == "Ready"] == ["Unknown"]
        cluster.admission.obstacles.clear()
        await until(cluster, 300, lambda: is_over(cluster))

    play_story(RUN, story, networkpolicies=Obstacle.QUOTA)


@pytest.mark.parametrize("trouble", ForgeTrouble)
def test_a_run_whose_forge_is_away_for_good_can_be_deleted(trouble: ForgeTrouble) -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: bool(cluster.forge.pushes))
        cluster.forge.trouble = trouble
        await asyncio.sleep(120)
        delete(cluster, "run-0")
        await until(cluster, 15 * 60, lambda: find(cluster, RUNS, "run-0") is None)

    play_story(RUN, story)


def test_a_chain_is_stopped_at_once_though_its_forge_is_away_for_good() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: bool(cluster.forge.pushes))
        cluster.forge.trouble = ForgeTrouble.BROKEN
        await asyncio.sleep(60)
        cluster.monitor.is_people = True
        annotations = {ANNOTATION_STOP_NOW: "true"}
        cluster.server.edit(
            SPRINT_CHAINS, NAMESPACE, "chain-0", lambda c: c["metadata"].update(annotations=annotations)
        )
        cluster.monitor.is_people = False
        delete(cluster, "chain-0", SPRINT_CHAINS)
        await until(cluster, 15 * 60, lambda: find(cluster, SPRINT_CHAINS, "chain-0") is None)

    play_story(CHAIN, story)


def test_a_token_that_may_not_open_pull_requests_is_reported_once_and_costs_few_requests() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        cluster.forge.forbids_pulls = True
        await until(cluster, 60, lambda: bool(cluster.forge.pushes))
        await asyncio.sleep(HOUR)
        said = [note for note in notes(cluster) if "lacks a permission" in note]
        told = [stored.obj["spec"]["type"] for stored in cluster.server.store.list(NOTIFICATIONS, NAMESPACE)]
        assert (len(said), told) == (1, ["CredentialsFailed"])
        before = cluster.forge.requests
        await asyncio.sleep(HOUR)
        assert cluster.forge.requests - before < 60, "less than one a minute"

    play_story(RUN, story)
