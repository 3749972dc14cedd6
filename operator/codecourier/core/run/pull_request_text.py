"""Title and body of a Run's pull request: what the agent said, defused, and what people want to know of its origin."""

from __future__ import annotations

from codecourier.core.shared.prompts import build_default_title
from codecourier.resources.run import Run, RunStatus
from codecourier.text import defuse_body, defuse_title, marker

__all__ = ["build_body", "build_title"]


def build_title(run: Run, status: RunStatus | None = None) -> str:
    """Return the pull request's title: the agent's, else one from the prompt."""
    title = (status or run.status).title or build_default_title(run)
    if run.spec.sprint is not None and not title.lower().startswith("sprint"):
        title = f"Sprint {run.spec.sprint.number}: {title}"
    return defuse_title(title)


def build_body(run: Run, base: str) -> str:
    """Return the body of the pull request into a branch, with the marker by which it is found again."""
    status = run.status
    parts = [defuse_body(status.summary or "The agent left no summary.")]
    below = run.spec.pull_request_base
    if below is not None and below == base:
        parts.append(f"Stacked on `{below}`: review and merge that pull request first.")
    elif below is not None:
        parts.append(f"Built on `{below}`, which is gone: it holds that work too, as far as `{base}` does not.")
    if run.spec.issue is not None:
        parts.append(f"{'Closes' if run.spec.issue.closes else 'For'} {run.spec.issue.url}")
    parts.append(f"Made by Run `{run.name}` in namespace `{run.namespace}`, attempt {status.attempt}.")
    parts.append(marker(run.uid, status.attempt))
    return "\n\n".join(parts)
