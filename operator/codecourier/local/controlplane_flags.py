"""The command lines of the control plane, and the configuration files that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codecourier.kinds.policies import REST_ACCOUNT
from codecourier.local.layout import ClusterLayout
from codecourier.local.options import ClusterOptions

__all__ = [
    "API_SERVER_ADDRESSES",
    "AUTHENTICATION",
    "OPERATOR_NAMESPACE",
    "OPERATOR_USER",
    "REST_USER",
    "api_server",
    "audit_policy",
    "controller_manager",
    "etcd",
]

_SERVICE_RANGE = "10.96.0.0/24"

API_SERVER_ADDRESSES = (
    "127.0.0.1",
    "localhost",
    "10.96.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
"""The names that the API server's certificate is good for."""

AUTHENTICATION: Mapping[str, Any] = {
    "apiVersion": "apiserver.config.k8s.io/v1",
    "kind": "AuthenticationConfiguration",
    "anonymous": {"enabled": True, "conditions": [{"path": path} for path in ("/livez", "/readyz", "/healthz")]},
}
"""Requests without a name are for the health checks only."""

_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "taint-eviction-controller",
)
"""Those that namespaces, service accounts, owned objects and the pods of a lost node need; none makes pods."""

_DATABASE_QUOTA_BYTES = 2 * 1024**3

OPERATOR_NAMESPACE = "codecourier-system"
"""Where the operator's Lease and the accounts of CodeCourier are."""

OPERATOR_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:codecourier-operator"
"""The operator's account."""

REST_USER = REST_ACCOUNT
"""The account of the REST API. All requests of the two are audited: tests compare them with their permissions."""

_NODE_GRACE_SECONDS = 40
"""How long a node may be silent before its pods count as not ready."""

_EVICTION_SECONDS = 30
"""How long the pods of a silent node are kept before they are deleted."""

_EVENTS_AND_LEASES: Mapping[str, Any] = {
    "level": "None",
    "resources": [
        {"group": "", "resources": ["events"]},
        {"group": "events.k8s.io", "resources": ["events"]},
        {"group": "coordination.k8s.io", "resources": ["leases"]},
    ],
}


def audit_policy(options: ClusterOptions) -> dict[str, Any]:
    """Build the audit policy: writes, and all requests of the accounts of CodeCourier, without bodies."""
    unaudited = [] if options.audits_events_and_leases else [_EVENTS_AND_LEASES]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "users": [OPERATOR_USER, REST_USER]},
            {"level": "None", "verbs": ["get", "list", "watch"]},
            *unaudited,
            {"level": "Metadata"},
        ],
    }


def etcd(program: Path, layout: ClusterLayout, ports: Mapping[str, int]) -> list[str]:
    """Build the command line of etcd."""
    client_url = f"https://127.0.0.1:{ports['etcd']}"
    peer_url = f"https://127.0.0.1:{ports['etcd-peer']}"
    return [
        str(program),
        "--name=local",
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=local={peer_url}",
        # Any program of this machine reaches the port, an agent too; only certificates keep it out.
        "--client-cert-auth",
        f"--trusted-ca-file={layout.certificate('etcd-ca')}",
        f"--cert-file={layout.certificate('etcd')}",
        f"--key-file={layout.key('etcd')}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={layout.certificate('etcd-ca')}",
        f"--peer-cert-file={layout.certificate('etcd')}",
        f"--peer-key-file={layout.key('etcd')}",
        # Only a crash of the whole machine can now lose writes (a killed process cannot), and
        # such a cluster is made anew; in return each write is several times faster.
        "--unsafe-no-fsync",
        f"--quota-backend-bytes={_DATABASE_QUOTA_BYTES}",
        "--log-level=warn",
    ]


def api_server(program: Path, layout: ClusterLayout, ports: Mapping[str, int]) -> list[str]:
    """Build the command line of kube-apiserver."""
    return [
        str(program),
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports['kube-apiserver']}",
        # A loopback address is not allowed in the endpoints of the Service `kubernetes`.
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={_SERVICE_RANGE}",
        f"--tls-cert-file={layout.certificate('kube-apiserver')}",
        f"--tls-private-key-file={layout.key('kube-apiserver')}",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--authentication-config={layout.config / 'authentication.json'}",
        "--authorization-mode=RBAC",
        f"--default-not-ready-toleration-seconds={_EVICTION_SECONDS}",
        f"--default-unreachable-toleration-seconds={_EVICTION_SECONDS}",
        "--profiling=false",
        *_api_server_storage(layout, ports),
        *_api_server_service_accounts(layout, ports),
        *_api_server_aggregation(layout),
        *_api_server_kubelet(layout),
        *_api_server_audit(layout),
    ]


def controller_manager(program: Path, layout: ClusterLayout, ports: Mapping[str, int]) -> list[str]:
    """Build the command line of kube-controller-manager."""
    return [
        str(program),
        "--bind-address=127.0.0.1",
        f"--secure-port={ports['kube-controller-manager']}",
        f"--tls-cert-file={layout.certificate('kube-controller-manager')}",
        f"--tls-private-key-file={layout.key('kube-controller-manager')}",
        f"--kubeconfig={layout.controller_manager_kubeconfig}",
        f"--controllers={','.join(_CONTROLLERS)}",
        "--leader-elect=false",
        "--use-service-account-credentials=false",
        f"--service-account-private-key-file={layout.key('service-account')}",
        f"--root-ca-file={layout.certificate('ca')}",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        f"--node-monitor-grace-period={_NODE_GRACE_SECONDS}s",
        "--node-monitor-period=2s",
        "--profiling=false",
    ]


def _api_server_storage(layout: ClusterLayout, ports: Mapping[str, int]) -> list[str]:
    return [
        f"--etcd-servers=https://127.0.0.1:{ports['etcd']}",
        f"--etcd-cafile={layout.certificate('etcd-ca')}",
        f"--etcd-certfile={layout.certificate('etcd')}",
        f"--etcd-keyfile={layout.key('etcd')}",
    ]


def _api_server_service_accounts(layout: ClusterLayout, ports: Mapping[str, int]) -> list[str]:
    return [
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-jwks-uri=https://127.0.0.1:{ports['kube-apiserver']}/openid/v1/jwks",
        f"--service-account-key-file={layout.certificate('service-account')}",
        f"--service-account-signing-key-file={layout.key('service-account')}",
    ]


def _api_server_aggregation(layout: ClusterLayout) -> list[str]:
    return [
        f"--requestheader-client-ca-file={layout.certificate('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={layout.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={layout.key('front-proxy-client')}",
    ]


def _api_server_kubelet(layout: ClusterLayout) -> list[str]:
    return [
        f"--kubelet-certificate-authority={layout.certificate('ca')}",
        f"--kubelet-client-certificate={layout.certificate('kubelet-client')}",
        f"--kubelet-client-key={layout.key('kubelet-client')}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _api_server_audit(layout: ClusterLayout) -> list[str]:
    return [
        f"--audit-policy-file={layout.config / 'audit.json'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=500",
        "--audit-log-maxbackup=1",
    ]
