"""The operator keeps a namespace's NetworkPolicy as its Project asks for it, also after others changed it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from codecourier.core.project.network_policy import POLICY_NAME, is_policy_current, view_policy
from codecourier.kinds.api_resources import PROJECTS
from codecourier.kube.api import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, Json, Resource
from codecourier.metrics import Metrics
from codecourier.resources.project import Project
from tests.simulation.apiserver import ApiServer, SimulatedKube
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.network import Network
from tests.simulation.stored import Change, Stored
from tests.support.simulated import make_operator, make_server, until

SLICE = {
    "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["34.1.2.3"]}],
}
Story = Callable[[ApiServer], Awaitable[None]]


def policy_of(server: ApiServer) -> Stored | None:
    """Return the policy of the test's namespace."""
    return server.store.find((NETWORK_POLICIES, "shop", POLICY_NAME))


def is_current(server: ApiServer, api_server: tuple[str, ...] = ()) -> bool:
    """Tell whether the policy is the one that the Project asks for."""
    stored = server.store.find((PROJECTS, "shop", "default"))
    policy = policy_of(server)
    if stored is None or policy is None:
        return False
    return is_policy_current(Project.model_validate(stored.copy()), api_server, view_policy(policy.obj))


def create_project(server: ApiServer) -> None:
    """Make a Project in a namespace of its own."""
    server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
    repository = {"url": "https://forge.test/example/shop", "credentialRef": {"name": "token"}}
    body = {"metadata": {"name": "default", "namespace": "shop"}, "spec": {"repositories": [repository]}}
    server.store.create(PROJECTS, body)


def play(story: Story) -> None:
    """Run an operator beside a story, in a cluster with one Project, whose policy is there when the story begins."""

    async def main() -> None:
        server = make_server()
        create_project(server)
        stop = asyncio.Event()
        running = asyncio.create_task(make_operator(server).run(stop, drain_seconds=1))
        await until(server, lambda: is_current(server))
        # Seconds of the virtual clock: first the operator comes to rest; then the story is over soon, and not only
        # when the Project is looked at again for another reason.
        await pass_time(5)
        async with asyncio.timeout(10):
            await story(server)
        stop.set()
        await running

    run_virtual(main)


def set_spec(change: Json) -> Callable[[Json], None]:
    """Return an edit of an object's spec."""
    return lambda obj: obj["spec"].update(change)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda server: server.store.delete(NETWORK_POLICIES, "shop", POLICY_NAME),
        lambda server: server.edit(NETWORK_POLICIES, "shop", POLICY_NAME, set_spec({"egress": [{}]})),
        lambda server: server.edit(
            PROJECTS, "shop", "default", set_spec({"egress": [{"cidr": "10.20.0.0/16", "ports": [443]}]})
        ),
    ],
    ids=["deleted", "changed", "asked for another"],
)
def test_it_is_made_and_healed(meddle: Callable[[ApiServer], object]) -> None:
    async def story(server: ApiServer) -> None:
        meddle(server)
        assert not is_current(server)
        await until(server, lambda: is_current(server))

    play(story)


def test_a_new_address_of_the_api_server_is_closed() -> None:
    async def story(server: ApiServer) -> None:
        server.store.create(ENDPOINT_SLICES, SLICE)
        await until(server, lambda: is_current(server, ("34.1.2.3",)))

    play(story)


def test_what_does_not_concern_it_writes_nothing() -> None:
    async def story(server: ApiServer) -> None:
        written: list[Change] = []
        server.store.listeners.append(
            lambda change: written.append(change) if change.identity[0] == NETWORK_POLICIES else None
        )
        seen = server.store.get(PROJECTS, "shop", "default").metadata["generation"] + 1
        server.edit(PROJECTS, "shop", "default", set_spec({"suspend": True}))

        def is_observed() -> bool:
            status = server.store.get(PROJECTS, "shop", "default").obj.get("status") or {}
            return bool(status.get("observedGeneration") == seen)

        await until(server, is_observed)
        assert written == []

    play(story)


class AlteringKube(SimulatedKube):
    """A client whose policies are changed on their way, as by an admission webhook."""

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        return await super().create(resource, _altered(resource, obj), is_dry_run=is_dry_run)

    async def replace(self, resource: Resource, obj: Json) -> Json:
        return await super().replace(resource, _altered(resource, obj))


class AlteringServer(ApiServer):
    """A server with such a webhook."""

    def client(self, identity: str, network: Network) -> SimulatedKube:
        return AlteringKube(self, identity, network)


def _altered(resource: Resource, obj: Json) -> Json:
    return {**obj, "spec": {**obj["spec"], "ingress": [{}]}} if resource == NETWORK_POLICIES else obj


def test_a_policy_that_is_altered_on_its_way_is_written_ever_more_seldom() -> None:
    async def main() -> None:
        server, stop, metrics = make_server(AlteringServer), asyncio.Event(), Metrics()
        create_project(server)
        running = asyncio.create_task(make_operator(server, metrics=metrics).run(stop, drain_seconds=1))
        await pass_time(60)
        failed = metrics.registry.get_sample_value(
            "codecourier_reconciles_total", {"kind": "Project", "outcome": "error"}
        )
        assert failed is not None
        assert 3 <= failed <= 15
        stop.set()
        await running

    run_virtual(main)
