"""What the agent reads: the template around the prompt, and what comes before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from codecourier.resources.run import Run

__all__ = ["TemplateError", "build_default_title", "build_prompt", "find_placeholder_fault", "unknown_placeholders"]

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_KNOWN = frozenset({"prompt", "run", "repository", "base_branch", "sprint.number", "sprint.index", "sprint.count"})
_TITLE_LENGTH = 72


class TemplateError(ValueError):
    """A template that cannot be rendered; the message names the line at fault."""


@lru_cache(maxsize=128)
def unknown_placeholders(template: str) -> str | None:
    """Return a sentence about the first placeholder that no value exists for, or None when all are known."""
    for match in _PLACEHOLDER.finditer(template):
        name = match.group(1).strip()
        if name not in _KNOWN:
            line = template.count("\n", 0, match.start()) + 1
            known = ", ".join(sorted(_KNOWN))
            return f"line {line}: unknown placeholder '{name[:64]}'; known are {known}."
    return None


def find_placeholder_fault(template: str, *, has_sprint: bool) -> str | None:
    """Return a sentence about the first placeholder that has no value in a sprint, or outside of one; None: none."""
    fault = unknown_placeholders(template)
    if fault is not None or has_sprint:
        return fault
    for match in _PLACEHOLDER.finditer(template):
        name = match.group(1).strip()
        if name.startswith("sprint."):
            line = template.count("\n", 0, match.start()) + 1
            return f"line {line}: '{name}' has a value only in the Runs of a SprintChain."
    return None


def render_template(template: str, values: Mapping[str, str]) -> str:
    """Return the template with its placeholders replaced, in one pass: values are never read as templates.

    Raises
    ------
    TemplateError
        If a placeholder has no value here, as `sprint.number` outside a chain.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1).strip()
        if name not in values:
            line = template.count("\n", 0, match.start()) + 1
            raise TemplateError(f"line {line}: '{name[:64]}' has no value for this Run.")
        return values[name]

    return _PLACEHOLDER.sub(value, template)


def build_prompt(run: Run, template: str) -> str:
    """Return all that the agent reads: the context, then the Workflow's template with the prompt in it.

    The Run's status must hold its repository and base branch.

    Raises
    ------
    TemplateError
        If the template names something that has no value.
    """
    values = {
        "prompt": run.spec.prompt,
        "run": run.name,
        "repository": run.status.repository_url or "",
        "base_branch": run.status.base_branch or "",
    }
    if run.spec.sprint is not None:
        values |= {
            "sprint.number": str(run.spec.sprint.number),
            "sprint.index": str(run.spec.sprint.index),
            "sprint.count": str(run.spec.sprint.count),
        }
    text = render_template(template, values)
    return f"{run.spec.context}\n\n{text}" if run.spec.context else text


def build_default_title(run: Run) -> str:
    """Return the title of work whose agent gave none: the prompt's first line, cut, after the sprint's number."""
    first = next((line.strip() for line in run.spec.prompt.splitlines() if line.strip()), "") or run.name
    if run.spec.sprint is not None:
        first = f"Sprint {run.spec.sprint.number}: {first}"
    return first if len(first) <= _TITLE_LENGTH else first[: _TITLE_LENGTH - 1].rstrip() + "…"
