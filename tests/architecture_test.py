"""The layers: who may import what, what the core may not do, how large a file may grow.

The first table below is the only place that says so; `--update-golden` writes it into `docs/architecture.md`.
"""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from codecourier.kinds.registry import REGISTRY
from tests.support.imports import find_imports, parse
from tests.support.marked import check_marked

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "operator" / "codecourier"
SOURCE_FILES = sorted(PACKAGE.rglob("*.py"))
ALL_FILES = [
    path for folder in ("operator", "tests", "tools", "bench", "examples") for path in (ROOT / folder).rglob("*.py")
]
MAX_LINES = 500

BASE = frozenset({"errors", "logs", "metrics", "settings"})
"""Modules without a framework that every part outside the core and the runner may use."""
SHARED = frozenset(
    {
        "address",
        "checks",
        "issue",
        "layout",
        "merging",
        "pull_request",
        "redaction",
        "result",
        "task",
        "text",
        "trees",
        "wire",
    }
)
"""What the operator and a sandbox pod have in common: the standard library and nothing else."""


@dataclass(frozen=True)
class Layer:
    """What a part of the package may import beside itself and the standard library."""

    own: frozenset[str] = frozenset()
    """Other parts of this package."""
    libraries: frozenset[str] = frozenset()
    """Top-level modules of other distributions."""
    anything: bool = False
    """Whether the two sets above do not bound it."""


LAYERS = {
    "resources": Layer(
        own=frozenset({"address", "checks", "issue", "merging", "pull_request"}), libraries=frozenset({"pydantic"})
    ),
    "resources.crd": Layer(own=frozenset({"manifests"})),  # a command: writes crds/, nothing imports it
    "core": Layer(own=SHARED | {"resources"}),
    "address": Layer(),
    "checks": Layer(),
    "issue": Layer(),
    "layout": Layer(),
    "manifests": Layer(libraries=frozenset({"yaml"})),
    "merging": Layer(own=frozenset({"wire"})),
    "pull_request": Layer(),
    "redaction": Layer(),
    "result": Layer(own=frozenset({"merging", "wire"})),
    "task": Layer(own=frozenset({"address", "layout", "merging", "result", "wire"})),
    "text": Layer(),
    "trees": Layer(),
    "wire": Layer(),
    "zones": Layer(),  # reads the data of the package tzdata
    "runner": Layer(own=SHARED),
    "kube": Layer(own=BASE | {"resources"}, libraries=frozenset({"aiohttp", "kubernetes", "orjson"})),
    "github": Layer(
        own=BASE | {"address", "checks", "issue", "pull_request", "redaction"},
        libraries=frozenset({"github", "requests", "urllib3"}),
    ),  # PyGithub and its transport
    "cache": Layer(own=BASE | {"kube", "resources"}, libraries=frozenset({"pydantic"})),
    "kinds": Layer(own=BASE | {"cache", "core", "kube", "resources", "zones"}),
    "kinds.manifests": Layer(own=frozenset({"manifests"})),  # a command: writes manifests/, nothing imports it
    "hosts": Layer(own=BASE | {"address", "cache", "core", "github", "kube"}),
    "controller": Layer(
        own=BASE | SHARED | {"cache", "core", "github", "hosts", "kinds", "kube", "resources", "zones"},
        libraries=frozenset({"aiohttp", "kopf", "prometheus_client"}),
    ),
    "apiserver": Layer(
        own=BASE
        | {
            "address",
            "cache",
            "core",
            "github",
            "hosts",
            "checks",
            "issue",
            "kinds",
            "kube",
            "pull_request",
            "redaction",
            "resources",
            "text",
            "zones",
        },
        libraries=frozenset(
            {"fastapi", "orjson", "prometheus_client", "pydantic", "starlette", "typer", "uvicorn", "uvloop"}
        ),
    ),
    "errors": Layer(own=BASE, libraries=frozenset({"pydantic"})),
    "logs": Layer(own=frozenset({"redaction"})),
    "metrics": Layer(own=BASE, libraries=frozenset({"prometheus_client"})),
    "settings": Layer(own=BASE | {"address"}, libraries=frozenset({"pydantic"})),
    "local": Layer(anything=True),
    "cli": Layer(anything=True),
}
GROUPS = {"base": BASE, "shared": SHARED}
"""Sets of parts that the page about the architecture calls by a name."""

IMPORTERS = {"local": {"cli"}, "cli": set[str](), "runner": {"local"}}
"""Parts that only these others may import, even those that may otherwise import anything."""

