"""The collector of cycles while lists are read."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import gc, orjson
from codecourier.controller.collector import collect_seldom
{setting}
page = orjson.dumps([{{"metadata": {{"labels": {{}}, "owners": [{{}}]}}}} for _ in range(500)])
before = sum(s["collections"] for s in gc.get_stats())
for _ in range(40):
    orjson.loads(page)
print(sum(s["collections"] for s in gc.get_stats()) - before)
"""


def collections(setting: str) -> int:
    """Return how often a process collects cycles while it parses pages."""
    script = SCRIPT.format(setting=setting)
    return int(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("setting", "is_seldom"), [("collect_seldom()", True), ("", False)])
def test_pages_are_parsed_without_a_search_for_cycles(setting: str, *, is_seldom: bool) -> None:
    assert (collections(setting) <= 2) is is_seldom
