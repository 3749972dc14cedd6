"""The documents point at what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    path
    for pattern in ("*.md", "bench/*.md", "changelog.d/*.md", "charts/**/*.md", "docs/**/*.md", "examples/**/*.md")
    for path in sorted(ROOT.glob(pattern))
]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
TEST = re.compile(r"`(tests/[\w/.-]+)(?:::(\w+))?`")
TARGET = re.compile(r"`?make ([a-z][a-z-]*)")


def name_of(path: Path) -> str:
    """Return how a document is called in messages."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [link for link in LINK.findall(text) if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_named_tests_exist(path: Path) -> None:
    for file, function in TEST.findall(path.read_text(encoding="utf-8")):
        assert (ROOT / file).exists(), file
        if function:
            assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{function}"


def test_named_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for name in ("README.md", "CONTRIBUTING.md") for name in TARGET.findall((ROOT / name).read_text())}
    assert named - targets == set()
