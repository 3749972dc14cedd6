"""What the NetworkPolicy lets through, asked of the object as an enforcing network would ask it."""

from __future__ import annotations

import copy
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.project.network_policy import POLICY_NAME, PolicyView, build_network_policy, is_policy_current
from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.facts import Facts, RepositoryAsk, RepositoryFact
from codecourier.core.shared.intents import WritePolicy
from codecourier.resources.project import NEVER_OPEN, EgressRule, Limits, Project
from tests.support.golden import check_golden
from tests.support.places import runs_of
from tests.support.plans import plan_project
from tests.support.worlds import ACCESS, NOW, make_policy, make_project

FACTS = Facts({RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main")})
PRIVATE = ("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1")
NEVER = ("127.0.0.1", "169.254.169.254", "169.254.20.10", "168.63.129.16", "100.100.100.200", "::1", "fe80::1")
PUBLIC = ("140.82.121.4", "9.255.255.255", "11.0.0.0", "172.32.0.1", "100.128.0.1", "2606:50c0:8000::153")
API_SERVER = ("10.0.0.10", "34.1.2.3", "2600:1900::5")


def with_egress(*entries: tuple[str, tuple[int, ...]]) -> Project:
    """Return a Project with these egress entries."""
    project = make_project()
    rules = tuple(EgressRule(cidr=cidr, ports=ports) for cidr, ports in entries)
    return project.updated(spec=project.spec.updated(egress=rules))


def spec_of(project: Project, api_server: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the spec of a Project's policy."""
    spec: dict[str, Any] = build_network_policy(project, api_server)["spec"]
    return spec


def is_open(spec: dict[str, Any], address: str, port: int, protocol: str = "TCP") -> bool:
    """Tell whether a sandbox pod may reach an address outside the cluster."""
    return any(
        {"protocol": protocol, "port": port} in rule["ports"]
        and any(_holds(peer["ipBlock"], address) for peer in rule["to"] if "ipBlock" in peer)
        for rule in spec["egress"]
    )


def _holds(block: dict[str, Any], address: str) -> bool:
    where = ip_address(address)
    return where in ip_network(block["cidr"]) and not any(where in ip_network(e) for e in block.get("except", ()))


@pytest.mark.parametrize(
    ("name", "project", "api_server"),
    [
        ("default", make_project(), ()),
        (
            "egress",
            with_egress(("10.20.0.0/16", (443, 3128)), ("0.0.0.0/0", (80,)), ("fd00:1::/32", (8443,))),
            API_SERVER,
        ),
    ],
)
def test_the_policy_is_as_it_was_read(
    name: str, project: Project, api_server: tuple[str, ...], *, update_golden: bool
) -> None:
    manifest = build_network_policy(project, api_server)
    check_golden(f"core/network_policy/{name}.yaml", manifest, update=update_golden)


def test_nothing_comes_in_and_both_directions_are_judged() -> None:
    spec = spec_of(make_project())
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec
    assert all(rule["to"] and rule["ports"] for rule in spec["egress"])  # an empty list would mean everything


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_open_for_https_only(address: str) -> None:
    spec = spec_of(make_project())
    assert [port for port in (22, 25, 53, 80, 443, 6443) if is_open(spec, address, port)] == [443]


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, "224.0.0.1", "255.255.255.255"])
def test_what_is_not_public_is_closed(address: str) -> None:
    assert not is_open(spec_of(make_project()), address, 443)


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "34.1.2.3"])
def test_a_translator_leads_around_nothing(address: str) -> None:
    translated = str(ip_address(int(ip_address("64:ff9b::")) + int(ip_address(address))))
    assert not is_open(spec_of(make_project(), API_SERVER), translated, 443)
    assert is_open(spec_of(make_project(), API_SERVER), "64:ff9b::8c52:7904", 443)


