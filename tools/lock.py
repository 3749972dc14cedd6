"""The locked requirements: made from pyproject.toml (`make lock`, `make update`) and compared with it (`--check`).

They carry hashes and no address: the machine that installs the packages decides where they come from.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.environment import ROOT, cache_folder, create_environment, exclusive, run

PIP_TOOLS = "pip-tools==7.6.2"
OLDEST_PYTHON = (3, 11)
"""The oldest Python asks for the most packages (backports), so its lock also serves the newer ones."""
FILES: dict[str, tuple[str, ...]] = {"runtime.txt": (), "dev.txt": ("local", "dev")}
"""Lock file → the extras it covers beside the dependencies of the operator itself."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+) \\$")


def normalized(name: str) -> str:
    """Return a distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compile_locks(*, upgrade: bool) -> None:
    """Write the lock files with pip-compile; versions that still fit are kept unless `upgrade` is set.

    Raises
    ------
    SystemExit
        If this is not the oldest Python that is supported, or pip-compile fails.
    """
    if sys.version_info[:2] != OLDEST_PYTHON:
        sys.exit(f"locks are made with Python {'.'.join(map(str, OLDEST_PYTHON))}; call: make lock PYTHON=/path/to/it")
    tools = cache_folder() / PIP_TOOLS.replace("==", "-")
    with exclusive(tools.with_suffix(".lock")):
        if not (tools / "bin" / "pip-compile").exists():
            create_environment(tools)
            run(tools / "bin" / "python", "-m", "pip", "install", "--quiet", PIP_TOOLS)
    command = [str(tools / "bin" / "pip-compile"), "--quiet", "--generate-hashes", "--allow-unsafe", "--strip-extras"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host", "--no-emit-options"]
    command += ["--upgrade"] if upgrade else []
    constraints: list[str] = []
    for name, extras in FILES.items():
        target = f"requirements/{name}"
        chosen = [f"--extra={extra}" for extra in extras]
        print(f"locking {target}", flush=True)
        subprocess.run(
            [*command, *chosen, *constraints, f"--output-file={target}", "pyproject.toml"],
            cwd=ROOT,
            env=os.environ | {"CUSTOM_COMPILE_COMMAND": "make lock"},
            check=True,
        )
        # The tests run with the versions that the operator runs with.
        constraints = [f"--constraint={target}"]


def parse_lock(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read a lock file: name → version, and the problems in its lines."""
    pins: dict[str, str] = {}
    problems = []
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        pin = PIN.match(line)
        if pin:
            pins[normalized(pin[1])] = pin[2]
            if "--hash=sha256:" not in lines[number + 1]:
                problems.append(f"{path.name}:{number + 1}: {pin[1]} has no hash")
        elif line and not line.startswith((" ", "#")):
            problems.append(f"{path.name}:{number + 1}: only hashed pins belong here, found: {line}")
    return pins, problems


def find_problems() -> list[str]:
    """Return a sentence for each way in which the lock files differ from pyproject.toml."""
    from packaging.requirements import Requirement  # noqa: PLC0415 - only there once `make init` ran; locking goes before

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    problems = []
    locked = {}
    for name, extras in FILES.items():
        pins, wrong = parse_lock(ROOT / "requirements" / name)
        locked[name] = pins
        problems += wrong
        wanted = [
            *project["dependencies"],
            *(item for extra in extras for item in project["optional-dependencies"][extra]),
        ]
        for requirement in map(Requirement, wanted):
            version = pins.get(normalized(requirement.name))
            if version is None or version not in requirement.specifier:
                problems.append(f"{name}: pyproject.toml asks for {requirement}, locked is {version or 'nothing'}")
    problems += [
        f"dev.txt: {package} {locked['dev.txt'].get(package, 'missing')} differs from runtime.txt: {version}"
        for package, version in locked["runtime.txt"].items()
        if locked["dev.txt"].get(package) != version
    ]
    return problems


def main() -> None:
    """Make or check the lock files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare the locks with pyproject.toml")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that pyproject.toml admits")
    arguments = parser.parse_args()
    if not arguments.check:
        compile_locks(upgrade=arguments.upgrade)
    elif problems := find_problems():
        sys.exit("\n".join([*problems, "run `make lock` and commit requirements/"]))


if __name__ == "__main__":
    main()
