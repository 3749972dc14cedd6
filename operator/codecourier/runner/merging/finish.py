"""The part of publish for a task that merges: settles what became of each pull request and pushes the progress."""

import os
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path

from codecourier.merging import MergeReport, MergeState, MergeTask, SourceReport
from codecourier.runner.assemble import Assembly, read_outbox
from codecourier.runner.changes import with_changes
from codecourier.runner.git import Git, Remote
from codecourier.runner.manifest import MANIFEST_FILE, MANIFEST_MAX_BYTES, PACK_FILE, Manifest
from codecourier.runner.merging.commits import MergeCommitter
from codecourier.runner.merging.conflicts import MergeOutput
from codecourier.runner.merging.mechanical import merge_trees
from codecourier.runner.merging.resolution import check_resolution
from codecourier.runner.merging.state import MergeStart
from codecourier.runner.merging.walk import (
    OpenConflict,
    changes_workflows,
    describe_paths,
    report_conflict,
    report_forbidden,
    tree_of,
)
from codecourier.runner.message import split_summary
from codecourier.runner.remote import PushOutcome, Repository
from codecourier.runner.step import Context, StepError
from codecourier.task import CONTAINER_AGENT, Details, Publication, PublishResult, StepState, Task

__all__ = ["MergeEnd", "failed_result", "finish_merge"]

_UNCERTAIN = frozenset({"ForgeUnavailable", "RateLimited"})
"""Reasons after which the push may still have been done."""

_FORBIDDEN = "WorkflowPermission"
_WORKFLOW_PERMISSION = re.compile(r"\bworkflows?\b.{0,40}\b(permission|scope)\b", re.IGNORECASE)


@dataclass(frozen=True)
class MergeEnd:
    """How the merges ended."""

    result: PublishResult
    """Without the fields that come from the details."""

    details: Details
    """Those of collect, with what became of each pull request."""


@dataclass(frozen=True)
class _Ending:
    """What is known when publish starts."""

    context: Context
    merge: MergeTask
    details: Details
    start: MergeStart
    conflict: OpenConflict | None
    git: Git

    @property
    def task(self) -> Task:
        return self.context.task


def failed_result(error: StepError) -> PublishResult:
    """Return the result of a step that pushed nothing."""
    return PublishResult(Publication.FAILED, error.reason, error.message, retry_after_seconds=error.retry_after_seconds)


def finish_merge(context: Context, merge: MergeTask, details: Details) -> MergeEnd:
    """Make the commit of a resolution, and push what was merged if it is verified.

    Raises
    ------
    StepError, OSError
        If what checkout left cannot be read; all other failures are in the result.
    """
    git = Git(context.layout.courier)
    start = MergeStart.read(context.layout.courier)
    source, conflict = start.conflict, None
    if source is not None:
        conflict = OpenConflict(source, merge_trees(git, start.tip, source.head_commit, source.number))
    ending = _Ending(context, merge, details, start, conflict, git)
    try:
        result, report = _finish(ending)
    except StepError as error:
        result, report = failed_result(error), _failed_report(ending, error.reason)
    result = replace(result, merge=report.summary)
    return MergeEnd(result, replace(details, merge=report))


def _failed_report(ending: _Ending, reason: str) -> MergeReport:
    """Return the report of merges of which nothing counts."""
    conflict, reports = ending.conflict, ending.start.reports
    if reason == _FORBIDDEN:
        # The host says so only now: the pull requests that it is about are named, so that the others can go on.
        reports = tuple(_forbid(ending.git, report) for report in reports)
        if conflict is not None and changes_workflows(ending.git, ending.start.tip, conflict.merged):
            return MergeReport((*reports, report_forbidden(conflict.source.number)))
    if conflict is None:
        return MergeReport(reports)
    return MergeReport((*reports, report_conflict(conflict.source.number, conflict.merged, reason)))


def _forbid(git: Git, report: SourceReport) -> SourceReport:
    """Return the report of a pull request after the host has refused to change workflow files."""
    if report.commit is None:
        return report
    merged = MergeOutput(tree_of(git, report.commit), ())
    return report_forbidden(report.number) if changes_workflows(git, f"{report.commit}^1", merged) else report


