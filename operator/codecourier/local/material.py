"""The files that a new cluster starts from: keys, certificates, kubeconfigs, configuration."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import orjson
import yaml

from codecourier.local import controlplane_flags as flags
from codecourier.local.certificates import KeyPair, create_authority, create_key_pair, write_key_pair
from codecourier.local.layout import ClusterLayout
from codecourier.local.options import ClusterOptions

__all__ = ["NODE_NAME", "prepare_folders", "prepare_root", "write_material"]

NODE_NAME = "codecourier-local"
"""The name of the process node; its serving certificate is good for it."""

_LOOPBACK = ("127.0.0.1", "localhost")


def prepare_root(layout: ClusterLayout) -> None:
    """Make the state folder.

    All users may pass through it, because pods run as other users, but each folder with something secret in it is
    closed.
    """
    layout.root.mkdir(parents=True, exist_ok=True)
    layout.root.chmod(0o711)
    layout.ignore_file.write_text("*\n", encoding="utf-8")


def prepare_folders(layout: ClusterLayout) -> None:
    """Make the folders in the state folder."""
    for folder in (layout.pki, layout.config, layout.logs, layout.etcd):
        folder.mkdir(mode=0o700, exist_ok=True)
    for folder in (layout.node, layout.forge):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)


def write_material(layout: ClusterLayout, ports: Mapping[str, int], options: ClusterOptions) -> None:
    """Write all that the control plane reads when it starts, with new keys."""
    prepare_folders(layout)
    (layout.config / "audit.json").write_bytes(orjson.dumps(flags.audit_policy(options)))
    (layout.config / "authentication.json").write_bytes(orjson.dumps(flags.AUTHENTICATION))
    _write_etcd_and_proxy(layout)
    _write_cluster(layout, ports["kube-apiserver"])
    _write_pair(layout, "service-account", create_key_pair())


def _write_etcd_and_proxy(layout: ClusterLayout) -> None:
    # Separate authorities: a client that the cluster's authority vouches for must neither reach the database nor be
    # believed when it names another user.
    etcd_ca = create_authority("codecourier-local-etcd-ca")
    _write_pair(layout, "etcd-ca", etcd_ca.pair)
    _write_pair(layout, "etcd", etcd_ca.issue("etcd", hosts=_LOOPBACK))
    proxy_ca = create_authority("codecourier-local-front-proxy-ca")
    _write_pair(layout, "front-proxy-ca", proxy_ca.pair)
    _write_pair(layout, "front-proxy-client", proxy_ca.issue("front-proxy-client"))


def _write_cluster(layout: ClusterLayout, port: int) -> None:
    ca = create_authority("codecourier-local-ca")
    _write_pair(layout, "ca", ca.pair)
    _write_pair(layout, "kube-apiserver", ca.issue("kube-apiserver", hosts=flags.API_SERVER_ADDRESSES))
    _write_pair(layout, "kubelet-client", ca.issue("kube-apiserver-kubelet-client"))
    _write_pair(layout, "node-serving", ca.issue(f"system:node:{NODE_NAME}", hosts=(*_LOOPBACK, NODE_NAME)))
    manager = "kube-controller-manager"
    _write_pair(layout, manager, ca.issue(manager, hosts=_LOOPBACK))
    admin = ca.issue("codecourier-admin", organization="system:masters")
    _write_pair(layout, "admin", admin)
    certificate = ca.pair.certificate
    _write_kubeconfig(layout.kubeconfig, certificate, port, admin)
    node = ca.issue("codecourier-process-node", organization="system:masters")
    _write_kubeconfig(layout.node_kubeconfig, certificate, port, node)
    # Without service accounts of their own the controllers need each other's rights together.
    controllers = ca.issue(f"system:{manager}", organization="system:masters")
    _write_kubeconfig(layout.controller_manager_kubeconfig, certificate, port, controllers)


def _write_pair(layout: ClusterLayout, name: str, pair: KeyPair) -> None:
    write_key_pair(pair, layout.certificate(name), layout.key(name))


def _write_kubeconfig(path: Path, authority: bytes, port: int, user: KeyPair) -> None:
    name = "codecourier"
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": _text(authority)}
    credentials = {"client-certificate-data": _text(user.certificate), "client-key-data": _text(user.key)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
