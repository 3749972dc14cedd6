"""A server that speaks TLS like a forge and then answers with the bytes that a test chooses."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from codecourier.local.certificates import create_authority, write_key_pair

__all__ = ["OddForge", "SeenRequest", "answer"]


@dataclass(frozen=True)
class SeenRequest:
    """A request as it came."""

    line: str
    """Method and path."""

    headers: dict[str, str]
    body: Any


Script = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: Any = None, **headers: str) -> bytes:
    """Give the bytes of an answer; underscores in the names of headers become hyphens."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


@dataclass
class OddForge:
    """Answers its scripts one after the other, then the last one again and again.

    Parameters
    ----------
    folder
        Where its certificate goes.
    scripts
        Bytes to send, or a function that writes them in its own time.
    """

    folder: Path
    scripts: list[Script]
    seen: list[SeenRequest] = field(default_factory=list)
    host: str = ""

    @property
    def ca_path(self) -> Path:
        """The certificate to trust."""
        return self.folder / "ca.crt"

    async def __aenter__(self) -> Self:
        authority = create_authority("odd-forge-ca")
        certificate, key = self.folder / "server.crt", self.folder / "server.key"
        self.ca_path.write_bytes(authority.pair.certificate)
        write_key_pair(authority.issue("localhost", hosts=["localhost"]), certificate, key)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._connections: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=tls)
        self.host = f"localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.seen.append(await _read_request(reader))
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                if isinstance(script, bytes):
                    writer.write(script)
                else:
                    await script(writer)
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> SeenRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return SeenRequest(first.removesuffix(" HTTP/1.1"), headers, json.loads(body) if body else None)
