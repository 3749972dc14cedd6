"""The API server of these tests."""

from pathlib import Path

import pytest

from codecourier.local.cluster import LocalCluster


@pytest.fixture(scope="session")
def kubeconfig(cluster: LocalCluster) -> Path:
    """Return the administrator's kubeconfig of the shared cluster."""
    return cluster.kubeconfig_path
