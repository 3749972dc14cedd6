"""The Linux system calls that Python 3.11 has no function for; `OSError` if the kernel refuses. For Linux only."""

import ctypes
import os

__all__ = [
    "CLONE_NEWIPC",
    "CLONE_NEWNS",
    "CLONE_NEWPID",
    "CLONE_NEWUTS",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_RDONLY",
    "MS_REC",
    "MS_REMOUNT",
    "detach",
    "die_with_parent",
    "drop_capabilities",
    "forbid_new_privileges",
    "mount",
    "pivot_root",
    "unshare",
]

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_MNT_DETACH = 0x2
_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_CAPABILITY_COUNT = 64

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` names for new ones."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount `source` on `target`; the parameters are those of mount(2).

    Raises
    ------
    OSError
        When the kernel refuses; the message names the target.
    """
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        os.fsencode(kind),
        ctypes.c_ulong(flags),
        os.fsencode(options),
    )
    _checked(result, f"mount {kind or source} on {target}")


def detach(target: str) -> None:
    """Unmount `target` and everything below it, even while it is in use."""
    _checked(_libc.umount2(os.fsencode(target), ctypes.c_int(_MNT_DETACH)), f"unmount {target}")


def pivot_root(new_root: str, old_root: str) -> None:
    """Make `new_root` the root of this mount namespace and move the old one to `old_root`."""
    _checked(_libc.pivot_root(os.fsencode(new_root), os.fsencode(old_root)), f"pivot_root {new_root}")


def _prctl(option: int, argument: int) -> int:
    zero = ctypes.c_ulong(0)
    return int(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero))


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent ends. A change of user clears it, so ask again afterwards."""
    _checked(_prctl(_PR_SET_PDEATHSIG, _SIGKILL), "prctl PR_SET_PDEATHSIG")


def forbid_new_privileges() -> None:
    """Make set-user-ID programs run without gaining anything."""
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "prctl PR_SET_NO_NEW_PRIVS")


def drop_capabilities(kept: frozenset[int]) -> None:
    """Take every capability that is not in `kept` out of the bounding set, permanently."""
    for number in range(_CAPABILITY_COUNT):
        if number not in kept:
            # EINVAL: a number above the kernel's last capability.
            _prctl(_PR_CAPBSET_DROP, number)
