"""A bare repository, read and changed with the git binary."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["NO_SHA", "BareRepository", "Commit", "GitError", "RefMovedError", "Signature", "environment"]

NO_SHA = "0" * 40
"""Git's way to say that a ref does not exist."""

_COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x00%x01"


class GitError(Exception):
    """A git command failed."""


class RefMovedError(GitError):
    """A ref was not where it was expected."""


@dataclass(frozen=True)
class Signature:
    """The author or committer of a commit, with the time."""

    name: str
    email: str
    date: str
    """ISO 8601 with the offset."""


@dataclass(frozen=True)
class Commit:
    """A commit."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


def environment(home: Path) -> dict[str, str]:
    """Return an environment without the git configuration of this machine or its user."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


class BareRepository:
    """One bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        variables: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (0,),
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git on the repository.

        Raises
        ------
        GitError
            If it ends with another code than those allowed.
        """
        command = ["git", "--git-dir", str(self.path), *arguments]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            check=False,
            cwd=self.path,
            env={**environment(self.path), **(variables or {})},
        )
        if done.returncode not in allowed:
            message = done.stderr.decode(errors="replace").strip()
            raise GitError(f"git {arguments[0]} in {self.path.name} ended with {done.returncode}: {message}")
        return done

    def text(self, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> str:
        """Run git and return what it printed, without the last line's end."""
        output = self.run(*arguments, stdin=stdin, variables=variables).stdout
        return output.decode(errors="replace").removesuffix("\n")

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Return what each ref below a prefix points at, by its full name."""
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)", prefix).splitlines()
        return dict(line.rsplit(" ", 1) for line in lines)

    def ref(self, name: str) -> str | None:
        """Return what one ref points at, or None."""
        done = self.run("show-ref", "--verify", "--hash", "--", name, allowed=(0, 1, 128))
        return done.stdout.decode().strip() or None

    def resolve(self, revision: str) -> str | None:
        """Return the commit that a branch, tag or (short) SHA stands for, or None."""
        if revision.startswith("-") or not revision:
            return None
        for candidate in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            done = self.run("rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}", allowed=(0, 1, 128))
            if done.returncode == 0:
                return done.stdout.decode().strip()
        return None

    def object_type(self, sha: str) -> str | None:
        """Return an object's type, or None if there is no such object."""
        done = self.run("cat-file", "-t", sha, allowed=(0, 1, 128))
        return done.stdout.decode().strip() or None

    def update_ref(self, name: str, new: str | None, *, old: str | None) -> None:
        """Move, make or delete a ref if it is where it is expected.

        Parameters
        ----------
        name
            The ref's full name.
        new
            The new object; None to delete.
        old
            The expected object; None if the ref must not exist.

        Raises
        ------
        RefMovedError
            If it is elsewhere, or its name is not allowed or collides with another.
        """
        arguments = ("-d", name, old or NO_SHA) if new is None else (name, new, old or NO_SHA)
        try:
            self.run("update-ref", *arguments)
        except GitError as error:
            raise RefMovedError(str(error)) from error

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Return whether a commit is reachable from another, or is it."""
        return self.run("merge-base", "--is-ancestor", ancestor, descendant, allowed=(0, 1)).returncode == 0

    def merge_base(self, one: str, other: str) -> str | None:
        """Return a best common ancestor, or None for unrelated histories."""
        return self.run("merge-base", one, other, allowed=(0, 1)).stdout.decode().strip() or None

    def commits(self, *revisions: str) -> list[Commit]:
        """Return the commits that `git log` shows for revisions, newest first."""
        output = self.text("log", f"--format=tformat:{_COMMIT_FORMAT}", *revisions, "--")
        return [_commit(entry.lstrip("\n")) for entry in output.split("\x01") if entry.strip("\n")]

    def commit(self, sha: str) -> Commit:
        """Return one commit."""
        return self.commits("--max-count=1", sha)[0]

    def count_changes(self, old: str, new: str) -> tuple[int, int, int]:
        """Return how many lines were added and deleted between two commits, and in how many files."""
        lines = [line.split("\t") for line in self.text("diff-tree", "-r", "-M", "--numstat", old, new).splitlines()]
        # Binary files have dashes for numbers.
        added, deleted = (sum(int(line[column]) for line in lines if line[column] != "-") for column in (0, 1))
        return added, deleted, len(lines)

    def merge_tree(self, one: str, other: str) -> str | None:
        """Merge two commits and return the tree, or None on conflict or unrelated histories."""
        return _merged_tree(self.path, one, other)

    def commit_tree(self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: str) -> str:
        """Make a commit and return its SHA; an author's date that is empty means now."""
        variables = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": committer,
            "GIT_COMMITTER_EMAIL": "noreply@forge.example",
        }
        if author.date:
            variables["GIT_AUTHOR_DATE"] = author.date
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.text("commit-tree", tree, *flags, stdin=message.encode(), variables=variables)


@lru_cache(maxsize=10_000)
def _merged_tree(path: Path, one: str, other: str) -> str | None:
    """Merge two commits; what they come to never changes, and many pull requests are asked about again and again."""
    command = ("merge-tree", "--write-tree", "--no-messages", one, other)
    done = BareRepository(path).run(*command, allowed=(0, 1, 128))
    return done.stdout.decode().split("\n", 1)[0] if done.returncode == 0 else None


def _commit(entry: str) -> Commit:
    sha, tree, parents, *people, message, _ = entry.split("\0")
    return Commit(
        sha=sha,
        tree=tree,
        parents=tuple(parents.split()),
        author=Signature(*people[:3]),
        committer=Signature(*people[3:]),
        message=message.rstrip("\n"),
    )