def test_names_are_found_by_the_clusters_servers_only() -> None:
    spec = spec_of(make_project())
    for protocol in ("UDP", "TCP"):
        assert is_open(spec, "169.254.20.10", 53, protocol)
        assert not is_open(spec, "140.82.121.4", 53, protocol)
    (servers,) = [peer for rule in spec["egress"] for peer in rule["to"] if "podSelector" in peer]
    assert servers["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}


@pytest.mark.parametrize("address", API_SERVER)
def test_the_api_server_is_closed_even_where_an_entry_opens_its_range(address: str) -> None:
    wide = with_egress(("10.0.0.0/8", (443,)), ("0.0.0.0/0", (6443,)), ("::/0", (6443,)))
    for port in (443, 6443):
        assert not is_open(spec_of(wide, API_SERVER), address, port)
    assert is_open(spec_of(wide, API_SERVER), "10.0.0.11", 443)


def test_an_entry_opens_what_it_names_on_its_ports() -> None:
    spec = spec_of(with_egress(("10.20.0.0/16", (443, 3128)), ("192.168.0.0/16", (8443,))))
    assert is_open(spec, "10.20.255.1", 3128)
    assert is_open(spec, "192.168.7.7", 8443)
    assert not is_open(spec, "10.21.0.1", 443)
    assert not is_open(spec, "192.168.7.7", 443)


def test_a_range_wider_than_a_private_one_does_not_open_it() -> None:
    spec = spec_of(with_egress(("0.0.0.0/0", (80,)), ("8.0.0.0/5", (81,)), ("::/0", (80,))))
    assert is_open(spec, "140.82.121.4", 80)
    assert is_open(spec, "11.0.0.1", 81)
    for address in PRIVATE:
        assert not is_open(spec, address, 80)
        assert not is_open(spec, address, 81)


def test_a_range_that_closed_ones_fill_is_not_opened() -> None:
    assert len(spec_of(with_egress(("fe80::/9", (443,))))["egress"]) == len(spec_of(make_project())["egress"])


_FOUR = st.integers(0, 2**32 - 1).flatmap(lambda n: st.integers(0, 32).map(lambda p: ip_network((n, p), strict=False)))
_SIX = st.integers(0, 2**128 - 1).flatmap(lambda n: st.integers(0, 128).map(lambda p: ip_network((n, p), strict=False)))
_NEAR = st.sampled_from([*NEVER_OPEN, "10.0.0.0/8", *(f"{a}/32" for a in API_SERVER[:2])]).flatmap(
    lambda text: st.integers(0, ip_network(text).prefixlen).map(
        lambda prefix: ip_network(text).supernet(new_prefix=prefix)
    )
)


@given(networks=st.lists(_FOUR | _SIX | _NEAR, max_size=8, unique=True))
def test_no_entry_ever_opens_metadata_loopback_or_the_api_server(networks: list[Any]) -> None:
    spec = spec_of(with_egress(*((str(network), (443,)) for network in networks)), API_SERVER)
    for address in (*NEVER, *API_SERVER):
        assert not is_open(spec, address, 443)


@given(networks=st.lists(_FOUR | _SIX | _NEAR, max_size=8, unique=True))
def test_exceptions_lie_strictly_within_their_block_as_kubernetes_demands(networks: list[Any]) -> None:
    spec = spec_of(with_egress(*((str(network), (443,)) for network in networks)), API_SERVER)
    blocks = [peer["ipBlock"] for rule in spec["egress"] for peer in rule["to"] if "ipBlock" in peer]
    for block in blocks:
        outer: Any = ip_network(block["cidr"])
        for text in block.get("except", ()):
            inner: Any = ip_network(text)
            assert inner != outer
            assert inner.subnet_of(outer)


def world(project: Project, policy: PolicyView | None) -> ProjectWorld:
    """Return a Project's world whose repository is reached."""
    return ProjectWorld(project, runs_of(), policy=policy, facts=FACTS)


def writes(known: ProjectWorld) -> list[dict[str, Any]]:
    """Return the policies that a plan writes."""
    return [create.manifest for create in plan_project(known, NOW).creates if isinstance(create, WritePolicy)]


def test_a_project_makes_the_policy_that_is_missing() -> None:
    (manifest,) = writes(world(make_project(), None))
    assert manifest["metadata"]["name"] == POLICY_NAME
    assert "resourceVersion" not in manifest["metadata"]


def test_a_policy_that_means_the_same_is_not_written() -> None:
    project = with_egress(("10.20.0.0/16", (443, 3128)))
    policy = make_policy(project)
    assert writes(world(project, policy)) == []
    spec = copy.deepcopy(dict(policy.spec))
    for rule in spec["egress"]:
        rule["to"].reverse()
        rule["ports"].reverse()
    spec["egress"].reverse()
    assert writes(world(project, replace(policy, spec=spec))) == []
    narrower = project.updated(
        spec=project.spec.updated(limits=Limits(max_concurrent_runs=1)),
        metadata=project.metadata.updated(generation=7),
    )
    assert writes(world(narrower, policy)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"egress": [{}]},
        {"ingress": [{}]},
        {"policyTypes": ["Ingress"]},
        {"podSelector": {"matchLabels": {"other": "label"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_policy_that_means_something_else_is_replaced(change: dict[str, Any]) -> None:
    policy = make_policy(make_project())
    (manifest,) = writes(world(make_project(), replace(policy, spec={**policy.spec, **change})))
    assert manifest["metadata"]["resourceVersion"] == policy.resource_version
    assert manifest["spec"] == policy.spec


def test_a_new_entry_and_a_new_address_of_the_api_server_replace_it() -> None:
    policy = make_policy(make_project())
    assert not is_policy_current(with_egress(("10.20.0.0/16", (443,))), (), policy)
    assert not is_policy_current(make_project(), ("34.1.2.3",), policy)
    assert is_policy_current(make_project(), ("10.0.0.10",), policy)  # closed as private already


def test_a_namespace_that_is_going_away_gets_none() -> None:
    assert writes(replace(world(make_project(), None), is_namespace_ending=True)) == []
