"""What a Sandbox has merged, from what its last step reports."""

from __future__ import annotations

from codecourier import merging
from codecourier.merging import MERGE_PATH_MAX_LENGTH, MergeReport, MergeState
from codecourier.resources.merge import MergedSource, MergeResult
from codecourier.resources.run import Run
from codecourier.task import Details, Publication, PublishResult, TaskError

__all__ = ["build_merge_task", "describe_merge", "read_merge"]

_MERGED = frozenset({MergeState.CLEAN, MergeState.RESOLVED})


def build_merge_task(run: Run) -> merging.MergeTask | None:
    """Return what the pod of a Run is to merge; None where the agent works on its own.

    Raises
    ------
    TaskError
        If a value is out of the bounds of a task.
    """
    merge, origin = run.spec.merge, run.spec.origin
    if merge is None or origin is None:
        return None
    return merging.MergeTask(
        uid=origin.uid,
        step=origin.index or 0,
        sources=tuple(merging.MergeSource(source.number, source.head_commit) for source in merge.sources),
        resolves=merge.resolves,
        may_change_workflows=merge.may_change_workflows is not False,
    )


def read_merge(run: Run | None, publication: PublishResult | None, details: Details | None) -> MergeResult | None:
    """Return what was merged; None where nothing was to be, or the last step reports nothing.

    Where the details are lost, the result of publish has the states. A report of other pull requests than those of the
    Run is none.

    Parameters
    ----------
    run
        The Run of the Sandbox; None: it is gone.
    publication
        What publish says in its termination message.
    details
        What it says in its log; None: lost.
    """
    task = build_merge_task(run) if run is not None else None
    if run is None or task is None or publication is None or publication.merge is None:
        return None
    try:
        known = publication.merge.expand(task.sources)
    except TaskError:
        return None
    report = details.merge if details is not None and details.merge is not None else known
    if [(s.number, s.state) for s in report.sources] != [(s.number, s.state) for s in known.sources]:
        report = known
    if publication.state is Publication.FAILED:
        return MergeResult(sources=_sources(report))
    return MergeResult(
        sources=_sources(report), tip=publication.commit or run.status.base_commit, tree=publication.merge.tree
    )


def describe_merge(merge: MergeResult) -> str:
    """Return what was merged in a sentence."""
    count = sum(source.state in _MERGED for source in merge.sources)
    if not count:
        return "Nothing was merged: status.merge says why for each pull request."
    left = len(merge.sources) - count
    others = "" if not left else f"; {left} others were not, as status.merge says"
    return f"{count} pull requests are merged as {merge.tip}{others}."


def _sources(report: MergeReport) -> tuple[MergedSource, ...]:
    return tuple(
        MergedSource(
            number=source.number,
            state=source.state,
            commit=source.commit,
            paths=tuple(path[:MERGE_PATH_MAX_LENGTH] for path in source.paths),
            path_count=source.path_count,
            reason=source.reason,
        )
        for source in report.sources
    )
