"""Pods and tokens from which users remove our labels: they are found again, and no second agent starts beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from codecourier.core.shared.naming import FINALIZER_TOKENS, LABEL_MANAGED, LABEL_SANDBOX_UID
from codecourier.kinds.api_resources import RUNS, SANDBOXES
from codecourier.kube.api import PODS, SECRETS, Json, Resource
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.scenario import REFERENCE
from tests.support.simulated import until

pytestmark = [pytest.mark.simulation]

ONE_RUN = replace(REFERENCE, chains=0, runs=1)


def some(cluster: SimulatedCluster, resource: Resource) -> list[Json]:
    return [stored.copy() for stored in cluster.server.store.list(resource, NAMESPACE)]


def phase(cluster: SimulatedCluster, resource: Resource) -> str:
    return next((str((obj.get("status") or {}).get("phase")) for obj in some(cluster, resource)), "")


def remove_labels(cluster: SimulatedCluster, resource: Resource, *labels: str) -> None:
    def remove(obj: Json) -> None:
        for label in labels:
            obj["metadata"]["labels"].pop(label, None)

    (name,) = (
        obj["metadata"]["name"]
        for obj in some(cluster, resource)
        if LABEL_SANDBOX_UID in (obj["metadata"].get("labels") or {})
    )
    cluster.monitor.is_people = True
    cluster.server.edit(resource, NAMESPACE, name, remove)
    cluster.monitor.is_people = False


def play(deed: Callable[[SimulatedCluster], Any]) -> None:
    async def main() -> None:
        cluster = SimulatedCluster(ONE_RUN)
        await until(cluster.server, lambda: phase(cluster, SANDBOXES) == "Running")
        deed(cluster)
        await pass_time(600)
        assert cluster.monitor.violation is None, cluster.monitor.violation
        assert phase(cluster, RUNS) == "Completed"
        assert len(some(cluster, SANDBOXES)) == 1, "no second try was started"
        assert not [s for s in some(cluster, SECRETS) if FINALIZER_TOKENS in (s["metadata"].get("finalizers") or ())]

    run_virtual(main)


@pytest.mark.parametrize("labels", [(LABEL_MANAGED,), (LABEL_SANDBOX_UID,), (LABEL_MANAGED, LABEL_SANDBOX_UID)])
def test_a_pod_whose_labels_were_removed_is_found_again(labels: tuple[str, ...]) -> None:
    play(lambda cluster: remove_labels(cluster, PODS, *labels))


def test_tokens_whose_label_with_the_uid_was_removed_are_still_revoked() -> None:
    play(lambda cluster: remove_labels(cluster, SECRETS, LABEL_SANDBOX_UID))


def test_a_run_whose_pod_is_hidden_says_cancelled_only_once_the_pod_is_gone() -> None:
    async def main() -> None:
        cluster = SimulatedCluster(ONE_RUN)
        await until(cluster.server, lambda: phase(cluster, SANDBOXES) == "Running")
        (pod,) = some(cluster, PODS)
        remove_labels(cluster, PODS, LABEL_MANAGED)
        cluster.monitor.is_people = True
        (run,) = some(cluster, RUNS)
        cluster.server.edit(RUNS, NAMESPACE, run["metadata"]["name"], lambda obj: obj["spec"].update(cancelled=True))
        await until(cluster.server, lambda: phase(cluster, RUNS) == "Cancelled")
        assert not cluster.nodes.is_alive(pod["metadata"]["uid"])

    run_virtual(main)
