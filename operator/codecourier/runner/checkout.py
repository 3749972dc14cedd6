"""The first step of a pod: clones the repository, prepares the workspace and what the later steps need.

Runs with a read-only token. The clone with its history lies in the private ``courier`` folder; the workspace gets a
copy of its objects, a separate repository without a credential, and the files exactly as they are stored (no attribute,
filter or line ending applies), so that collect can find what changed by hashing alone.
"""

import os
import shutil
import sys
from pathlib import Path

from codecourier.runner.control import write_control
from codecourier.runner.git import Git, GitError, Remote
from codecourier.runner.history import Tip, classify_tip
from codecourier.runner.manifest import BASE_LISTING, BaseEntry, Start, parse_listing
from codecourier.runner.remote import Repository
from codecourier.runner.step import Context, StepError, run_step
from codecourier.task import CONTAINER_CHECKOUT, StepReport, StepState, Task

__all__ = ["checkout"]

_ATTRIBUTES_MAX_BYTES = 1024 * 1024
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
    tip = _fetch(repository, task)
    start = Start(_choose_start(courier, task, tip), tip)
    listing = courier.run("ls-tree", "-r", "-l", "-z", "--full-tree", start.commit)
    _refuse_lfs(courier, parse_listing(listing))
    _make_workspace(courier, layout.workspace, task, start.commit)
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
    if not _has_commit(repository.git, task.base_commit):
        # The base branch is gone, or was force-pushed: forges serve a commit by its id for as long as they keep it.
        _fetch_base_commit(repository, task)
    if task.branch not in heads:
        return None
    # It may have moved since it was looked up.
    return repository.git.text("rev-parse", "--verify", f"{_RUN_REF}^{{commit}}")


def _fetch_base_commit(repository: Repository, task: Task) -> None:
    try:
        repository.fetch(f"+{task.base_commit}:refs/codecourier/base")
    except StepError as error:
        if error.reason != "ObjectNotFound":
            raise
    if not _has_commit(repository.git, task.base_commit):
        raise StepError(
            "BaseNotFound",
            f"Commit {task.base_commit} is not, or no longer, in branch {task.base_branch!r} of {task.repository_url}.",
        )


def _has_commit(git: Git, commit: str) -> bool:
    try:
        git.run("rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}")
    except GitError:
        return False
    return True


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


def _refuse_lfs(courier: Git, entries: dict[bytes, BaseEntry]) -> None:
    for path, entry in entries.items():
        if path.rpartition(b"/")[2] != b".gitattributes" or entry.size > _ATTRIBUTES_MAX_BYTES:
            continue
        lines = courier.run("cat-file", "blob", entry.oid).splitlines()
        if any(b"filter=lfs" in line.split() for line in lines if not line.lstrip().startswith(b"#")):
            raise StepError(
                "LfsNotSupported",
                f"{path.decode('utf-8', 'replace')} puts files into Git LFS, which CodeCourier does not support.",
            )


def _make_workspace(courier: Git, workspace: str, task: Task, commit: str) -> None:
    git_dir = Path(workspace, ".git")
    git = Git(str(git_dir), workspace)
    git_dir.mkdir(parents=True)
    Git(str(git_dir)).run("init", "--quiet", "--bare", "--template=", f"--object-format={task.object_format}")
    _configure(git, task)
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "attributes").write_text("* -text -eol -ident -filter -working-tree-encoding\n")
    _copy_objects(Path(courier.git_dir, "objects"), git_dir / "objects")
    refs = courier.text("for-each-ref", "--format=create %(refname) %(objectname)", "refs/remotes", "refs/tags")
    git.run("update-ref", "--stdin", stdin=f"{refs}\ncreate refs/heads/{task.branch} {commit}\n".lstrip().encode())
    git.run("symbolic-ref", "HEAD", f"refs/heads/{task.branch}")
    git.run("reset", "--quiet", "--hard", "--no-recurse-submodules")


def _configure(git: Git, task: Task) -> None:
    for key, value in {
        "core.bare": "false",
        "core.autocrlf": "false",
        "remote.origin.url": task.repository_url,
        "remote.origin.fetch": "+refs/heads/*:refs/remotes/origin/*",
    }.items():
        Git(git.git_dir).run("config", "--file", f"{git.git_dir}/config", key, value)


def _copy_objects(source: Path, target: Path) -> None:
    """Copy packs and loose objects: the agent's container cannot reach the private folder."""
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile)


if __name__ == "__main__":
    sys.exit(run_step(CONTAINER_CHECKOUT, checkout))
