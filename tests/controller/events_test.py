"""Kopf's part: its events wake keys in the operator's own loop, and it goes on whatever happens."""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import kopf
import pytest
from kopf._cogs.clients import watching
from kopf._cogs.structs import references
from kopf._core.reactor import queueing

from codecourier.controller.events import KopfThread, _configure
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import Json, Resource
from tests.simulation.clock import virtual
from tests.support.kubeconfig import kubeconfig


@pytest.fixture(autouse=True)
def _no_garbage() -> Iterator[None]:
    # Kopf leaves failed tasks, whose destructors log tracebacks. Within `ast.parse` of another test that is an error of
    # the interpreter: https://github.com/python/cpython/issues/106905.
    yield
    gc.collect()


async def test_a_thread_that_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    thread = KopfThread(asyncio.get_running_loop(), (RUNS,), lambda *_: None)
    thread.start()
    with pytest.raises(RuntimeError, match="Kopf ended: LoginError"):
        await thread.watch()
    await asyncio.to_thread(thread.stop)


async def test_a_server_that_is_away_ends_nothing_and_stop_does_without_a_warning_of_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, server.getsockname()[1])))
        thread = KopfThread(asyncio.get_running_loop(), (RUNS,), lambda *_: None)
        thread.start()
        watching = asyncio.create_task(thread.watch())
        connection, _ = await asyncio.to_thread(server.accept)
        connection.close()
        again, _ = await asyncio.to_thread(server.accept)
        again.close()
        assert not watching.done()
        await asyncio.to_thread(thread.stop)
        await watching
    assert "OS signals" not in caplog.text


async def test_kopf_starts_once_the_operator_has_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    thread, begun = KopfThread(asyncio.get_running_loop(), (RUNS,), lambda *_: None), asyncio.Event()
    running = asyncio.create_task(thread.run(begun.wait))
    await asyncio.sleep(0)
    assert thread._thread.ident is None
    await asyncio.to_thread(thread.stop, 0.0)
    thread = KopfThread(asyncio.get_running_loop(), (RUNS,), lambda *_: None)
    running.cancel()
    begun.set()
    with pytest.raises(RuntimeError, match="Kopf ended: LoginError"):
        await thread.run(begun.wait)
    await asyncio.to_thread(thread.stop)


async def test_an_event_is_passed_on_in_the_operators_loop() -> None:
    told: list[tuple[Resource, str, str, str, str, threading.Thread]] = []
    done = asyncio.Event()

    def tell(resource: Resource, namespace: str, name: str, uid: str, version: str) -> None:
        told.append((resource, namespace, name, uid, version, threading.current_thread()))
        done.set()

    waker = KopfThread(asyncio.get_running_loop(), (RUNS,), tell)._waker(RUNS)
    await asyncio.to_thread(waker, namespace="shop", name="fix", uid="u", meta={"resourceVersion": "5"}, body={})
    await done.wait()
    assert told == [(RUNS, "shop", "fix", "u", "5", threading.main_thread())]


async def test_handlers_of_different_kinds_have_names_of_their_own() -> None:
    thread = KopfThread(asyncio.get_running_loop(), (RUNS,), lambda *_: None)
    assert thread._waker(RUNS).__name__ == "wake_runs"


def test_kopf_writes_nothing_and_never_gives_up() -> None:
    settings = kopf.OperatorSettings()
    _configure(settings)
    assert settings.posting.enabled is False
    assert settings.scanning.disabled is True
    backoffs = settings.networking.error_backoffs
    for _ in range(2):
        first = list(itertools.islice(backoffs, 1000))  # type: ignore[arg-type]
        assert len(first) == 1000, "each request begins anew"
        assert first[0] < first[-1] == max(first) <= 10


@virtual
async def test_events_do_not_pile_up_under_fifty_changes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = kopf.OperatorSettings()
    _configure(settings)
    sent = received = most = 0

    async def watch(**_: object) -> AsyncIterator[Json]:
        nonlocal sent, most
        for second in range(60):
            for number in range(50):
                sent += 1
                metadata = {"uid": f"{second}-{number}", "name": "fix", "resourceVersion": str(sent)}
                yield {"type": "MODIFIED", "object": {"metadata": metadata}}
            await asyncio.sleep(1)
            most = max(most, sent - received)

    async def process(**_: object) -> None:
        nonlocal received
        received += 1

    monkeypatch.setattr(watching, "infinite_watch", watch)
    resource = references.Resource("codecourier.dev", "v1alpha1", "projects", namespaced=True)
    await queueing.watcher(namespace=None, settings=settings, resource=resource, processor=process)
    assert (sent, received) == (3000, 3000)
    assert most == 0
