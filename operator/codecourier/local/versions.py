"""The releases that the embedded control plane is made of."""

from __future__ import annotations

__all__ = ["ETCD_VERSION", "KUBERNETES_VERSION"]

KUBERNETES_VERSION = "v1.37.2"
"""The Kubernetes release; ``controlplane/go.mod`` requires the same one."""

ETCD_VERSION = "v3.7.3"
"""The etcd release; ``controlplane/go.mod`` requires the same one."""
