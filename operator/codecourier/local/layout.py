"""The files and folders of an embedded cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The files and folders of one embedded cluster."""

    root: Path

    @property
    def state_file(self) -> Path:
        """What runs, on which ports."""
        return self.root / "state.json"

    @property
    def state_lock(self) -> Path:
        """Held for each change of `state_file`, never for long."""
        return self.root / "state.lock"

    @property
    def up_lock(self) -> Path:
        """Held by an `up` from its beginning to its end."""
        return self.root / "up.lock"

    @property
    def ignore_file(self) -> Path:
        """Keeps the folder, which holds keys, out of the user's repository."""
        return self.root / ".gitignore"

    @property
    def kubeconfig(self) -> Path:
        """The cluster administrator's."""
        return self.root / "kubeconfig"

    @property
    def node_kubeconfig(self) -> Path:
        """The process node's."""
        return self.root / "node.kubeconfig"

    @property
    def controller_manager_kubeconfig(self) -> Path:
        """kube-controller-manager's."""
        return self.root / "controller-manager.kubeconfig"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def config(self) -> Path:
        """Configuration files of the control plane."""
        return self.root / "config"

    @property
    def etcd(self) -> Path:
        """The database."""
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        """A log file for each component, and the audit log."""
        return self.root / "logs"

    @property
    def node(self) -> Path:
        """The process node's pods."""
        return self.root / "node"

    @property
    def forge(self) -> Path:
        """The forge's repositories."""
        return self.root / "forge"

    @property
    def audit_log(self) -> Path:
        """One JSON line for each write to the API server, and for each request of the operator's account.

        Writes of Events and Leases by other clients are in it only where the options say so.
        """
        return self.logs / "audit.log"

    def certificate(self, name: str) -> Path:
        """Return the file of the certificate of that name."""
        return self.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Return the file of the private key of that name."""
        return self.pki / f"{name}.key"

    def log(self, component: str) -> Path:
        """Return the file with what the component printed."""
        return self.logs / f"{component}.log"
