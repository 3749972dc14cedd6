"""`docs/invariants.md` and the code say the same: numbers, functions, tests and planted faults."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.simulation.plants import PLANTS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "operator" / "codecourier"
PAGE = ROOT / "docs" / "invariants.md"
TEXTS = [
    path
    for folder in ("operator", "tests", "tools", "bench", "docs", "examples", "changelog.d", ".")
    for pattern in (("*.py", "*.md") if folder == "." else ("**/*.py", "**/*.md", "**/*.sh", "**/*.yaml"))
    for path in sorted((ROOT / folder).glob(pattern))
]

HEADING = re.compile(r"^## (\w+)\. ", re.MULTILINE)
CITED = re.compile(r"invariants?[ _]((?:\d+(?:, | and | to )?)+)", re.IGNORECASE)
NAMED = re.compile(r"`([\w/.]+\.py)`: ((?:`\w+`(?:, )?)+)")
TEST = re.compile(r"`(tests/[\w/.]+)::(\w+)`")
QUOTED = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Section:
    """One invariant of the page."""

    number: str
    parts: Mapping[str, str]
    """What stands after `Kept by`, `Tests` and `Plants`."""


def read_sections(text: str) -> Mapping[str, Section]:
    """Return the page's sections by number."""
    pieces = HEADING.split(text)[1:]
    return {number: _section(number, body) for number, body in zip(pieces[::2], pieces[1::2], strict=True)}


def _section(number: str, body: str) -> Section:
    parts = re.split(r"^- \*\*([\w ]+)\*\* ", body, flags=re.MULTILINE)[1:]
    return Section(number, dict(zip(parts[::2], parts[1::2], strict=True)))


def citations(text: str) -> set[str]:
    """Return the numbers that a text cites."""
    return {number for found in CITED.findall(text) for number in re.findall(r"\d+", found)}


def failures_of(tree: ast.AST) -> Iterator[str]:
    """Yield what a monitor says that does not hold: the texts in the first argument of each call of `fail`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fail":
            constants = (part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant))
            yield from (value for value in constants if isinstance(value, str))


SECTIONS = read_sections(PAGE.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """Return how a file is called in messages."""
    return str(path.relative_to(ROOT))


def test_every_cited_number_is_on_the_page() -> None:
    cited = {name_of(path): citations(path.read_text(encoding="utf-8")) for path in TEXTS}
    assert {
        name: sorted(numbers - SECTIONS.keys()) for name, numbers in cited.items() if numbers - SECTIONS.keys()
    } == {}
    assert len(set().union(*cited.values())) > len(SECTIONS) // 2, "the citations are not found any more"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("holds (invariant 5).", {"5"}),
        ("def test_invariant_10_no_more_run", {"10"}),
        ("Invariants 3, 4 and 7 say so", {"3", "4", "7"}),
        ("an invariant of the design", set[str]()),
    ],
)
def test_a_citation_is_found(text: str, expected: set[str]) -> None:
    assert citations(text) == expected


def test_the_page_has_every_invariant_in_its_order() -> None:
    assert list(SECTIONS) == [*map(str, range(1, 17)), "once", "world"]


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.number)
def test_named_functions_exist(section: Section) -> None:
    places = NAMED.findall(section.parts["Kept by"])
    assert places, "no function keeps it"
    for file, names in places:
        defined = {
            node.name
            for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert set(re.findall(r"\w+", names)) <= defined, file


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.number)
def test_every_invariant_has_tests_that_exist(section: Section) -> None:
    tests = TEST.findall(section.parts["Tests"])
    assert tests
    for file, function in tests:
        assert re.search(rf"^(?:async )?def {function}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), (
            f"{file}::{function}"
        )


@pytest.mark.parametrize("section", SECTIONS.values(), ids=lambda section: section.number)
def test_every_invariant_has_its_plants(section: Section) -> None:
    planted = {words for words, plant in PLANTS.items() if section.number in plant.breaks}
    assert set(QUOTED.findall(section.parts["Plants"])) == planted
    assert planted


def test_plants_break_what_is_on_the_page() -> None:
    assert {
        words: plant.breaks - SECTIONS.keys() for words, plant in PLANTS.items() if plant.breaks - SECTIONS.keys()
    } == {}


def test_the_simulation_watches_over_every_invariant() -> None:
    simulation = ROOT / "tests" / "simulation"
    files = (*(simulation / "invariants").glob("*.py"), simulation / "play.py")
    watched = {number for path in files for number in failures_of(ast.parse(path.read_text(encoding="utf-8")))}
    assert watched == SECTIONS.keys()
