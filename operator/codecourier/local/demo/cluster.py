"""The cluster that demonstrations play on."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from codecourier.local.cluster import LocalCluster, UpOutcome
from codecourier.local.components import OURS
from codecourier.local.options import ClusterOptions

__all__ = ["bring_up"]


def bring_up(state_dir: Path, console: Console) -> LocalCluster:
    """Bring the whole cluster up, with operator and REST API of this checkout; return it."""
    started = time.monotonic()
    options = ClusterOptions(with_operator=True, with_rest_api=True)
    cluster = LocalCluster(state_dir, options, report=console.print)
    if cluster.up() is not UpOutcome.CREATED:
        # They may run the code of an earlier version of this checkout.
        for component in OURS:
            cluster.restart(component)
    console.print(f"The cluster is up after {time.monotonic() - started:.1f} s.")
    return cluster
