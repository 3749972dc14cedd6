"""Probes and metrics over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

__all__ = ["HealthServer"]


class HealthServer:
    """Serves `/livez`, `/readyz` and `/metrics`.

    One event loop does all work and answers here too: if it hangs, `/livez` does not answer and the kubelet's probe
    times out. If it runs but a component of the operator has ended, `/livez` names the component. `/readyz` names the
    kinds that were never listed; a standby is ready too.

    Parameters
    ----------
    ended
        Returns a sentence about each component that has ended and should not have.
    unsynced
        Returns the kinds that were never listed.
    registry
        The metrics.
    """

    def __init__(
        self, ended: Callable[[], Sequence[str]], unsynced: Callable[[], Sequence[str]], registry: CollectorRegistry
    ) -> None:
        self._ended = ended
        self._unsynced = unsynced
        self._registry = registry
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/livez", self._live),
                web.get("/readyz", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        address: tuple[str, int] = self._runner.addresses[0]
        return address[1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _live(self, _request: web.Request) -> web.Response:
        if ended := self._ended():
            return web.Response(status=500, text="\n".join(ended))
        return web.Response(text="ok")

    async def _ready(self, _request: web.Request) -> web.Response:
        if unsynced := self._unsynced():
            return web.Response(status=503, text=f"never listed yet: {', '.join(unsynced)}")
        return web.Response(text="ok")

    async def _metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
