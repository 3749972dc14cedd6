"""Listing and watching identities only."""

from __future__ import annotations

import base64
from contextlib import aclosing

import orjson

from codecourier.kube.api import SECRETS, Json, WatchEvent
from tests.contract.server import Server, contract, take

LEFT = SECRETS.identities("side=left")
KEYS = {"apiVersion", "kind", "metadata"}
VALUE = base64.b64encode(b"cc-canary-value").decode()


async def secret(server: Server, name: str, **labels: str) -> Json:
    """Make a Secret as `kubectl apply` does, which keeps a copy in an annotation."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": orjson.dumps({"data": {"token": VALUE}}).decode()}
    metadata = {"name": name, "labels": labels, "annotations": applied}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"token": VALUE}}
    return await server.create(SECRETS, body)


def identity(obj: Json, version: str | None = None) -> Json:
    metadata = {key: obj["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    metadata["resourceVersion"] = version or metadata["resourceVersion"]
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}


@contract
async def test_a_list_has_the_identities_of_what_its_label_selects(server: Server) -> None:
    left, _ = await secret(server, "a", side="left"), await secret(server, "b", side="right")
    await secret(server, "c")
    listed = await server.api.list(LEFT, server.namespace)
    assert list(listed.items) == [identity(left)]
    assert int(listed.resource_version) >= int(left["metadata"]["resourceVersion"])
    assert int(await server.api.current_version(LEFT)) >= int(listed.resource_version)
    assert await server.api.get(LEFT, server.namespace, "a") == identity(left)


@contract
async def test_a_watch_tells_the_identities_of_what_enters_changes_and_leaves(server: Server) -> None:
    version = await server.now(LEFT)
    await secret(server, "other", side="right")
    made = await secret(server, "a", side="left")
    changed = await server.api.patch(SECRETS, server.namespace, "a", {"stringData": {"token": "cc-canary-other"}})
    left = await server.api.patch(SECRETS, server.namespace, "a", {"metadata": {"labels": {"side": None}}})
    entered = await server.api.patch(SECRETS, server.namespace, "a", {"metadata": {"labels": {"side": "left"}}})
    await server.api.delete(SECRETS, server.namespace, "a")
    watch = server.api.watch(LEFT, namespace=server.namespace, resource_version=version, timeout_seconds=30)
    count = 0

    def is_last(event: WatchEvent) -> bool:
        nonlocal count
        count += event.type == "DELETED"
        return count > 1

    events = await take(watch, is_last)
    assert [(event.type, event.object) for event in events[:4]] == [
        ("ADDED", identity(made)),
        ("MODIFIED", identity(changed)),
        ("DELETED", identity(changed, left["metadata"]["resourceVersion"])),
        ("ADDED", identity(entered)),
    ]
    assert (events[4].type, events[4].object["metadata"]["uid"]) == ("DELETED", made["metadata"]["uid"])
    assert int(events[4].object["metadata"]["resourceVersion"]) > int(entered["metadata"]["resourceVersion"])


@contract
async def test_a_bookmark_of_identities_carries_a_version_only(server: Server) -> None:
    version = await server.now(LEFT)
    last = await secret(server, "a", side="left")
    bookmarks: list[Json] = []
    while not bookmarks:
        # The real server has two seconds for the last bookmark of a watch, which is not always enough.
        watch = server.api.watch(LEFT, namespace=server.namespace, resource_version=version, timeout_seconds=3)
        async with aclosing(watch) as events:
            bookmarks = [event.object async for event in events if event.type == "BOOKMARK"]
    assert {key for bookmark in bookmarks for key in bookmark} == KEYS
    assert {key for bookmark in bookmarks for key in bookmark["metadata"]} == {"resourceVersion"}
    assert int(bookmarks[-1]["metadata"]["resourceVersion"]) >= int(last["metadata"]["resourceVersion"])
