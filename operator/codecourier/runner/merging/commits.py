"""Our merge commits: the same inputs give the same commit, whichever pod makes it and when."""

import re
from dataclasses import dataclass

from codecourier.merging import MergeTask
from codecourier.runner.git import Git
from codecourier.task import Author

__all__ = ["MADE_BY_TRAILER", "PULL_REQUEST_TRAILER", "STEP_TRAILER", "MergeCommitter", "read_step"]

MADE_BY_TRAILER = "CodeCourier-Merge"
STEP_TRAILER = "CodeCourier-Step"
PULL_REQUEST_TRAILER = "CodeCourier-Pull-Request"

_LATEST_TIME = 2**32 - 1
"""Latest date of a merge commit in Unix seconds: a parent may claim any date."""

_TRAILER = re.compile(rf"^({MADE_BY_TRAILER}|{STEP_TRAILER}): (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class MergeCommitter:
    """Makes merge commits."""

    git: Git
    author: Author
    uid: str
    """UID of the object whose merges these are."""

    step: int

    @classmethod
    def of(cls, git: Git, author: Author, merge: MergeTask, step: int | None = None) -> "MergeCommitter":
        """Return the one of a task, or of another step of the same object."""
        return cls(git, author, merge.uid, merge.step if step is None else step)

    def commit(self, tree: str, tip: str, head: str, number: int) -> str:
        """Make the commit that merges a pull request's head onto a tip, dated by the later of the two.

        Parameters
        ----------
        tree
            The merged tree.
        tip, head
            First and second parent.
        number
            Of the pull request.

        Returns
        -------
        str
            Its id.
        """
        times = self.git.text("show", "--no-patch", "--no-notes", "--format=%ct", tip, head).split()
        date = f"@{min(max(map(int, times)), _LATEST_TIME)} +0000"
        identity: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            identity |= {
                f"GIT_{role}_NAME": self.author.name,
                f"GIT_{role}_EMAIL": self.author.email,
                f"GIT_{role}_DATE": date,
            }
        message = self._message(number).encode()
        output = self.git.run("commit-tree", tree, "-p", tip, "-p", head, stdin=message, environment=identity)
        return output.decode("ascii").strip()

    def _message(self, number: int) -> str:
        """Return the message: nothing that a user wrote is in it."""
        trailers = f"{MADE_BY_TRAILER}: {self.uid}\n{STEP_TRAILER}: {self.step}\n{PULL_REQUEST_TRAILER}: {number}\n"
        return f"Merge pull request #{number}\n\n{trailers}"


def read_step(git: Git, commit: str, uid: str) -> int | None:
    """Return the step of an object that made a merge commit; None where the commit is not one of that object."""
    message = git.text("show", "--no-patch", "--no-notes", "--format=%B", commit)
    trailers = dict(_TRAILER.findall(message.rstrip().rpartition("\n\n")[2]))
    step = trailers.get(STEP_TRAILER, "")
    if trailers.get(MADE_BY_TRAILER) != uid or not re.fullmatch(r"\d{1,9}", step, re.ASCII):
        return None
    return int(step)
