"""Containers that no running node looks after: find them in the state folder and end them."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from codecourier.local.processnode.container import Container
from codecourier.trees import remove_tree

__all__ = ["discard", "remove_pods", "stop_everything", "unknown_pods"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.02


def stop_everything(state_dir: Path, grace_seconds: float) -> int:
    """Stop every container that a process node with this state folder started; for `down` and for the node's own end.

    Returns
    -------
    int
        How many containers ran.
    """
    running = [item for item in _containers(state_dir / "pods") if item.is_running()]
    for container in running:
        container.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(item.is_running() for item in running) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for container in running:
        container.kill_now()
    return len(running)


def unknown_pods(pods_dir: Path, known: Collection[str]) -> list[Path]:
    """Return the folders of pods that the API server does not have."""
    return [path for path in pods_dir.iterdir() if path.name not in known] if pods_dir.is_dir() else []


def remove_pods(pods: Iterable[Path]) -> None:
    """Kill what runs of these pods and remove their folders."""
    for pod in pods:
        for container in _containers_of(pod):
            container.kill_now()
        discard(pod)


def discard(folder: Path) -> None:
    """Remove a folder of the node's own; a failure is only logged, since nothing depends on it."""
    try:
        remove_tree(folder)
    except OSError as error:
        _LOG.warning("%s was not removed: %s", folder, error)


def _containers(pods_dir: Path) -> Iterator[Container]:
    if pods_dir.is_dir():
        for pod in pods_dir.iterdir():
            yield from _containers_of(pod)


def _containers_of(pod: Path) -> Iterator[Container]:
    yield from map(Container, pod.glob("containers/*"))
