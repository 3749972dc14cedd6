"""Listing and watching."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from codecourier.kube.api import CONFIG_MAPS, Json, WatchEvent
from codecourier.kube.errors import Gone, ServerError, Unanswered
from tests.contract.server import WORKFLOWS, Server, config_map, contract, refusal, take, workflow

FAR = str(10**12)
"""A resourceVersion that no server reaches."""


def told(events: list[WatchEvent]) -> list[tuple[str, str]]:
    return [(event.type, event.object["metadata"]["name"]) for event in events]


def versions(events: list[WatchEvent]) -> list[int]:
    return [int(event.object["metadata"]["resourceVersion"]) for event in events]


async def label(server: Server, name: str, value: str | None) -> Json:
    body = {"metadata": {"labels": {"side": value}}}
    return await server.api.patch(CONFIG_MAPS, server.namespace, name, body)


@contract
async def test_a_list_has_everything_by_name_and_its_moment(server: Server) -> None:
    last = None
    for name in ("b", "c", "a"):
        last = await server.create(WORKFLOWS, workflow(name))
    assert last is not None
    listed = await server.api.list(WORKFLOWS, server.namespace)
    assert [item["metadata"]["name"] for item in listed.items] == ["a", "b", "c"]
    assert {item["kind"] for item in listed.items} == {"Workflow"}
    assert {item["apiVersion"] for item in listed.items} == {WORKFLOWS.api_version}
    assert int(listed.resource_version) >= int(last["metadata"]["resourceVersion"])
    everywhere = await server.api.list(WORKFLOWS)
    assert {server.namespace} <= {item["metadata"]["namespace"] for item in everywhere.items}


@contract
async def test_a_list_sees_every_write_that_was_answered(server: Server) -> None:
    for index in range(5):
        await server.create(CONFIG_MAPS, config_map(f"c{index}"))
        assert f"c{index}" in await server.names(CONFIG_MAPS)
    await server.api.delete(CONFIG_MAPS, server.namespace, "c0")
    assert "c0" not in await server.names(CONFIG_MAPS)


@contract
async def test_a_moment_that_is_not_yet_cannot_be_listed(server: Server) -> None:
    error = await refusal(ServerError, server.api.list(WORKFLOWS, server.namespace, resource_version=FAR))
    assert (error.status, error.reason) == (504, "Timeout")
    listed = await server.api.list(WORKFLOWS, server.namespace, resource_version="0")
    assert int(listed.resource_version) > 0


@contract
async def test_a_watch_from_a_moment_that_is_not_yet_tells_nothing(server: Server) -> None:
    # Long enough for the bookmark that the server would send shortly before the end.
    watch = server.api.watch(WORKFLOWS, namespace=server.namespace, resource_version=FAR, timeout_seconds=4)
    first = asyncio.create_task(anext(watch, None))
    await server.create(WORKFLOWS, workflow("a"))
    assert await first is None


@contract
async def test_the_current_version_is_that_of_a_list_and_not_older_than_any_answered_write(server: Server) -> None:
    assert int(await server.api.current_version(WORKFLOWS, server.namespace)) > 0
    made = await server.create(WORKFLOWS, workflow("a"))
    await server.create(WORKFLOWS, workflow("b"))
    for namespace in (server.namespace, None):
        current = int(await server.api.current_version(WORKFLOWS, namespace))
        assert current > int(made["metadata"]["resourceVersion"])
        assert int(await server.now(WORKFLOWS)) >= current


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("side=left", ["a"]),
        ("side==left", ["a"]),
        ("side!=left", ["b", "c"]),
        ("side", ["a", "b"]),
        ("!side", ["c"]),
        ("side in (left, right)", ["a", "b"]),
        ("side notin (left)", ["b", "c"]),
        ("side,other=1", ["b"]),
        ("side=left,other=1", []),
        ("side=", []),
        ("other notin (1,2),side in (left,right)", ["a"]),
    ],
)
@contract
async def test_a_selector_chooses(server: Server, selector: str, names: list[str]) -> None:
    await server.create(WORKFLOWS, workflow("a", labels={"side": "left"}))
    await server.create(WORKFLOWS, workflow("b", labels={"side": "right", "other": "1"}))
    await server.create(WORKFLOWS, workflow("c"))
    assert await server.names(WORKFLOWS, selector) == names


@contract
async def test_a_watch_tells_every_change_in_order(server: Server) -> None:
    version = await server.now(WORKFLOWS)
    first = await server.create(WORKFLOWS, workflow("a"))
    second = await server.create(WORKFLOWS, workflow("b"))
    await server.api.replace_status(WORKFLOWS, first | {"status": {"observedGeneration": 1}})
    await server.api.delete(WORKFLOWS, server.namespace, "b")
    await server.create(WORKFLOWS, workflow("b"))
    await server.create(WORKFLOWS, workflow("last"))
    events = await server.until(WORKFLOWS, version, lambda event: event.object["metadata"]["name"] == "last")
    assert told(events) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
        ("ADDED", "b"),
        ("ADDED", "last"),
    ]
    assert versions(events) == sorted(set(versions(events)))
    assert versions(events)[0] == int(first["metadata"]["resourceVersion"])
    assert events[2].object["status"] == {"observedGeneration": 1}
    assert events[3].object["metadata"]["uid"] == second["metadata"]["uid"]
    assert events[3].object["spec"] == second["spec"]


@contract
async def test_a_watch_goes_on_from_any_event(server: Server) -> None:
    version = await server.now(WORKFLOWS)
    for name in ("a", "b", "c"):
        await server.create(WORKFLOWS, workflow(name))
    whole = await server.until(WORKFLOWS, version, lambda event: event.object["metadata"]["name"] == "c")
    for index, event in enumerate(whole[:-1]):
        rest = await server.until(
            WORKFLOWS, event.object["metadata"]["resourceVersion"], lambda e: e.object["metadata"]["name"] == "c"
        )
        assert rest == whole[index + 1 :]


@contract
async def test_a_watch_tells_what_comes_while_it_lasts(server: Server) -> None:
    version = await server.now(WORKFLOWS)
    watch = asyncio.create_task(server.until(WORKFLOWS, version, lambda event: event.object["metadata"]["name"] == "b"))
    await server.create(WORKFLOWS, workflow("a"))
    await server.create(WORKFLOWS, workflow("b"))
    assert told(await watch) == [("ADDED", "a"), ("ADDED", "b")]


@contract
async def test_a_watch_is_of_its_namespace_only(server: Server) -> None:
    version = await server.now(CONFIG_MAPS)
    await server.create(CONFIG_MAPS, config_map(f"x-{server.namespace}"), namespace="default")
    await server.create(CONFIG_MAPS, config_map("a"))
    events = await server.until(CONFIG_MAPS, version, lambda event: event.object["metadata"]["name"] == "a")
    await server.api.delete(CONFIG_MAPS, "default", f"x-{server.namespace}")
    assert {event.object["metadata"]["namespace"] for event in events} == {server.namespace}


@contract
async def test_what_leaves_or_enters_a_selector_is_deleted_or_added(server: Server) -> None:
    version = await server.now(CONFIG_MAPS)
    await server.create(CONFIG_MAPS, config_map("never"))
    made = await server.create(CONFIG_MAPS, config_map("a", labels={"side": "left"}))
    left = await label(server, "a", "right")
    await label(server, "never", "right")
    entered = await label(server, "a", "left")
    await label(server, "a", None)
    await server.api.delete(CONFIG_MAPS, server.namespace, "a")
    await server.create(CONFIG_MAPS, config_map("last", labels={"side": "left"}))
    events = await server.until(CONFIG_MAPS, version, lambda e: e.object["metadata"]["name"] == "last", "side=left")
    assert told(events) == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a"), ("ADDED", "last")]
    # It is told as it was while it belonged there, but with the version of the change that took it away.
    assert events[1].object["metadata"]["labels"] == {"side": "left"}
    assert events[1].object["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
    assert events[1].object["metadata"]["uid"] == made["metadata"]["uid"]
    assert events[2].object["metadata"]["resourceVersion"] == entered["metadata"]["resourceVersion"]


@contract
async def test_a_bookmark_carries_a_version_only(server: Server) -> None:
    version = await server.now(WORKFLOWS)
    watch = server.api.watch(
        WORKFLOWS, namespace=server.namespace, resource_version=version, timeout_seconds=3, bookmarks=True
    )
    last = await server.create(WORKFLOWS, workflow("a"))
    async with aclosing(watch) as events:
        bookmarks = [event async for event in events if event.type == "BOOKMARK"]
    # The server sends one shortly before it ends a watch.
    assert bookmarks
    for bookmark in bookmarks:
        assert bookmark.object["kind"] == "Workflow"
        assert set(bookmark.object) <= {"apiVersion", "kind", "metadata", "spec", "status"}
        assert "name" not in bookmark.object["metadata"]
        assert "uid" not in bookmark.object["metadata"]
    assert int(bookmarks[-1].object["metadata"]["resourceVersion"]) >= int(last["metadata"]["resourceVersion"])


@contract
async def test_without_bookmarks_a_silent_watch_ends_silently(server: Server) -> None:
    version = await server.now(WORKFLOWS)
    watch = server.api.watch(
        WORKFLOWS, namespace=server.namespace, resource_version=version, timeout_seconds=2, bookmarks=False
    )
    async with aclosing(watch) as events:
        assert [event async for event in events] == []


@contract
async def test_a_version_that_is_too_old_is_gone(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    await server.create(WORKFLOWS, workflow("b"))
    version = await server.faults.expired_version(WORKFLOWS)
    watch = server.api.watch(WORKFLOWS, namespace=server.namespace, resource_version=version, timeout_seconds=5)
    async with aclosing(watch) as events:
        error = await refusal(Gone, anext(events))
    assert (error.status, error.reason) == (410, "Expired")
    assert await server.names(WORKFLOWS) == ["a", "b"]


@contract
async def test_a_watch_that_is_cut_goes_on_where_it_was(server: Server) -> None:
    version = await server.now(WORKFLOWS)
    await server.create(WORKFLOWS, workflow("a"))
    async with server.faults.cuttable() as (api, cut):
        watch = api.watch(WORKFLOWS, namespace=server.namespace, resource_version=version, timeout_seconds=30)
        async with aclosing(watch) as events:
            first = await anext(events)
            cut()
            await refusal(Unanswered, anext(events))
        await server.create(WORKFLOWS, workflow("b"))
        again = api.watch(
            WORKFLOWS,
            namespace=server.namespace,
            resource_version=first.object["metadata"]["resourceVersion"],
            timeout_seconds=30,
        )
        assert told(await take(again, lambda event: event.object["metadata"]["name"] == "b")) == [("ADDED", "b")]
