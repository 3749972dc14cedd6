"""kwok: built once with Go from its published module, then run on loopback as the only node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import running_program
from codecourier.local.binaries import cache_folder
from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout
from codecourier.local.state import file_lock

__all__ = ["NODE_NAME", "KwokProgram", "find_kwok", "run_kwok"]

VERSION = "v0.8.0"
NODE_NAME = "kwok"
"""The node that all pods of the benchmarks are bound to."""

_MODULE = f"sigs.k8s.io/kwok@{VERSION}"
_COMMAND = f"sigs.k8s.io/kwok/cmd/kwok@{VERSION}"
_NODE_STAGES = Path("kustomize/stage/node/fast/node-initialize.yaml")
_BUILD_SECONDS = 900


@dataclass(frozen=True)
class KwokProgram:
    """kwok, built."""

    program: Path
    node_stages: str
    """Its own stages for nodes, which a build with Go does not carry."""


def find_kwok(report: Callable[[str], None], environment: Mapping[str, str] = os.environ) -> KwokProgram:
    """Return kwok from the cache; build it if it is not there yet.

    Raises
    ------
    LocalError
        If there is no Go, or the build fails.
    """
    folder = cache_folder(environment).with_name(f"kwok-{VERSION}")
    program, stages = folder / "kwok", folder / _NODE_STAGES.name
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder.with_name(f"{folder.name}.lock"), timeout_seconds=_BUILD_SECONDS) as is_held:
        if not is_held:
            raise LocalError(f"another command has been building kwok in {folder} for {_BUILD_SECONDS} s: try again")
        if not (os.access(program, os.X_OK) and stages.exists()):
            report(f"building kwok {VERSION} with Go: a minute or two, once")
            _build(folder, stages)
    return KwokProgram(program, stages.read_text(encoding="utf-8"))


def _build(folder: Path, stages: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise LocalError("the benchmarks need Go on PATH, and access to Go's modules, to build kwok")
    draft = folder / "draft"
    variables = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(draft)}
    _run([go, "install", "-ldflags", "-s -w", _COMMAND], folder, variables)
    module = json.loads(_run([go, "mod", "download", "-json", _MODULE], folder, variables))
    shutil.copyfile(Path(module["Dir"]) / _NODE_STAGES, stages)
    (draft / "kwok").replace(folder / "kwok")
    draft.rmdir()


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=_BUILD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise LocalError(f"`{' '.join(command)}` took longer than {_BUILD_SECONDS} s") from error
    if done.returncode != 0:
        raise LocalError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")
    return done.stdout


@contextmanager
def run_kwok(
    kwok: KwokProgram, layout: ClusterLayout, port: int, configuration: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run kwok for an embedded cluster without a process node, whose port and certificate it takes."""
    command = [
        str(kwok.program),
        f"--kubeconfig={layout.node_kubeconfig}",
        f"--config={configuration}",
        "--manage-all-nodes=true",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={layout.certificate('node-serving')}",
        f"--tls-private-key-file={layout.key('node-serving')}",
    ]
    with running_program(command, log) as process:
        yield process
