"""The choices for an embedded cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ClusterOptions", "default_crds", "default_manifests"]


def default_crds() -> Path:
    """Return the folder of the CRDs of this checkout, which may not exist."""
    return Path(__file__).resolve().parents[3] / "crds"


def default_manifests() -> Path:
    """Return the folder of the roles and policies of this checkout, which may not exist."""
    return Path(__file__).resolve().parents[3] / "manifests"


@dataclass(frozen=True)
class ClusterOptions:
    """The choices for one `up`.

    Parameters
    ----------
    with_node
        Whether the process node runs.
    with_forge
        Whether the forge runs.
    with_operator
        Whether an operator runs that may ask the forge alone.
    with_rest_api
        Whether the REST API runs.
    kind
        Whether a kind cluster takes the place of control plane and process node.
    crds
        The folder whose ``*.yaml`` are applied; None for the checkout's own.
    audits_events_and_leases
        Whether the audit log has the writes of Events and Leases too.
    """

    with_node: bool = True
    with_forge: bool = True
    with_operator: bool = False
    with_rest_api: bool = False
    kind: bool = False
    crds: Path | None = None
    audits_events_and_leases: bool = False
