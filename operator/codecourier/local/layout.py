"""The files and folders of an embedded cluster."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ClusterLayout"]


class ClusterLayout:
    """The files and folders of one embedded cluster.

    Parameters
    ----------
    root
        The state folder, absolute.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state_file = self.root / "state.json"
        """What runs, on which ports."""
        self.state_lock = self.root / "state.lock"
        """Held for each change of `state_file`, never for long."""
        self.up_lock = self.root / "up.lock"
        """Held by an `up` from its beginning to its end."""
        self.ignore_file = self.root / ".gitignore"
        """Keeps the folder, which holds keys, out of the user's repository."""
        self.kubeconfig = self.root / "kubeconfig"
        """The cluster administrator's."""
        self.node_kubeconfig = self.root / "node.kubeconfig"
        """The process node's."""
        self.controller_manager_kubeconfig = self.root / "controller-manager.kubeconfig"
        """kube-controller-manager's."""
        self.rest_kubeconfig = self.root / "rest-api.kubeconfig"
        """That of the REST API's account."""
        self.pki = self.root / "pki"
        """Certificates and keys."""
        self.config = self.root / "config"
        """Configuration files of the control plane."""
        self.etcd = self.root / "etcd"
        """The database."""
        self.logs = self.root / "logs"
        """A log file for each component, and the audit log."""
        self.node = self.root / "node"
        """The process node's pods."""
        self.forge = self.root / "forge"
        """The forge's repositories."""
        self.audit_log = self.logs / "audit.log"
        """One JSON line for each write to the API server, and for each request of the operator's account.

        Writes of Events and Leases by other clients are in it only where the options say so.
        """

    def certificate(self, name: str) -> Path:
        """Return the file of the certificate of that name."""
        return self.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the file of the private key of that name."""
        return self.pki / f"{name}.key"

    def log(self, component: str) -> Path:
        """Return the file with what the component printed."""
        return self.logs / f"{component}.log"
