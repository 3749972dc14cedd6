"""The operations on branches, which the repository's host answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, answer, page_of
from codecourier.apiserver.branch_uses import find_maker, find_user
from codecourier.apiserver.doors import OPS_GROUP
from codecourier.apiserver.hosts import Hosts
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.views.branch import (
    BranchDeleted,
    BranchQuery,
    BranchView,
    is_branch_name,
    read_cursor,
    view_branch,
    write_cursor,
)
from codecourier.github.operations.delete_branch import DeleteBranch
from codecourier.github.operations.list_branches import ListBranches

__all__ = ["add_branches"]

_PATH = "/branches"
_RESOURCE = "branches"


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
