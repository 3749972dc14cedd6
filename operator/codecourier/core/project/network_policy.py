"""The NetworkPolicy of a namespace's sandbox pods: nothing in; names and the public internet out; and what people open.

What is closed is taken out of every range that is opened, so a wide range opens nothing private by accident:

- never open, whatever a Project says: loopback, link-local, cloud metadata and the API server's own addresses;
- open only where a Project's entry names the range itself or a part of it: private, carrier and other special ranges.

A NetworkPolicy only ever adds to others, so an administrator's own policies cannot close what this one opens; they
take an AdminNetworkPolicy or a firewall for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.naming import LABEL_MANAGED
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.project import NEVER_OPEN, EgressRule, Project

__all__ = [
    "POLICY_NAME",
    "PolicyView",
    "build_network_policy",
    "find_policy_problem",
    "is_policy_current",
    "view_policy",
]

POLICY_NAME = "codecourier-sandboxes"
"""Name of the NetworkPolicy in each namespace that has a Project."""

HTTPS_PORT = 443
"""The only port of the public internet that is open: git, registries and model interfaces all speak https."""

DNS_PORT = 53

NODE_LOCAL_DNS = "169.254.20.10/32"
"""Where NodeLocal DNSCache listens on each node; only its port 53 is opened."""

_Network = IPv4Network | IPv6Network


def _networks(*texts: str) -> tuple[_Network, ...]:
    return tuple(ip_network(text) for text in texts)


_NEVER = _networks(*NEVER_OPEN)
_UNLESS_NAMED = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",  # carriers' address translation; some clouds put nodes and services there
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",  # benchmarks; used as private
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved; some clouds put pods there
    "fc00::/7",
    "fec0::/10",
    "ff00::/8",
)
_PUBLIC = _networks("0.0.0.0/0", "::/0")
_NAT64 = IPv6Network("64:ff9b::/96")
"""Behind it a translator reaches every IPv4 address, so what is closed there is closed here."""


@dataclass(frozen=True)
class PolicyView:
    """The NetworkPolicy that is there."""

    resource_version: str
    spec: Mapping[str, Any]


def view_policy(policy: Mapping[str, Any]) -> PolicyView:
    """Read a NetworkPolicy's manifest as the API server gives it."""
    return PolicyView(policy["metadata"]["resourceVersion"], policy["spec"])


def build_network_policy(project: Project, api_server: tuple[str, ...], replaces: str | None = None) -> dict[str, Any]:
    """Return the manifest of the NetworkPolicy of a Project's namespace.

    Parameters
    ----------
    project
        The Project.
    api_server
        The API server's addresses; those within closed ranges change nothing.
    replaces
        resourceVersion of the policy that is there; None: there is none.
    """
    metadata: dict[str, Any] = {
        "name": POLICY_NAME,
        "namespace": project.namespace,
        "labels": {LABEL_MANAGED: "true"},
    }
    if replaces is not None:
        metadata["resourceVersion"] = replaces
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": deepcopy(_build_spec(project.spec.egress, api_server)),
    }


def is_policy_current(project: Project, api_server: tuple[str, ...], policy: PolicyView | None) -> bool:
    """Tell whether the policy that is there means what the Project's present generation asks for."""
    if policy is None:
        return False
    wanted = _build_spec(project.spec.egress, api_server)
    # Equal as written is the usual case, and asked for at each step of each Run.
    return policy.spec == wanted or _meaning(policy.spec) == _meaning(wanted)


def find_policy_problem(project: Project, api_server: tuple[str, ...], policy: PolicyView | None) -> Problem | None:
    """Return why no sandbox pod may start yet, or None."""
    if is_policy_current(project, api_server, policy):
        return None
    text = sentence(Reason.NETWORK_POLICY_MISSING, policy=POLICY_NAME, namespace=project.namespace)
    return Problem(Reason.NETWORK_POLICY_MISSING, text)


@lru_cache(maxsize=1024)
def _build_spec(egress: tuple[EgressRule, ...], api_server: tuple[str, ...]) -> dict[str, Any]:
    never = _with_nat64((*_NEVER, *_networks(*api_server)))
    unless_named = _with_nat64(_UNLESS_NAMED)
    public = [block for network in _PUBLIC if (block := _open(network, never, unless_named)) is not None]
    rules = [_dns_rule(), _rule(public, (HTTPS_PORT,))]
    for entry in egress:
        block = _open(ip_network(entry.cidr), never, unless_named)
        if block is not None:
            rules.append(_rule([block], entry.ports))
    return {
        "podSelector": {"matchLabels": {LABEL_MANAGED: "true"}},
        "policyTypes": ["Ingress", "Egress"],
        "egress": rules,
    }


def _dns_rule() -> dict[str, Any]:
    servers = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {
        "to": [servers, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}],
        "ports": [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")],
    }


def _rule(blocks: list[dict[str, Any]], ports: Iterable[int]) -> dict[str, Any]:
    return {
        "to": [{"ipBlock": block} for block in blocks],
        "ports": [{"protocol": "TCP", "port": port} for port in ports],
    }


def _open(network: _Network, never: Iterable[_Network], unless_named: Iterable[_Network]) -> dict[str, Any] | None:
    """Return the block that opens a range without what is closed in it; None where nothing of it may be opened."""
    if any(_is_within(network, closed) for closed in never):
        return None
    closed = _collapsed([part for part in (*never, *unless_named) if part != network and _is_within(part, network)])
    if closed == [network]:
        # Closed halves make a closed whole, which Kubernetes would refuse as an exception.
        return None
    block: dict[str, Any] = {"cidr": str(network)}
    if closed:
        block["except"] = [str(part) for part in closed]
    return block


def _is_within(inner: _Network, outer: _Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _collapsed(networks: list[_Network]) -> list[_Network]:
    """Return the ranges in order, neighbours joined and parts of others left out, as people read them best."""
    four = [network for network in networks if isinstance(network, IPv4Network)]
    six = [network for network in networks if isinstance(network, IPv6Network)]
    return [*collapse_addresses(four), *collapse_addresses(six)]


def _with_nat64(networks: tuple[_Network, ...]) -> tuple[_Network, ...]:
    base = int(_NAT64.network_address)
    translated = [
        IPv6Network((base + int(network.network_address), _NAT64.prefixlen + network.prefixlen))
        for network in networks
        if isinstance(network, IPv4Network)
    ]
    return (*networks, *translated)


def _meaning(spec: Mapping[str, Any]) -> Any:
    """Return a spec in a form in which specs that mean the same are equal: lists are sets, absent ones are empty."""
    return _unordered({"ingress": [], "egress": [], **spec})


def _unordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozenset((key, _unordered(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return ("list", frozenset(_unordered(item) for item in value))
    return value
