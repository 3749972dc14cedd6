"""TCP ports on loopback."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack

__all__ = ["choose_ports", "is_port_free"]


def choose_ports(names: Sequence[str]) -> dict[str, int]:
    """Choose a free port for each name; another program can still take one before it is used."""
    with ExitStack() as stack:
        # All stay open until the last is chosen, so that none comes twice.
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for listener in sockets.values():
            listener.bind(("127.0.0.1", 0))
        return {name: listener.getsockname()[1] for name, listener in sockets.items()}


def is_port_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as listener:
        # As servers do, so that connections that ended a moment ago do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
