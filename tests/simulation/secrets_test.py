"""Secrets that come, change and go: what names them is woken by them, and none is looked for meanwhile."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from codecourier.core.shared.naming import LABEL_AGENT_READABLE, LABEL_REPOSITORY_CREDENTIAL
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS, RUNS, SANDBOXES, WORKFLOWS
from codecourier.kube.api import PODS, SECRETS, Json, Resource
from codecourier.kube.errors import Forbidden
from tests.simulation.apiserver import SimulatedKube
from tests.simulation.clock import pass_time
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import FaultyNetwork
from tests.simulation.forge import CANARY, URL
from tests.simulation.network import Call
from tests.simulation.stored import Change
from tests.simulation.stories import RUN, delete, find, play_story, status_of, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

PERSONAL = replace(RUN, is_personal=True)
TOKEN = "repository-token"
FIXED = replace(PERSONAL, runs=0)
MODEL: Json = {"name": "KEY", "secretKeyRef": {"name": "model", "key": "key"}}


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the reads of users' Secrets by their names."""
    reads: Counter[str] = Counter()
    right = SimulatedKube.get

    async def get(self: SimulatedKube, resource: Resource, namespace: str | None, name: str) -> Json:
        if resource == SECRETS:
            reads[name] += 1
        return await right(self, resource, namespace, name)

    with patch.object(SimulatedKube, "get", get):
        yield reads


@contextmanager
def people(cluster: SimulatedCluster) -> Iterator[None]:
    """What is done here, people do."""
    cluster.monitor.is_people = True
    try:
        yield
    finally:
        cluster.monitor.is_people = False


def make_secret(cluster: SimulatedCluster, name: str, label: str, **values: str) -> None:
    """Make a Secret with a label, as people do."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {label: "true"}}
    with people(cluster):
        cluster.server.store.create(SECRETS, {"metadata": metadata, "data": data})


def change_secret(cluster: SimulatedCluster, name: str, change: Callable[[Json], Any]) -> None:
    """Change a Secret, as people do."""
    with people(cluster):
        cluster.server.edit(SECRETS, NAMESPACE, name, change)


def set_token(cluster: SimulatedCluster, token: str = f"{CANARY}personal") -> None:
    """Write the Secret with the Project's token, as people do."""
    with people(cluster):
        cluster.set_token(token)


def ready(cluster: SimulatedCluster, resource: Resource = PROJECTS, name: str = "default") -> tuple[str, str]:
    """Return status and reason of the condition Ready."""
    conditions = ((find(cluster, resource, name) or {}).get("status") or {}).get("conditions") or ()
    return next(((c["status"], c["reason"]) for c in conditions if c["type"] == "Ready"), ("", ""))


def name_model(cluster: SimulatedCluster) -> None:
    """Let the Workflow name a Secret for its agent."""
    with people(cluster):
        cluster.server.edit(WORKFLOWS, NAMESPACE, "scripted", lambda found: found["spec"].update(secretEnv=[MODEL]))


def test_a_project_is_ready_within_a_second_of_its_secret_and_does_not_look_for_it_before() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        delete(cluster, TOKEN, SECRETS)
        await until(cluster, 10, lambda: ready(cluster)[1] == "CredentialsMissing")
        await pass_time(2.0)
        with counted() as reads:
            await pass_time(45.0)
            assert reads[TOKEN] == 0
            set_token(cluster)
            await pass_time(1.0)
            assert ready(cluster) == ("True", "Accepted")
            assert reads[TOKEN] == 1
        assert cluster.server.store.list(NOTIFICATIONS, NAMESPACE) == []

    play_story(FIXED, story)


def test_a_run_that_waits_for_the_secret_starts_by_it() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        delete(cluster, TOKEN, SECRETS)
        await until(cluster, 15, lambda: ready(cluster, RUNS, "run-0")[1] == "CredentialsMissing")
        await pass_time(2.0)
        with counted() as reads:
            await pass_time(45.0)
            assert reads[TOKEN] == 0
        set_token(cluster)
        await pass_time(4.0)
        assert status_of(cluster)["phase"] == "Running"

    play_story(PERSONAL, story)


def test_a_secret_that_is_fixed_is_used_at_once() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 10, lambda: ready(cluster) == ("True", "Accepted"))
        set_token(cluster, "wrong")
        await pass_time(1.0)
        assert ready(cluster)[1] == "CredentialsRefused"
        set_token(cluster)
        await pass_time(1.0)
        assert ready(cluster) == ("True", "Accepted")
        change_secret(cluster, TOKEN, lambda found: found["metadata"].update(labels={}))
        await pass_time(1.0)
        assert ready(cluster)[1] == "SecretNotAllowed"
        labels = {LABEL_REPOSITORY_CREDENTIAL: "true"}
        change_secret(cluster, TOKEN, lambda found: found["metadata"].update(labels=labels))
        await pass_time(1.0)
        assert ready(cluster) == ("True", "Accepted")
        delete(cluster, TOKEN, SECRETS)
        await pass_time(1.0)
        assert ready(cluster)[1] == "CredentialsMissing"

    play_story(FIXED, story)


