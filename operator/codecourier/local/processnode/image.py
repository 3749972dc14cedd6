"""The stand-in for our own image: a Python environment that sees this one's packages and this source.

A virtual environment of its own, because the package need not be installed where the node runs, and because
`python3 -I` pays no heed to PYTHONPATH.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from codecourier.local.processnode.settings import DEFAULT_PATH, SOURCE_ROOT, NodeSettings

__all__ = [
    "IMAGE_DIR",
    "OUR_IMAGE",
    "UNPULLABLE_IMAGE",
    "image_path",
    "is_ours",
    "needed_folders",
    "prepare_image",
    "why_not_started",
    "why_waiting",
]

OUR_IMAGE = "codecourier.dev/courier"
"""Runs in this Python environment; every other image runs with the host's programs."""

UNPULLABLE_IMAGE = "codecourier.dev/unpullable"
"""Is never pulled: for tests of a pod with a wrong image."""

UNCREATABLE_IMAGE = "codecourier.dev/uncreatable"
"""The container runtime never creates a container of it."""

SHELL_LESS_IMAGE = "codecourier.dev/without-shell"
"""Has no `sh`."""

IMAGE_DIR = "/opt/codecourier"
"""Where a container of our image finds its environment."""


def is_ours(image: str) -> bool:
    """Tell whether a container's image is our own, whatever its tag or digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0] == "courier" and image.startswith(OUR_IMAGE)


def why_waiting(image: str) -> tuple[str, str] | None:
    """Return why a container of an image waits for good, as reason and message; None for one that can be started."""
    if image.startswith(UNPULLABLE_IMAGE):
        return "ImagePullBackOff", f'Back-off pulling image "{image}": not found'
    if image.startswith(UNCREATABLE_IMAGE):
        return "CreateContainerError", "failed to create containerd container: get apparmor_parser version: not found"
    return None


def why_not_started(image: str, command: list[str]) -> str:
    """Return in containerd's words why the command cannot be started; empty where it can."""
    if not image.startswith(SHELL_LESS_IMAGE) or command[0] != "sh":
        return ""
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
        "unable to start container process: error during container init: "
        'exec: "sh": executable file not found in $PATH'
    )


def prepare_image(settings: NodeSettings) -> None:
    """Make the environment's folder for the interpreter that runs this."""
    folder = settings.image_dir
    binaries = folder / "bin"
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for path in (binaries, packages):
        path.mkdir(parents=True, exist_ok=True)
    interpreter = _base_interpreter()
    (folder / "pyvenv.cfg").write_text(
        f"home = {interpreter.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    for name in ("python", "python3", interpreter.name):
        link = binaries / name
        link.unlink(missing_ok=True)
        link.symlink_to(interpreter)
    # `addsitedir` reads the .pth files of the other environment as well.
    lines = [str(SOURCE_ROOT), *(f"import site; site.addsitedir({str(path)!r})" for path in _package_folders())]
    (packages / "codecourier-image.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def needed_folders() -> list[Path]:
    """Return the folders that containers need to see for Python, without symbolic links."""
    prefixes = [Path(sys.prefix), Path(sys.base_prefix), _base_interpreter().parent]
    needed = [path.resolve() for path in (*prefixes, SOURCE_ROOT, *_package_folders())]
    system = [Path(path) for path in ("/usr", "/bin", "/sbin", "/lib", "/opt/homebrew")]
    return sorted({path for path in needed if not any(path.is_relative_to(prefix) for prefix in system)})


def image_path(settings: NodeSettings, image: str) -> str:
    """Return the PATH that a container of this image has when the pod sets none."""
    if not is_ours(image):
        return DEFAULT_PATH
    ours = f"{IMAGE_DIR if settings.isolates else settings.image_dir}/bin"
    return os.pathsep.join((ours, str(Path(sys.executable).parent), DEFAULT_PATH))


def _base_interpreter() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _package_folders() -> list[Path]:
    paths = sysconfig.get_paths()
    return list(dict.fromkeys(Path(paths[name]).resolve() for name in ("purelib", "platlib")))
