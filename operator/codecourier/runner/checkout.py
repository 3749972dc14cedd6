"""The first step of a pod: clones the repository, prepares the workspace and what the later steps need.

Runs with a read-only token. The clone with its history lies in the private ``courier`` folder; the workspace gets a
copy of its objects, a separate repository without a credential, and the files exactly as they are stored (no attribute,
filter or line ending applies), so that collect can find what changed by hashing alone.
"""

import os
import sys
from pathlib import Path

from codecourier.runner.control import write_control
from codecourier.runner.git import Git, Remote
from codecourier.runner.history import Tip, classify_tip
from codecourier.runner.manifest import BASE_LISTING, Start, parse_listing
from codecourier.runner.merging.prepare import prepare_merge
from codecourier.runner.remote import Repository, fetch_base_commit
from codecourier.runner.step import Context, StepError, run_step
from codecourier.runner.workspace import make_workspace, refuse_lfs
from codecourier.task import CONTAINER_CHECKOUT, StepReport, StepState, Task

__all__ = ["checkout"]

_RUN_REF = "refs/codecourier/run"


def checkout(context: Context) -> StepReport:
    """Do the whole step.

    Raises
    ------
    StepError
        With a distinct reason for everything that a user can fix.
    """
    layout, task = context.layout, context.task
    for folder in (layout.courier, layout.workspace_volume):
        _refuse_leftovers(folder)
    courier = Git(layout.courier)
    courier.run("init", "--quiet", "--bare", "--template=", f"--object-format={task.object_format}")
    repository = Repository(courier, Remote(task.repository_url, layout.token_file, layout.ca_file))
    if task.merge is not None:
        return prepare_merge(layout, task, task.merge, repository)
    tip = _fetch(repository, task)
    start = Start(_choose_start(courier, task, tip), tip)
    listing = courier.run("ls-tree", "-r", "-l", "-z", "--full-tree", start.commit)
    refuse_lfs(courier, parse_listing(listing))
    make_workspace(courier, layout.workspace, task, start.commit)
    Path(layout.control, BASE_LISTING).write_bytes(listing)
    write_control(task, layout.control)
    start.write(layout.courier)
    what = "Checked out" if start.commit == task.base_commit else "Continued from an earlier try at"
    return StepReport(CONTAINER_CHECKOUT, StepState.SUCCEEDED, "CheckedOut", f"{what} {start.commit}.")


def _refuse_leftovers(folder: str) -> None:
    """Refuse used folders: a pod whose sandbox was recreated runs all its steps again."""
    if os.listdir(folder):  # noqa: PTH208 - names are enough
        raise StepError("SandboxRestarted", f"{folder} is not empty: the pod was restarted; a new try is needed.")


def _fetch(repository: Repository, task: Task) -> str | None:
    """Fetch base and run branch; return the run branch's tip, None if there is none."""
    heads = repository.heads(task.base_branch, task.branch)
    refspecs = []
    if task.base_branch in heads:
        refspecs.append(f"+refs/heads/{task.base_branch}:refs/remotes/origin/{task.base_branch}")
    if task.branch in heads:
        refspecs.append(f"+refs/heads/{task.branch}:{_RUN_REF}")
    if refspecs:
        repository.fetch(*refspecs)
    fetch_base_commit(repository, task)
    if task.branch not in heads:
        return None
    # It may have moved since it was looked up.
    return repository.git.text("rev-parse", "--verify", f"{_RUN_REF}^{{commit}}")


def _choose_start(courier: Git, task: Task, tip: str | None) -> str:
    if tip is None or tip == task.base_commit:
        return task.base_commit
    match classify_tip(courier, task, tip):
        case Tip.OURS:
            return tip
        case Tip.OLDER:
            return task.base_commit
        case Tip.NEWER:
            raise StepError("Superseded", f"Branch {task.branch!r} holds the work of a later attempt of this run.")
        case Tip.FOREIGN:
            raise StepError(
                "BranchTaken",
                f"Branch {task.branch!r} holds commit {tip}, which this run did not make; move or delete the branch.",
            )


if __name__ == "__main__":
    sys.exit(run_step(CONTAINER_CHECKOUT, checkout))
