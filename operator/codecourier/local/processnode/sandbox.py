"""The mounts and capabilities of a container. Pure, but for `read_host_mounts`.

The container's root shows the host's programs and nothing that belongs to users or to the node: home folders,
temporary folders and the node's state are covered by empty ones, in which only the folders that the programs need
(the Python environment) appear again, read-only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codecourier.local.processnode.launch.spec import Mount

__all__ = ["VolumeMount", "build_mounts", "kept_capabilities", "read_host_mounts"]

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SHOWN_MOUNTS = ("/etc", "/usr", "/opt", "/nix", "/bin", "/sbin", "/lib", "/lib64", "/snap")
_PRIVATE = ("/home", "/media", "/mnt", "/root", "/run", "/srv", "/var/spool", "/var/mail")
_TEMPORARY_MODE = 0o1777
_SHM_BYTES = 64 * 1024**2

_CONTAINER_CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "SYS_CHROOT": 18,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
"""What container runtimes leave to root, without MKNOD and NET_RAW: devices and the network are the host's here."""


@dataclass(frozen=True)
class VolumeMount:
    """A folder or file of the node in a container."""

    target: str
    source: str
    read_only: bool


def build_mounts(
    volumes: Iterable[VolumeMount], shown: Iterable[Path], hidden: Iterable[Path], host_mounts: Iterable[Path]
) -> list[Mount]:
    """Return the mounts in the order in which they are made: outer folders first.

    Parameters
    ----------
    volumes
        The pod's volumes and the termination log; where one covers a folder, what is shown below lies over it.
    shown
        Folders of the host that must be readable wherever they lie, without symbolic links.
    hidden
        Folders and files that must not be seen.
    host_mounts
        Mount points that belong to the host's programs: an overlay shows only the root's own file system.
    """
    base = [
        Mount("proc", "/proc"),
        Mount("sysfs", "/sys", read_only=True),
        Mount("tmpfs", "/dev"),
        Mount("devpts", "/dev/pts"),
        Mount("tmpfs", "/dev/shm", mode=_TEMPORARY_MODE, size_bytes=_SHM_BYTES),  # noqa: S108 - the container's own
        *(Mount("bind", f"/dev/{name}", f"/dev/{name}") for name in _DEVICES),
        *(Mount("tmpfs", path, mode=_TEMPORARY_MODE) for path in ("/tmp", "/var/tmp")),  # noqa: S108 - as above
        *(Mount("bind", str(path), str(path), read_only=True, optional=True) for path in host_mounts),
    ]
    covers = [_cover(path) for path in dict.fromkeys((*map(Path, _PRIVATE), *hidden))]
    windows = [Mount("bind", str(path), str(path), read_only=True) for path in dict.fromkeys(shown)]
    mounts = [Mount("bind", item.target, item.source, read_only=item.read_only) for item in volumes]
    taken = {item.target.rstrip("/") for item in mounts}
    others = [item for item in (*base, *covers, *windows) if item.target not in taken]
    return sorted((*others, *mounts), key=lambda item: len(Path(item.target).parts))


def _cover(path: Path) -> Mount:
    if path.is_file():
        return Mount("bind", str(path), "/dev/null", read_only=True, optional=True)
    return Mount("tmpfs", str(path), optional=True)


def read_host_mounts() -> list[Path]:
    """Return the mount points of this machine that hold programs or their configuration."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = {Path(line.split()[4].replace("\\040", " ")) for line in lines}
    shown = [Path(path) for path in _SHOWN_MOUNTS]
    return sorted(point for point in points if any(point.is_relative_to(path) for path in shown))


def kept_capabilities(context: dict[str, list[str]]) -> list[int]:
    """Return the numbers of the capabilities that a security context's `capabilities` leaves to root."""
    dropped = {name.removeprefix("CAP_") for name in context.get("drop") or []}
    if "ALL" in dropped:
        dropped |= set(_CONTAINER_CAPABILITIES)
    return sorted(number for name, number in _CONTAINER_CAPABILITIES.items() if name not in dropped)
