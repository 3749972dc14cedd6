"""Sandboxes in the REST API: object to JSON."""

from __future__ import annotations

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import RUN_ID, SANDBOX_ID
from codecourier.apiserver.words import reason_word, word_of
from codecourier.resources.sandbox import Sandbox

__all__ = ["SandboxDetail", "SandboxView", "view_sandbox", "view_sandbox_detail"]


class SandboxView(View):
    """A sandbox: one try of a run in one pod."""

    id: str
    status: str
    run_id: str
    attempt: int
    try_number: int
    pod_name: str | None
    reason: str | None
    """Why it ended as it did, as a word for programs; null before it ended."""

    message: str | None
    created_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None


class StepView(View):
    """A container of the pod that has ended."""

    name: str
    exit_code: int
    reason: str | None
    message: str | None
    started_at: Instant | None
    finished_at: Instant | None


class SandboxDetail(SandboxView):
    """A sandbox with its steps."""

    steps: list[StepView]


def view_sandbox(sandbox: Sandbox) -> SandboxView:
    """Return what a list shows of a Sandbox."""
    spec, status = sandbox.spec, sandbox.status
    return SandboxView(
        id=SANDBOX_ID + sandbox.name,
        status=word_of(status.phase),
        run_id=RUN_ID + spec.run_ref.name,
        attempt=spec.attempt,
        try_number=spec.try_number,
        pod_name=status.pod_name,
        reason=None if status.reason is None else reason_word(status.reason),
        message=status.message or None,
        created_at=sandbox.metadata.creation_timestamp,
        started_at=status.start_time,
        finished_at=status.finish_time,
    )


def view_sandbox_detail(sandbox: Sandbox) -> SandboxDetail:
    """Return all that is shown of a Sandbox."""
    return SandboxDetail(
        **dict(view_sandbox(sandbox)),
        steps=[
            StepView(
                name=step.name,
                exit_code=step.exit_code,
                reason=None if step.reason is None else reason_word(step.reason),
                message=step.message,
                started_at=step.start_time,
                finished_at=step.finish_time,
            )
            for step in sandbox.status.steps
        ],
    )
