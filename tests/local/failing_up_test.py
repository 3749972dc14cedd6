"""An `up` that cannot work or is interrupted early; shell scripts stand in for the control plane's programs."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from codecourier.local.binaries import PROGRAMS
from codecourier.local.cluster import LocalCluster
from codecourier.local.errors import ComponentFailedError, LocalError, NoControlPlaneError, UpInterruptedError
from codecourier.local.options import ClusterOptions
from codecourier.local.processes import is_running, record_of, wait_until
from codecourier.local.state import StateStore

OPTIONS = ClusterOptions(with_node=False, with_forge=False)


def install(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    result = LocalCluster(tmp_path / "state", OPTIONS)
    yield result
    result.down()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of programs that are used as the control plane; each just waits."""
    folder = tmp_path / "programs"
    for program in PROGRAMS:
        install(folder, program, "exec /bin/sleep 1000")
    monkeypatch.setenv("CODECOURIER_CONTROLPLANE", str(folder))
    return folder


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH, on a machine without any control plane."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("CODECOURIER_CONTROLPLANE", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(variable, raising=False)
    return folder


def test_a_part_that_ends_at_once_is_reported_with_its_last_words_and_the_others_end(
    cluster: LocalCluster, programs: Path, tmp_path: Path
) -> None:
    store = StateStore(cluster.layout)
    install(programs, "kube-apiserver", f"echo $$ > {tmp_path}/pid; exec /bin/sleep 1000")
    install(programs, "etcd", f"until [ -s {tmp_path}/pid ]; do :; done; echo 'no such flag'; exit 1")
    with pytest.raises(ComponentFailedError, match=r"etcd ended by itself; the end of (?s:.*)no such flag"):
        cluster.up()
    assert not is_running(record_of(int((tmp_path / "pid").read_text(encoding="ascii"))))
    assert store.read() is None
    assert "no such flag" in cluster.layout.log("etcd").read_text(encoding="utf-8")


def test_a_program_that_cannot_be_started_is_named(cluster: LocalCluster, programs: Path) -> None:
    (programs / "etcd").write_bytes(b"\x7fELF this is no program")
    with pytest.raises(LocalError, match="etcd cannot be started"):
        cluster.up()


def test_down_while_the_parts_come_up_ends_them(cluster: LocalCluster, programs: Path) -> None:
    store = StateStore(cluster.layout)
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(LocalCluster(cluster.layout.root, OPTIONS).up)
        assert wait_until(lambda: (s := store.read()) is not None and len(s.processes) == 2, timeout_seconds=60)
        state = store.read()
        assert state is not None
        cluster.down()
        with pytest.raises(UpInterruptedError):
            coming.result()
    assert not any(is_running(record) for record in state.processes.values())
    assert not cluster.layout.root.exists()


def test_down_while_the_control_plane_is_built_ends_the_build(
    cluster: LocalCluster, tools: Path, tmp_path: Path
) -> None:
    pid_file = tmp_path / "build.pid"
    install(tools, "go", f"echo $$ > {pid_file}.tmp; /bin/mv {pid_file}.tmp {pid_file}; exec /bin/sleep 1000")
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(LocalCluster(cluster.layout.root, OPTIONS).up)
        assert wait_until(pid_file.exists, timeout_seconds=60)
        cluster.down()
        with pytest.raises(UpInterruptedError):
            coming.result()
    assert not is_running(record_of(int(pid_file.read_text(encoding="ascii"))))
    assert not cluster.layout.root.exists()


def test_no_way_to_a_control_plane_names_each_way(cluster: LocalCluster, tools: Path) -> None:
    with pytest.raises(NoControlPlaneError) as caught:
        cluster.up()
    assert len(caught.value.attempts) == 6
    assert cluster.status() == []


def test_kind_without_docker_says_what_it_needs(tmp_path: Path, tools: Path) -> None:
    cluster = LocalCluster(tmp_path / "kind", ClusterOptions(kind=True))
    with pytest.raises(NoControlPlaneError, match="needs docker and kind on PATH"):
        cluster.up()
    assert not cluster.down()


def test_a_damaged_state_is_reported_and_its_folder_can_be_removed(cluster: LocalCluster, tools: Path) -> None:
    cluster.layout.root.mkdir()
    cluster.layout.state_file.write_text("{", encoding="utf-8")
    for command in (cluster.up, cluster.down, cluster.status):
        with pytest.raises(LocalError, match="is damaged"):
            command()
    cluster.layout.state_file.unlink()
    assert not cluster.down()
    assert not cluster.layout.root.exists()


def test_down_keeps_what_is_not_ours(cluster: LocalCluster) -> None:
    cluster.layout.root.mkdir()
    (cluster.layout.root / "notes").write_text("mine", encoding="utf-8")
    cluster.down()
    assert [path.name for path in cluster.layout.root.iterdir()] == ["notes"]
    assert os.access(cluster.layout.root / "notes", os.R_OK)
