"""Building the programs of the control plane with Go."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from codecourier.local.errors import UnavailableError
from codecourier.local.versions import KUBERNETES_VERSION

__all__ = ["build_program"]

_MODULE = Path(__file__).parent / "controlplane"
"""The Go module that names the exact release of everything, with checksums."""

_PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}

_REPORT_SECONDS = 15
_POLL_SECONDS = 0.1
_TAIL_LINES = 3


def build_program(program: str, folder: Path, report: Callable[[str], None], checkpoint: Callable[[], object]) -> None:
    """Build a program from its published modules into a folder.

    Raises
    ------
    UnavailableError
        If there is no Go, or the build fails.
    """
    go = shutil.which("go")
    if go is None:
        raise UnavailableError("needs Go 1.26 or later on PATH, and access to Go's modules")
    draft = folder / f"{program}.tmp"
    log = folder / f"{program}.build.log"
    report(f"building {program} with Go: the first time takes minutes, later ones come from the cache")
    command = [go, "build", "-ldflags", _linker_flags(), "-o", str(draft), _PACKAGES[program]]
    with log.open("wb") as output:
        build = subprocess.Popen(
            command,
            cwd=_MODULE,
            # The caller's environment: fetching modules may need its proxies and certificates.
            env={**os.environ, "CGO_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        _wait(build, program, report, checkpoint)
    if build.returncode != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        raise UnavailableError(f"`go build` of {program} failed, see {log}: {' / '.join(tail)}")
    draft.replace(folder / program)
    log.unlink()


def _wait(
    build: subprocess.Popen[bytes], program: str, report: Callable[[str], None], checkpoint: Callable[[], object]
) -> None:
    started = reported = time.monotonic()
    try:
        while build.poll() is None:
            checkpoint()
            now = time.monotonic()
            if now - reported >= _REPORT_SECONDS:
                reported = now
                report(f"building {program}: {now - started:.0f} s so far")
            time.sleep(_POLL_SECONDS)
    except BaseException:
        # The compilers belong to the group too.
        with suppress(ProcessLookupError):
            os.killpg(build.pid, signal.SIGKILL)
        build.wait()
        raise


def _linker_flags() -> str:
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    return " ".join(["-s", "-w", *(f"-X {version}.{name}={value}" for name, value in values.items())])
