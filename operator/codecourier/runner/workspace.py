"""Makes the workspace: a repository of its own, without a credential, and the files exactly as they are stored."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codecourier.runner.git import Git
from codecourier.runner.manifest import BaseEntry
from codecourier.runner.step import StepError
from codecourier.task import Task

__all__ = ["Unmerged", "make_workspace", "refuse_lfs"]

_ATTRIBUTES_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Unmerged:
    """A merge in progress, as git itself would leave it: files with conflict markers and an index with stages."""

    tree: str
    head: str
    """The commit that is being merged."""

    stages: Mapping[bytes, Mapping[int, tuple[str, str]]]
    """Mode and blob of each conflicted path by stage."""

    message: str


def refuse_lfs(courier: Git, entries: dict[bytes, BaseEntry]) -> None:
    """Refuse a tree that puts files into Git LFS.

    Raises
    ------
    StepError
        LfsNotSupported.
    """
    for path, entry in entries.items():
        if path.rpartition(b"/")[2] != b".gitattributes" or entry.size > _ATTRIBUTES_MAX_BYTES:
            continue
        lines = courier.run("cat-file", "blob", entry.oid).splitlines()
        if any(b"filter=lfs" in line.split() for line in lines if not line.lstrip().startswith(b"#")):
            raise StepError(
                "LfsNotSupported",
                f"{path.decode('utf-8', 'replace')} puts files into Git LFS, which CodeCourier does not support.",
            )


def make_workspace(courier: Git, workspace: str, task: Task, commit: str, unmerged: Unmerged | None = None) -> None:
    """Make the workspace at a commit, on the run's branch.

    Parameters
    ----------
    courier
        The private git directory; all its objects are copied.
    workspace
        The folder to make.
    task
        Names the branch.
    commit
        What is checked out.
    unmerged
        A merge onto it that is left to the agent; None: there is none.
    """
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
    if unmerged is not None:
        _begin_merge(git, unmerged)


def _begin_merge(git: Git, unmerged: Unmerged) -> None:
    git.run("read-tree", "--reset", "-u", "--no-recurse-submodules", unmerged.tree)
    empty = "0" * len(unmerged.tree)
    lines = []
    for path, sides in unmerged.stages.items():
        lines.append(f"0 {empty}\t".encode() + path)
        lines += [f"{mode} {oid} {stage}\t".encode() + path for stage, (mode, oid) in sorted(sides.items())]
    git.run("update-index", "-z", "--index-info", stdin=b"".join(line + b"\0" for line in lines))
    Path(git.git_dir, "MERGE_HEAD").write_text(f"{unmerged.head}\n", encoding="ascii")
    Path(git.git_dir, "MERGE_MSG").write_text(unmerged.message, encoding="utf-8")
    Path(git.git_dir, "MERGE_MODE").write_text("no-ff", encoding="ascii")


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
