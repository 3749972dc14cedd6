"""Figures, their targets, and how they are reported: a table for users, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

__all__ = ["CaseResult", "Figure", "Target", "ratio", "render", "write_results"]


@dataclass(frozen=True)
class Target:
    """What a figure has to be."""

    bound: float
    is_lower: bool
    """Whether the figure has to be at least the bound; otherwise at most."""

    def is_reached(self, value: float) -> bool:
        """Return whether a value reaches the target."""
        return value >= self.bound if self.is_lower else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.is_lower else '≤'} {_number(self.bound)}"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Parameters
    ----------
    name
        What was measured.
    value
        How much.
    unit
        Of the value.
    baseline
        What the ratio is to, with its value; empty where there is none.
    ratio
        The value over its baseline; None for counts and other absolute figures.
    target
        Of the ratio where there is one, else of the value; None for a figure that only explains.
    """

    name: str
    value: float
    unit: str
    baseline: str = ""
    ratio: float | None = None
    target: Target | None = None

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        return self.target.is_reached(self.value if self.ratio is None else self.ratio)


@dataclass(frozen=True)
class CaseResult:
    """What one case found."""

    case: str
    figures: tuple[Figure, ...]
    details: dict[str, Any] = field(default_factory=dict)
    """What explains the figures, for the results file."""


def ratio(value: float, baseline: float) -> float:
    """Return a value over its baseline.

    Raises
    ------
    ValueError
        If the baseline is not positive: then nothing was measured.
    """
    if baseline <= 0:
        raise ValueError(f"a baseline of {baseline} cannot be compared with")
    return value / baseline


def render(results: Sequence[CaseResult]) -> Table:
    """Return the table of all figures."""
    table = Table("CASE", "FIGURE", "MEASURED", "RATIO", "TO", "TARGET", "REACHED", box=None, pad_edge=False)
    for result in results:
        for index, figure in enumerate(result.figures):
            table.add_row(
                result.case if index == 0 else "",
                figure.name,
                f"{_number(figure.value)} {figure.unit}".rstrip(),
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                figure.baseline,
                "" if figure.target is None else str(figure.target),
                {True: "yes", False: "NO", None: ""}[figure.is_reached],
                style={True: "green", False: "bold red", None: "dim"}[figure.is_reached],
            )
    return table


def write_results(results: Sequence[CaseResult], folder: Path, about: dict[str, Any]) -> None:
    """Write a file for each case, with what distinguishes this run of the benchmarks from others."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        figures = [{**asdict(figure), "is_reached": figure.is_reached} for figure in result.figures]
        content = {"case": result.case, "about": about, "figures": figures, "details": result.details}
        path = folder / f"{result.case}.json"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004  thousands need no fractions
