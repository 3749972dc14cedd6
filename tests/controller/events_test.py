"""Kopf's thread: its end is noticed where somebody waits for it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
import yaml

from codecourier.controller.events import KopfThread


def kubeconfig(folder: Path, port: int) -> Path:
    """Write how to reach an API server on loopback."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": {"token": "none"}}],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


async def test_a_thread_that_fails_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    thread = KopfThread(asyncio.get_running_loop(), lambda *_: None)
    thread.start()
    with pytest.raises(RuntimeError, match="Kopf ended: LoginError"):
        await thread.watch()
    await asyncio.to_thread(thread.stop)


async def test_a_server_that_is_away_ends_nothing_and_stop_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, server.getsockname()[1])))
        thread = KopfThread(asyncio.get_running_loop(), lambda *_: None)
        thread.start()
        watching = asyncio.create_task(thread.watch())
        connection, _ = await asyncio.to_thread(server.accept)
        connection.close()
        again, _ = await asyncio.to_thread(server.accept)
        again.close()
        assert not watching.done()
        await asyncio.to_thread(thread.stop)
        await watching
