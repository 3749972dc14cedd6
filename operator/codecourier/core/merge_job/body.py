"""Title and body of the new pull request: what became of each one that it combines, defused and bounded."""

from __future__ import annotations

from codecourier.core.merge_job.ledger import count_merged
from codecourier.core.shared.reasons import cut
from codecourier.resources.merge_job import JobSource, MergeJob, MergeJobStatus, SourceResult
from codecourier.text import defuse_title, marker

__all__ = ["build_body", "build_title"]

REASON_LENGTH = 300
"""How many characters of a reason the body has, so that 50 of them fit."""


def build_title(job: MergeJob, status: MergeJobStatus) -> str:
    """Return the title: the one of the spec, else one that counts the pull requests."""
    count = count_merged(status)
    return defuse_title(job.spec.title or f"Combine {count} pull request{'s' * (count != 1)} ({job.name})")


def build_body(job: MergeJob, status: MergeJobStatus) -> str:
    """Return the body, with the marker by which the pull request is found again."""
    base = f"branch {defuse_title(status.base_branch or '')} at {status.base_commit}"
    return "\n".join(
        (
            f"This pull request combines {count_merged(status)} of {len(status.sources)} pull requests onto {base}:",
            "",
            "| pull request | head | result |",
            "|---|---|---|",
            *map(_row, status.sources),
            "",
            f"Made by MergeJob `{job.name}` in namespace `{job.namespace}`.",
            "",
            marker(job.uid, 1),
        )
    )


def _row(source: JobSource) -> str:
    title = _cell(source.title)
    head = "unknown" if source.head_commit is None else source.head_commit[:12]
    return f"| #{source.number} {title} | {head} | {_what_became(source)} |"


def _what_became(source: JobSource) -> str:
    match source.result:
        case SourceResult.CLEAN:
            return "merged without a conflict"
        case SourceResult.RESOLVED:
            count = source.attempts
            return f"merged; the agent resolved its conflicts in {count} attempt{'s' * (count != 1)}"
    return f"**left out**: {_cell(cut(source.message or '', REASON_LENGTH))}"


def _cell(text: str) -> str:
    """Return the text of others as one cell of a table, without effect at the host."""
    # A backslash of theirs would take the effect of ours away.
    return defuse_title(text).replace("\\", "\\\\").replace("|", "\\|")
