"""Connections on which a request has one deadline, however slowly the server sends.

A socket's own timeout starts again with every byte, so a server that sends one now and then would keep a thread for as
long as it likes: in the headers, in the body, between the two.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

__all__ = ["Address", "TimedAdapter", "connect_first", "deadline"]

Address = tuple[int, int, int, Any]
"""Family, type, protocol and address of a socket."""

_limit: ContextVar[tuple[float, float]] = ContextVar("limit")


@contextmanager
def deadline(end: float, piece_seconds: float) -> Iterator[None]:
    """Limit all that this thread reads and writes meanwhile on a `TimedAdapter`'s connections.

    Parameters
    ----------
    end
        When all must be over, on the monotonic clock, in seconds.
    piece_seconds
        How long each piece may take.
    """
    token = _limit.set((end, piece_seconds))
    try:
        yield
    finally:
        _limit.reset(token)


def _remaining() -> float:
    """Return how long the next piece may take, in seconds.

    Raises
    ------
    TimeoutError
        If there is no time left.
    """
    end, piece_seconds = _limit.get()
    remaining = end - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the request's time is over")
    return min(remaining, piece_seconds)


def connect_first(addresses: Sequence[Address], seconds: float) -> socket.socket:
    """Connect to the first address that answers; each has an equal share of the time that is left.

    Raises
    ------
    TimeoutError
        If there was no time left.
    OSError
        If no address can be reached; that of the last one.
    """
    end = time.monotonic() + seconds
    problem = OSError("the host has no address")
    for tried, (family, kind, protocol, address) in enumerate(addresses):
        remaining = end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("no address answered in time")
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.settimeout(remaining / (len(addresses) - tried))
            made.connect(address)
        except OSError as error:
            made.close()
            problem = error
        else:
            return made
    raise problem


class _Socket(ssl.SSLSocket):
    """Waits no longer than the deadline of the request."""

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        """See `ssl.SSLSocket.recv_into`."""
        self.settimeout(_remaining())
        return super().recv_into(*arguments, **options)

    def send(self, *arguments: Any, **options: Any) -> int:
        """See `ssl.SSLSocket.send`."""
        self.settimeout(_remaining())
        return super().send(*arguments, **options)


class _Connection(HTTPSConnection):
    """Its timeout for connecting is one for all addresses of the host, and one more for TLS."""

    def connect(self) -> None:
        """See `HTTPSConnection.connect`."""
        if self.ssl_context is None:
            self.ssl_context = create_urllib3_context()
            self.ssl_context.sslsocket_class = _Socket
        super().connect()

    def _new_conn(self) -> socket.socket:
        seconds = self.timeout
        if not isinstance(seconds, int | float):
            raise TypeError("a request has no timeout")
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            addresses = [(family, kind, protocol, address) for family, kind, protocol, _, address in found]
            made = connect_first(addresses, seconds)
            made.settimeout(min(seconds, _remaining()))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in {seconds:g} seconds") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection to {self.host}: {error}") from error
        return made


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class TimedAdapter(HTTPAdapter):
    """Has connections that keep the deadline of the request that uses them."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """See `HTTPAdapter.init_poolmanager`."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """See `HTTPAdapter.proxy_manager_for`."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _Pool}
        return manager
