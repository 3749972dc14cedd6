"""Lists as answers: from texts that are kept, in slices between which other requests have their turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Generic, TypeVar

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codecourier.apiserver.answers import PLACE, PageQuery, Place, View, read_cursor, view_text, write_cursor
from codecourier.apiserver.rendered import Texts
from codecourier.apiserver.route import Door
from codecourier.apiserver.turns import Turns
from codecourier.cache.source import Source
from codecourier.core.shared.trash import is_trashed
from codecourier.resources.meta import CustomResource

__all__ = ["SLICE", "ListAnswer", "Listing", "Part", "Rows", "answer_rows", "merge_rows"]

R = TypeVar("R", bound=CustomResource)
Q = TypeVar("Q", bound=PageQuery)
P = TypeVar("P", bound=tuple[Any, ...])

SLICE = 100
"""How many objects are read in one turn: some milliseconds, where none of them is kept as text."""

_PART_BYTES = 128 * 1024
"""Least length of what is sent at one time."""

_JSON = "application/json"
_UTC = "+00:00"
_LAST_NAME = "\uffff"
"""No name of an object is greater."""

Rows = Callable[[P | None], Iterator[tuple[P, bytes | None]]]
"""Returns what comes behind a place of a list; None: all. Each row is a place and the JSON there, None for nothing.

