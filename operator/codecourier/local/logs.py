"""Printing what components and containers wrote."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

from codecourier.local.api import admin_of
from codecourier.local.components import API_SERVER, COMPONENTS
from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout
from codecourier.local.state import StateStore

__all__ = ["print_component_log", "print_container_log"]


def print_component_log(layout: ClusterLayout, component: str) -> None:
    """Print the log of a component.

    Raises
    ------
    LocalError
        If there is no such component, or it was never started.
    """
    if component not in COMPONENTS:
        known = ", ".join(COMPONENTS)
        raise LocalError(
            f"there is no component {component}; components are: {known}. For a pod, name its container too"
        )
    path = layout.log(component)
    if not path.exists():
        raise LocalError(f"{component} has not been started in {layout.root}")
    _print_file(path)


def print_container_log(layout: ClusterLayout, namespace: str, pod: str, container: str) -> None:
    """Print what a container of a pod wrote, as `kubectl logs` does.

    Raises
    ------
    LocalError
        If there is no cluster, or no such container.
    """
    state = StateStore(layout).read()
    if state is None:
        raise LocalError(f"there is no cluster in {layout.root}: run `codecourier local up`")
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/log"
    api = admin_of(layout, state.ports[API_SERVER])
    sys.stdout.buffer.write(api.fetch_bytes(f"{path}?{urlencode({'container': container})}"))
    sys.stdout.flush()


def _print_file(path: Path) -> None:
    with path.open("rb") as log:
        shutil.copyfileobj(log, sys.stdout.buffer)
    sys.stdout.flush()
