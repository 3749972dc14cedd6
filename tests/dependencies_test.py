"""Every import of another distribution is declared in pyproject.toml, and everything declared is read."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.imports import find_imports, parse

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCAL = ROOT / "operator" / "codecourier" / "local"
OURS = {"codecourier", "tests", "tools", "bench"}
COMMANDS = {
    "codespell": "make check",
    "hatchling": "builds the package in make init",
    "mypy": "make check",
    "pytest-asyncio": "asyncio_mode",
    "pytest-timeout": "timeout",
    "pytest-xdist": "make test",
    "ruff": "make check",
    "types-pyyaml": "make check",
}
"""Development dependencies that nothing imports, and what uses them instead."""


def normalized(name: str) -> str:
    """Return a distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    """Return the names of requirements."""
    return {normalized(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]) for requirement in requirements}


def imported(*folders: str) -> set[str]:
    """Return the distributions that the code of some folders imports; `operator` stands for it without `local/`."""
    owners = packages_distributions()
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if folders == ("operator",) and path.is_relative_to(LOCAL):
            continue
        modules = {item.module.partition(".")[0] for item in find_imports(parse(path))}
        found |= {
            normalized(owners[module][0]) for module in modules - sys.stdlib_module_names - OURS if module in owners
        }
    return found


DATA = {"tzdata"}
"""Distributions that have no code to import, only data that is read."""

BY_NAME = {"httptools"}
"""Distributions that others import when they are given their name: uvicorn's parser of HTTP."""

RUNTIME = declared(PROJECT["dependencies"])
EXTRA_LOCAL = declared(PROJECT["optional-dependencies"]["local"])
EXTRA_DEV = declared(PROJECT["optional-dependencies"]["dev"])


def test_operator_runs_with_its_dependencies() -> None:
    assert imported("operator") | DATA | BY_NAME == RUNTIME


def test_local_cluster_adds_its_extra() -> None:
    assert imported("operator/codecourier/local") - RUNTIME == EXTRA_LOCAL


def test_development_adds_its_extra() -> None:
    others = imported("tests", "tools", "bench", "examples") - RUNTIME - EXTRA_LOCAL
    assert others | set(COMMANDS) == EXTRA_DEV
