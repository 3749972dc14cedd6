"""Small values that all shapes share."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import overload

__all__ = ["node_id", "stamp"]


def node_id(kind: str, number: int | str) -> str:
    """Return a GraphQL node id; opaque to clients."""
    return base64.urlsafe_b64encode(f"{kind}:{number}".encode()).decode()


@overload
def stamp(time: datetime) -> str: ...
@overload
def stamp(time: None) -> None: ...
def stamp(time: datetime | None) -> str | None:
    """Return a moment as the API writes it."""
    return None if time is None else time.strftime("%Y-%m-%dT%H:%M:%SZ")