PURE_MODULES = frozenset(
    {
        "__future__",
        "abc",
        "base64",
        "bisect",
        "calendar",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
        "heapq",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zoneinfo",
    }
)
"""What the core may import of the standard library: nothing here reads a clock, an environment, a file or a socket."""
CLOCKS = frozenset({"now", "utcnow", "today"})
IMPURE_BUILTINS = frozenset({"__import__", "breakpoint", "eval", "exec", "input", "open", "print"})


def is_allowed(layer: str, module: str) -> bool:
    """Tell whether a part may import a module, by the table."""
    rules = LAYERS[layer]
    top, _, rest = module.partition(".")
    if top == "codecourier":
        part = rest.partition(".")[0]
        if part == layer.partition(".")[0]:
            return True
        return layer in IMPORTERS.get(part, {layer}) and (rules.anything or part in rules.own)
    if top in sys.stdlib_module_names:
        return layer != "core" or any(module == pure or module.startswith(f"{pure}.") for pure in PURE_MODULES)
    return rules.anything or top in rules.libraries


def find_wrong_imports(layer: str, tree: ast.AST) -> list[str]:
    """Return a sentence for each import that the table does not allow."""
    return [
        f"line {item.line}: imports {item.module}" for item in find_imports(tree) if not is_allowed(layer, item.module)
    ]


def find_impurities(tree: ast.AST) -> list[str]:
    """Return a sentence for each place that awaits, reads a clock or does input and output."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            found.append(f"line {node.lineno}: is asynchronous")
        elif isinstance(node, ast.Attribute) and node.attr in CLOCKS:
            found.append(f"line {node.lineno}: reads the clock by {node.attr}")
        elif isinstance(node, ast.Name) and node.id in IMPURE_BUILTINS:
            found.append(f"line {node.lineno}: calls {node.id}")
    return found


def layer_of(path: Path) -> str:
    """Return the row of the table for a file: the first parts of its module's name, most often one."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    module = ".".join(parts)
    return module if module in LAYERS else parts[0]


def render_layers() -> str:
    """Return the tables above as the page about the architecture shows them."""
    rows = ["| part | imports of ours | imports of other distributions |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {_render_own(layer)} | {_render(layer, layer.libraries)} |" for name, layer in LAYERS.items()
    ]
    groups = [f"- *{group}*: {', '.join(f'`{part}`' for part in sorted(parts))}" for group, parts in GROUPS.items()]
    importers = [
        f"- may import `{part}`: {', '.join(f'`{name}`' for name in sorted(parts)) or 'nothing'}"
        for part, parts in IMPORTERS.items()
    ]
    return "\n".join(["", *rows, "", *groups, *importers, "", ""])


def _render_own(layer: Layer) -> str:
    groups = {name: parts for name, parts in GROUPS.items() if parts <= layer.own}
    return _render(layer, layer.own.difference(*groups.values()), tuple(f"*{name}*" for name in groups))


def _render(layer: Layer, parts: frozenset[str], groups: tuple[str, ...] = ()) -> str:
    return "anything" if layer.anything else ", ".join([*groups, *(f"`{part}`" for part in sorted(parts))]) or "-"


