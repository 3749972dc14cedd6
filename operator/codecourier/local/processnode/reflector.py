"""List and watch one kind of object for ever: after every gap the whole list again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Protocol

from codecourier.local.processnode.api import NETWORK_ERRORS, Api, ApiError
from codecourier.local.processnode.objects import Json

__all__ = ["Listener", "Reflector"]

_LOG = logging.getLogger(__name__)
_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 2.0
_GONE = 410


class Listener(Protocol):
    """Told what exists."""

    def replace(self, items: list[Json]) -> None:
        """Take this list for everything that exists."""

    def apply(self, kind: str, item: Json) -> None:
        """Take in one change; `kind` is ADDED, MODIFIED or DELETED."""


class Reflector:
    """Keeps a listener informed.

    Parameters
    ----------
    api
        The API server.
    path
        The collection's path.
    listener
        Whom to tell.
    selector
        Further parameters, as `fieldSelector`.
    """

    def __init__(self, api: Api, path: str, listener: Listener, selector: Mapping[str, str] | None = None) -> None:
        self._api = api
        self._path = path
        self._listener = listener
        self._selector = dict(selector or {})
        self._version = ""

    async def run(self) -> None:
        """List and watch until cancelled."""
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                delay = _FIRST_RETRY_SECONDS
            except (ApiError, *NETWORK_ERRORS) as error:
                if isinstance(error, ApiError) and error.status == _GONE:
                    self._version = ""
                    continue
                _LOG.info(
                    "watch of %s broke off, again in %.1f s: %s", self._path, delay, str(error) or type(error).__name__
                )
                self._version = ""
                # Jitter only spreads load.
                await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
                delay = min(delay * 2, _LAST_RETRY_SECONDS)

    async def _list(self) -> None:
        listing = await self._api.request("GET", self._path, parameters=self._selector)
        self._listener.replace(listing.get("items") or [])
        self._version = listing["metadata"]["resourceVersion"]

    async def _watch(self) -> None:
        parameters = {**self._selector, "resourceVersion": self._version}
        await self._api.watch(self._path, parameters, self._take)

    def _take(self, event: Json) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise ApiError(int(item.get("code", 500)), str(item.get("message", "")))
        self._version = item["metadata"]["resourceVersion"]
        if event["type"] != "BOOKMARK":
            self._listener.apply(event["type"], item)
