"""Kopf's events of the few objects that people create. They only wake keys; the caches hold the truth.

Kopf runs in its own thread with a stop flag: when it ends, it cancels every task started after it in its loop
(https://github.com/nolar/kopf/issues/1030), and it handles SIGTERM itself. Its watches never give up, and it writes
nothing: no posting, no handlers of creation or update, which would keep their progress in annotations.

It is loaded by its thread, so that a start does not wait for its import.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from codecourier.kube.api import Resource

if TYPE_CHECKING:
    import kopf

__all__ = ["KopfThread"]

EventCallback = Callable[[Resource, str, str, str, str], None]

_BACKOFFS = (0.5, 1, 2, 4, 8)


class KopfThread:
    """Kopf beside the operator's own loop.

    Parameters
    ----------
    loop
        The operator's loop.
    resources
        The kinds whose events it passes on.
    on_event
        Called in that loop with the kind, namespace, name, UID and resourceVersion of the object of each event.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, resources: Iterable[Resource], on_event: EventCallback) -> None:
        self._loop = loop
        self._resources = tuple(resources)
        self._on_event = on_event
        self._stopping = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._ended: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def run(self, begun: Callable[[], Awaitable[object]]) -> None:
        """Start the thread once `begun` returns, and wait for its end; raise its error."""
        await begun()
        self.start()
        await self.watch()

    async def watch(self) -> None:
        """Wait for the end of the thread; raise its error."""
        await asyncio.shield(self._ended)

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ask Kopf to end and wait for it."""
        self._stopping.set()
        self._stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._serve())
        except BaseException as caught:  # noqa: BLE001
            # An exception ends only its thread: `watch` raises it in the operator's loop.
            error = caught
        _call(self._loop, self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        if error is None or self._stopping.is_set():
            self._ended.set_result(None)
        else:
            self._ended.set_exception(RuntimeError(f"Kopf ended: {type(error).__name__}: {error}"))

    async def _serve(self) -> None:
        # An `asyncio.Event`: for any other flag Kopf waits in a thread, which outlives a failure of Kopf and keeps this
        # loop, and with it our thread, from ending.
        flag, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: _call(loop, flag.set)
        if self._stopping.is_set():
            return
        kopf = _load_kopf()
        logging.getLogger("kopf.objects").setLevel(logging.CRITICAL)
        # At every start it warns that it does not handle signals, which is intended.
        logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
        registry = kopf.OperatorRegistry()
        kopf.on.startup(registry=registry)(_configure)
        kopf.on.login(registry=registry)(kopf.login_with_service_account)
        kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
        for resource in self._resources:
            kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(self._waker(resource))
        await kopf.operator(registry=registry, clusterwide=True, stop_flag=flag, standalone=True)

    def _waker(self, resource: Resource) -> Callable[..., None]:
        def waken(namespace: str | None, name: str | None, uid: str, meta: kopf.Meta, **_: Any) -> None:
            version = meta["resourceVersion"]
            _call(self._loop, self._on_event, resource, namespace or "", name or "", uid, version)

        waken.__name__ = f"wake_{resource.plural}"
        return waken


def _load_kopf() -> ModuleType:
    # Kopf imports the `kubernetes` package where it is installed, only to recognize objects that we do not use.
    is_loaded = "kubernetes" in sys.modules
    if not is_loaded:
        sys.modules["kubernetes"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("kopf")
    finally:
        if not is_loaded:
            del sys.modules["kubernetes"]


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """Call a function in the loop of another thread."""
    with suppress(RuntimeError):  # the loop is closed: no task waits any more
        loop.call_soon_threadsafe(function, *arguments)


def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.error_backoffs = _Endless(_BACKOFFS)
    # A worker keeps its slot for the idle time after its object's last event, so these two bound the rate at which
    # objects get one: 320 a second. Where it is lower than the rate of changes, whole objects pile up in memory.
    settings.queueing.worker_limit = 16
    settings.queueing.idle_timeout = 0.05


class _Endless:
    """Endless backoffs that repeat the last one: with finite ones, a long outage of the API server would end Kopf."""

    def __init__(self, first: tuple[float, ...]) -> None:
        self._first = first

    def __iter__(self) -> itertools.chain[float]:
        return itertools.chain(self._first, itertools.repeat(self._first[-1]))
