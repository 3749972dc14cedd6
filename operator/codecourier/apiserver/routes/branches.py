"""The operations on branches, which the repository's host answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, answer, page_of
from codecourier.apiserver.branch_uses import find_maker, find_user
from codecourier.apiserver.discovery import Offer
from codecourier.apiserver.doors import OPS_GROUP
from codecourier.apiserver.hosts import Hosts
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.kubernetes import KubernetesView
from codecourier.apiserver.tables import Column, Item
from codecourier.apiserver.views.branch import (
    BranchDeleted,
    BranchQuery,
    BranchView,
    branch_of,
    is_branch_name,
    object_name_of,
    read_cursor,
    view_branch,
    write_cursor,
)
from codecourier.cache.store import Store
from codecourier.github.operations.branch import BranchFacts
from codecourier.github.operations.delete_branch import DeleteBranch
from codecourier.github.operations.list_branches import ListBranches

__all__ = ["add_branches", "view_branches"]

_PATH = "/branches"
_RESOURCE = "branches"
_PAGE_SIZE = 1000
_SEARCHED_SIZE = 100
"""The host's largest page: the branch that is searched is nearly always on the first one."""

_MOST_PAGES = 5
"""How many pages of the host one request of kubectl may take."""


class _Branches:
    def __init__(self, door: Door, hosts: Hosts) -> None:
        self._store = door.served.store
        self._hosts = hosts

    async def list_branches(self, request: Request, query: Annotated[BranchQuery, Query()]) -> Response:
        """List the branches of the project's repository by name, as its host has them now."""
        namespace, prefix = caller_of(request).namespace, query.prefix or ""
        access = self._hosts.find(namespace, query.githubRepoUrl)
        place = read_cursor(query.cursor, access.url, prefix)
        page = await self._hosts.ask(access, ListBranches(prefix, query.limit, place))
        views = [
            view_branch(branch, find_maker(self._store, namespace, access.url, branch.name)) for branch in page.branches
        ]
        return page_of(views, None if page.cursor is None else write_cursor(access.url, prefix, page.cursor))

    async def delete_branch(
        self, request: Request, name: str, url: Annotated[str | None, Query(alias="githubRepoUrl")] = None
    ) -> Response:
        """Delete a branch at the repository's host, unless something needs it."""
        namespace = caller_of(request).namespace
        access = self._hosts.find(namespace, url)
        if not is_branch_name(name):
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such branch: git has no branches of such names.")
        if user := find_user(self._store, namespace, access.url, name):
            message = f"{user} uses branch {name}. Wait until it is finished, or cancel it."
            raise Refusal(HTTPStatus.CONFLICT, message)
        await self._hosts.ask(access, DeleteBranch(name))
        return answer(BranchDeleted(name=name))


class _Items:
    """The branches of the default repository for kubectl, as its host has them now."""

    def __init__(self, store: Store, hosts: Hosts) -> None:
        self._store = store
        self._hosts = hosts

    async def page(self, namespace: str, limit: int | None, cursor: str | None) -> tuple[list[Item], str | None]:
        """See `ItemSource.page`."""
        return await self._read(namespace, "", limit or _PAGE_SIZE, cursor)

    async def find(self, namespace: str, name: str) -> Item | None:
        """See `ItemSource.find`."""
        branch = branch_of(name)
        cursor: str | None = None
        if branch is None:
            return None
        for _ in range(_MOST_PAGES):
            items, cursor = await self._read(namespace, branch, _SEARCHED_SIZE, cursor)
            if found := next((item for item in items if item.name == name), None):
                return found
            if cursor is None:
                return None
        message = "Too many branches have names like this one to find it. List the branches a page at a time."
        raise Refusal(HTTPStatus.CONFLICT, message)

    async def _read(self, namespace: str, prefix: str, limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
        access = self._hosts.find(namespace, None)
        place = read_cursor(cursor, access.url, prefix)
        page = await self._hosts.ask(access, ListBranches(prefix, limit, place))
        items = [
            _item_of(branch, find_maker(self._store, namespace, access.url, branch.name)) for branch in page.branches
        ]
        return items, None if page.cursor is None else write_cursor(access.url, prefix, page.cursor)


def _item_of(branch: BranchFacts, run: str | None) -> Item:
    return Item(object_name_of(branch.name), view_branch(branch, run).model_dump(mode="json", by_alias=True))


def view_branches(store: Store, hosts: Hosts) -> KubernetesView:
    """Return what kubectl shows of branches."""
    columns = (
        Column("Branch", "name"),
        Column("Default", "isDefault", "boolean"),
        Column("Protected", "isProtected", "boolean"),
        Column("Run", "runId"),
        Column("Author", "author", priority=1),
        Column("Committed", "committedAt", priority=1),
        Column("Commit", "sha", priority=1),
    )
    return KubernetesView(Offer(_RESOURCE, "branch", "Branch"), columns, _Items(store, hosts), _MOST_PAGES)


def add_branches(router: APIRouter, door: Door, hosts: Hosts) -> None:
    """Add the operations on branches to a router."""
    branches = _Branches(door, hosts)
    operations = Operations(router, _RESOURCE, "", _RESOURCE)
    reading, deleting = (Right(verb, _RESOURCE, OPS_GROUP) for verb in ("list", "delete"))
    conflict, missing = HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND
    operations.add("GET", _PATH, "list", branches.list_branches, Page[BranchView], right=reading, errors=(conflict,))
    operations.add(
        "DELETE",
        f"{_PATH}/{{name:path}}",
        "delete",
        branches.delete_branch,
        Data[BranchDeleted],
        right=deleting,
        errors=(conflict, missing),
    )
