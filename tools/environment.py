"""The Python environment of a checkout (`make init`).

The locked packages are installed once for each lock file and interpreter, in the cache, and shared by every clone.
A clone's own `.venv` holds nothing but links to them and to its own `operator/`, so it costs seconds. Both links are
`.pth` files: they also hold for `python -I`, which is how the processes of sandbox pods are started.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK_FILE = ROOT / "requirements" / "dev.txt"
COMPLETE = "complete"
"""Name of the file that is written last: an environment without it was interrupted and is made again."""


def cache_folder() -> Path:
    """Return the folder outside the checkout that every clone shares."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "codecourier"


def environment_key() -> str:
    """Return what the shared environment depends on, as 16 hex digits: the locks and this interpreter."""
    parts = (LOCK_FILE.read_bytes(), sys.version.encode(), platform.machine().encode(), sys.base_prefix.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def site_packages(environment: Path) -> Path:
    """Return the folder of an environment that packages are imported from."""
    variables = {"base": str(environment), "platbase": str(environment)}
    return Path(sysconfig.get_path("purelib", scheme="venv", vars=variables))


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two clones do not fill the same environment at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run(*command: str | Path) -> None:
    """Run a command that is silent unless it fails.

    Raises
    ------
    SystemExit
        If it fails, with its output.
    """
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        sys.exit(f"failed with exit status {done.returncode}: {' '.join(map(str, command))}\n{said}")


def create_environment(folder: Path, *options: str) -> None:
    """Create an empty virtual environment, replacing what is there.

    Raises
    ------
    SystemExit
        If this Python cannot create one with pip.
    """
    if "--without-pip" not in options:
        try:
            import ensurepip  # noqa: F401, PLC0415 - Debian's Python comes without it; asking is the only way to know
        except ImportError:
            sys.exit(f"{sys.executable} cannot make virtual environments: on Debian and Ubuntu install python3-venv")
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "venv", *options, folder)


def install_packages(shared: Path) -> None:
    """Fill the shared environment with the locked packages, each checked against its hash."""
    print(f"installing the locked packages into {shared} (once for each requirements/dev.txt)", flush=True)
    create_environment(shared)
    run(
        shared / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary=:all:",
        "-r",
        LOCK_FILE,
    )
    (shared / COMPLETE).touch()


def link_checkout(shared: Path, own: Path) -> None:
    """Create the clone's own environment: a link to the shared packages, and this package as an editable install."""
    create_environment(own, "--without-pip")
    (site_packages(own) / "shared.pth").write_text(f"{site_packages(shared)}\n")
    pip = (shared / "bin" / "python", "-m", "pip", "--python", own / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--editable", ROOT)


def main() -> None:
    """Bring `.venv` up to date; a no-op when it is."""
    os.umask(0o022)  # processes of the local node run under other UIDs and read these files
    key = environment_key()
    shared, own = cache_folder() / f"venv-{key}", ROOT / ".venv"
    # The project file is part of it: the editable install carries the entry points and the version.
    state = f"{shared}\n{ROOT}\n{hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()}\n"
    mark = own / COMPLETE
    with exclusive(shared.with_suffix(".lock")):
        if not (shared / COMPLETE).exists():
            install_packages(shared)
        if not mark.exists() or mark.read_text() != state:
            link_checkout(shared, own)
            mark.write_text(state)


if __name__ == "__main__":
    main()
