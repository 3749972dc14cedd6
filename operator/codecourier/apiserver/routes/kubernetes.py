"""Views for kubectl: what the API group serves as objects of Kubernetes' API, to get and to list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Protocol

import orjson
from fastapi import FastAPI, Request, Response

from codecourier.apiserver.accept import negotiate
from codecourier.apiserver.discovery import Offer
from codecourier.apiserver.doors import AGGREGATED, OPS_GROUP
from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import Door, caller_of
from codecourier.apiserver.tables import FORMS, TABLE, Column, Item, build_list, build_object, build_table, is_selected

__all__ = ["ItemSource", "KubernetesView", "add_kubernetes_views"]

_INCLUDES = ("None", "Metadata", "Object")


class ItemSource(Protocol):
    """Where the items of a kind come from."""

    async def page(self, namespace: str, limit: int | None, cursor: str | None) -> tuple[list[Item], str | None]:
        """Return a page of the items of a project, and where the next one begins."""
        ...

    async def find(self, namespace: str, name: str) -> Item | None:
        """Return an item."""
        ...


@dataclass(frozen=True)
class KubernetesView:
    """A kind of the API group, and what kubectl prints of it."""

    offer: Offer
    columns: tuple[Column, ...]
    source: ItemSource
    most_pages: int = 100
    """How many pages of the source a list without a limit reads; it shows where the next page begins, too."""


def add_kubernetes_views(
    app: FastAPI, door: Door, views: Sequence[KubernetesView], now: Callable[[], datetime]
) -> None:
    """Add the views of these kinds."""
    for view in views:
        shower = _Shower(door, view, now)
        path = f"{AGGREGATED}/namespaces/{{namespace}}/{view.offer.plural}"
        app.add_api_route(path, shower.show_list, include_in_schema=False)
        app.add_api_route(f"{path}/{{name}}", shower.show_one, include_in_schema=False)


class _Shower:
    def __init__(self, door: Door, view: KubernetesView, now: Callable[[], datetime]) -> None:
        self._door = door
        self._view = view
        self._now = now

    async def show_list(self, request: Request) -> Response:
        namespace = await self._admit(request, "list")
        form = negotiate(request.headers.get("accept", ""), FORMS)
        limit = _check_query(request)
        items, cursor = await self._read(namespace, limit, request.query_params.get("continue") or None)
        selector = request.query_params.get("fieldSelector", "")
        items = [item for item in items if is_selected(item, namespace, selector)]
        version = str(int(self._now().timestamp() * 1000))
        if form is TABLE:
            include = _include(request)
            body = build_table(self._view.offer, self._view.columns, namespace, items, version, cursor, include)
        else:
            body = build_list(self._view.offer, namespace, items, version, cursor)
        return Response(orjson.dumps(body), headers={"Content-Type": form.content_type})

    async def show_one(self, request: Request, name: str) -> Response:
        namespace = await self._admit(request, "get", name)
        form = negotiate(request.headers.get("accept", ""), FORMS)
        item = await self._view.source.find(namespace, name)
        if item is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f'{self._view.offer.plural}.{OPS_GROUP} "{name}" not found')
        body = build_object(self._view.offer, namespace, item)
        if form is TABLE:
            columns, include = self._view.columns, _include(request)
            body = build_table(self._view.offer, columns, namespace, [item], "", None, include)
        return Response(orjson.dumps(body), headers={"Content-Type": form.content_type})

    async def _admit(self, request: Request, verb: str, name: str = "") -> str:
        await self._door.identify(request)
        await self._door.check(request, Right(verb, self._view.offer.plural, OPS_GROUP), name)
        return caller_of(request).namespace

    async def _read(self, namespace: str, limit: int | None, cursor: str | None) -> tuple[list[Item], str | None]:
        items, cursor = await self._view.source.page(namespace, limit, cursor)
        for _ in range(self._view.most_pages - 1):
            if cursor is None or limit is not None:
                break
            more, cursor = await self._view.source.page(namespace, None, cursor)
            items += more
        return items, cursor


def _check_query(request: Request) -> int | None:
    """Return how many items a list may have; None: all."""
    query, problems = request.query_params, []
    if query.get("watch", "false") not in {"0", "false", ""}:
        problems.append(Detail(field="watch", message="This list cannot be watched. Ask for it again."))
    if query.get("labelSelector"):
        problems.append(Detail(field="labelSelector", message="These objects have no labels. Leave it away."))
    try:
        is_selected(Item("", {}), "", query.get("fieldSelector", ""))
    except ValueError as error:
        problems.append(Detail(field="fieldSelector", message=f"The selector {error}."))
    limit = query.get("limit") or "0"
    if not limit.isdecimal() or len(limit) > 9:  # noqa: PLR2004
        problems.append(Detail(field="limit", message="The limit must be a number of 0 or more."))
    if problems:
        raise bad_request(*problems)
    return min(int(limit), 1000) or None


def _include(request: Request) -> str:
    include = request.query_params.get("includeObject") or "Metadata"
    if include not in _INCLUDES:
        message = f"It must be one of {', '.join(_INCLUDES)}."
        raise bad_request(Detail(field="includeObject", message=message))
    return include