A change of any object ends what the rows may be used for: then they are asked for again.
"""


@dataclass(frozen=True)
class Part(Generic[P]):
    """Which part of a list is asked for."""

    limit: int | None
    """Most rows; None: all."""

    after: P | None
    """Place of the last row of the page before; None: there is none."""

    write_cursor: Callable[[P], str]
    """Returns the cursor of the page behind a place."""


class ListAnswer(Response, Generic[P]):
    """The answer that shows a list. A long one is sent while it is read, so it takes little memory at a time.

    Parameters
    ----------
    rows
        The list.
    part
        Which part of it is asked for.
    turns
        The turns of all requests; each slice takes one.
    """

    def __init__(self, rows: Rows[P], part: Part[P], turns: Turns) -> None:
        super().__init__(media_type=_JSON)
        self._rows = rows
        self._part = part
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, as ASGI asks."""
        parts = self._texts()
        text, is_last = await anext(parts)
        if is_last:
            await Response(text, media_type=_JSON)(scope, receive, send)
            return
        headers = [(b"content-type", _JSON.encode())]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": text, "more_body": True})
        async for text, is_last in parts:
            await send({"type": "http.response.body", "body": text, "more_body": not is_last})

    async def _texts(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield the pieces of the body, each with whether it is the last one."""
        piece, comma = bytearray(b'{"data":['), b""
        async for found, cursor in self._slices():
            if found:
                piece += comma + b",".join(found)
                comma = b","
            if cursor is not None:
                yield bytes(piece) + b'],"nextCursor":%b}' % cursor, True
            elif len(piece) >= _PART_BYTES:
                yield bytes(piece), False
                piece.clear()

    async def _slices(self) -> AsyncIterator[tuple[list[bytes], bytes | None]]:
        """Yield the JSON of some rows at a time, and at the end the JSON of the next page's cursor."""
        limit, after, last, count = self._part.limit, self._part.after, self._part.after, 0
        while True:
            wanted = SLICE if limit is None else min(SLICE, limit - count + 1)
            rows = list(islice(self._rows(after), wanted))
            shown = [(place, text) for place, text in rows if text is not None]
            page = shown if limit is None else shown[: limit - count]
            count += len(page)
            last = page[-1][0] if page else last
            is_more = len(page) < len(shown)
            if is_more or len(rows) < wanted:
                cursor = self._part.write_cursor(last) if is_more and last is not None else None
                yield [text for _, text in page], orjson.dumps(cursor)
                return
            yield [text for _, text in page], None
            after = rows[-1][0]
            await asyncio.sleep(0)
            await self._turns.take()


class Listing(Generic[R]):
    """The list of the objects of a kind by creation, newest first, without those in the trash.

    Parameters
    ----------
    door
        The parts of the API server.
    source
        The kind.
    view
        Returns what the list shows of an object, None for nothing: a function of the object alone.
    """

    def __init__(self, door: Door, source: Source[R], view: Callable[[R], View | None]) -> None:
        self._served = door.served
        self._turns = door.turns
        self._source = source
        self._view = view
        self._kept = door.served.rendered.keep(source.resource)

    def answer(self, namespace: str, query: Q, is_listed: Callable[[R, Q], bool] | None = None) -> Response:
        """Return the answer that shows a page of the list, or all of it; see `rows` and `answer_rows`."""
        return answer_rows(self.rows(namespace, query, is_listed), query, self._turns)

    def rows(self, namespace: str, query: Q, is_listed: Callable[[R, Q], bool] | None = None) -> Rows[tuple[str, str]]:
        """Return the list, each object at the time of its creation and its name.

        Parameters
        ----------
        namespace
            The project.
        query
            The filters.
        is_listed
            Returns whether an object meets the filters of the query; None: it has none.
        """
        has_filters = bool(query.model_fields_set - PageQuery.model_fields.keys())
        # Without a filter the texts that are kept are all that is read.
        meets = (lambda obj: is_listed(obj, query)) if is_listed is not None and has_filters else None
        return partial(self._rows, namespace, meets)

    def _rows(
        self, namespace: str, meets: Callable[[R], bool] | None, after: tuple[str, str] | None
    ) -> Iterator[tuple[tuple[str, str], bytes | None]]:
        find = self._kept.find
        for place in self._served.newest.places(self._source.resource, namespace, after):
            name = place[1]
            texts = find(namespace, name) if meets is None else None
            if texts is None:
                texts = self._show(namespace, name, meets)
            yield place, texts[0] if texts else None

    def _show(self, namespace: str, name: str, meets: Callable[[R], bool] | None) -> Texts:
        obj = self._served.find(self._source, namespace, name)
        if obj is not None and meets is not None and not meets(obj):
            return ()
        known = self._kept.find(namespace, name)
        if known is None:
            view = None if obj is None or is_trashed(obj) else self._view(obj)
            known = self._kept.put(namespace, name, () if view is None else (view_text(view),))
        return known


def answer_rows(rows: Rows[tuple[str, str]], query: PageQuery, turns: Turns) -> Response:
    """Return the answer that shows a page of a list by creation, or all of it.

    Parameters
    ----------
    rows
        The list.
    query
        Which part of it is asked for.
    turns
        The turns of all requests.

    Raises
    ------
    Refusal
        400 if the cursor is none.
    """
    after = None if query.cursor is None else _read_place(query.cursor)
    return ListAnswer(rows, Part(query.limit, after, _write_place), turns)


def merge_rows(lists: Mapping[str, Rows[tuple[str, str]]]) -> Rows[tuple[str, str]]:
    """Return lists of several kinds as one.

    Parameters
    ----------
    lists
        The lists by the prefix of their ids, which precedes the names in the places of the one list. None of the
        prefixes begins with another one.
    """

    def merged(after: tuple[str, str] | None) -> Iterator[tuple[tuple[str, str], bytes | None]]:
        each = [_prefixed(prefix, rows, after) for prefix, rows in lists.items()]
        return merge(*each, key=itemgetter(0), reverse=True)

    return merged


def _prefixed(
    prefix: str, rows: Rows[tuple[str, str]], after: tuple[str, str] | None
) -> Iterator[tuple[tuple[str, str], bytes | None]]:
    """Yield a list with its prefix in the places, what comes behind a place of the merged list."""
    if after is not None:
        time, name = after
        begin = _LAST_NAME if prefix < name else ""
        after = time, name.removeprefix(prefix) if name.startswith(prefix) else begin
    for (time, name), text in rows(after):
        yield (time, prefix + name), text


def _read_place(cursor: str) -> tuple[str, str]:
    time, name = read_cursor(cursor, PLACE)
    # The cluster writes the time with a Z, cursors have it as `place_of` says.
    return (f"{time.removesuffix(_UTC)}Z" if time.endswith(_UTC) else time), name


def _write_place(place: tuple[str, str]) -> str:
    time, name = place
    return write_cursor(Place(f"{time.removesuffix('Z')}{_UTC}" if time else time, name))
