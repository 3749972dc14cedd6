"""Figures, ratios, targets, and how they are reported."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.report import CaseResult, Figure, Target, ratio, render, write_results


@pytest.mark.parametrize(
    ("target", "value", "is_reached"),
    [
        (Target(0.6, is_lower=True), 0.6, True),
        (Target(0.6, is_lower=True), 0.59, False),
        (Target(10, is_lower=False), 10, True),
        (Target(10, is_lower=False), 10.5, False),
    ],
)
def test_a_target_is_a_bound_that_belongs_to_it(*, target: Target, value: float, is_reached: bool) -> None:
    assert target.is_reached(value) is is_reached


def test_a_figure_with_a_baseline_is_judged_by_its_ratio() -> None:
    figure = Figure("Runs a second", 20, "/s", "30/s", ratio(20, 30), Target(0.6, is_lower=True))
    assert figure.ratio == pytest.approx(2 / 3)
    assert figure.is_reached is True


def test_a_count_is_judged_by_itself_and_an_explanation_not_at_all() -> None:
    assert Figure("writes", 11, "", target=Target(10, is_lower=False)).is_reached is False
    assert Figure("writes", 11, "").is_reached is None


@pytest.mark.parametrize("baseline", [0, -1])
def test_nothing_is_compared_with_a_baseline_that_was_not_measured(baseline: float) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        ratio(1, baseline)


def printed(results: list[CaseResult]) -> list[str]:
    console = Console(width=160, color_system=None)
    with console.capture() as capture:
        console.print(render(results))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_the_table_says_what_was_missed() -> None:
    figures = (
        Figure("raw writes", 450.4, "/s"),
        Figure("writes by the operator", 12, "/Run", target=Target(10, is_lower=False)),
        Figure("Runs a second", 20.25, "/s", "450/s / 15", 0.675, Target(0.6, is_lower=True)),
        Figure("Runs a minute", 1215.4, "/min"),
    )
    assert printed([CaseResult("runs", figures)])[1:] == [
        "runs raw writes 450 /s",
        "writes by the operator 12 /Run ≤ 10 NO",
        "Runs a second 20.2 /s 0.68 450/s / 15 ≥ 0.6 yes",
        "Runs a minute 1,215 /min",
    ]


def test_each_case_has_a_file_with_all_that_explains_it(tmp_path: Path) -> None:
    figure = Figure("idle writes", 1, "", target=Target(0, is_lower=False))
    write_results([CaseResult("scale", (figure,), {"why": "a reason"})], tmp_path / "results", {"cores": 2})
    content = json.loads((tmp_path / "results" / "scale.json").read_text(encoding="utf-8"))
    assert content["about"] == {"cores": 2}
    assert content["details"] == {"why": "a reason"}
    (found,) = content["figures"]
    assert (found["name"], found["value"], found["is_reached"]) == ("idle writes", 1, False)
    assert found["target"] == {"bound": 0, "is_lower": False}
