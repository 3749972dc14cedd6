"""Events: posted once, within the API server's bounds, and never in the way of the work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.controller.postbox import HELD_SECONDS, MOST_WAITING, Postbox
from codecourier.controller.recorder import Recorder
from codecourier.core.shared.intents import Event
from codecourier.kube.api import EVENTS, Json
from codecourier.kube.errors import ApiError, Forbidden, KubeError, Unanswered
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import WallClock, pass_time, virtual
from tests.simulation.network import Call, Network

OBJECT: Json = {
    "apiVersion": "codecourier.dev/v1alpha1",
    "kind": "Run",
    "metadata": {"name": "fix", "namespace": "default", "uid": "u", "resourceVersion": "5"},
}


class Refusing(Network):
    """A network that refuses every call, where it is told to."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.answer: Callable[[], KubeError | None] = lambda: None

    async def before(self, call: Call) -> None:
        error = self.answer()
        if error is not None:
            raise error
        await super().before(call)


class World:
    """A server and a recorder. Make it inside the running loop."""

    def __init__(self, instance: str = "operator-1") -> None:
        now = WallClock(asyncio.get_running_loop()).now
        self.network = Refusing()
        self.is_pressing = False
        self.server = ApiServer(now=now, random=Random(1))
        self.recorder = Recorder(self.server.client("operator", self.network), instance, now, lambda: self.is_pressing)

    async def posted(self) -> list[Json]:
        """Return the Events that are there once none waits."""
        await self.recorder.postbox.drain(60)
        return self.events

    @property
    def events(self) -> list[Json]:
        """The Events that are there."""
        return [stored.obj for stored in self.server.store.list(EVENTS)]


@virtual
async def test_an_event_says_what_happened_to_what() -> None:
    world = World()
    await world.recorder.record(OBJECT, Event("Completed", "It is done."))
    (found,) = await world.posted()
    assert found["regarding"] == {
        "apiVersion": "codecourier.dev/v1alpha1",
        "kind": "Run",
        "name": "fix",
        "namespace": "default",
        "uid": "u",
        "resourceVersion": "5",
    }
    said = {key: found[key] for key in ("reason", "note", "type", "action", "reportingInstance", "eventTime")}
    assert said == {
        "reason": "Completed",
        "note": "It is done.",
        "type": "Normal",
        "action": "Reconcile",
        "reportingInstance": "operator-1",
        "eventTime": found["eventTime"],
    }
    assert found["metadata"]["namespace"] == "default"
    assert found["metadata"]["name"].startswith("fix.")


@virtual
async def test_the_same_event_comes_once_and_another_one_too() -> None:
    world = World()
    for _ in range(2):
        await world.recorder.record(OBJECT, Event("Completed", "It is done."))
    await pass_time(1)
    assert len(world.events) == 1
    later = OBJECT | {"metadata": OBJECT["metadata"] | {"resourceVersion": "6"}}
    await world.recorder.record(later, Event("Completed", "It is done."))
    await world.recorder.record(OBJECT, Event("AgentFailed", "It is not.", is_warning=True))
    assert [event["type"] for event in await world.posted()].count("Warning") == 1
    assert len(world.events) == 3


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,4}", fullmatch=True)


@given(name=NAMES, message=st.text(max_size=1500), instance=st.text("abc-", min_size=1, max_size=253))
def test_no_event_breaks_the_servers_bounds(name: str, message: str, instance: str) -> None:
    @virtual
    async def scenario() -> None:
        world = World(instance)
        await world.recorder.record(
            OBJECT | {"metadata": OBJECT["metadata"] | {"name": name}}, Event("Completed", message)
        )
        (found,) = await world.posted()
        assert message.startswith(found["note"])
        assert len(found["note"]) >= min(len(message), 255)
        label = found["metadata"]["name"].rpartition(".")[0]
        assert name.startswith(label)
        assert label[-1].isalnum()

    scenario()


@pytest.mark.parametrize(
    "error", [Unanswered("no answer"), Forbidden(403, "Forbidden", "no"), ApiError(422, "Invalid", "no")], ids=repr
)
def test_an_event_that_cannot_be_posted_stops_nothing(error: KubeError, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @virtual
    async def scenario() -> None:
        world = World()
        world.network.answer = lambda: error
        await world.recorder.record(OBJECT, Event("Completed", "It is done."))
        assert await world.posted() == []

    scenario()
    assert "an Event about default/fix was not posted" in caplog.text


@virtual
async def test_events_let_pressing_work_go_first_but_not_for_good() -> None:
    world = World()
    world.is_pressing = True
    await world.recorder.record(OBJECT, Event("Completed", "It is done."))
    await pass_time(HELD_SECONDS - 1)
    assert world.events == []
    await pass_time(2)
    assert len(world.events) == 1


@virtual
async def test_events_are_posted_once_nothing_presses_with_the_time_at_which_they_happened() -> None:
    world = World()
    world.is_pressing = True
    await world.recorder.record(OBJECT, Event("Completed", "It is done."))
    await pass_time(5)
    world.is_pressing = False
    await pass_time(1)
    (found,) = world.events
    assert found["eventTime"] == "2026-01-01T00:00:00.000000Z"


@virtual
async def test_a_namespace_with_many_events_delays_no_other_one_and_loses_none() -> None:
    found: list[str] = []

    async def post(body: Json) -> None:
        await pass_time(0.01)
        found.append(body["metadata"]["namespace"])

    postbox = Postbox(post, lambda: True)

    async def put(namespace: str, count: int) -> None:
        for _ in range(count):
            await postbox.put({"metadata": {"namespace": namespace}})

    crowd = asyncio.create_task(put("crowd", MOST_WAITING + 50))
    await pass_time(1)
    assert 50 <= len(found) <= 51, "where there is no room Events go, however much presses"
    assert crowd.done()
    await put("small", 1)
    await pass_time(HELD_SECONDS + 10)
    assert (found.count("crowd"), found.count("small")) == (MOST_WAITING + 50, 1)
    assert found.index("small") < len(found) - MOST_WAITING // 2


@virtual
async def test_an_operator_that_ends_gives_up_events_that_take_too_long() -> None:
    world = World()
    world.is_pressing = True
    await world.recorder.record(OBJECT, Event("Completed", "It is done."))
    await world.recorder.postbox.drain(1)
    assert world.events == []
