"""The last step: makes the commit and pushes it.

Runs with a token that can write and never sees the workspace: its input is the pack of blobs, the manifest and the
details that collect left, and it trusts none of them. Unchanged paths come from the start commit, not from the
manifest.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from codecourier.runner.assemble import Assembly, read_outbox
from codecourier.runner.changes import with_changes
from codecourier.runner.git import Git, Remote
from codecourier.runner.history import Tip, classify_tip
from codecourier.runner.manifest import DETAILS_FILE, MANIFEST_FILE, MANIFEST_MAX_BYTES, PACK_FILE, Manifest, Start
from codecourier.runner.merging.finish import failed_result, finish_merge
from codecourier.runner.message import build_message, split_summary
from codecourier.runner.remote import PushOutcome, Repository
from codecourier.runner.step import Context, StepError, describe, exit_code, load_context, one_line, terminate
from codecourier.task import (
    CONTAINER_AGENT,
    CONTAINER_VERIFY,
    DETAILS_MAX_BYTES,
    LAYOUT,
    ROOT_ENV,
    Details,
    Layout,
    Publication,
    PublishResult,
    StepState,
    Task,
    TaskError,
    frame_details,
)

__all__ = ["publish"]

_UNCERTAIN = frozenset({"ForgeUnavailable", "RateLimited"})
"""Reasons after which the push may still have been done."""

_ADOPTED_REF = "refs/codecourier/adopted"


@dataclass(frozen=True)
class _Work:
    """What there is to publish."""

    task: Task
    start: Start
    manifest: Manifest
    details: Details
    git: Git
    repository: Repository


def publish(context: Context, details: Details) -> PublishResult:
    """Make and push the commit.

    Returns
    -------
    PublishResult
        Without the fields that come from the details.

    Raises
    ------
    StepError
        If nothing could be pushed.
    """
    layout, task = context.layout, context.task
    git = Git(layout.courier)
    work = _Work(
        task=task,
        start=Start.read(layout.courier),
        manifest=Manifest.from_json(read_outbox(layout.outbox, MANIFEST_FILE, MANIFEST_MAX_BYTES)),
        details=details,
        git=git,
        repository=Repository(git, Remote(task.repository_url, layout.token_file, layout.ca_file)),
    )
    if not work.manifest.changes and not work.manifest.deleted:
        return _without_change(work)
    if task.only_verified:
        _check_ends(task, details)
    assembly = Assembly(task, git, work.manifest, Path(layout.outbox, PACK_FILE), work.start.commit)
    commit = _commit(work, assembly.make_tree())
    assembly.check_commit(commit, [work.start.commit])
    return _push(work, commit)


def _check_ends(task: Task, details: Details) -> None:
    """Push no work of an agent that failed, or that the verify steps refused.

    The agent could forge these reports. The only effect is that its work comes to its own branch, as in other Runs.
    """
    ended_well = {step.step for step in details.steps if step.state is StepState.SUCCEEDED}
    if CONTAINER_AGENT not in ended_well:
        raise StepError("AgentFailed", "The agent did not end well, so nothing was pushed.")
    if task.verify and CONTAINER_VERIFY not in ended_well:
        raise StepError("NotVerified", "The verify steps did not pass, so nothing was pushed.")


def _without_change(work: _Work) -> PublishResult:
    title, _ = split_summary(work.details.summary, work.task.default_title)
    if work.start.commit == work.task.base_commit:
        return PublishResult(Publication.NO_CHANGE, "NoChange", "The agent changed nothing.", title=title)
    return _pushed(work, work.start.commit, "Continued", "This try added nothing to the work of an earlier one.")


def _commit(work: _Work, tree: str) -> str:
    title, body = split_summary(work.details.summary, work.task.default_title)
    author = work.task.commit_author
    parent_time = int(work.git.text("show", "--no-patch", "--format=%ct", work.start.commit))
    date = f"{max(int(time.time()), parent_time)} +0000"
    identity: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        identity |= {f"GIT_{role}_NAME": author.name, f"GIT_{role}_EMAIL": author.email, f"GIT_{role}_DATE": date}
    message = build_message(work.task, title, body).encode()
    output = work.git.run("commit-tree", tree, "-p", work.start.commit, stdin=message, environment=identity)
    return output.decode("ascii").strip()


def _push(work: _Work, commit: str) -> PublishResult:
    branch = work.task.branch
    lost: StepError | None = None
    words = ""
    try:
        result = work.repository.push(commit, f"refs/heads/{branch}", work.start.branch_tip)
    except StepError as error:
        if error.reason not in _UNCERTAIN:
            raise
        lost = error
    else:
        if result.outcome is PushOutcome.DONE:
            return _pushed(work, commit, "Pushed", f"Pushed {commit}.")
        if result.outcome is PushOutcome.REFUSED:
            raise StepError("PushRefused", f"The forge refused the push to {branch!r}: {result.words}")
        words = result.words
    tip = _read_tip(work, lost)
    if tip == commit:
        return _pushed(work, commit, "Pushed", f"Pushed {commit}.")
    if lost is not None:
        raise lost
    return _adopt(work, tip, words)


def _read_tip(work: _Work, lost: StepError | None) -> str | None:
    """Read the branch's tip after a push whose answer was lost or was a conflict."""
    try:
        return work.repository.heads(work.task.branch).get(work.task.branch)
    except StepError as error:
        raise lost or error from None


