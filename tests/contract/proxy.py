"""A way to a server that can be broken: it passes bytes on until a test cuts it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["open_proxy"]

_CHUNK_BYTES = 65536


@asynccontextmanager
async def open_proxy(port: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """Hand connections on to a port of this machine; yield the proxy's port and the function that breaks them all."""
    writers: list[asyncio.StreamWriter] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, far_writer))
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(_copy(source, target))
            tasks.add(task)

    def cut() -> None:
        for writer in writers:
            # An abort sends no farewell: the other side sees a reset in the middle of an answer.
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], cut
    finally:
        server.close()
        cut()
        await asyncio.gather(*tasks)
        await server.wait_closed()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK_BYTES):
            target.write(data)
            await target.drain()
    target.close()
