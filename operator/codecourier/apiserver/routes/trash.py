"""The operations on the trash, and those that put something there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, PageQuery, answer, cut_by, page_of
from codecourier.apiserver.ids import read_id
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import OF_THE_TYPE, Door, Operations, caller_of
from codecourier.apiserver.views.trash import (
    TRASH,
    PutAway,
    TrashDeleted,
    TrashItem,
    TrashRestored,
    TrashSubject,
    TrashType,
    TrashWord,
    check_in_trash,
    check_is_at_rest,
    item_place,
    put_away,
    restore,
    view_item,
    view_put_away,
    view_restored,
)
from codecourier.apiserver.workflow_uses import check_unused
from codecourier.core.shared.naming import PROJECT_NAME, split_words
from codecourier.kinds.sources import PROJECT_SOURCE
from codecourier.resources.meta import CustomResource
from codecourier.resources.workflow import Workflow

__all__ = ["add_trash"]

_TAG = "trash"
_WORKING = frozenset({"run", "sandbox", "issueSession"})
"""Types whose objects may be under way, and are not put into the trash then."""


class TrashQuery(PageQuery):
    """Which part of the trash is asked for."""

    type: TrashWord | None = None
    """Type of what is shown; absent: every type that the caller may list."""


PartOfTrash = Annotated[TrashQuery, Query()]


class _Trash:
    def __init__(self, door: Door, now: Callable[[], datetime]) -> None:
        self._door = door
        self._now = now

    async def list_trash(self, request: Request, query: PartOfTrash) -> Response:
        """List what is in the trash, what was put there last first."""
        types = [TRASH[query.type]] if query.type is not None else await self._listed(request)
        if query.type is not None:
            await self._door.check(request, Right("list", types[0].plural), "")
        namespace = caller_of(request).namespace
        project = self._door.served.find(PROJECT_SOURCE, namespace, PROJECT_NAME)
        items = [
            view_item(kind, obj, project)
            for kind in types
            for obj in self._door.served.list(kind.source, namespace, in_trash=True)
            if not obj.is_deleting
        ]
        page, cursor = cut_by(sorted(items, key=item_place, reverse=True), query, item_place)
        return page_of(page, cursor)

    async def list_trash_items(self, request: Request, query: PartOfTrash) -> Response:
        """List what is in the trash, what was put there last first; the same as /trash/list."""
        return await self.list_trash(request, query)

    async def restore_trash(self, request: Request, body: TrashSubject) -> Response:
        """Take an object out of the trash. Nothing of it runs again."""
        return await self._restore(request, TRASH[body.entity_type], body.entity_id, "entityId")

    async def restore_trash_item(self, request: Request, type: TrashWord, id: str) -> Response:  # noqa: A002
        """Take an object of a type out of the trash. Nothing of it runs again."""
        return await self._restore(request, TRASH[type], id, "id")

    async def permanently_delete_trash(self, request: Request, body: TrashSubject) -> Response:
        """Delete an object in the trash for good."""
        return await self._delete(request, TRASH[body.entity_type], body.entity_id, "entityId")

    async def permanently_delete_trash_item(self, request: Request, type: TrashWord, id: str) -> Response:  # noqa: A002
        """Delete an object of a type in the trash for good."""
        return await self._delete(request, TRASH[type], id, "id")

    async def put_away(self, kind: TrashType, request: Request, text: str) -> Response:
        """Put an object into the trash."""
        caller, now = caller_of(request), self._now()
        name = read_id(text, kind.prefix)

        def build(obj: CustomResource) -> dict[str, object]:
            return put_away(obj, caller.identity.user, now)

        obj = await self._door.writer.change(kind.source, caller, name, build, {}, check_is_at_rest)
        return answer(view_put_away(kind, obj), changed=obj)

    async def _listed(self, request: Request) -> list[TrashType]:
        """Return the types that the caller may list.

        Raises
        ------
        Refusal
            403 if there is none, 503 if that cannot be known.
        """
        types, refusals = [], []
        for kind in TRASH.values():
            try:
                await self._door.check(request, Right("list", kind.plural), "")
            except Refusal as refusal:
                if refusal.status_code != HTTPStatus.FORBIDDEN:
                    raise
                refusals.append(refusal)
            else:
                types.append(kind)
        if not types:
            raise refusals[0]
        return types

    async def _restore(self, request: Request, kind: TrashType, text: str, field: str) -> Response:
        name = await self._named(request, "update", kind, text, field)
        writer = self._door.writer
        obj = await writer.change(kind.source, caller_of(request), name, restore, {}, _check_restorable)
        return answer(view_restored(kind, obj), changed=obj)

    async def _delete(self, request: Request, kind: TrashType, text: str, field: str) -> Response:
        name = await self._named(request, "delete", kind, text, field)
        obj = await self._door.writer.delete_checked(kind.source, caller_of(request), name, self._check_deletable)
        return answer(TrashDeleted(entity_type=kind.word, entity_id=kind.prefix + obj.name), changed=obj)

    def _check_deletable(self, obj: CustomResource) -> None:
        check_in_trash(obj)
        if isinstance(obj, Workflow):
            check_unused(self._door.served, obj)

    async def _named(self, request: Request, verb: str, kind: TrashType, text: str, field: str) -> str:
        """Return the name that an id says, once the caller may do what is asked for."""
        name = read_id(text, kind.prefix, field)
        await self._door.check(request, Right(verb, kind.plural), name)
        return name


def _check_restorable(obj: CustomResource) -> None:
    """Make sure that an object is in the trash, and not on its way out of the cluster.

    Raises
    ------
    Refusal
        409 if it is not in the trash, or is being deleted for good.
    """
    check_in_trash(obj)
    if obj.is_deleting:
        raise Refusal(HTTPStatus.CONFLICT, f"The {obj.info.kind} is being deleted for good, so it cannot be restored.")


def _putter(trash: _Trash, kind: TrashType) -> Callable[[Request, str], Awaitable[Response]]:
    """Return the operation that puts objects of a type into the trash."""

    async def put(request: Request, id: str) -> Response:  # noqa: A002
        return await trash.put_away(kind, request, id)

    name = kind.source.resource.kind
    put.__name__ = f"delete_{split_words(name, '_')}"
    put.__doc__ = f"Put a {name} into the trash."
    return put


def _rejecter(trash: _Trash) -> Callable[[Request, str], Awaitable[Response]]:
    async def reject_learning(request: Request, id: str) -> Response:  # noqa: A002
        """Reject a learning: put it into the trash, so that it is not proposed again."""
        return await trash.put_away(TRASH["learning"], request, id)

    return reject_learning


def add_trash(router: APIRouter, door: Door, now: Callable[[], datetime]) -> None:
    """Add the operations on the trash, and those that fill it, to a router."""
    trash = _Trash(door, now)
    operations = Operations(router, OF_THE_TYPE, "", _TAG)
    one = "/trash/{type}/{id}"
    operations.add("GET", "/trash/list", "list", trash.list_trash, Page[TrashItem])
    operations.add("GET", "/trash", "list", trash.list_trash_items, Page[TrashItem])
    # What is named may be missing, outside the trash or in use.
    errors = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
    restored, deleted = Data[TrashRestored], Data[TrashDeleted]
    operations.add("POST", "/trash/restore", "update", trash.restore_trash, restored, errors=errors)
    operations.add("POST", f"{one}/restore", "update", trash.restore_trash_item, restored, errors=errors)
    delete, delete_item = trash.permanently_delete_trash, trash.permanently_delete_trash_item
    operations.add("POST", "/trash/permanent-delete", "delete", delete, deleted, errors=errors)
    operations.add("DELETE", one, "delete", delete_item, deleted, errors=errors)
    for kind in TRASH.values():
        # What has no work of its own is never refused for it.
        conflicts = (HTTPStatus.CONFLICT,) if kind.word in _WORKING else ()
        of_kind = Operations(router, kind.plural, kind.prefix)
        of_kind.add("DELETE", f"{kind.path}/{{id}}", "delete", _putter(trash, kind), Data[PutAway], errors=conflicts)
    learnings = TRASH["learning"]
    of_learnings = Operations(router, learnings.plural, learnings.prefix)
    of_learnings.add("POST", f"{learnings.path}/{{id}}/reject", "delete", _rejecter(trash), Data[PutAway])
