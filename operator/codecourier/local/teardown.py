"""Ending a cluster's processes and removing its files."""

from __future__ import annotations

from codecourier.local.errors import LocalError
from codecourier.local.kind import delete_kind
from codecourier.local.layout import ClusterLayout
from codecourier.local.processes import stop_processes
from codecourier.local.processnode.orphans import stop_everything
from codecourier.local.state import ClusterState
from codecourier.trees import remove_tree

__all__ = ["end_cluster", "remove_data", "remove_root"]

_STOP_SECONDS = 3.0
"""Longer than the node gives the containers that it ends."""

_CONTAINER_STOP_SECONDS = 0.2
_DATABASE_STOP_SECONDS = 0.5


def end_cluster(state: ClusterState, layout: ClusterLayout) -> None:
    """End all processes of a cluster, its containers too, and its kind cluster where it has one."""
    others = [record for name, record in state.processes.items() if name != "etcd"]
    # Without its database the API server takes longer to end.
    stop_processes(others, grace_seconds=_STOP_SECONDS)
    # A node that crashed left its containers behind.
    stop_everything(layout.node, _CONTAINER_STOP_SECONDS)
    database = [record for name, record in state.processes.items() if name == "etcd"]
    stop_processes(database, grace_seconds=_DATABASE_STOP_SECONDS)
    if state.kind:
        delete_kind(state.kind)


def remove_data(layout: ClusterLayout) -> None:
    """Remove what a cluster wrote, by name; other files in the state folder stay.

    Raises
    ------
    LocalError
        If a folder cannot be removed, for example because it belongs to another user.
    """
    for folder in (layout.pki, layout.config, layout.etcd, layout.logs, layout.node, layout.forge):
        try:
            remove_tree(folder)
        except OSError as error:
            raise LocalError(
                f"{folder} cannot be removed: {error}. Remove it, then run `codecourier local down`"
            ) from error
    kubeconfigs = layout.kubeconfig, layout.node_kubeconfig, layout.controller_manager_kubeconfig
    for file in (*kubeconfigs, layout.rest_kubeconfig, layout.state_file):
        file.unlink(missing_ok=True)


def remove_root(layout: ClusterLayout) -> None:
    """Remove the state folder with all that is ours; the caller holds the lock of `up`."""
    remove_data(layout)
    for file in (layout.ignore_file, layout.state_lock, layout.up_lock):
        file.unlink(missing_ok=True)
    if not any(layout.root.iterdir()):
        layout.root.rmdir()
