"""Connections of the GraphQL API: lists that are read in pages.

https://docs.github.com/graphql/guides/using-pagination-in-the-graphql-api: `first` or `last`, at most 100.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from codecourier.local.forge.graph_language import GraphError
from codecourier.local.forge.graphql import Node

__all__ = ["connection"]

_T = TypeVar("_T")

_MOST_NODES = 100


def connection(
    typename: str,
    field: str,
    items: Sequence[_T],
    key: Callable[[_T], str],
    render: Callable[[_T], Any],
    *,
    first: int | None = None,
    last: int | None = None,
    after: str | None = None,
    before: str | None = None,
) -> Node:
    """Return one page of a list.

    Parameters
    ----------
    typename
        The type of the connection.
    field
        The name that a refusal gives it.
    items
        The whole list in its order.
    key
        Names an item within the list; cursors are made of it.
    render
        Makes a node of one item; called for this page's only.
    first, last, after, before
        The page that is asked for.

    Raises
    ------
    GraphError
        If it is none.
    """
    size = first if first is not None else last
    if size is None:
        message = f"You must provide a `first` or `last` value to properly paginate the `{field}` connection."
        raise GraphError(message, "MISSING_PAGINATION_BOUNDARIES")
    if not 0 < size <= _MOST_NODES:
        message = f"Requesting {size} records on the `{field}` connection exceeds the `first` limit of 100 records."
        raise GraphError(message, "EXCESSIVE_PAGINATION")
    keys = [key(item) for item in items]
    start = _index(keys, after) + 1 if after else 0
    end = _index(keys, before) if before else len(items)
    low, high = (start, min(start + size, end)) if first is not None else (max(start, end - size), end)
    page = items[low:high]
    info = {
        "hasNextPage": high < len(items),
        "hasPreviousPage": low > 0,
        "startCursor": _cursor(keys[low]) if page else None,
        "endCursor": _cursor(keys[high - 1]) if page else None,
    }
    return Node(
        typename,
        {
            "nodes": lambda: [_bound(render, item) for item in page],
            "pageInfo": Node("PageInfo", info),
            "totalCount": len(items),
        },
    )


def _bound(render: Callable[[_T], Any], item: _T) -> Callable[[], Any]:
    return lambda: render(item)


def _cursor(key: str) -> str:
    return base64.b64encode(f"key:{key}".encode()).decode()


def _index(keys: Sequence[str], cursor: str) -> int:
    try:
        word, _, key = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        word = key = ""
    if word != "key":
        raise GraphError(f"`{cursor}` does not appear to be a valid cursor.", "INVALID_CURSOR_ARGUMENTS")
    # What a cursor names may be gone by now: the page goes on behind its place in the order.
    return keys.index(key) if key in keys else sum(known < key for known in keys) - 1
