"""The operations on API keys. None makes one: a key is shown once, to the user of the command that makes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter, Request, Response

from codecourier.apiserver.answers import Data, Page, answer, cut, page_of
from codecourier.apiserver.ids import API_KEY_ID, read_id
from codecourier.apiserver.route import Operations, caller_of
from codecourier.apiserver.routes.shared import PartOfList
from codecourier.apiserver.served import KeyCache
from codecourier.apiserver.views.api_key import ApiKeyRevoked, ApiKeyView, view_api_key
from codecourier.apiserver.writing import missing
from codecourier.kinds.sources import API_KEY_SOURCE

__all__ = ["add_api_keys"]

_PATH = "/api-keys"


class _ApiKeys:
    def __init__(self, keys: KeyCache, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    async def list_api_keys(self, request: Request, query: PartOfList) -> Response:
        """List the API keys of the project, newest first, without the keys themselves."""
        now = self._now()
        page, cursor = cut(self._keys.list(caller_of(request).namespace), query)
        return page_of((view_api_key(key, now) for key in page), cursor)

    async def revoke_api_key(self, request: Request, id: str) -> Response:  # noqa: A002
        """Revoke an API key, for good. A key may revoke itself without the right to revoke others."""
        name = read_id(id, API_KEY_ID)
        if not await self._keys.revoke(caller_of(request).namespace, name):
            raise missing()
        return answer(ApiKeyRevoked(id=API_KEY_ID + name))


def add_api_keys(router: APIRouter, keys: KeyCache, now: Callable[[], datetime]) -> None:
    """Add the operations on API keys to a router."""
    handles = _ApiKeys(keys, now)
    operations = Operations(router, API_KEY_SOURCE.resource.plural, API_KEY_ID)
    operations.add("GET", _PATH, "list", handles.list_api_keys, Page[ApiKeyView])
    revoked = Data[ApiKeyRevoked]
    operations.add("DELETE", f"{_PATH}/{{id}}", "delete", handles.revoke_api_key, revoked, is_for_own_key=True)
