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


def is_recorded(cluster: SimulatedCluster) -> bool:
    return phase(cluster, SANDBOXES) == "Running"


def has_just_begun(cluster: SimulatedCluster) -> bool:
    """Tell whether a container runs of which the Sandbox's status does not know."""
    statuses = [c for pod in some(cluster, PODS) for c in pod.get("status", {}).get("initContainerStatuses", ())]
    return phase(cluster, SANDBOXES) == "Pending" and any("running" in c["state"] for c in statuses)


MOMENTS = pytest.mark.parametrize("is_moment", [is_recorded, has_just_begun])


def play(deed: Callable[[SimulatedCluster], Any], is_moment: Callable[[SimulatedCluster], bool] = is_recorded) -> None:
    async def main() -> None:
        cluster = SimulatedCluster(ONE_RUN)
        await until(cluster.server, lambda: is_moment(cluster))
        deed(cluster)
        await pass_time(600)
        assert cluster.monitor.violation is None, cluster.monitor.violation
        assert phase(cluster, RUNS) == "Completed"
        assert len(some(cluster, SANDBOXES)) == 1, "no second try was started"
        assert not [s for s in some(cluster, SECRETS) if FINALIZER_TOKENS in (s["metadata"].get("finalizers") or ())]

    run_virtual(main)


@MOMENTS
@pytest.mark.parametrize("labels", [(LABEL_MANAGED,), (LABEL_SANDBOX_UID,), (LABEL_MANAGED, LABEL_SANDBOX_UID)])
def test_a_pod_whose_labels_were_removed_is_found_again(
    labels: tuple[str, ...], is_moment: Callable[[SimulatedCluster], bool]
) -> None:
    play(lambda cluster: remove_labels(cluster, PODS, *labels), is_moment)


def test_tokens_whose_label_with_the_uid_was_removed_are_still_revoked() -> None:
    play(lambda cluster: remove_labels(cluster, SECRETS, LABEL_SANDBOX_UID))


@MOMENTS
def test_a_run_whose_pod_is_hidden_says_cancelled_only_once_the_pod_is_gone(
    is_moment: Callable[[SimulatedCluster], bool],
) -> None:
    async def main() -> None:
        cluster = SimulatedCluster(ONE_RUN)
        await until(cluster.server, lambda: is_moment(cluster))
        (pod,) = some(cluster, PODS)
        remove_labels(cluster, PODS, LABEL_MANAGED)
        cluster.monitor.is_people = True
        (run,) = some(cluster, RUNS)
        cluster.server.edit(RUNS, NAMESPACE, run["metadata"]["name"], lambda obj: obj["spec"].update(cancelled=True))
        await until(cluster.server, lambda: phase(cluster, RUNS) == "Cancelled")
        assert not cluster.nodes.is_alive(pod["metadata"]["uid"])

    run_virtual(main)


@MOMENTS
def test_a_pod_whose_finalizer_was_removed_is_not_made_twice(
    is_moment: Callable[[SimulatedCluster], bool],
) -> None:
    async def main() -> None:
        cluster = SimulatedCluster(ONE_RUN)
        await until(cluster.server, lambda: is_moment(cluster))
        cluster.monitor.is_people = True
        (pod,) = some(cluster, PODS)
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        cluster.server.edit(PODS, NAMESPACE, name, lambda obj: obj["metadata"].update(finalizers=[]))
        await pass_time(1)
        cluster.server.store.delete(PODS, NAMESPACE, name, grace_seconds=0)
        cluster.monitor.is_people = False
        await pass_time(600)
        assert cluster.monitor.violation is None, cluster.monitor.violation
        assert uid not in {made["metadata"]["uid"] for made in some(cluster, PODS)}
        assert next(s["status"]["reason"] for s in some(cluster, SANDBOXES)) == "PodDeleted"

    run_virtual(main)
