"""Kopf: the framework's events of the few objects that people make. They only wake keys; truth is in the caches.

Kopf runs in a thread of its own with a stop flag, because on its way out it cancels every task that was born after it
in its loop and takes SIGTERM for itself. Its watches never give up, and it writes nothing: no posting, no handlers of
creation or update, whose progress would be annotations.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import kopf

from codecourier.kube.api import Resource

__all__ = ["KopfThread"]

Tell = Callable[[Resource, str, str, str, str], None]

_BACKOFFS = (0.5, 1, 2, 4, 8)


class KopfThread:
    """Kopf beside the operator's own loop.

    Parameters
    ----------
    loop
        The operator's loop.
    resources
        The kinds whose events it passes on.
    tell
        Called in that loop with the kind, namespace, name, UID and resourceVersion of what an event is about.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, resources: Iterable[Resource], tell: Tell) -> None:
        self._loop = loop
        self._resources = tuple(resources)
        self._tell = tell
        self._stopping = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._ended: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def watch(self) -> None:
        """Wait for the end of the thread; raise what it failed of."""
        await asyncio.shield(self._ended)

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ask Kopf to end and wait for it."""
        self._stopping.set()
        self._stop()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._serve())
        except BaseException as caught:  # noqa: BLE001
            # A thread's exception ends nothing but the thread: it is told where somebody waits for it.
            error = caught
        _call(self._loop, self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        if error is None or self._stopping.is_set():
            self._ended.set_result(None)
        else:
            self._ended.set_exception(RuntimeError(f"Kopf ended: {type(error).__name__}: {error}"))

    async def _serve(self) -> None:
        # A flag of Kopf's own loop: for one of another kind Kopf waits in a thread, which outlives a failure of Kopf
        # and keeps its loop, and with it this thread, from ending.
        flag, loop = asyncio.Event(), asyncio.get_running_loop()
        self._stop = lambda: _call(loop, flag.set)
        if self._stopping.is_set():
            return
        logging.getLogger("kopf.objects").setLevel(logging.CRITICAL)
        # It warns at every start that signals are not its own, which is meant so.
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
            _call(self._loop, self._tell, resource, namespace or "", name or "", uid, version)

        waken.__name__ = f"wake_{resource.plural}"
        return waken


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """Call a function in the loop of another thread."""
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(function, *arguments)


def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.error_backoffs = _Endless(_BACKOFFS)
    settings.queueing.worker_limit = 4
    settings.queueing.idle_timeout = 1.0


class _Endless:
    """Backoffs whose last one repeats for ever: Kopf's own end, and a server that is away for longer ends Kopf."""

    def __init__(self, first: tuple[float, ...]) -> None:
        self._first = first

    def __iter__(self) -> itertools.chain[float]:
        return itertools.chain(self._first, itertools.repeat(self._first[-1]))
