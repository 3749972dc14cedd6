"""Connections of clients: what their certificates say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from codecourier.apiserver.doors import PEER

__all__ = ["HttpProtocol", "close_vouched"]


class HttpProtocol(HttpToolsProtocol):
    """HTTP on one connection; each request knows the name in the client's certificate."""

    peer: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self.peer = None if tls is None else _common_name(tls)

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`."""
        super().on_message_begin()
        if self.peer is not None:
            self.scope["extensions"] = {PEER: {"name": self.peer}}


def close_vouched(connections: Iterable[object]) -> None:
    """Close the connections of clients with a certificate once their requests are answered.

    The authorities have changed, and a certificate is looked at only when a connection begins.
    """
    for connection in list(connections):
        if isinstance(connection, HttpProtocol) and connection.peer is not None:
            connection.shutdown()


def _common_name(tls: ssl.SSLObject) -> str | None:
    """Return the name in a certificate that TLS has verified; None: there is none, or not one."""
    certificate: Mapping[str, Any] = tls.getpeercert() or {}
    subject = certificate.get("subject", ())
    names = [str(value) for attributes in subject for key, value in attributes if key == "commonName"]
    return names[0] if len(names) == 1 else None
