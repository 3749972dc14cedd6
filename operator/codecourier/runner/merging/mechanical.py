"""Merges by git alone, the same on every machine: no attribute, driver, hook, strategy or setting has a say."""

from collections.abc import Mapping

from codecourier.runner.git import Git, GitError
from codecourier.runner.merging.conflicts import MergeOutput, parse_merge_output
from codecourier.runner.step import StepError

__all__ = ["OURS_REF", "find_merge_base", "merge_trees", "theirs_ref"]

OURS_REF = "refs/codecourier/base"
"""What is merged onto; conflict markers show this name."""

_EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_SETTINGS: Mapping[str, str] = {
    "diff.renameLimit": "7000",
    "merge.conflictStyle": "merge",
    "merge.directoryRenames": "conflict",
    "merge.renameLimit": "7000",
    "merge.renames": "true",
    "merge.renormalize": "false",
    "merge.verbosity": "2",
    "rerere.enabled": "false",
}
"""git's own defaults, said so that no other version or file changes them."""

_CONFLICTS = 1
_NO_BASE = 1


def theirs_ref(number: int) -> str:
    """Return what conflict markers call the side of a pull request."""
    return f"refs/codecourier/pull/{number}"


def find_merge_base(git: Git, one: str, other: str) -> str | None:
    """Return a best common ancestor of two commits; None where they share no history."""
    try:
        return git.text("merge-base", one, other)
    except GitError as error:
        if error.exit_code != _NO_BASE:
            raise
        return None


def merge_trees(git: Git, tip: str, head: str, number: int) -> MergeOutput:
    """Merge a head commit onto a tip, without a commit.

    Attributes are read from the empty tree: a pull request that adds ``* merge=union`` would turn a later conflict into
    a silently wrong merge.

    Parameters
    ----------
    git
        The private, bare git directory.
    tip, head
        Commits that share history.
    number
        Of the pull request.

    Raises
    ------
    StepError
        If git failed, or what it printed cannot be read.
    """
    theirs = theirs_ref(number)
    git.run("update-ref", "--stdin", stdin=f"update {OURS_REF} {tip}\nupdate {theirs} {head}\n".encode())
    environment = {"GIT_ATTR_SOURCE": _EMPTY_TREE["sha1" if len(tip) == 40 else "sha256"]}  # noqa: PLR2004 - digits
    has_conflicts = False
    fixed = Git(git.git_dir, git.work_tree, {**git.config, **_SETTINGS})
    try:
        output = fixed.run("merge-tree", "--write-tree", "-z", "--messages", OURS_REF, theirs, environment=environment)
    except GitError as error:
        if error.exit_code != _CONFLICTS:
            raise
        output, has_conflicts = error.stdout, True
    try:
        merged = parse_merge_output(output)
        if bool(merged.conflicts) is not has_conflicts:
            raise ValueError("git's exit code says something else")  # noqa: TRY301 - one sentence for all of it
    except (ValueError, StopIteration, RuntimeError):
        raise StepError("GitFailed", f"git merge-tree of pull request #{number} printed what cannot be read.") from None
    return merged
