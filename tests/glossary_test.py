"""`docs/glossary.md`: each word once, in order, and where the code has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "glossary.md"
ROW = re.compile(r"^\| (.+?) \| (.+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("operator", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
)


class Entry(NamedTuple):
    """One row."""

    word: str
    meaning: str
    code: str
    wrong: str


ENTRIES = [
    Entry(*cells)
    for cells in ROW.findall(PAGE.read_text(encoding="utf-8"))
    if cells[0] != "word" and not set(cells[0]) <= {"-", "|"}
]


def test_each_word_is_explained_once() -> None:
    words = [entry.word.lower() for entry in ENTRIES]
    assert len(words) > 60, "the rows are not found any more"
    assert sorted(word for word in words if words.count(word) > 1) == []


def test_the_words_of_a_part_are_in_order() -> None:
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        words = [cells[0].lower() for cells in ROW.findall(part)[1:]]
        assert words == sorted(words), part.partition("\n")[0]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.word)
def test_the_code_has_the_name(entry: Entry) -> None:
    if entry.code == "-":
        assert "not built yet" in entry.meaning
        return
    name = re.escape(entry.code.strip("`"))
    assert re.search(rf"^ *(?:class |def |async def )?{name}\b ?[:=(\[]", CODE, re.MULTILINE), "nothing defines it"


def test_a_word_is_not_one_to_avoid_for_itself() -> None:
    assert [entry.word for entry in ENTRIES if entry.word in entry.wrong.split(", ")] == []
