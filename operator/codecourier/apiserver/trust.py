"""Follows what the cluster says about its front proxy: a new authority counts without a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from codecourier.apiserver.front_proxy import FrontProxy, UnsafeFrontProxyError, read_front_proxy
from codecourier.kinds.access import AccessRule
from codecourier.kube.api import CONFIG_MAPS, Json, KubeApi
from codecourier.kube.errors import KubeError, NotFound

__all__ = ["CONFIG_NAME", "CONFIG_NAMESPACE", "CONFIG_RULES", "Trust"]

_LOGGER = logging.getLogger(__name__)

CONFIG_NAMESPACE = "kube-system"
CONFIG_NAME = "extension-apiserver-authentication"
"""ConfigMap in which kube-apiserver says how its front proxy is known."""

CONFIG_RULES = (AccessRule(CONFIG_MAPS.group, CONFIG_MAPS.plural, frozenset({"get", "watch"})),)
"""What the API server's account needs in that namespace, on this ConfigMap, where it serves TLS."""

_WATCH_SECONDS = 300
_RETRY_SECONDS = 5.0


class Trust:
    """The front proxy that is believed now; none until the cluster has said so.

    Parameters
    ----------
    api
        The cluster's API server.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._problem = ""
        self._follow: Callable[[FrontProxy | None], None] = lambda _: None
        self.front_proxy: FrontProxy | None = None
        """The front proxy; None: no client is believed."""

    def subscribe(self, follow: Callable[[FrontProxy | None], None]) -> None:
        """Call a function with the front proxy, now and after each change of it."""
        self._follow = follow
        follow(self.front_proxy)

    async def load(self) -> None:
        """Read what the cluster says, once. An API server that does not answer is asked again by `run`.

        Raises
        ------
        UnsafeFrontProxyError
            If every client certificate of the cluster would be believed.
        """
        try:
            self._apply(await self._api.get(CONFIG_MAPS, CONFIG_NAMESPACE, CONFIG_NAME))
        except KubeError as error:
            self._report(f"cannot be read: {error}")

    async def run(self) -> None:
        """Follow the cluster until cancelled."""
        while True:
            try:
                await self._watch()
            except NotFound:
                self._close("is not there")
            except KubeError as error:
                # What was read last still holds: an API server that restarts changes no authority.
                self._report(f"cannot be read: {error}")
            except UnsafeFrontProxyError as error:
                self._close(str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _watch(self) -> None:
        found = await self._api.get(CONFIG_MAPS, CONFIG_NAMESPACE, CONFIG_NAME)
        self._apply(found)
        version = found["metadata"]["resourceVersion"]
        changes = self._api.watch(
            CONFIG_MAPS,
            namespace=CONFIG_NAMESPACE,
            name=CONFIG_NAME,
            resource_version=version,
            timeout_seconds=_WATCH_SECONDS,
        )
        async for change in changes:
            match change.type:
                case "DELETED":
                    self._close("was deleted")
                case "ADDED" | "MODIFIED":
                    self._apply(change.object)

    def _apply(self, config_map: Json) -> None:
        data: Mapping[str, str] = config_map.get("data") or {}
        try:
            found = read_front_proxy(data)
        except UnsafeFrontProxyError:
            raise
        except ValueError as error:
            self._close(f"cannot be understood: {error}")
            return
        self._problem = ""
        self._set(found)

    def _close(self, problem: str) -> None:
        self._report(problem)
        self._set(None)

    def _set(self, found: FrontProxy | None) -> None:
        if found != self.front_proxy:
            self.front_proxy = found
            self._follow(found)

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            _LOGGER.warning(
                "ConfigMap %s/%s %s; requests through kube-apiserver may be refused",
                CONFIG_NAMESPACE,
                CONFIG_NAME,
                problem,
            )
