"""The code in the pages for contributors works as it stands there."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from asyncio import sleep
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from codecourier.cache.store import Store
from codecourier.controller.backlog import Backlog
from codecourier.controller.gauges import register_gauges
from codecourier.controller.queue import KeyQueue
from codecourier.kinds.access import EVERY_NAMESPACE, access_rules
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import ALL, Registry, WorkKey
from codecourier.kube.api import Json
from codecourier.metrics import Metrics
from codecourier.resources.crd import build_crd
from codecourier.resources.registry import KINDS
from tests.simulation.coverage import expected_transitions
from tests.support.blocks import installed, load_block, read_blocks
from tests.support.worlds import NOW

ROOT = Path(__file__).resolve().parent.parent
PAGES = {name: read_blocks(ROOT / "docs" / name) for name in ("adding-a-kind.md", "testing.md")}
BLOCKS = [(page, file) for page, blocks in PAGES.items() for file in blocks]
TESTING, KIND = PAGES["testing.md"], PAGES["adding-a-kind.md"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Return all kinds and the one of the page, whose modules are there for as long as the test."""
    with installed(KIND, tmp_path):
        row = importlib.import_module("codecourier.kinds.deadline").DEADLINE
        yield Registry((*ALL, row))


def play(module: ModuleType) -> int:
    """Call every test of a block that a contributor would let pytest call; return how many there were."""
    tests = [value for name, value in inspect.getmembers(module, inspect.isfunction) if name.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


@pytest.mark.parametrize(("page", "file"), BLOCKS)
@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=lambda command: command[0])
def test_a_block_is_in_our_style(page: str, file: str, command: tuple[str, ...]) -> None:
    code = PAGES[page][file]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--stdin-filename", file, "-"],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["tests/core/run/example_test.py", "tests/controller/example_test.py"])
def test_the_examples_of_tests_pass(file: str, tmp_path: Path) -> None:
    assert play(load_block(file, TESTING[file], tmp_path)) == 1


def test_the_example_of_a_cluster_test_fits_what_it_uses(tmp_path: Path) -> None:
    file = "tests/cluster/example_test.py"
    module = load_block(file, TESTING[file], tmp_path)
    assert module.CASES.names == ["changes_a_file"]
    used = set(module.changes_a_file.__code__.co_names)
    assert used <= {name for name, _ in inspect.getmembers(module.Team)}


def test_the_kind_of_the_page_has_a_crd_with_every_bound(registry: Registry) -> None:
    model = registry.kinds[-1].model
    schema = build_crd(model, (*KINDS, model))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert set(schema["properties"]["spec"]["properties"]) == {"runRef", "time"}


@pytest.mark.parametrize("file", [file for file in KIND if file.startswith("tests/")])
def test_the_tests_of_the_page_pass(registry: Registry, file: str, tmp_path: Path) -> None:
    assert registry.kinds[-1].resource.kind == "Deadline"
    assert play(load_block(file, KIND[file], tmp_path)) > 0


def test_what_the_page_says_that_follows_does(registry: Registry) -> None:
    kind = registry.kinds[-1].resource
    store, metrics = Store(registry.cached), Metrics()
    queue: KeyQueue[WorkKey] = KeyQueue(lambda _key: sleep(0, True), workers=1, random=Random(1))
    register_gauges(metrics, registry, store, queue, Backlog(lambda: NOW, Random(1)))
    spec = {"runRef": {"name": "fix"}, "time": "2026-03-01T13:00:00Z"}
    store.cache(kind).apply({"metadata": identity("soon"), "spec": spec})
    woken = registry.wakes(store, RUNS, None, {"metadata": identity("fix"), "spec": {}})
    assert WorkKey(kind, "shop", "soon") in set(woken)
    assert metrics.registry.get_sample_value("codecourier_deadlines", {"phase": "Pending"}) == 1
    rules = {rule.resource: rule.verbs for rule in access_rules(registry, "codecourier-system")[EVERY_NAMESPACE]}
    assert sorted(rules["deadlines"]) == ["list", "watch"]
    assert sorted(rules["deadlines/status"]) == ["update"]
    assert ("Deadline", "Pending", "Failed") in expected_transitions(registry)


def identity(name: str) -> Json:
    """Return metadata of an object."""
    return {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "1"}


def test_nothing_of_the_page_stays_installed(tmp_path: Path) -> None:
    with installed(KIND, tmp_path):
        importlib.import_module("codecourier.core.deadline.plan")
    for name in ("codecourier.core.deadline", "codecourier.kinds.deadline", "codecourier.resources.deadline"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
