"""Commits with trees, their ancestors, and merges of them: a tree is a text for each path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["Commit", "History", "Merged"]

Tree = Mapping[str, str]


@dataclass(frozen=True)
class Commit:
    """A commit; `run` and `attempt` are its trailers, empty and 0 for those of people."""

    sha: str
    parent: str
    tree: Tree
    run: str = ""
    attempt: int = 0
    others: tuple[str, ...] = ()
    """What it merges: its parents after the first."""

    @property
    def parents(self) -> tuple[str, ...]:
        """All parents, the first one first."""
        return (self.parent, *self.others) if self.parent else ()

    @property
    def tree_id(self) -> str:
        """The id of its tree."""
        return _hash(("tree", sorted(self.tree.items())))


@dataclass(frozen=True)
class Merged:
    """Two commits merged as git does."""

    tree: Tree
    """Without the paths that conflict."""

    conflicts: Mapping[str, tuple[str | None, str | None]]
    """What each side has at the paths that conflict; None: it deletes the path."""


@dataclass
class History:
    """All commits of a repository."""

    commits: dict[str, Commit] = field(default_factory=dict)

    def commit(
        self,
        parent: str,
        tree: Tree,
        run: str = "",
        attempt: int = 0,
        *,
        others: tuple[str, ...] = (),
        note: str = "",
    ) -> Commit:
        """Make a commit; the same content gives the same one. `note` stands for its message."""
        content: tuple[object, ...] = (parent, sorted(tree.items()), run, attempt)
        extra = (others, note) if others or note else ()
        made = Commit(_hash((*content, *extra)), parent, dict(tree), run, attempt, others)
        self.commits[made.sha] = made
        return made

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Tell whether a commit is the other one or comes before it."""
        return older in self._walk(newer)

    def find_base(self, one: str, other: str) -> str | None:
        """Return the best common ancestor of two commits; None: they share no history."""
        known = set(self._walk(one))
        common = [sha for sha in self._walk(other) if sha in known]
        return next((sha for sha in common if not self._is_before_another(sha, common)), None)

    def merge(self, ours: str, theirs: str) -> Merged:
        """Merge two commits that share history.

        Raises
        ------
        ValueError
            If they share none.
        """
        base = self.find_base(ours, theirs)
        if base is None:
            raise ValueError(f"{ours} and {theirs} share no history")
        return merge_trees(self.commits[base].tree, self.commits[ours].tree, self.commits[theirs].tree)

    def since(self, older: str, newer: str) -> Iterator[Commit]:
        """Yield the commits by first parents from after an ancestor up to a commit, the oldest first."""
        found = []
        while newer and not self.is_ancestor(newer, older):
            found.append(self.commits[newer])
            newer = self.commits[newer].parent
        yield from reversed(found)

    def _is_before_another(self, sha: str, others: list[str]) -> bool:
        return any(other != sha and self.is_ancestor(sha, other) for other in others)

    def _walk(self, sha: str) -> Iterator[str]:
        seen: set[str] = set()
        waiting = [sha]
        while waiting:
            found = waiting.pop()
            if found and found not in seen:
                seen.add(found)
                yield found
                waiting += self.commits[found].parents


def merge_trees(base: Tree, ours: Tree, theirs: Tree) -> Merged:
    """Merge two trees that come from the same one."""
    tree: dict[str, str] = {}
    conflicts: dict[str, tuple[str | None, str | None]] = {}
    for path in sorted({*base, *ours, *theirs}):
        old, mine, yours = base.get(path), ours.get(path), theirs.get(path)
        if mine != yours and old not in (mine, yours):
            conflicts[path] = mine, yours
            continue
        kept = yours if mine == old else mine
        if kept is not None:
            tree[path] = kept
    return Merged(tree, conflicts)


def _hash(content: object) -> str:
    return hashlib.sha1(repr(content).encode()).hexdigest()  # noqa: S324 - a name
