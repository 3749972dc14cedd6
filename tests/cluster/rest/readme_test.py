"""The lines of the README's quick start."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecourier.kinds.api_resources import WORKFLOWS
from tests.support.rest import PROJECT, Rest
from tests.support.team import WORKFLOW

pytestmark = pytest.mark.cluster

README = Path(__file__).parents[3] / "README.md"


def test_the_lines_of_the_readme(rest: Rest, editor: str) -> None:
    rest.create(WORKFLOWS, PROJECT, "scripted", {**WORKFLOW, "agent": {"command": ["true"]}})
    lines = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("curl ")]
    filled = [line.replace("$KEY", editor).replace("$API", rest.address) for line in lines]
    _, task, tasks = (rest.run_line(line, editor, {}).data for line in filled)
    assert task["id"] in [found["id"] for found in tasks]