def _finish(ending: _Ending) -> tuple[PublishResult, MergeReport]:
    start, layout = ending.start, ending.context.layout
    manifest = Manifest.from_json(read_outbox(layout.outbox, MANIFEST_FILE, MANIFEST_MAX_BYTES))
    tip, reports = start.tip, start.reports
    if ending.conflict is not None:
        resolved = _resolve(ending, ending.conflict, manifest)
        tip, reports = resolved.commit or tip, (*reports, resolved)
    elif manifest.changes or manifest.deleted:
        raise StepError("PathNotConflicted", "The workspace was changed although no agent was to run; start again.")
    if ending.conflict is not None or tip != ending.task.base_commit:
        _check_verdict(ending)
    report = MergeReport(reports, tree_of(ending.git, tip))
    title, _ = split_summary(ending.details.summary, ending.task.default_title)
    if tip != ending.task.base_commit:
        result = replace(_push(ending, tip), commit=tip, title=title)
        return with_changes(result, ending.git, ending.task.base_commit, tip), report
    if reports and reports[-1].state is MergeState.CONFLICT:
        raise StepError("MergeConflict", _describe_conflict(reports[-1]))
    return PublishResult(Publication.NO_CHANGE, "NothingMerged", "There was nothing to merge.", title=title), report


def _describe_conflict(report: SourceReport) -> str:
    if not report.path_count:
        return f"Pull request #{report.number} shares no history with what it is to be merged onto."
    count = "1 path" if report.path_count == 1 else f"{report.path_count} paths"
    return f"Pull request #{report.number} conflicts in {count} ({report.reason}): {describe_paths(report)}."


def _resolve(ending: _Ending, conflict: OpenConflict, manifest: Manifest) -> SourceReport:
    """Return the report of a conflict that the agent has resolved, with the commit that this makes."""
    agent = next((step for step in ending.details.steps if step.step == CONTAINER_AGENT), None)
    if agent is None or agent.state is not StepState.SUCCEEDED:
        raise StepError("AgentFailed", "The agent did not end well, so its resolution is not used.")
    task, git, merged, number = ending.task, ending.git, conflict.merged, conflict.source.number
    pack = Path(ending.context.layout.outbox, PACK_FILE)
    assembly = Assembly(task, git, manifest, pack, merged.tree)
    tree = assembly.make_tree()
    staged = [os.fsencode(path) for path in manifest.settled]
    parents = (ending.start.tip, conflict.source.head_commit)
    check_resolution(git, merged, parents, tree, staged, task.limits.max_file_bytes)
    if tree == tree_of(git, ending.start.tip):
        return SourceReport(number, MergeState.EMPTY)
    committer = MergeCommitter.of(git, task.commit_author, ending.merge)
    commit = committer.commit(tree, *parents, number)
    assembly.check_commit(commit, parents)
    return SourceReport(number, MergeState.RESOLVED, commit)


def _check_verdict(ending: _Ending) -> None:
    """Push nothing that the verify steps have not passed: only their container can write the folder of the verdict."""
    if not ending.task.verify:
        return
    try:
        is_verified = stat.S_ISREG(os.lstat(ending.context.layout.verdict_file).st_mode)
    except OSError:
        is_verified = False
    if not is_verified:
        raise StepError("NotVerified", "The verify steps did not pass, so nothing was pushed.")


def _push(ending: _Ending, tip: str) -> PublishResult:
    layout, merge, progress = ending.context.layout, ending.merge, ending.start.progress
    if tip == progress:
        words = "An earlier try had pushed these merges already."
        return PublishResult(Publication.PUSHED, "Adopted", words)
    remote = Remote(ending.task.repository_url, layout.token_file, layout.ca_file)
    repository = Repository(ending.git, remote)
    _push_ref(repository, tip, merge.progress_ref, progress)
    return PublishResult(Publication.PUSHED, "Pushed", f"Pushed {tip}.")


def _push_ref(repository: Repository, tip: str, ref: str, expected: str | None) -> None:
    """Push by compare-and-swap; a lost answer is looked up."""
    lost: StepError | None = None
    words = ""
    try:
        pushed = repository.push(tip, ref, expected)
    except StepError as error:
        if error.reason not in _UNCERTAIN:
            raise
        lost = error
    else:
        if pushed.outcome is PushOutcome.DONE:
            return
        if pushed.outcome is PushOutcome.REFUSED:
            raise _refusal(ref, pushed.words)
        words = pushed.words
    try:
        found = repository.refs(ref).get(ref)
    except StepError as error:
        raise lost or error from None
    if found == tip:
        return
    if lost is not None:
        raise lost
    raise StepError("ProgressMoved", f"{ref} was changed by another push meanwhile (now {found or 'gone'}): {words}")


def _refusal(ref: str, words: str) -> StepError:
    if _WORKFLOW_PERMISSION.search(words):
        return StepError(
            _FORBIDDEN,
            f"the merges change files of GitHub's workflows, which the host refuses: {words}.",
        )
    return StepError("PushRefused", f"The forge refused the push to {ref}: {words}")