def name_of(path: Path) -> str:
    """Return how a file is called in messages."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCE_FILES, ids=name_of)
def test_imports_follow_the_table(path: Path) -> None:
    layer = layer_of(path)
    if layer == "__init__":
        return
    assert layer in LAYERS, f"{name_of(path)} belongs to no row of LAYERS"
    assert find_wrong_imports(layer, parse(path)) == []


@pytest.mark.parametrize("path", [path for path in SOURCE_FILES if layer_of(path) == "core"], ids=name_of)
def test_core_is_pure(path: Path) -> None:
    assert find_impurities(parse(path)) == []


def find_kinds_named(tree: ast.Module) -> list[str]:
    """Return a sentence for each place that knows one of our kinds by name: an import, an identifier or a text."""
    infos = [kind.model.info for kind in REGISTRY.kinds]
    names = {name for info in infos for name in (info.kind, info.plural, f"{_snake(info.kind)}s".upper())}
    modules = {
        module
        for info in infos
        for room in ("resources", "core", "kinds")
        for module in (f"codecourier.{room}.{_snake(info.kind)}",)
    } | {"codecourier.kinds.api_resources", "codecourier.kinds.sources"}
    found = [
        f"line {item.line}: imports {item.module}"
        for item in find_imports(tree)
        if any(item.module == module or item.module.startswith(f"{module}.") for module in modules)
    ]
    for node in ast.walk(tree):
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
        if name in names:
            found.append(f"line {getattr(node, 'lineno', 0)}: names {name}")
    return found


def _snake(kind: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip("_")


@pytest.mark.parametrize("path", [path for path in SOURCE_FILES if layer_of(path) == "controller"], ids=name_of)
def test_the_controller_knows_no_kind_by_name(path: Path) -> None:
    assert find_kinds_named(parse(path)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from codecourier.resources.sprint_chain import SprintChain",
        "from codecourier.core.run.plan import plan_run",
        "from codecourier.kinds.api_resources import RUNS",
        "from codecourier.kinds.sandbox import SANDBOX",
        "resource.kind == 'SprintChain'",
        "wake(RUNS)",
        "resource.plural == 'usagerecords'",
        "module.Run",
    ],
)
def test_planted_name_of_a_kind_is_found(statement: str) -> None:
    assert find_kinds_named(ast.parse(statement))


def test_the_page_about_the_architecture_shows_the_table(*, update_golden: bool) -> None:
    check_marked(ROOT / "docs" / "architecture.md", "layers", render_layers(), update=update_golden)


def test_init_files_are_empty() -> None:
    # The runner must not load what it does not need, and an import must have one meaning.
    assert [name_of(path) for path in ALL_FILES if path.name == "__init__.py" and path.stat().st_size] == []


@pytest.mark.parametrize("path", [path for path in ALL_FILES if "tests" in path.parts], ids=name_of)
def test_no_test_imports_from_another_tests_module(path: Path) -> None:
    # pytest rewrites and collects a module that it finds; what several tests share belongs to tests/support.
    assert [item.module for item in find_imports(parse(path)) if find_test_module(item.module)] == []


def find_test_module(module: str) -> str:
    """Return the part of a module's name that names a test module, or an empty text."""
    parts = module.split(".")
    return next((part for part in parts[1:] if part.endswith("_test")), "") if parts[0] == "tests" else ""


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("from tests.core.run.plan_test import ended", True),
        ("from tests.core.run import plan_test", True),
        ("from tests.support.worlds import make_run", False),
        ("from codecourier.core.run.plan import plan_run", False),
    ],
)
def test_planted_import_of_a_test_is_found(statement: str, *, found: bool) -> None:
    assert any(find_test_module(item.module) for item in find_imports(ast.parse(statement))) is found


def test_files_stay_small() -> None:
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ALL_FILES}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


@pytest.mark.parametrize(
    ("layer", "statement"),
    [
        ("resources", "import kopf"),
        ("resources", "from codecourier import task"),
        ("core", "from codecourier.kube.client import Client"),
        ("core", "import random"),
        ("core", "import time"),
        ("core", "import urllib.request"),
        ("core", "from os import environ"),
        ("core", "import logging"),
        ("task", "from codecourier.resources.run import Run"),
        ("task", "import pydantic"),
        ("runner", "def late():\n    from codecourier.kube import client"),
        ("runner", "import codecourier.errors"),
        ("kube", "from codecourier.core.run.plan import plan_run"),
        ("kube", "from codecourier import github"),
        ("github", "from codecourier.resources import run"),
        ("cache", "from codecourier.kinds.registry import ALL"),
        ("cache", "from codecourier.controller.queue import KeyQueue"),
        ("cache", "from codecourier.core.shared.facts import Facts"),
        ("kinds", "from codecourier.controller.execute import Executor"),
        ("apiserver", "from codecourier.controller.operator import Operator"),
        ("kinds", "from codecourier.github.api import Forge"),
        ("controller", "from codecourier.runner import publish"),
        ("controller", "from codecourier.local.cluster import Cluster"),
        ("settings", "import kopf"),
        ("local", "from codecourier import cli"),
        ("cli", "from codecourier.runner import collect"),
        ("task", "from . import errors"),
    ],
)
def test_planted_import_is_found(layer: str, statement: str) -> None:
    assert len(find_wrong_imports(layer, ast.parse(statement))) == 1


@pytest.mark.parametrize(
    ("layer", "statement"),
    [
        ("resources", "from pydantic import Field"),
        ("core", "from codecourier.resources.run import Run"),
        ("core", "from urllib.parse import quote"),
        ("core", "from collections.abc import Mapping"),
        ("runner", "from codecourier import task"),
        ("cli", "from codecourier.local.cluster import up"),
        ("local", "from codecourier.runner import checkout"),
    ],
)
def test_allowed_import_passes(layer: str, statement: str) -> None:
    assert find_wrong_imports(layer, ast.parse(statement)) == []


@pytest.mark.parametrize(
    "statement",
    ["async def plan(): ...", "datetime.now(UTC)", "read = datetime.utcnow", "date.today()", "print(1)", "open('x')"],
)
def test_planted_impurity_is_found(statement: str) -> None:
    assert len(find_impurities(ast.parse(statement))) == 1