def _adopt(work: _Work, tip: str | None, words: str) -> PublishResult:
    """Adopt what another try of this run pushed in the meantime."""
    if tip is not None:
        work.repository.fetch(f"+{tip}:{_ADOPTED_REF}")
        if classify_tip(work.git, work.task, tip) is Tip.OURS:
            return _pushed(work, tip, "Adopted", "Another try of this run had pushed its work already.")
    raise StepError(
        "PushRejected",
        f"Branch {work.task.branch!r} was changed by another push meanwhile (now {tip or 'gone'}): {words}",
    )


def _pushed(work: _Work, commit: str, reason: str, message: str) -> PublishResult:
    """Describe the work between the base commit and the tip."""
    title = work.git.text("show", "--no-patch", "--format=%s", commit)
    result = PublishResult(Publication.PUSHED, reason, message, commit=commit, title=title)
    return with_changes(result, work.git, work.task.base_commit, commit)


def _with_agent(result: PublishResult, details: Details, digest: str) -> PublishResult:
    agent = next((step for step in details.steps if step.step == CONTAINER_AGENT), None)
    if agent is not None:
        result = replace(
            result,
            agent_state=agent.state,
            agent_reason=agent.reason,
            agent_exit_code=agent.exit_code,
            retry_after_seconds=result.retry_after_seconds or agent.retry_after_seconds,
        )
    return replace(result, details_digest=digest)


def _run(layout: Layout) -> PublishResult:
    details, digest = None, ""
    try:
        context = load_context(layout)
        details = Details.from_json(read_outbox(layout.outbox, DETAILS_FILE, DETAILS_MAX_BYTES))
        if context.task.merge is not None:
            # Its report is part of the details, also where nothing could be pushed.
            end = finish_merge(context, context.task.merge, details)
            return _with_agent(end.result, end.details, _print(end.details))
        digest = _print(details)
        result = publish(context, details)
    except StepError as error:
        result = failed_result(error)
    except TaskError as error:
        result = PublishResult(Publication.FAILED, "OutboxInvalid", str(error))
    except OSError as error:
        result = PublishResult(Publication.FAILED, "SystemError", describe(error))
    return _with_agent(result, details, digest) if details is not None and digest else result


def _print(details: Details) -> str:
    """Print the details for the operator, which reads them from the log; return their digest."""
    line, digest = frame_details(details)
    print(line, flush=True)  # noqa: T201 - the operator reads it from the log
    return digest


def main() -> int:
    """Run the step; return its exit code, 0 only if nothing is left to push."""
    os.umask(0o002)
    signal.signal(signal.SIGTERM, terminate)
    layout = Layout(os.environ.get(ROOT_ENV, LAYOUT.root))
    result = _run(layout)
    Path(layout.termination_log).write_text(result.to_json(), encoding="utf-8")
    print(f"publish: {result.reason}: {one_line(result.message, 1000)}", file=sys.stderr, flush=True)  # noqa: T201 - the container's log
    return exit_code(result.reason, has_succeeded=result.state is not Publication.FAILED)


if __name__ == "__main__":
    sys.exit(main())
