"""Hosts that send a byte now and then: each request ends at its deadline, and its thread is free again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from codecourier.github.client import _THREADS_PER_HOST, GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import Silent, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.get_repository import GetRepository
from codecourier.github.secret import Secret
from codecourier.github.timed import Address, connect_first
from codecourier.github.transport import Wait
from tests.support.odd_forge import OddForge, answer

WAIT = Wait(connect_seconds=0.5, read_seconds=0.5, operation_seconds=1)
PACE_SECONDS = 0.02
REPOSITORY = {"id": 1, "default_branch": "main", "clone_url": "https://{host}/acme/shop.git"}
DRAFT = CreatePullRequest("Add", "text", "work", "main")
BEGINNINGS = {
    "in the status line": b"HTTP/1.1 200 ",
    "in a header": b"HTTP/1.1 200 OK\r\nx-slow: ",
    "in the size of a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;slow=",
    "in the body": b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n",
}
BETWEEN = b"HTTP/1.1 100 Continue\r\n\r\n"


async def drip(writer: asyncio.StreamWriter, first: bytes, piece: bytes = b"a") -> None:
    """Send a piece every few milliseconds until the client has had enough."""
    writer.write(first)
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(PACE_SECONDS)


def reach(host: str, ca_path: Path | None) -> tuple[GitHubForge, RepositoryRef]:
    """Return a client with short limits, and a repository of the host."""
    repo = RepositoryRef(f"https://{host}/acme/shop", PersonalToken(Secret("a-token")))
    return GitHubForge(hosts=frozenset({host}), ca_bundle=ca_path, wait=WAIT), repo


@pytest.mark.parametrize(
    ("first", "piece"),
    [*((first, b"a") for first in BEGINNINGS.values()), (BETWEEN, BETWEEN)],
    ids=[*BEGINNINGS, "in answers that announce another one"],
)
async def test_a_host_that_drips_keeps_no_thread(tmp_path: Path, first: bytes, piece: bytes) -> None:
    async with OddForge(tmp_path, [lambda writer: drip(writer, first, piece)]) as odd:
        forge, repo = reach(odd.host, odd.ca_path)
        async with forge:
            operations = [forge.do(repo, GetRepository()) for _ in range(_THREADS_PER_HOST)]
            found = await asyncio.gather(*operations, return_exceptions=True)
            assert {type(error) for error in found} == {Silent}
            with pytest.raises(Silent) as caught:
                await forge.do(repo, DRAFT)
            assert caught.value.may_have_happened
            odd.scripts = [answer(200, {**REPOSITORY, "clone_url": f"https://{odd.host}/acme/shop.git"})]
            assert (await forge.do(repo, GetRepository())).default_branch == "main"


async def test_a_host_that_drips_its_part_of_tls_keeps_no_thread() -> None:
    gone = asyncio.Semaphore(0)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await drip(writer, b"\x16\x03\x03\x40\x00\x02")
        except OSError:
            gone.release()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    forge, repo = reach(f"localhost:{server.sockets[0].getsockname()[1]}", None)
    async with server, forge:
        for count in (_THREADS_PER_HOST, 1):
            found = await asyncio.gather(
                *(forge.do(repo, GetRepository()) for _ in range(count)), return_exceptions=True
            )
            assert all(isinstance(error, Unavailable) for error in found)
        async with asyncio.timeout(30):
            for _ in range(_THREADS_PER_HOST + 1):
                await gone.acquire()


@contextmanager
def silent_address() -> Iterator[Address]:
    """Give an address at which connections are not answered: its queue is full."""
    with closing(socket.socket()) as listener, closing(socket.socket()) as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting.connect(listener.getsockname())
        yield socket.AF_INET, socket.SOCK_STREAM, 0, listener.getsockname()


def test_a_host_with_many_silent_addresses_has_one_timeout_for_all() -> None:
    with silent_address() as address:
        tried = connect_first
        with pytest.raises(TimeoutError):
            tried([address] * 100_000, 0.2)


def test_an_address_that_is_silent_leaves_time_for_the_next_one() -> None:
    with silent_address() as address, closing(socket.create_server(("127.0.0.1", 0))) as good:
        found = (socket.AF_INET, socket.SOCK_STREAM, 0, good.getsockname())
        with connect_first([address, found], 0.5) as made:
            assert made.getpeername() == good.getsockname()
