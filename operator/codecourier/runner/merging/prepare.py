"""The part of checkout for a task that merges: fetches the pull requests, merges, hands a conflict to the agent."""

from pathlib import Path

from codecourier.merging import MergeTask
from codecourier.runner.control import Turn, write_control
from codecourier.runner.git import GitError
from codecourier.runner.manifest import BASE_LISTING, parse_listing
from codecourier.runner.merging.mechanical import theirs_ref
from codecourier.runner.merging.progress import continue_progress
from codecourier.runner.merging.prompt import describe_conflict
from codecourier.runner.merging.state import MergeStart, write_conflicts
from codecourier.runner.merging.walk import MergeWalk, OpenConflict
from codecourier.runner.remote import Repository, fetch_base_commit, fetch_commit
from codecourier.runner.step import StepError
from codecourier.runner.workspace import Unmerged, make_workspace, refuse_lfs
from codecourier.task import CONTAINER_CHECKOUT, Layout, StepReport, StepState, Task

__all__ = ["prepare_merge"]

_PROGRESS_REF = "refs/codecourier/progress"


def prepare_merge(layout: Layout, task: Task, merge: MergeTask, repository: Repository) -> StepReport:
    """Do the rest of the step, in the new private git directory.

    Parameters
    ----------
    layout
        Where things lie.
    task, merge
        The task, and its merges.
    repository
        The forge's repository, of which nothing is fetched yet.

    Raises
    ------
    StepError
        If the forge does not answer, the base commit is gone or the progress ref is not ours.
    """
    progress = _fetch(repository, task, merge)
    git = repository.git
    missing = {
        source.head_commit
        for source in merge.sources
        if not fetch_commit(repository, source.head_commit, theirs_ref(source.number))
    }
    walk = continue_progress(git, task, merge, missing, progress)
    tree = walk.tip if walk.conflict is None else walk.conflict.merged.tree
    listing = git.run("ls-tree", "-r", "-l", "-z", "--full-tree", tree)
    refuse_lfs(git, parse_listing(listing))
    make_workspace(git, layout.workspace, task, walk.tip, _unmerged(walk.conflict))
    Path(layout.control, BASE_LISTING).write_bytes(listing)
    write_conflicts(layout.control, walk.conflict)
    _write_control(layout, task, walk)
    MergeStart.of(walk, progress).write(layout.courier)
    return StepReport(CONTAINER_CHECKOUT, StepState.SUCCEEDED, *_describe(task, walk))


def _fetch(repository: Repository, task: Task, merge: MergeTask) -> str | None:
    """Fetch the base branch, the pull requests and the progress; return the commit at the progress ref, if any."""
    wanted = {
        f"refs/heads/{task.base_branch}": f"refs/remotes/origin/{task.base_branch}",
        merge.progress_ref: _PROGRESS_REF,
        **{f"refs/pull/{source.number}/head": theirs_ref(source.number) for source in merge.sources},
    }
    found = repository.refs(*wanted)
    if found:
        repository.fetch(*(f"+{name}:{wanted[name]}" for name in found))
    fetch_base_commit(repository, task)
    if merge.progress_ref not in found:
        return None
    # It may have moved since it was looked up.
    try:
        return repository.git.text("rev-parse", "--verify", f"{_PROGRESS_REF}^{{commit}}")
    except GitError:
        words = f"{merge.progress_ref} holds no commit, so these merges did not make it; delete the ref."
        raise StepError("ProgressTaken", words) from None


def _unmerged(conflict: OpenConflict | None) -> Unmerged | None:
    if conflict is None:
        return None
    stages = {
        path: {number: (stage.mode, stage.oid) for number, stage in sides.items()}
        for group in conflict.merged.conflicts
        for path, sides in group.stages.items()
    }
    message = f"Merge pull request #{conflict.source.number}\n"
    return Unmerged(conflict.merged.tree, conflict.source.head_commit, stages, message)


def _write_control(layout: Layout, task: Task, walk: MergeWalk) -> None:
    if walk.conflict is not None:
        write_control(task, layout.control, Turn.AGENT, describe_conflict(task, walk.conflict))
    elif walk.tip != task.base_commit:
        write_control(task, layout.control, Turn.VERIFY)
    else:
        write_control(task, layout.control, Turn.NOTHING)


def _describe(task: Task, walk: MergeWalk) -> tuple[str, str]:
    """Return reason and sentence of the step's report."""
    count = sum(report.commit is not None for report in walk.reports)
    merged = f"Merged {count} of {len(walk.reports)} pull requests onto {task.base_commit}"
    if walk.conflict is None:
        return "Merged", f"{merged}."
    number, paths = walk.conflict.source.number, len(walk.conflict.merged.paths)
    return "Conflict", f"{merged}; pull request #{number} conflicts in {paths} paths, which go to the agent."
