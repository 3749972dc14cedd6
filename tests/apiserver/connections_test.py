"""Limits of connections, on real sockets: how many, how slow, how large, and what is no HTTP."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from codecourier.apiserver.connections import Limits
from codecourier.apiserver.http_server import HttpServer
from codecourier.apiserver.tls import ServingTls
from codecourier.local.certificates import create_authority, write_key_pair

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SHORT = 0.2
LIMITS = Limits(most_connections=20)


class Held:
    """An application that answers once it may; `/early` without reading the body."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.size = 2

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        if scope["path"] != "/early":
            while (await receive()).get("more_body"):
                pass
        await self.may_answer.wait()
        headers = [(b"content-length", str(self.size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x" * self.size})


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes = GET) -> int:
        """Send a request; return the status of the answer."""
        self.writer.write(request)
        return await self.status()

    async def status(self) -> int:
        """Return the status of the next answer, once it was read; 0: the connection has ended."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            await self.reader.readexactly(0 if length is None else int(length[1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        return int(head[9:12])

    async def is_closed(self) -> bool:
        """Wait until the server has closed the connection; no byte may come before."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


async def reached(condition: Callable[[], bool]) -> None:
    """Let the loop work until a condition holds."""
    while not condition():  # noqa: ASYNC110  a state of several parts, which no event announces
        await asyncio.sleep(0)


class Running:
    """A running server."""

    def __init__(self, server: HttpServer, app: Held, port: int, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.app = app
        self.port = port
        self.tls = tls
        self.clients: list[Client] = []

    async def connect(self, *, is_secure: bool = True) -> Client:
        """Open a connection."""
        tls = self.tls if is_secure else None
        name = "localhost" if tls else None
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name))
        self.clients.append(client)
        return client

    async def count(self, number: int) -> None:
        """Wait until the server has so many connections."""
        await reached(lambda: len(self.server.clients.open) == number)


@asynccontextmanager
async def serving(limits: Limits = LIMITS, folder: Path | None = None) -> AsyncIterator[Running]:
    """Run a server, with TLS where a folder is given."""
    app, context, client_context = Held(), None, None
    if folder is not None:
        authority = create_authority("ca")
        files = folder / "tls.crt", folder / "tls.key"
        write_key_pair(authority.issue("server", hosts=["localhost"]), *files)
        context = ServingTls(*files).context
        client_context = ssl.create_default_context(cadata=authority.pair.certificate.decode())
    server = HttpServer(app, context, limits, 5)
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    running = Running(server, app, listening.getsockname()[1], client_context)
    task = asyncio.create_task(server.serve([listening]))
    await reached(lambda: server.started)
    try:
        yield running
    finally:
        app.may_answer.set()
        server.stop()
        await task
        for client in running.clients:
            client.writer.close()
        assert server.clients.open == set(), "a place was not given back"


@pytest.mark.parametrize("is_secure", [False, True])
async def test_the_longest_idle_connections_make_place_for_others(tmp_path: Path, *, is_secure: bool) -> None:
    async with serving(folder=tmp_path if is_secure else None) as running:
        first = await running.connect()
        assert await first.ask() == 200
        idle = [await running.connect() for _ in range(60)]
        assert len(running.server.clients.open) <= 20
        # New clients are served while as many connections as there may be do nothing.
        for _ in range(5):
            client = await running.connect()
            assert await client.ask() == 200
        assert await first.is_closed()
        assert await idle[0].is_closed()
        assert await idle[-1].ask() == 200


@pytest.fixture
def many_files() -> Iterator[int]:
    """Let the process open as many files as it may; return how many connections both ends of which leave some over."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = 20_000 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    yield min(10_000, max(allowed - 3_000, allowed // 3))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_idle_connections_delay_nobody_within_the_real_limits(many_files: int) -> None:
    limits, loop = Limits(), asyncio.get_running_loop()
    with ExitStack() as sockets:
        async with serving(limits) as running:
            used = await running.connect()
            idle = [sockets.enter_context(socket.socket()) for _ in range(many_files)]
            for number, client in enumerate(idle):
                client.setblocking(False)
                await loop.sock_connect(client, ("127.0.0.1", running.port))
                if number % 500 == 0:
                    assert await used.ask() == 200
                    assert len(running.server.clients.open) <= limits.most_connections
            assert await (await running.connect()).ask() == 200
            assert await used.ask() == 200
            await running.count(min(limits.most_connections, many_files + 2))
            ended = idle[: max(0, many_files - limits.most_connections)]
            assert all([await loop.sock_recv(client, 1) == b"" for client in ended])


async def test_a_connection_that_is_used_outlives_those_that_are_not() -> None:
    async with serving() as running:
        used = await running.connect()
        for _ in range(60):
            await running.connect()
            assert await used.ask() == 200


async def test_a_connection_whose_request_is_answered_is_never_closed_for_another() -> None:
    async with serving() as running:
        running.app.may_answer.clear()
        busy = [await running.connect() for _ in range(20)]
        for client in busy:
            client.writer.write(GET)
        await reached(lambda: len(running.app.paths) == 20)
        refused = await running.connect()
        assert await refused.ask() == 0
        running.app.may_answer.set()
        assert [await client.status() for client in busy] == [200] * 20
        assert await (await running.connect()).ask() == 200


async def test_connections_that_never_begin_tls_count_and_end(tmp_path: Path) -> None:
    async with serving(Limits(most_connections=20, head_seconds=SHORT), tmp_path) as running:
        silent = [await running.connect(is_secure=False) for _ in range(60)]
        assert len(running.server.clients.open) <= 20
        assert await (await running.connect()).ask() == 200
        assert all([await client.is_closed() for client in silent])
        await running.count(1)


@pytest.mark.parametrize(
    ("begin", "statuses"),
    [(b"", {0}), (b"\r\n\r\n", {0, 408}), (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", {408}), (b"GET /", {408})],
)
@pytest.mark.parametrize("is_used", [False, True])
async def test_a_head_that_does_not_come_ends_the_connection(
    begin: bytes, statuses: set[int], *, is_used: bool
) -> None:
    limits = Limits(most_connections=20, head_seconds=SHORT, idle_seconds=SHORT)
    async with serving(limits) as running:
        client = await running.connect()
        if is_used:
            assert await client.ask() == 200
        client.writer.write(begin)
        assert await client.status() in statuses
        assert await client.is_closed()


@pytest.mark.parametrize("piece", [b"\r\n", b"X: y\r\n"])
async def test_a_head_that_comes_in_drops_has_one_time_for_all(piece: bytes) -> None:
    async with serving(Limits(most_connections=20, head_seconds=SHORT)) as running:
        client = await running.connect()
        if piece == b"X: y\r\n":
            client.writer.write(b"GET / HTTP/1.1\r\n")
        reading = asyncio.create_task(client.status())
        while not reading.done():
            client.writer.write(piece)
            await asyncio.wait([reading], timeout=SHORT / 10)
        assert reading.result() in {0, 408}


async def test_the_rest_of_a_body_has_its_time(tmp_path: Path) -> None:
    async with serving(Limits(most_connections=20, rest_seconds=SHORT)) as running:
        head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        client, other = await running.connect(), await running.connect()
        assert await client.ask(head) == 200
        assert await other.ask(head) == 200
        other.writer.write(b"x" * 100)
        assert await other.ask() == 200
        reading = asyncio.create_task(client.is_closed())
        while not reading.done():
            client.writer.write(b"x")
            await asyncio.wait([reading], timeout=SHORT / 10)
        assert await other.ask() == 200


async def test_a_client_that_reads_nothing_is_left() -> None:
    async with serving(Limits(most_connections=20, stall_seconds=SHORT)) as running:
        running.app.size = 64 * 1024 * 1024
        client = await running.connect()
        client.writer.write(GET)
        await running.count(1)
        await running.count(0)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
        b"GET / HTTP/1.1\r\n" + b"X" * 70_000 + b": y\r\n\r\n",
    ],
)
@pytest.mark.parametrize("pieces", [1, 10])
async def test_a_head_has_a_length(head: bytes, pieces: int) -> None:
    async with serving() as running:
        client = await running.connect()
        size = -(-len(head) // pieces)
        for start in range(0, len(head), size):
            client.writer.write(head[start : start + size])
            await asyncio.sleep(0)
        assert await client.status() in {431, 0}
        assert running.app.paths == []
        long = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"x" * 60_000 + b"\r\n\r\n"
        assert await (await running.connect()).ask(long) == 200


async def test_a_long_body_before_another_head_does_not_count() -> None:
    async with serving() as running:
        client = await running.connect()
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
        client.writer.write(post + GET[:20])
        assert await client.status() == 200
        assert await client.ask(GET[20:]) == 200


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length: 4 4\r\n",
        b"Content-Length : 4\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: a\rTransfer-Encoding: chunked\r\n",
        b"X: a\x00b\r\n",
        b"\x00X: a\r\n",
    ],
)
async def test_a_request_whose_end_is_unclear_is_refused_and_nothing_after_it_is_read(head: bytes) -> None:
    async with serving() as running:
        client = await running.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + SMUGGLED)
        assert await client.status() == 400
        assert await client.is_closed()
        assert "/smuggled" not in running.app.paths


@pytest.mark.parametrize(
    "request_",
    [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
)
async def test_what_is_no_http_is_refused(request_: bytes) -> None:
    async with serving() as running:
        client = await running.connect()
        assert await client.ask(request_) == 400
        assert await client.is_closed()
        assert running.app.paths == []


async def test_an_answer_that_is_due_comes_before_what_follows_nonsense() -> None:
    async with serving() as running:
        running.app.may_answer.clear()
        client = await running.connect()
        client.writer.write(GET)
        await reached(lambda: bool(running.app.paths))
        client.writer.write(b"nonsense\r\n\r\n")
        assert await client.status() == 0, "the refusal of the second request must not answer the first"


async def test_requests_on_one_connection_are_answered_in_their_order() -> None:
    async with serving() as running:
        client = await running.connect()
        client.writer.write(b"".join(GET.replace(b"/ ", b"/%d " % number) for number in range(50)))
        assert [await client.status() for _ in range(50)] == [200] * 50
        assert running.app.paths == [f"/{number}" for number in range(50)]
        assert await client.ask() == 200


def test_the_same_holds_on_the_loop_of_the_server(tmp_path: Path) -> None:
    async def scenarios() -> None:
        for is_secure in (False, True):
            await test_the_longest_idle_connections_make_place_for_others(tmp_path, is_secure=is_secure)
        await test_a_connection_whose_request_is_answered_is_never_closed_for_another()
        await test_connections_that_never_begin_tls_count_and_end(tmp_path)
        await test_a_client_that_reads_nothing_is_left()
        await test_requests_on_one_connection_are_answered_in_their_order()

    uvloop.run(scenarios())


async def test_a_new_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    first, second = create_authority("first"), create_authority("second")
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    write_key_pair(first.issue("server", hosts=["localhost"]), *files)
    tls = ServingTls(*files)

    def accepts(authority: bytes) -> bool:
        client, incoming, outgoing = (
            ssl.create_default_context(cadata=authority.decode()),
            ssl.MemoryBIO(),
            ssl.MemoryBIO(),
        )
        theirs = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
        ours = tls.context.wrap_bio(outgoing, incoming, server_side=True)
        for _ in range(4):
            for side in (theirs, ours):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLError:
                    return False
        return True

    assert (accepts(first.pair.certificate), accepts(second.pair.certificate)) == (True, False)
    pair = second.issue("server", hosts=["localhost"])
    files[0].write_bytes(pair.certificate)
    with pytest.raises(OSError, match="key"):
        tls.reload()
    assert accepts(first.pair.certificate), "half of a new pair is not used"
    files[1].write_bytes(pair.key)
    tls.reload()
    assert (accepts(first.pair.certificate), accepts(second.pair.certificate)) == (False, True)
    files[0].unlink()
    with pytest.raises(OSError, match=r"tls\.crt"):
        tls.reload()
    assert accepts(second.pair.certificate)
