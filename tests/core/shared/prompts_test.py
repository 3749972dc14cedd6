"""What a template becomes, and what it costs."""

from __future__ import annotations

import pytest

from codecourier.core.shared.prompts import TemplateError, render_template, unknown_placeholders
from codecourier.task import PROMPT_MAX_BYTES, TaskError

VALUES = {"prompt": "Fix {{ run }}.", "run": "r"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{ prompt }}", "Fix {{ run }}."),
        ("a {{run}}\n{{\trun }} z", "a r\nr z"),
        ("{{run}}{{run}}", "rr"),
        ("{{ run", "{{ run"),
        ("}} {{run}} {{", "}} r {{"),
        ("{{run}}}", "r}"),
    ],
)
def test_placeholders_are_replaced_once(template: str, text: str) -> None:
    assert unknown_placeholders(template) is None
    assert render_template(template, VALUES) == text


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{{}}", "line 1: unknown placeholder ''"),
        ("a\nb {{ prompz }}", "line 2: unknown placeholder 'prompz'"),
        ("{{{run}}", "line 1: unknown placeholder '{run'"),
        ("{{ prompt }\n}} {{ x }}", "line 1: unknown placeholder 'prompt }';"),
        ("{{ run {{ prompt }}", "line 1: unknown placeholder 'run {{ prompt'"),
    ],
)
def test_the_first_unknown_one_is_named_with_its_line(template: str, sentence: str) -> None:
    found = unknown_placeholders(template)
    assert found is not None
    assert found.startswith(sentence)


def test_a_value_that_this_run_lacks_is_named() -> None:
    with pytest.raises(TemplateError, match=r"line 2: 'sprint\.number' has no value"):
        render_template("\n{{ sprint.number }}", VALUES)


def test_a_template_that_repeats_a_large_prompt_is_refused_before_it_is_built() -> None:
    values = {"prompt": "é" * 32_768}
    assert len(render_template("{{prompt}}" * 2, values).encode()) == PROMPT_MAX_BYTES
    with pytest.raises(TaskError, match="more than 131072 bytes"):
        render_template("{{prompt}}" * 1638, values)
