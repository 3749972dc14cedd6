import os
from pathlib import Path

import pytest

from codecourier.local import build as module
from codecourier.local.build import build_program
from codecourier.local.errors import UnavailableError
from codecourier.local.processes import is_running, record_of, wait_until
from codecourier.local.versions import ETCD_VERSION, KUBERNETES_VERSION


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that comes first on PATH."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder


def install(tools: Path, name: str, script: str) -> None:
    path = tools / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def build(folder: Path, program: str = "etcd") -> None:
    build_program(program, folder, lambda _: None, lambda: None)


def test_go_is_called_with_the_release_and_its_result_is_put_in_place(tools: Path, tmp_path: Path) -> None:
    install(tools, "go", 'printf "%s\\n" "$CGO_ENABLED" "$PWD" "$@" > "$5"; chmod +x "$5"')
    build(tmp_path, "kube-apiserver")
    cgo, folder, *arguments = (tmp_path / "kube-apiserver").read_text(encoding="utf-8").splitlines()
    version = "k8s.io/component-base/version"
    assert cgo == "0"
    assert Path(folder).name == "controlplane"
    assert (Path(folder) / "go.sum").exists()
    assert arguments == [
        "build",
        "-ldflags",
        f"-s -w -X {version}.gitVersion=v1.37.2 -X {version}.gitMajor=1 -X {version}.gitMinor=37",
        "-o",
        str(tmp_path / "kube-apiserver.tmp"),
        "k8s.io/kubernetes/cmd/kube-apiserver",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kube-apiserver", "tools"]


def test_the_module_requires_the_releases_that_are_named() -> None:
    requirements = (Path(module.__file__).parent / "controlplane" / "go.mod").read_text(encoding="utf-8")
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}" in requirements
    assert f"go.etcd.io/etcd/server/v3 {ETCD_VERSION}" in requirements


def test_without_go_the_message_names_what_is_needed(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"needs Go 1\.26 or later on PATH"):
        build(tmp_path)


def test_a_failed_build_tells_its_last_words_and_leaves_no_program(tools: Path, tmp_path: Path) -> None:
    install(tools, "go", 'echo half > "$5"; echo "no route to host" >&2; exit 1')
    with pytest.raises(UnavailableError, match="no route to host"):
        build(tmp_path)
    assert not (tmp_path / "etcd").exists()
    assert (tmp_path / "etcd.build.log").exists()


def test_an_interrupted_build_ends_with_all_that_it_started(tools: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    install(tools, "go", f'sleep 1000 & echo "$$ $!" > {pids}.tmp; mv {pids}.tmp {pids}; wait')

    def interrupt_when_started() -> None:
        if pids.exists():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        build_program("etcd", tmp_path, lambda _: None, interrupt_when_started)
    records = [record_of(int(pid)) for pid in pids.read_text(encoding="ascii").split()]
    assert wait_until(lambda: not any(is_running(record) for record in records), timeout_seconds=30)
    assert not (tmp_path / "etcd").exists()
