"""The stream of changes: what it tells, to whom, how it goes on and how it ends. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from codecourier.apiserver.changes import Change, Changes, Place, Subscription
from codecourier.apiserver.doors import AGGREGATED
from codecourier.apiserver.event_stream import read_events
from codecourier.apiserver.keys import list_keys, revoke_key
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kinds.api_resources import LEARNINGS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, Json
from codecourier.resources.registry import KINDS
from tests.support.asgi import NAMESPACE, Api, play_api

PASSED_ON = f"{AGGREGATED}/namespaces/{NAMESPACE}"
LESSON: Json = {"text": "Run make.", "repositoryUrl": "https://github.com/org/repo"}


@dataclass
class Reader:
    """A reader of a stream."""

    content: bytearray = field(default_factory=bytearray)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[tuple[int, Mapping[str, str], bytes]] | None = None
    seconds: float = 0.0
    """How long it takes for each part."""

    async def took(self, part: bytes) -> None:
        """Take a part of the answer."""
        await asyncio.sleep(self.seconds)
        self.content += part

    @property
    def events(self) -> list[tuple[str, str, Json]]:
        """The events so far: id, name and data."""
        found = []
        for frame in self.content.decode().split("\n\n"):
            fields = dict(line.partition(": ")[::2] for line in frame.splitlines() if not line.startswith(":"))
            if "event" in fields:
                found.append((fields.get("id", ""), fields["event"], orjson.loads(fields["data"])))
        return found

    def changes(self) -> list[tuple[str, str, str]]:
        """Return kind, id and change of each change so far."""
        return [(data["kind"], data["id"], data["change"]) for _, name, data in self.events if name == "change"]

    @property
    def end(self) -> str | None:
        """The code with which the stream has ended."""
        return next((data["code"] for _, name, data in self.events if name == "end"), None)


@asynccontextmanager
async def reading(
    api: Api, after: str | None = None, seconds: float = 0.0, path: str = "/api/v1/events", user: str = ""
) -> AsyncIterator[Reader]:
    """Read a stream meanwhile."""
    reader = Reader(seconds=seconds)
    headers = {} if after is None else {"Last-Event-ID": after}
    reading = api.raw("GET", path, headers=headers, user=user, leave=reader.leave, took=reader.took)
    reader.task = asyncio.create_task(reading)
    await api.settle()
    try:
        yield reader
    finally:
        reader.leave.set()
        await reader.task


def add(api: Api, name: str, namespace: str = NAMESPACE) -> None:
    """Create a Learning."""
    api.server.store.create(LEARNINGS, {"metadata": {"name": name, "namespace": namespace}, "spec": LESSON})


def label(api: Api, name: str, value: str | None) -> None:
    """Set the label of the trash."""
    api.server.store.patch(LEARNINGS, NAMESPACE, name, {"metadata": {"labels": {LABEL_TRASHED: value}}})


def test_what_changes_is_told_as_users_see_it() -> None:
    async def scenario(api: Api) -> None:
        api.server.store.create(NAMESPACES, {"metadata": {"name": "other"}})
        async with reading(api) as reader:
            assert reader.events[0][0].endswith("-0"), "what was there before has not changed"
            add(api, "a")
            add(api, "b", "other")
            await api.settle()
            label(api, "a", "true")
            await api.settle()
            label(api, "a", None)
            await api.settle()
            api.server.store.patch(LEARNINGS, NAMESPACE, "a", {"spec": {"accepted": True}})
            await api.settle()
            api.server.store.delete(LEARNINGS, NAMESPACE, "a")
            await api.settle()
            one = ("learning", "ln_a")
            words = ["created", "deleted", "created", "updated", "deleted"]
            assert reader.changes() == [(*one, word) for word in words]
            versions = [int(data["resourceVersion"]) for _, name, data in reader.events if name == "change"]
            assert versions == sorted(versions)
        assert reader.end is None

    play_api(scenario)


def test_only_kinds_that_the_caller_may_list_are_followed_and_no_inbox() -> None:
    async def scenario(api: Api) -> None:
        plurals = {model.info.plural for model in KINDS}
        api.kube.denied = frozenset({("list", "learnings"), ("list", "runs")})
        async with reading(api) as reader:
            followed = set(reader.events[0][2]["resources"])
            assert {"workflows", "notifications"} <= followed <= plurals - {"learnings", "runs", "inboxes", "apikeys"}
            add(api, "a")
            api.server.store.patch(WORKFLOWS, NAMESPACE, "build", {"metadata": {"labels": {"a": "b"}}})
            await api.ask("PUT", "/notifications/read-all")
            await api.settle()
            assert reader.changes() == [("workflow", "wf_build", "updated")]
        api.kube.denied = frozenset(("list", plural) for plural in plurals)
        await asyncio.sleep(11)
        assert (await api.ask("GET", "/events")).status == 403

    play_api(scenario)


def test_a_stream_goes_on_after_the_last_event_or_says_that_it_cannot() -> None:
    async def scenario(api: Api) -> None:
        async with reading(api) as reader:
            add(api, "a")
            await api.settle()
        last = reader.events[-1][0]
        begin = reader.events[0][0]
        add(api, "b")
        await api.settle()
        async with reading(api, last) as again:
            assert [name for _, name, _ in again.events] == ["open", "change"]
            assert again.changes() == [("learning", "ln_b", "created")]
        async with reading(api, begin) as whole:
            assert [id_ for _, id_, _ in whole.changes()] == ["ln_a", "ln_b"]
        for unknown in ("x", "", f"{last}0", "0-1", "-", f"{last[:-1]}²"):
            async with reading(api, unknown) as other:
                assert [name for _, name, _ in other.events] == ["open", "reset"], unknown
                add(api, f"n{len(unknown)}-{ord(unknown[-1:] or 'x')}")
                await api.settle()
                assert len(other.changes()) == 1

    play_api(scenario)


def test_the_answer_is_an_event_stream_that_nothing_keeps() -> None:
    async def scenario(api: Api) -> None:
        async with reading(api) as reader:
            pass
        assert reader.task is not None
        status, headers, _ = await reader.task
        assert (status, headers["content-type"], headers["cache-control"]) == (200, "text/event-stream", "no-store")
        assert "content-length" not in headers

    play_api(scenario)


def test_a_quiet_stream_shows_that_it_lives() -> None:
    async def scenario(api: Api) -> None:
        async with reading(api) as reader:
            await asyncio.sleep(31)
            assert reader.content.count(b": still here\n\n") == 2

    play_api(scenario)


async def revoke(api: Api) -> None:
    """Revoke every key."""
    for key in await list_keys(api.kube, NAMESPACE):
        await revoke_key(api.kube, NAMESPACE, key.name)


async def take_right(api: Api) -> None:
    """Take a right away."""
    api.kube.denied = frozenset({("list", "runs")})


async def stop(api: Api) -> None:
    """Stop the server."""
    for streams in api.app.state.streams:
        streams.stop()


def test_a_stream_lasts_as_long_as_kube_apiserver_lets_it() -> None:
    ends = {
        "/api/v1/events": None,
        f"{PASSED_ON}/api/v1/events": "over",
        f"{PASSED_ON}/events?watch=true": None,
        f"{PASSED_ON}/events?watch=1": None,
    }

    async def scenario(api: Api) -> None:
        async with AsyncExitStack() as stack:
            readers = {
                path: await stack.enter_async_context(reading(api, path=path, user="alice" if "apis" in path else ""))
                for path in ends
            }
            await asyncio.sleep(53)
            assert {reader.end for reader in readers.values()} == {None}
            await asyncio.sleep(7)
            assert {path: reader.end for path, reader in readers.items()} == ends
            await asyncio.sleep(60)
            add(api, "a")
            await api.settle()
            for path, end in ends.items():
                assert readers[path].changes() == ([] if end else [("learning", "ln_a", "created")])
        path = f"{PASSED_ON}/api/v1/events"
        async with reading(api, readers[path].events[0][0], path=path, user="alice") as again:
            assert again.changes() == [("learning", "ln_a", "created")]
        for query in ("", "?watch", "?watch=false", "?watch=0", "?watch=true&surprise=1"):
            status, _, content = await api.raw("GET", f"{PASSED_ON}/events{query}", user="alice")
            causes = [cause["field"] for cause in orjson.loads(content)["details"]["causes"]]
            assert (status, causes) == (400, ["surprise" if "true" in query else "watch"])

    play_api(scenario)


@pytest.mark.parametrize(("do", "code"), [(revoke, "unauthorized"), (take_right, "forbidden"), (stop, "stopping")])
def test_a_stream_ends_with_what_it_rests_on(do: Callable[[Api], Any], code: str) -> None:
    async def scenario(api: Api) -> None:
        async with reading(api) as reader:
            await asyncio.sleep(25)
            await do(api)
            await asyncio.sleep(36)
            assert reader.end == code
            assert reader.task is not None
            assert reader.task.done()
            add(api, "a")
            await api.settle()
            assert reader.changes() == []

    play_api(scenario)


def test_a_stream_that_always_has_something_to_tell_ends_as_well() -> None:
    async def scenario(api: Api) -> None:
        async with reading(api) as reader:
            await revoke(api)
            for number in range(400):
                add(api, f"n{number}")
                await asyncio.sleep(0.1)
            assert reader.end == "unauthorized"

    play_api(scenario)


def test_a_slow_reader_is_dropped_with_an_event() -> None:
    async def scenario(api: Api) -> None:
        async with reading(api, seconds=10) as reader:
            for number in range(1200):
                add(api, f"n{number}")
            await asyncio.sleep(60)
            assert reader.end == "too_slow"

    play_api(scenario)


def test_a_caller_has_so_many_streams_and_no_more() -> None:
    async def scenario(api: Api) -> None:
        readers = [Reader() for _ in range(10)]
        tasks = [
            asyncio.create_task(api.raw("GET", "/api/v1/events", leave=reader.leave, took=reader.took))
            for reader in readers
        ]
        await api.settle()
        refused = await api.ask("GET", "/events")
        assert (refused.status, refused.headers["retry-after"]) == (429, "5")
        async with reading(await api.of("other")) as other:
            assert other.events[0][1] == "open"
        readers[0].leave.set()
        await api.settle()
        async with reading(api) as reader:
            assert reader.events[0][1] == "open"
        for each in readers:
            each.leave.set()
        await asyncio.gather(*tasks)

    play_api(scenario)


async def test_a_stream_that_is_closed_is_offered_nothing_more() -> None:
    changes = Changes("life")
    parts = read_events(changes, NAMESPACE, frozenset({"runs"}), None)
    await anext(parts)
    assert changes.is_followed
    await parts.aclose()
    assert not changes.is_followed


def change(number: int, namespace: str = NAMESPACE) -> Change:
    """Return a change."""
    return Change(namespace, "runs", "run", f"r_{number}", "created", str(number))


def test_what_is_remembered_and_what_waits_is_bounded() -> None:
    changes, places = Changes("life"), list[Place]()
    for number in range(12_000):
        places.append(changes.place)
        changes.add(change(number))

    def follow(after: Place) -> int | None:
        follower = Subscription(NAMESPACE, {"runs"}, lambda: None)
        is_whole = changes.follow(follower, after)
        changes.leave(follower)
        count = 0
        while follower.take() is not None:
            count += 1
        return count if is_whole else None

    assert [follow(places[-distance]) for distance in (1, 1000, 1001, 10_000, 10_001)] == [1, 1000, None, None, None]
    assert follow(changes.place) == 0
    assert follow(Place("life", changes.place.number + 1)) is None
    other = Subscription("other", {"runs"}, lambda: None)
    assert changes.follow(other, places[-10_000])
    assert not changes.follow(other, places[-10_001])
    waiting = Subscription(NAMESPACE, {"runs"}, lambda: None)
    for number in range(1001):
        assert not waiting.is_too_slow
        waiting.offer(number, change(number))
    assert waiting.is_too_slow
    assert waiting.take() is None
