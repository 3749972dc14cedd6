"""The shape of successful answers, and pages of lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Generic, NamedTuple, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.core.shared.declared import find_declarer
from codecourier.resources.meta import CustomResource

__all__ = [
    "PLACE",
    "Data",
    "Instant",
    "Page",
    "PageQuery",
    "Place",
    "View",
    "answer",
    "bad_cursor",
    "cut",
    "cut_by",
    "page_of",
    "page_of_texts",
    "place_of",
    "read_cursor",
    "view_text",
    "write_cursor",
]

R = TypeVar("R", bound=CustomResource)
V = TypeVar("V")
P = TypeVar("P")


def _rfc3339(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


Instant = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str)]
"""An instant in UTC, RFC 3339 with `Z`."""


class View(BaseModel):
    """Base of what the REST API shows of an object: null where there is nothing, never absent."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


class Data(BaseModel, Generic[V]):
    """A successful answer."""

    data: V
    warnings: list[str] = Field(default_factory=list)
    """What may undo the change; absent where nothing is known to."""


class Page(BaseModel, Generic[V]):
    """A list, or one page of it."""

    data: list[V]
    nextCursor: str | None = None  # noqa: N815  the name in JSON
    """Give it as `cursor` to get the next page; null: there is no more."""


class PageQuery(BaseModel):
    """Which part of a list is asked for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    limit: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Most objects of the answer, 1 to 1000; absent: all."""

    cursor: Annotated[str, Field(max_length=1024)] | None = None
    """`nextCursor` of the page before."""


def answer(view: View, status: int = 200, changed: CustomResource | None = None) -> Response:
    """Return the answer that shows one object.

    Parameters
    ----------
    view
        What is shown.
    status
        HTTP status.
    changed
        The object that was changed or deleted; None: none was, or it was made now.
    """
    text = view_text(view)
    tool = None if changed is None else find_declarer(changed)
    if tool is None:
        return _json(b'{"data":%b}' % text, status)
    warnings = [f"{tool} keeps this object as it is in Git, and may undo this. Change it in Git, too."]
    return _json(b'{"data":%b,"warnings":%b}' % (text, orjson.dumps(warnings)), status)


def page_of(views: Iterable[View], next_cursor: str | None) -> Response:
    """Return the answer that shows a list."""
    return page_of_texts(map(view_text, views), next_cursor)


def page_of_texts(texts: Iterable[bytes], next_cursor: str | None) -> Response:
    """Return the answer that shows a list of which each object is JSON already."""
    return _json(b'{"data":[%b],"nextCursor":%b}' % (b",".join(texts), orjson.dumps(next_cursor)))


def view_text(view: View) -> bytes:
    """Return what is shown of an object as JSON."""
    return view.model_dump_json(by_alias=True).encode()


def _json(text: bytes, status: int = 200) -> Response:
    return Response(text, status, media_type="application/json")


def write_cursor(place: tuple[object, ...]) -> str:
    """Return the cursor of the page after a place in the order of a list."""
    return base64.urlsafe_b64encode(orjson.dumps([*place])).decode()


def read_cursor(text: str, place: TypeAdapter[P]) -> P:
    """Return the place that a cursor says.

    Raises
    ------
    Refusal
        400 if the cursor is none.
    """
    try:
        return place.validate_json(base64.urlsafe_b64decode(text.encode("ascii")))
    except (binascii.Error, UnicodeEncodeError, ValidationError):
        raise bad_cursor() from None


class Place(NamedTuple):
    """Where an object stands in a list: newest first, and of one instant the last name first."""

    time: str
    name: str


PLACE = TypeAdapter(Place)
"""Reads a place of a cursor."""


def place_of(obj: CustomResource) -> Place:
    """Return the place of an object in a list by creation."""
    created = obj.metadata.creation_timestamp
    return Place("" if created is None else created.isoformat(), obj.name)


def cut(objects: Iterable[R], query: PageQuery) -> tuple[list[R], str | None]:
    """Return the objects of a page of a list by creation, newest first; see `cut_by`."""
    return cut_by(objects, query, place_of)


def cut_by(objects: Iterable[V], query: PageQuery, place: Callable[[V], Place]) -> tuple[list[V], str | None]:
    """Return the objects of a page, and where the next one begins; None: there is no more.

    Objects that are made or deleted between two pages move no other one from page to page.

    Parameters
    ----------
    objects
        The list, in falling order of their places.
    query
        Which part of it is asked for.
    place
        Returns where an object stands.

    Raises
    ------
    Refusal
        400 if the cursor is none.
    """
    after = None if query.cursor is None else read_cursor(query.cursor, PLACE)
    page: list[V] = []
    for obj in objects:
        if after is not None and place(obj) >= after:
            continue
        if len(page) == query.limit:
            return page, write_cursor(place(page[-1]))
        page.append(obj)
    return page, None


def bad_cursor() -> Refusal:
    """Return the refusal of a cursor that no answer had."""
    problem = Detail(
        field="cursor", message="The cursor is not the nextCursor of an earlier answer. Begin without one."
    )
    return bad_request(problem)