def test_a_workflow_follows_the_secret_that_its_agent_reads() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        name_model(cluster)
        await pass_time(3.0)
        assert ready(cluster, WORKFLOWS, "scripted") == ("False", "SecretNotReadable")
        with counted() as reads:
            await pass_time(40.0)
            assert reads["model"] == 0
        make_secret(cluster, "model", LABEL_AGENT_READABLE, key="value")
        await pass_time(1.0)
        assert ready(cluster, WORKFLOWS, "scripted") == ("True", "Accepted")
        change_secret(cluster, "model", lambda found: found.update(data={}))
        await pass_time(1.0)
        assert ready(cluster, WORKFLOWS, "scripted") == ("False", "SecretNotReadable")
        delete(cluster, "model", SECRETS)
        await pass_time(1.0)
        assert "it is not there" in str(find(cluster, WORKFLOWS, "scripted"))

    play_story(FIXED, story)


def test_secrets_without_the_labels_are_neither_read_nor_wake() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        delete(cluster, TOKEN, SECRETS)
        await until(cluster, 10, lambda: ready(cluster)[1] == "CredentialsMissing")
        await pass_time(2.0)
        before = cluster.worked
        with counted() as reads:
            make_secret(cluster, TOKEN, "unrelated", token="value")
            make_secret(cluster, "other", LABEL_REPOSITORY_CREDENTIAL, token="value")
            await pass_time(20.0)
        assert (reads, cluster.worked) == (Counter(), before)

    play_story(FIXED, story)


def test_a_running_sandbox_is_not_disturbed() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: bool(cluster.nodes.starts))
        before = versions(cluster)
        set_token(cluster, "wrong")
        await asyncio.sleep(0.5)
        set_token(cluster)
        await asyncio.sleep(0.5)
        assert {key: value for key, value in versions(cluster).items() if key in before} == before
        await until(cluster, 900, lambda: bool(cluster.forge.pulls))
        assert len(cluster.nodes.starts) == len(cluster.forge.pulls) == 1

    play_story(replace(PERSONAL, pace=10.0), story)


def test_what_has_failed_with_a_secret_does_not_delay_the_next_version_of_it() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        def remove(change: Change) -> None:
            if change.type == "ADDED" and change.identity[0] == SANDBOXES:
                asyncio.get_running_loop().call_soon(delete, cluster, TOKEN, SECRETS)

        def waiting() -> bool:
            sandboxes = cluster.server.store.list(SANDBOXES, NAMESPACE)
            return any("No usable credential" in str(found.obj.get("status")) for found in sandboxes)

        cluster.server.store.listeners.append(remove)
        await until(cluster, 30, waiting)
        await pass_time(100.0)
        assert cluster.server.store.list(PODS, NAMESPACE) == []
        set_token(cluster)
        await pass_time(1.0)
        assert len(cluster.server.store.list(PODS, NAMESPACE)) == 1

    play_story(PERSONAL, story)


def versions(cluster: SimulatedCluster) -> Mapping[tuple[str, str], str]:
    """Return the versions of Sandboxes, pods and the Secrets with their tokens."""
    return {
        (resource.kind, stored.metadata["name"]): stored.metadata["resourceVersion"]
        for resource in (SANDBOXES, PODS, SECRETS)
        for stored in cluster.server.store.list(resource, NAMESPACE)
        if stored.metadata["name"] != TOKEN
    }


def test_where_the_watch_is_refused_secrets_are_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    right = FaultyNetwork.before

    async def before(self: FaultyNetwork, call: Call) -> None:
        if call.resource.identity_selector:
            raise Forbidden(403, "Forbidden", "secrets is forbidden")
        await right(self, call)

    async def story(cluster: SimulatedCluster) -> None:
        delete(cluster, TOKEN, SECRETS)
        name_model(cluster)
        await until(cluster, 10, lambda: ready(cluster)[1] == "CredentialsMissing")
        with counted() as reads:
            await pass_time(60.0)
            assert reads[TOKEN] >= 3
        set_token(cluster)
        make_secret(cluster, "model", LABEL_AGENT_READABLE, key="value")
        await pass_time(31.0)
        assert ready(cluster) == ready(cluster, WORKFLOWS, "scripted") == ("True", "Accepted")
        assert sum("refuses list or watch" in record.getMessage() for record in caplog.records) == 2, "once for each"

    with patch.object(FaultyNetwork, "before", before):
        play_story(FIXED, story)


def test_one_secret_of_two_wakes_what_waits_for_it() -> None:
    other = f"{URL}-other"

    async def story(cluster: SimulatedCluster) -> None:
        second = {"url": other, "credentialRef": {"name": "missing"}}
        with people(cluster):
            cluster.server.edit(
                PROJECTS, NAMESPACE, "default", lambda found: found["spec"]["repositories"].append(second)
            )
        delete(cluster, TOKEN, SECRETS)
        await until(cluster, 15, lambda: ready(cluster, RUNS, "run-0")[1] == "CredentialsMissing")
        await pass_time(2.0)
        set_token(cluster)
        await pass_time(5.0)
        assert ready(cluster)[1] == "CredentialsMissing", "of the other repository"
        assert len(cluster.nodes.starts) == 1

    play_story(PERSONAL, story)
