"""The life of an embedded cluster with a real control plane; no node and no forge, which have tests of their own."""

import http.client
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from codecourier.local.api import LoopbackServer, admin_of
from codecourier.local.cluster import Condition, LocalCluster, UpOutcome
from codecourier.local.components import API_SERVER, CONTROL_PLANE
from codecourier.local.errors import LocalError, PortTakenError, UpInterruptedError
from codecourier.local.options import ClusterOptions
from codecourier.local.processes import ProcessRecord, is_running, record_of, send_signal, wait_until
from codecourier.local.state import ClusterState, StateStore

pytestmark = pytest.mark.cluster

OPTIONS = ClusterOptions(with_node=False, with_forge=False)


def make(folder: Path) -> LocalCluster:
    return LocalCluster(folder / "state", OPTIONS)


def state_of(cluster: LocalCluster) -> ClusterState:
    state = StateStore(cluster.layout).read()
    assert state is not None
    return state


def admin(cluster: LocalCluster) -> LoopbackServer:
    return admin_of(cluster.layout, state_of(cluster).ports[API_SERVER])


def conditions(cluster: LocalCluster) -> dict[str, Condition]:
    return {item.name: item.condition for item in cluster.status() if item.name in CONTROL_PLANE}


def create_namespace(cluster: LocalCluster, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    admin(cluster).fetch("POST", "/api/v1/namespaces", orjson.dumps(body))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Return a control plane for tests that leave it running."""
    cluster = make(tmp_path_factory.mktemp("control-plane"))
    cluster.up()
    yield cluster
    cluster.down()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalCluster]:
    """Return a cluster of the test's own, not yet up."""
    cluster = make(tmp_path)
    yield cluster
    cluster.down()


def test_a_second_up_attaches(control_plane: LocalCluster) -> None:
    before = state_of(control_plane)
    assert LocalCluster(control_plane.layout.root, OPTIONS).up() is UpOutcome.ATTACHED
    assert state_of(control_plane) == before


def test_an_up_with_kind_takes_no_other_cluster_for_its_own(control_plane: LocalCluster) -> None:
    with pytest.raises(LocalError, match="is none of kind"):
        LocalCluster(control_plane.layout.root, replace(OPTIONS, kind=True)).up()


def test_all_parts_are_ready_after_up(control_plane: LocalCluster) -> None:
    assert conditions(control_plane) == dict.fromkeys(CONTROL_PLANE, Condition.READY)


def test_a_killed_part_is_reported_by_status_and_started_by_up_on_its_port(control_plane: LocalCluster) -> None:
    create_namespace(control_plane, "kept")
    before = state_of(control_plane)
    control_plane.kill("etcd")
    assert conditions(control_plane)["etcd"] is Condition.DEAD
    assert control_plane.up() is UpOutcome.REPAIRED
    assert conditions(control_plane) == dict.fromkeys(CONTROL_PLANE, Condition.READY)
    after = state_of(control_plane)
    assert after.ports == before.ports
    assert after.processes["etcd"] != before.processes["etcd"]
    assert after.processes[API_SERVER] == before.processes[API_SERVER]
    admin(control_plane).fetch("GET", "/api/v1/namespaces/kept")


def test_a_restarted_part_is_another_process_and_ready(control_plane: LocalCluster) -> None:
    before = state_of(control_plane).processes[API_SERVER]
    control_plane.restart(API_SERVER)
    assert state_of(control_plane).processes[API_SERVER] != before
    assert conditions(control_plane)[API_SERVER] is Condition.READY


def test_a_stopped_process_is_reported_as_not_answering(control_plane: LocalCluster) -> None:
    record = state_of(control_plane).processes["kube-controller-manager"]
    os.kill(record.pid, signal.SIGSTOP)
    try:
        assert conditions(control_plane)["kube-controller-manager"] is Condition.NOT_ANSWERING
    finally:
        os.kill(record.pid, signal.SIGCONT)


def test_a_port_that_another_program_took_is_named_and_up_works_once_it_is_free(control_plane: LocalCluster) -> None:
    name = "kube-controller-manager"
    port = state_of(control_plane).ports[name]
    control_plane.kill(name)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(PortTakenError, match=rf"port {port}, which {name} has .*`codecourier local down`"):
            control_plane.up()
    assert control_plane.up() is UpOutcome.REPAIRED


def test_without_a_name_only_health_is_answered(control_plane: LocalCluster) -> None:
    port = state_of(control_plane).ports[API_SERVER]
    stranger = LoopbackServer(port, control_plane.layout.certificate("ca"))
    assert stranger.request("GET", "/readyz").status == http.client.OK
    assert stranger.request("GET", "/api/v1/namespaces").status == http.client.UNAUTHORIZED
    assert stranger.request("GET", "/version").status == http.client.UNAUTHORIZED


def test_a_certificate_of_the_cluster_does_not_open_the_database(control_plane: LocalCluster) -> None:
    layout, port = control_plane.layout, state_of(control_plane).ports["etcd"]
    stranger = LoopbackServer(port, layout.certificate("etcd-ca"), layout.certificate("admin"), layout.key("admin"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        stranger.request("GET", "/health")


def test_the_audit_log_has_writes_with_their_agent_and_no_content(control_plane: LocalCluster) -> None:
    api = admin(control_plane)
    body = {"metadata": {"name": "audited"}, "data": {"canary": "canary-content"}}
    agent = {"User-Agent": "canary-agent", "Content-Type": "application/json"}
    api.request("POST", "/api/v1/namespaces/default/configmaps", orjson.dumps(body), agent)
    api.request("GET", "/api/v1/namespaces/default/configmaps/audited", headers=agent)
    event = {
        "metadata": {"name": "audited"},
        "involvedObject": {"namespace": "default", "name": "x", "kind": "ConfigMap"},
        "reason": "canary",
    }
    api.request("POST", "/api/v1/namespaces/default/events", orjson.dumps(event), agent)
    lines = control_plane.layout.audit_log.read_bytes().splitlines()
    entries = [entry for entry in map(orjson.loads, lines) if entry.get("userAgent") == "canary-agent"]
    assert [(entry["verb"], entry["objectRef"]["resource"]) for entry in entries] == [("create", "configmaps")]
    assert b"canary-content" not in b"".join(lines)


def test_other_users_cannot_read_keys_and_logs(control_plane: LocalCluster) -> None:
    layout = control_plane.layout
    for path in (layout.pki, layout.etcd, layout.logs, layout.config, layout.kubeconfig, layout.node_kubeconfig):
        assert path.stat().st_mode & 0o077 == 0, path
    assert layout.ignore_file.read_text(encoding="utf-8") == "*\n"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_all_parts_listen_on_loopback_only(control_plane: LocalCluster) -> None:
    listening = "0A"
    ports = set(state_of(control_plane).ports.values())
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].rpartition(":")
            if fields[3] == listening and int(port, 16) in ports:
                found.add(address)
    assert found == {"0100007F"}


def test_crds_of_the_folder_are_served_after_up_and_attach(control_plane: LocalCluster, tmp_path: Path) -> None:
    group = "test.codecourier.dev"
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    (tmp_path / "widgets.yaml").write_bytes(orjson.dumps(crd))
    options = ClusterOptions(with_node=False, with_forge=False, crds=tmp_path)
    LocalCluster(control_plane.layout.root, options).up()
    assert admin(control_plane).fetch("GET", f"/apis/{group}/v1/widgets")["items"] == []


def test_down_leaves_nothing_and_up_works_again(own: LocalCluster, tmp_path: Path) -> None:
    assert own.up() is UpOutcome.CREATED
    processes = state_of(own).processes
    assert set(processes) == set(CONTROL_PLANE)
    assert own.down()
    assert not any(is_running(record) for record in processes.values())
    assert list(tmp_path.iterdir()) == []
    assert not own.down()
    assert own.up() is UpOutcome.CREATED


def test_down_in_the_middle_of_up_ends_both_and_up_works_again(own: LocalCluster, tmp_path: Path) -> None:
    started: list[ProcessRecord] = []

    def has_started() -> bool:
        state = StateStore(own.layout).read()
        if state is not None:
            started[:] = state.processes.values()
        return len(started) >= 2

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make(tmp_path).up)
        assert wait_until(has_started, timeout_seconds=60)
        assert own.down()
        with pytest.raises(UpInterruptedError, match=r"`codecourier local down` stopped the cluster .* run `up`"):
            coming.result()
    assert not any(is_running(record) for record in started)
    assert own.status() == []
    assert own.up() is UpOutcome.CREATED


def test_two_ups_at_once_make_one_cluster(own: LocalCluster, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = {future.result() for future in [pool.submit(make(tmp_path).up) for _ in range(2)]}
    assert outcomes == {UpOutcome.CREATED, UpOutcome.ATTACHED}
    assert conditions(own) == dict.fromkeys(CONTROL_PLANE, Condition.READY)


def test_a_stale_state_folder_is_started_anew_and_recycled_pids_are_left_alone(own: LocalCluster) -> None:
    own.up()
    stale = state_of(own)
    for record in stale.processes.values():
        send_signal(record, signal.SIGKILL)
    assert wait_until(lambda: set(conditions(own).values()) == {Condition.DEAD}, timeout_seconds=30)
    # This very process stands in for a program that got the pid of a part that is gone.
    bystander = record_of(os.getpid())
    recycled = stale.processes["etcd"].model_copy(update={"pid": bystander.pid})
    store = StateStore(own.layout)
    with store.locked():
        store.write(stale.model_copy(update={"processes": {**stale.processes, "etcd": recycled}}))
    assert own.up() is UpOutcome.CREATED
    assert conditions(own) == dict.fromkeys(CONTROL_PLANE, Condition.READY)
    assert is_running(bystander)
