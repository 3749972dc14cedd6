"""Downloading the programs of the control plane from their official releases.

Kubernetes publishes its programs one by one; etcd is a project of its own and publishes
an archive. Both publish SHA-256 sums beside them.

Tried against a server on loopback that publishes in the same way, never against the real sites.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from codecourier.local.errors import UnavailableError
from codecourier.local.versions import ETCD_VERSION, KUBERNETES_VERSION

__all__ = ["ReleaseSites", "download_program"]

_TIMEOUT_SECONDS = 10
_CHUNK_BYTES = 1024**2
_REPORT_SECONDS = 5
_SUMS_BYTES = 64 * 1024
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ReleaseSites:
    """Where releases are published.

    Parameters
    ----------
    kubernetes
        The folder of Kubernetes' releases.
    etcd
        The folder of etcd's releases.
    """

    kubernetes: str = "https://dl.k8s.io/release"
    etcd: str = "https://github.com/etcd-io/etcd/releases/download"


@dataclass(frozen=True)
class _Release:
    url: str
    sums_url: str


def download_program(
    program: str,
    folder: Path,
    report: Callable[[str], None],
    checkpoint: Callable[[], object],
    sites: ReleaseSites | None = None,
) -> None:
    """Download a program into a folder, and verify its checksum.

    Raises
    ------
    UnavailableError
        If it is not published for this machine, cannot be reached or has another checksum.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None:
        raise UnavailableError("Kubernetes publishes its servers for Linux on amd64 and arm64 only")
    release = _release(program, architecture, sites or ReleaseSites())
    draft = folder / f"{program}.tmp"
    try:
        expected = _published_sum(release)
        _fetch(release.url, draft, report, checkpoint)
    except OSError as error:
        raise UnavailableError(f"needs access to {release.url}: {error}") from error
    if _sum_of(draft) != expected:
        draft.unlink()
        raise UnavailableError(f"{release.url} does not have the checksum that {release.sums_url} says")
    if program == "etcd":
        _unpack(draft, program)
    draft.chmod(0o755)
    draft.replace(folder / program)


def _release(program: str, architecture: str, sites: ReleaseSites) -> _Release:
    if program == "etcd":
        base = f"{sites.etcd}/{ETCD_VERSION}"
        return _Release(f"{base}/etcd-{ETCD_VERSION}-linux-{architecture}.tar.gz", f"{base}/SHA256SUMS")
    url = f"{sites.kubernetes}/{KUBERNETES_VERSION}/bin/linux/{architecture}/{program}"
    return _Release(url, f"{url}.sha256")


def _published_sum(release: _Release) -> str:
    """Return the sum of the file: the only word there, or beside its name in a list."""
    with urlopen(release.sums_url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the scheme is a constant of ours
        content: bytes = answer.read(_SUMS_BYTES)
    lines = [line.split() for line in content.decode("ascii", "replace").splitlines()]
    name = release.url.rpartition("/")[2]
    for words in lines:
        if words and words[1:] in ([], [name], [f"*{name}"]):
            return words[0]
    raise UnavailableError(f"{release.sums_url} does not name {name}")


def _fetch(url: str, target: Path, report: Callable[[str], None], checkpoint: Callable[[], object]) -> None:
    report(f"downloading {url}")
    reported = time.monotonic()
    with urlopen(url, timeout=_TIMEOUT_SECONDS) as answer, target.open("wb") as file:  # noqa: S310 - as above
        while chunk := answer.read(_CHUNK_BYTES):
            checkpoint()
            file.write(chunk)
            if time.monotonic() - reported >= _REPORT_SECONDS:
                reported = time.monotonic()
                report(f"downloading: {file.tell() // _CHUNK_BYTES} MiB so far")


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(path: Path, program: str) -> None:
    """Replace an archive by the one program of it that is wanted."""
    with tarfile.open(path) as archive:
        member = next((item for item in archive if item.isfile() and Path(item.name).name == program), None)
        content = archive.extractfile(member) if member is not None else None
        if content is None:
            raise UnavailableError(f"the archive has no file {program}")
        data = content.read()
    path.write_bytes(data)
