"""Build the container's root: an overlay over the host's with the planned mounts on top. Linux, as root.

Runs in the container's own mount namespace, so that nothing needs to be undone: it ends with the last process in it.
"""

import os
from pathlib import Path

from codecourier.local.processnode.launch import syscalls
from codecourier.local.processnode.launch.spec import LaunchSpec, Mount

__all__ = ["enter_root"]

_OLD_ROOT = "/.codecourier-old-root"
_SCRATCH_BYTES = 2 * 1024**3

_PROC_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_PROC_HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/timer_list")
_DEVICE_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/ptmx": "pts/ptmx",
}


def enter_root(spec: LaunchSpec) -> None:
    """Make the container's root the root of this process.

    Raises
    ------
    OSError
        When the kernel refuses a mount; the message names its target.
    """
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    scratch = Path(spec.directory, "root")
    scratch.mkdir(exist_ok=True)
    syscalls.mount("tmpfs", str(scratch), "tmpfs", 0, f"mode=0755,size={_SCRATCH_BYTES}")
    # Relative names: the options of overlayfs know no safe way to write a path with commas or colons.
    os.chdir(scratch)
    for name in ("upper", "work", "merged"):
        Path(name).mkdir(mode=0o755)
    syscalls.mount("overlay", "merged", "overlay", 0, "lowerdir=/,upperdir=upper,workdir=work")
    Path("merged" + _OLD_ROOT).mkdir(mode=0o700)
    # Enter first and mount afterwards, so that symbolic links in the targets are followed in the container's root.
    syscalls.pivot_root("merged", "merged" + _OLD_ROOT)
    os.chdir("/")
    made = [mount for mount in spec.mounts if _make(mount)]
    _finish_proc_and_dev()
    syscalls.detach(_OLD_ROOT)
    Path(_OLD_ROOT).rmdir()
    _make_read_only(spec, made)


def _make(mount: Mount) -> bool:
    target = Path(mount.target)
    source = _OLD_ROOT + mount.source
    if mount.optional and not target.exists():
        return False
    if mount.kind == "bind" and not Path(source).is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    else:
        target.mkdir(parents=True, exist_ok=True)
    if mount.kind == "bind":
        syscalls.mount(source, mount.target, "", syscalls.MS_BIND | syscalls.MS_REC)
    elif mount.kind == "tmpfs":
        size = f",size={mount.size_bytes}" if mount.size_bytes else ""
        syscalls.mount("tmpfs", mount.target, "tmpfs", syscalls.MS_NOSUID, f"mode={mount.mode:04o}{size}")
    elif mount.kind == "devpts":
        syscalls.mount(
            "devpts", mount.target, "devpts", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, "newinstance,ptmxmode=0666"
        )
    else:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        syscalls.mount(mount.kind, mount.target, mount.kind, flags)
    return True


def _finish_proc_and_dev() -> None:
    for link, destination in _DEVICE_LINKS.items():
        Path(link).symlink_to(destination)
    for path in _PROC_READ_ONLY:
        if Path(path).exists():
            syscalls.mount(path, path, "", syscalls.MS_BIND | syscalls.MS_REC)
            _remount_read_only(path)
    for path in _PROC_HIDDEN:
        if Path(path).exists():
            syscalls.mount("/dev/null", path, "", syscalls.MS_BIND)


def _make_read_only(spec: LaunchSpec, made: list[Mount]) -> None:
    for mount in reversed(made):
        if mount.read_only:
            _remount_read_only(mount.target)
    if spec.read_only_root:
        _remount_read_only("/")


def _remount_read_only(target: str) -> None:
    flags = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY
    if target.startswith("/proc"):
        flags |= syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("none", target, "", flags)
