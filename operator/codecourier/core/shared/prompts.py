"""What the agent reads: the template around the prompt, and what comes before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from codecourier.resources.run import Run
from codecourier.task import PROMPT_MAX_BYTES, TaskError

__all__ = ["TemplateError", "build_default_title", "build_prompt", "find_placeholder_fault", "unknown_placeholders"]

_KNOWN = frozenset({"prompt", "run", "repository", "base_branch", "sprint.number", "sprint.index", "sprint.count"})
_TITLE_LENGTH = 72


class TemplateError(ValueError):
    """A template that cannot be rendered; the message names the line at fault."""


@dataclass(frozen=True, slots=True)
class _Placeholder:
    """A name in double braces, and where in a template it stands."""

    name: str
    start: int
    end: int

    def line_in(self, template: str) -> int:
        """Return the number of its line, from 1."""
        return template.count("\n", 0, self.start) + 1


def _placeholders(template: str) -> Iterator[_Placeholder]:
    """Yield the placeholders from left to right, in linear time: no part of the template is searched twice."""
    position = 0
    while (start := template.find("{{", position)) >= 0:
        end = template.find("}}", start + 2)
        if end < 0:
            return
        position = end + 2
        yield _Placeholder(template[start + 2 : end].strip(), start, position)


@lru_cache(maxsize=256)
def unknown_placeholders(template: str) -> str | None:
    """Return a sentence about the first placeholder that no value exists for, or None when all are known.

    A template is judged once, and not again by each plan of each Run that uses it.
    """
    for found in _placeholders(template):
        if found.name not in _KNOWN:
            known = ", ".join(sorted(_KNOWN))
            where = found.line_in(template)
            return f"line {where}: unknown placeholder '{found.name[:64]}'; known are {known}."
    return None


@lru_cache(maxsize=256)
def find_placeholder_fault(template: str, *, has_sprint: bool) -> str | None:
    """Return a sentence about the first placeholder that has no value in a sprint, or outside of one; None: none."""
    fault = unknown_placeholders(template)
    if fault is not None or has_sprint:
        return fault
    for found in _placeholders(template):
        if found.name.startswith("sprint."):
            where = found.line_in(template)
            return f"line {where}: '{found.name}' has a value only in the Runs of a SprintChain."
    return None


def render_template(template: str, values: Mapping[str, str]) -> str:
    """Return the template with its placeholders replaced, in one pass: values are never read as templates.

    Raises
    ------
    TemplateError
        If a placeholder has no value here, as `sprint.number` outside a chain.
    TaskError
        If the values alone are larger than a prompt may be; the text is then not built.
    """
    sizes = {name: len(value.encode()) for name, value in values.items()}
    parts: list[str] = []
    position = size = 0
    for found in _placeholders(template):
        if found.name not in values:
            where = found.line_in(template)
            raise TemplateError(f"line {where}: '{found.name[:64]}' has no value for this Run.")
        size += sizes[found.name]
        if size > PROMPT_MAX_BYTES:
            raise TaskError(f"prompt: its template repeats values until they have more than {PROMPT_MAX_BYTES} bytes")
        parts += (template[position : found.start], values[found.name])
        position = found.end
    return "".join((*parts, template[position:]))


def build_prompt(run: Run, template: str, lessons: str = "") -> str:
    """Return all that the agent reads: lessons, the context, then the Workflow's template with the prompt in it.

    The Run's status must hold its repository and base branch.

    Raises
    ------
    TemplateError
        If the template names something that has no value.
    TaskError
        If the template makes the text larger than a prompt may be.
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
    return "\n\n".join((*filter(None, (lessons, run.spec.context)), text))


def build_default_title(run: Run) -> str:
    """Return the title of work whose agent gave none: the prompt's first line, cut, after the sprint's number."""
    first = next((line.strip() for line in run.spec.prompt.splitlines() if line.strip()), "") or run.name
    if run.spec.sprint is not None:
        first = f"Sprint {run.spec.sprint.number}: {first}"
    return first if len(first) <= _TITLE_LENGTH else first[: _TITLE_LENGTH - 1].rstrip() + "…"
