"""A kind is one row: what this file defines is served, cached, woken, planned, counted, simulated and listed.

Nothing else in the repository knows Widget. What would need an edit elsewhere fails here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from typing import Annotated, Any, ClassVar

import pytest
from prometheus_client import generate_latest
from pydantic import Field

from codecourier.controller.operator import Operator, OperatorParts
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.worlds import World
from codecourier.github.client import GitHubForge
from codecourier.kinds.access import EVERY_NAMESPACE, access_rules
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS
from codecourier.kinds.kind import Kind, Planning, Reader, UndeclaredReadError, Use, phases
from codecourier.kinds.registry import ALL, Registry, WorkKey
from codecourier.kinds.shared import NAMESPACE_ENDING, NOTIFICATION_NAMES, PROJECT
from codecourier.kube.access import load_access
from codecourier.kube.api import CUSTOM_RESOURCE_DEFINITIONS, EVENTS, Json, custom_resource
from codecourier.kube.client import AiohttpKube
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.metrics import Metrics
from codecourier.resources.crd import build_crd
from codecourier.resources.meta import CustomResource, KindInfo, Model, PrinterColumn, Status
from codecourier.resources.notification import NotificationType
from codecourier.resources.project import Project
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.coverage import expected_transitions
from tests.simulation.play import play
from tests.simulation.scenario import REFERENCE
from tests.support.main_job import wait_for
from tests.support.views import make_store, view_of


class WidgetPhase(StrEnum):
    """Where a Widget is."""

    PENDING = "Pending"
    COMPLETED = "Completed"


class WidgetSpec(Model):
    """What is asked for."""

    is_reported: bool = False
    """Whether people are notified of its end."""


class WidgetStatus(Status):
    """What became of it."""

    phase: WidgetPhase = WidgetPhase.PENDING
    """Pending or Completed."""

    message: Annotated[str, Field(max_length=256)] = ""
    """What happened."""


class Widget(CustomResource):
    """A thing that is completed once its namespace has a Project."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="Widget",
        plural="widgets",
        short_names=("ccwi",),
        columns=(PrinterColumn("Phase", ".status.phase"), PrinterColumn("Message", ".status.message")),
        is_reported=True,
    )

    kind: str = "Widget"
    spec: WidgetSpec
    status: WidgetStatus = Field(default_factory=WidgetStatus)


@dataclass(frozen=True)
class WidgetWorld(World):
    """A Widget and what it reads."""

    widget: Widget
    project: Project | None
    notifications: frozenset[str]
    is_namespace_ending: bool


def gather_widget(read: Reader[Widget], widget: Widget) -> WidgetWorld:
    """Read a Widget's world."""
    return WidgetWorld(widget, read(PROJECT), read(NOTIFICATION_NAMES), read(NAMESPACE_ENDING))


def plan_widget(world: WidgetWorld, now: datetime) -> Plan:
    """Pending → Completed once there is a Project."""
    widget = world.widget
    if world.project is None or widget.status.phase is WidgetPhase.COMPLETED:
        return Plan()
    done = widget.status.updated(
        phase=WidgetPhase.COMPLETED, message="It is done.", observed_generation=widget.metadata.generation
    )
    notification = build_notification(
        widget, NotificationType.WORKFLOW_COMPLETED, "a1", title="Done", message="It is done.", event_time=now
    )
    records = (Create(notification),) if widget.spec.is_reported else ()
    return Plan(records=records, status=done, events=(Event("Completed", "It is done."),))


def is_unfinished(widget: Json) -> bool:
    """Tell whether a Widget has something left to do."""
    return bool((widget.get("status") or {}).get("phase") != "Completed")


WIDGET: Kind[Widget, WidgetWorld] = Kind(
    Widget,
    Planning(gather_widget, plan_widget, reads=(PROJECT, NOTIFICATION_NAMES, NAMESPACE_ENDING)),
    is_unfinished=is_unfinished,
    machines=(phases("Widget", ("Pending", "Completed")),),
    uses=(Use(NOTIFICATIONS, ("create", "get")),),
    has_kopf_events=True,
)
WIDGETS = custom_resource(Widget.info)
REGISTRY = Registry((*ALL, WIDGET))
MODELS = [kind.model for kind in REGISTRY.kinds]
SCENARIO = replace(REFERENCE, chains=0, declared=((WIDGETS, "one", {"isReported": True}),))


