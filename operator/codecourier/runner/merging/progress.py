"""What is at the progress ref already: nothing, what this task continues from, its own work, or another's."""

from collections.abc import Collection

from codecourier.merging import MergeState, MergeTask, SourceReport
from codecourier.runner.git import Git
from codecourier.runner.merging.commits import MergeCommitter, read_step
from codecourier.runner.merging.resolution import check_resolution
from codecourier.runner.merging.walk import MergeWalk, OpenConflict, tree_of, walk_sources
from codecourier.runner.step import StepError
from codecourier.task import Task

__all__ = ["continue_progress"]


def continue_progress(git: Git, task: Task, merge: MergeTask, missing: Collection[str], tip: str | None) -> MergeWalk:
    """Go through the pull requests, and adopt what an earlier try of the same merges has pushed.

    Its commits are made again and compared, so that the same parents, tree, author, date and message count, and nothing
    else: a resolution must keep the rules of one.

    Parameters
    ----------
    git
        The private git directory; it has the commit `tip`.
    task, merge
        The task, and its merges.
    missing
        Head commits that the repository does not have any more.
    tip
        Commit at the progress ref; None where there is none.

    Raises
    ------
    StepError
        If the ref holds what these merges did not make, or what a later step did.
    """
    walk = walk_sources(git, task, missing, MergeCommitter.of(git, task.commit_author, merge))
    if tip is None or tip in {task.base_commit, walk.tip}:
        return walk
    step = read_step(git, tip, merge.uid)
    if step is None:
        raise StepError(
            "ProgressTaken",
            f"{merge.progress_ref} holds commit {tip}, which these merges did not make; delete the ref.",
        )
    if step > merge.step:
        raise StepError("Superseded", f"{merge.progress_ref} holds the work of a later step of these merges.")
    # What an earlier step pushed, but could not report, carries that step's number.
    committer = MergeCommitter.of(git, task.commit_author, merge, step)
    earlier = walk if step == merge.step else walk_sources(git, task, missing, committer)
    if tip == earlier.tip and earlier.conflict is None:
        return earlier
    if earlier.conflict is not None and _is_resolution(committer, task, earlier.tip, earlier.conflict, tip):
        number = earlier.conflict.source.number
        report = SourceReport(number, MergeState.RESOLVED, tip)
        return MergeWalk(tip, (*earlier.reports, report), None)
    return walk


def _is_resolution(committer: MergeCommitter, task: Task, tip: str, conflict: OpenConflict, commit: str) -> bool:
    """Whether a commit is the merge of an open conflict, resolved by the rules."""
    git = committer.git
    head, number = conflict.source.head_commit, conflict.source.number
    parents = git.text("show", "--no-patch", "--no-notes", "--format=%P", commit).split()
    tree = tree_of(git, commit)
    if parents != [tip, head] or committer.commit(tree, tip, head, number) != commit:
        return False
    try:
        # The agent's index is not known any more: the pod that pushed this has looked at it.
        staged, maximum = conflict.merged.paths, task.limits.max_file_bytes
        check_resolution(git, conflict.merged, (tip, head), tree, staged, maximum)
    except StepError:
        return False
    return True
