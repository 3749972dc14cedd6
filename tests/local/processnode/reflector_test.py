"""List and watch against a server that breaks off."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from codecourier.local.processnode.api import Api
from codecourier.local.processnode.kubeconfig import ClusterAccess
from codecourier.local.processnode.objects import Json
from codecourier.local.processnode.reflector import Reflector


@dataclass
class Heard:
    """A listener that remembers."""

    lists: list[list[str]] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def replace(self, items: list[Json]) -> None:
        self.lists.append([item["metadata"]["name"] for item in items])

    def apply(self, kind: str, item: Json) -> None:
        self.changes.append((kind, item["metadata"]["name"]))
        if item["metadata"]["name"] == "last":
            self.done.set()


def item(name: str, version: int) -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def event(kind: str, content: Json) -> bytes:
    return json.dumps({"type": kind, "object": content}).encode() + b"\n"


class Server:
    """Answers lists with one object and each watch with the next script."""

    def __init__(self, *scripts: bytes | int) -> None:
        self._scripts = list(scripts)
        self.versions: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "10"}, "items": [item("one", 5)]})
        self.versions.append(request.query["resourceVersion"])
        script = self._scripts.pop(0) if self._scripts else b""
        if isinstance(script, int):
            return web.json_response({"message": "refused"}, status=script)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(script)
        if script.endswith(b"\n"):
            await response.write_eof()
        elif request.transport:
            request.transport.abort()
        return response


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Api]:
    application = web.Application()
    application.router.add_get("/things", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api = Api(ClusterAccess(f"http://127.0.0.1:{runner.addresses[0][1]}", "", ssl.create_default_context(), {}))
    try:
        yield api
    finally:
        await api.close()
        await runner.cleanup()


async def heard_from(server: Server) -> Heard:
    heard = Heard()
    async with running(server) as api:
        task = asyncio.create_task(Reflector(api, "/things", heard).run())
        async with asyncio.timeout(30):
            await heard.done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return heard


async def test_a_watch_that_ends_is_taken_up_where_it_ended_bookmarks_included() -> None:
    server = Server(
        event("ADDED", item("two", 11)) + event("BOOKMARK", {"metadata": {"resourceVersion": "20"}}),
        event("DELETED", item("last", 21)),
    )
    heard = await heard_from(server)
    assert heard.lists == [["one"]]
    assert heard.changes == [("ADDED", "two"), ("DELETED", "last")]
    assert server.versions[:2] == ["10", "20"]


async def test_after_an_expired_version_the_list_is_read_again() -> None:
    gone = event("ERROR", {"code": 410, "message": "too old resource version"})
    server = Server(gone, 410, event("ADDED", item("last", 21)))
    heard = await heard_from(server)
    assert heard.lists == [["one"]] * 3
    assert server.versions[:3] == ["10", "10", "10"]


async def test_after_a_broken_line_and_a_refusal_the_list_is_read_again() -> None:
    server = Server(event("ADDED", item("two", 11)) + b'{"type": "ADD', 500, event("ADDED", item("last", 21)))
    heard = await heard_from(server)
    assert len(heard.lists) == 3
    assert heard.changes == [("ADDED", "two"), ("ADDED", "last")]


async def test_a_cut_line_ends_what_is_under_way_and_holds_back_the_rest() -> None:
    server = Server()
    async with running(server) as api:
        await api.disconnect()
        asked = asyncio.create_task(api.request("GET", "/things"))
        assert not (await asyncio.wait({asked}, timeout=0))[0]
        api.reconnect()
        assert (await asked)["items"]