def test_its_crd_is_generated_and_others_may_name_it() -> None:
    crd = build_crd(Widget, MODELS)
    assert crd["metadata"]["name"] == "widgets.codecourier.dev"
    notification = build_crd(next(m for m in MODELS if m.info.kind == "Notification"), MODELS)
    schema = notification["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "Widget" in schema["properties"]["spec"]["properties"]["entity"]["properties"]["kind"]["enum"]


def test_it_is_played_in_the_simulation_and_its_transitions_are_expected() -> None:
    result = play(SCENARIO, registry=REGISTRY)
    assert result.violation is None, result.trace
    assert ("Widget", "Pending", "Completed") in expected_transitions(REGISTRY)
    assert result.hits["Widget", "Pending", "Completed"] == 1


def test_it_is_cached_woken_executed_and_counted() -> None:
    async def main() -> None:
        cluster = SimulatedCluster(SCENARIO, registry=REGISTRY)
        store = cluster.server.store
        cluster.monitor.is_people = True
        store.delete(PROJECTS, NAMESPACE, "default")
        await pass_time(30)
        assert store.get(WIDGETS, NAMESPACE, "one").obj["status"]["phase"] == "Pending"
        store.create(PROJECTS, cluster_project())
        await pass_time(30)
        assert store.get(WIDGETS, NAMESPACE, "one").obj["status"]["phase"] == "Completed", "the Project woke it"
        told = [stored.obj["spec"]["entity"]["kind"] for stored in store.list(NOTIFICATIONS, NAMESPACE)]
        assert told == ["Widget"], "once"
        events = [stored.obj["regarding"]["kind"] for stored in store.list(EVENTS, NAMESPACE)]
        assert "Widget" in events

    run_virtual(main)


def cluster_project() -> Json:
    """Return a Project."""
    spec = {
        "repositories": [{"url": "https://forge.test/example/shop", "isDefault": True, "app": {"installationId": 7}}]
    }
    return {"metadata": {"name": "default", "namespace": NAMESPACE}, "spec": spec}


def test_what_it_reads_wakes_it_and_it_can_read_nothing_else() -> None:
    store = make_store(REGISTRY)
    one: Json = {"metadata": {"name": "one", "namespace": "shop", "uid": "u", "resourceVersion": "1"}, "spec": {}}
    store.cache(WIDGETS).apply(one)
    project = {"metadata": {"name": "default", "namespace": "shop", "uid": "p", "generation": 1}}
    assert WorkKey(WIDGETS, "shop", "one") in set(REGISTRY.wakes(store, PROJECTS, None, project))
    undeclared: Kind[Widget, WidgetWorld] = replace(
        WIDGET, planning=Planning(gather_widget, plan_widget, reads=(PROJECT, NAMESPACE_ENDING))
    )
    with pytest.raises(UndeclaredReadError, match="Widget"):
        undeclared.read(view_of(store), store.read(WIDGET.source, one))


def test_its_rights_follow() -> None:
    rules = {rule.resource: rule.verbs for rule in access_rules(REGISTRY, "codecourier-system")[EVERY_NAMESPACE]}
    assert rules["widgets"] == {"list", "watch"}
    assert rules["widgets/status"] == {"update"}


@asynccontextmanager
async def operating(cluster: LocalCluster, namespace: str, metrics: Metrics) -> AsyncIterator[AiohttpKube]:
    """Run an operator of these kinds against the real API server."""
    async with (
        AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api,
        GitHubForge(hosts=frozenset({"github.com"})) as forge,
    ):
        parts = OperatorParts(
            api=api,
            forge=forge,
            now=lambda: datetime.now(UTC),
            random=Random(1),
            pods=PodSettings("courier"),
            namespace=namespace,
            identity="fixture",
            forge_hosts=frozenset({"github.com"}),
            registry=REGISTRY,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(Operator(parts, metrics).run(stop, 5.0))
        try:
            yield api
        finally:
            stop.set()
            await running


@asynccontextmanager
async def served(cluster: LocalCluster) -> AsyncIterator[None]:
    """Have the API server serve the kind for a while."""
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
        crd = await api.create(CUSTOM_RESOURCE_DEFINITIONS, build_crd(Widget, MODELS))
        name = crd["metadata"]["name"]

        def is_established(known: Mapping[str, Json]) -> bool:
            conditions = (known[name].get("status") or {}).get("conditions") or () if name in known else ()
            return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

        try:
            await wait_for(api, CUSTOM_RESOURCE_DEFINITIONS, "", is_established)
            yield
        finally:
            await api.delete(CUSTOM_RESOURCE_DEFINITIONS, None, name)


@pytest.mark.cluster
async def test_a_real_api_server_serves_it_and_an_operator_completes_it(
    cluster: LocalCluster, namespace: str, admin_api: LoopbackServer
) -> None:
    metrics = Metrics()
    async with served(cluster), operating(cluster, namespace, metrics) as api:
        body: dict[str, Any] = {"apiVersion": WIDGETS.api_version, "kind": "Widget", "spec": {}}
        await api.create(WIDGETS, body | {"metadata": {"name": "one", "namespace": namespace}})
        await api.create(PROJECTS, cluster_project() | project_in(namespace))

        def is_reported(known: Mapping[str, Json]) -> bool:
            # Posted after the operator has noted its own write, so that its metrics know of it.
            return any(event["regarding"]["kind"] == "Widget" for event in known.values())

        await wait_for(api, EVENTS, namespace, is_reported)
        path = WIDGETS.path(namespace)
        table = admin_api.request("GET", path, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json
        assert [column["name"] for column in table["columnDefinitions"]][:3] == ["Name", "Phase", "Message"]
        assert [row["cells"][:3] for row in table["rows"]] == [["one", "Completed", "It is done."]]
        text = generate_latest(metrics.registry).decode()
        assert 'codecourier_widgets{phase="Completed"} 1.0' in text
        assert 'codecourier_cached_objects{kind="Widget"} 1.0' in text


def project_in(namespace: str) -> Json:
    """Return what a Project of a real namespace has beside its spec."""
    metadata = {"name": "default", "namespace": namespace}
    return {"apiVersion": PROJECTS.api_version, "kind": "Project", "metadata": metadata}
