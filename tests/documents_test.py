"""The documents point at what exists, and leave nothing out that they list."""

import re
from pathlib import Path
from typing import get_args

import pytest

from codecourier.core.shared.reasons import RETRYABLE, SENTENCES, Reason
from tests.simulation.faults import Fault
from tests.simulation.scenario import Mood
from tests.simulation.steps import Behaviour, PodTrouble
from tests.support.marked import check_marked

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "operator" / "codecourier"
DOCUMENTS = [
    path
    for pattern in ("*.md", "bench/*.md", "changelog.d/*.md", "charts/**/*.md", "docs/**/*.md", "examples/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
TEST = re.compile(r"`(tests/[\w/.-]+)(?:::(\w+))?`")
TARGET = re.compile(r"`(?:[A-Z_]+='[^']*' )?make ([a-z][a-z-]*)")
FOLDERS = "|".join(
    path.name for base in (ROOT, PACKAGE) for path in base.iterdir() if path.is_dir() and path.name[0] not in "._"
)
FILE = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
MADE = {line.lstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
"""What tools make, so that a fresh checkout lacks it."""

DATED = [path for path in DOCUMENTS if path.parent.name in {"decisions", "changelog.d"} and path.name != "README.md"]
"""Pages that say what was on a day."""


def name_of(path: Path) -> str:
    """Return how a document is called in messages."""
    return str(path.relative_to(ROOT))


def naming(pattern: re.Pattern[str]) -> list[Path]:
    """Return the documents that name something of a kind: a test of one that names nothing would prove nothing."""
    return [path for path in DOCUMENTS if pattern.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", naming(LINK), ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", naming(TEST), ids=name_of)
def test_named_tests_exist(path: Path) -> None:
    for file, function in TEST.findall(path.read_text(encoding="utf-8")):
        assert (ROOT / file).exists(), file
        if function:
            assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{function}"


@pytest.mark.parametrize("path", [path for path in naming(FILE) if path not in DATED], ids=name_of)
def test_named_files_exist(path: Path) -> None:
    named = set(FILE.findall(path.read_text(encoding="utf-8"))) - MADE
    assert {name for name in named if not any((base / name).exists() for base in (ROOT, PACKAGE, path.parent))} == set()


@pytest.mark.parametrize("path", naming(TARGET), ids=name_of)
def test_named_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(TARGET.findall(path.read_text(encoding="utf-8"))) <= targets


def test_the_readme_lays_out_every_folder() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Layout")[2]
    rooms = {f"operator/codecourier/{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    tops = {f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    named = set(re.findall(r"`([\w/.]+/)`", text))
    assert rooms | (tops - {"operator/"}) == named


def test_the_readme_leads_to_every_page() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked


def test_testing_lists_what_a_scenario_can_hold(*, update_golden: bool) -> None:
    rows = ["", "| fault of a call | |", "|---|---|"]
    rows += [f"| {fault.name} | {fault.value} |" for fault in Fault]
    rows += ["", "| trouble of a pod | |", "|---|---|"]
    rows += [f"| {trouble.name} | {trouble.value} |" for trouble in PodTrouble]
    rows += ["", "| behaviour of an agent | |", "|---|---|"]
    rows += [f"| {behaviour.name} | {behaviour.value} |" for behaviour in Behaviour]
    check_marked(ROOT / "docs" / "testing.md", "words", "\n".join([*rows, "", ""]), update=update_golden)


def test_operations_lists_every_reason(*, update_golden: bool) -> None:
    rows = ["", "| reason | says | tried again |", "|---|---|---|"]
    for reason, text in SENTENCES.items():
        words = " ".join(re.sub(r"\{[a-z_]+\}", "…", text).split()).replace("|", "\\|")
        rows.append(f"| `{reason.value}` | {words} | {'yes' if reason in RETRYABLE else ''} |")
    check_marked(ROOT / "docs" / "operations.md", "reasons", "\n".join([*rows, "", ""]), update=update_golden)
    assert set(SENTENCES) == set(Reason)


@pytest.mark.parametrize(
    ("file", "constant", "words"),
    [
        ("whole_operator_test.py", "SEEDS", "plays the same {}"),
        ("whole_operator_test.py", "MOST_SEEDS_FOR_A_PLANT", "the first {} seeds"),
        ("cluster.py", "_TRACE_LENGTH", "its last {} lines"),
        ("play.py", "_QUIET_SECONDS", "for\n  {} virtual seconds"),
    ],
)
def test_testing_has_the_simulations_numbers(file: str, constant: str, words: str) -> None:
    code = (ROOT / "tests" / "simulation" / file).read_text(encoding="utf-8")
    number = re.search(rf"^{constant} = (\d+)", code, re.MULTILINE)
    assert number is not None
    assert words.format(number[1]) in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_testing_explains_every_mood() -> None:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    assert [mood for mood in get_args(Mood) if f"*{mood}*" not in text] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path.name for path in folder.glob("0*.md"))
    assert [page[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    assert sorted(LINK.findall((folder / "README.md").read_text(encoding="utf-8"))) == pages
