"""The last look before a merge, and the comparison after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from codecourier.address import split_pull_request_address
from codecourier.checks import MergeStrategy
from codecourier.core.shared.merge_facts import CommitFact, MergePullFact
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.pull_request import PullRequestState

__all__ = [
    "Decision",
    "Difference",
    "LastLook",
    "Verified",
    "compare_landing",
    "compare_queued",
    "find_end",
    "look_last",
    "say_below",
]

_BLOCKED = frozenset({"blocked", "behind"})
"""States in which only a token that may bypass the protection of the branch could merge."""

_UNSETTLED = frozenset({"unknown", "dirty"})
"""States that the host computes anew after a push: the verified merge had no conflict on this base."""


class Decision(StrEnum):
    """What to do with a pull request whose merge is verified."""

    MERGE = "Merge"
    MERGED = "Merged"
    """It is merged already, at the verified head."""

    WAIT = "Wait"
    VERIFY = "Verify"
    """The merge has to be made and verified again, on another base."""

    STOP = "Stop"


@dataclass(frozen=True)
class Verified:
    """The merge that was made and verified."""

    head: str
    """Head of the pull request."""

    base_branch: str
    base: str
    """Commit of the base branch."""

    tree: str
    """Tree of the merge."""


@dataclass(frozen=True)
class LastLook:
    """What the last look says."""

    decision: Decision
    reason: Reason
    message: str


def look_last(pull: MergePullFact, base_head: str | None, verified: Verified) -> LastLook:
    """Decide whether the verified merge may be asked for now.

    Parameters
    ----------
    pull
        The pull request as it is now.
    base_head
        Head of the base branch now; None: the branch is not there.
    verified
        What was verified.
    """
    # What the rules keep from merging would be verified on each new base for nothing.
    found = find_end(pull, verified) or _find_block(pull) or _find_move(pull, base_head, verified) or _find_wait(pull)
    return found or _look(Decision.MERGE, Reason.RUNNING, detail=f"{pull.url} is being merged.")


def find_end(pull: MergePullFact, verified: Verified) -> LastLook | None:
    """Return what the pull request itself decides, wherever its base is: MERGED or STOP; None: nothing."""
    if pull.head_commit != verified.head:
        return _look(Decision.STOP, Reason.HEAD_MOVED, url=pull.url, old=verified.head, new=pull.head_commit)
    if pull.state is PullRequestState.MERGED:
        return _look(Decision.MERGED, Reason.COMPLETED, detail=f"{pull.url} is merged.")
    if pull.state is PullRequestState.CLOSED:
        return _look(Decision.STOP, Reason.PULL_REQUEST_CLOSED, url=pull.url)
    if pull.is_draft:
        return _look(Decision.STOP, Reason.PULL_REQUEST_DRAFT, url=pull.url)
    return None


def _find_move(pull: MergePullFact, base_head: str | None, verified: Verified) -> LastLook | None:
    detail = ""
    if pull.base_branch != verified.base_branch:
        detail = f"The pull request was for {verified.base_branch} before."
    elif base_head != verified.base:
        detail = f"Its head is {base_head or 'gone'}, no longer {verified.base}."
    return _look(Decision.VERIFY, Reason.BASE_MOVED, branch=pull.base_branch, detail=detail) if detail else None


def say_below(pull: MergePullFact) -> str:
    """Return the sentence of a pull request that is built on unmerged ones."""
    repository, _ = split_pull_request_address(pull.url)
    below = " and ".join(f"{repository}/pull/{number}" for number in pull.below[:3])
    return sentence(Reason.STACK_BELOW, url=pull.url, below=below)


def _find_block(pull: MergePullFact) -> LastLook | None:
    if pull.below:
        return LastLook(Decision.WAIT, Reason.STACK_BELOW, say_below(pull))
    if pull.merge_state in _BLOCKED:
        return _look(Decision.WAIT, Reason.MERGE_BLOCKED, url=pull.url, branch=pull.base_branch, state=pull.merge_state)
    return None


def _find_wait(pull: MergePullFact) -> LastLook | None:
    if pull.merge_state in _UNSETTLED:
        return _look(Decision.WAIT, Reason.MERGE_UNSETTLED, url=pull.url, state=pull.merge_state)
    return None


@dataclass(frozen=True)
class Difference:
    """How what landed is not what was verified."""

    reason: Reason
    message: str


def compare_landing(commit: str, landed: CommitFact, verified: Verified, *, is_rebased: bool) -> Difference | None:
    """Compare the commit that landed with the verified merge; None: it is the same.

    Parameters
    ----------
    commit
        The commit on the base branch that has the pull request.
    landed
        What it is.
    verified
        What was verified.
    is_rebased
        Whether each commit of the pull request was put onto the base branch, so that the first parent of the last one
        says nothing about the base.
    """
    is_on_base = is_rebased or landed.parents[:1] == (verified.base,)
    values = {
        "branch": verified.base_branch,
        "commit": commit,
        "tree": landed.tree,
        "verified": verified.tree,
        "base": verified.base,
    }
    if landed.tree != verified.tree:
        return Difference(Reason.LANDED_DIFFERENT, sentence(Reason.LANDED_DIFFERENT, **values))
    if not is_on_base:
        return Difference(Reason.BASE_UNDONE, sentence(Reason.BASE_UNDONE, **values))
    return None


def compare_queued(
    url: str, commit: str, landed: CommitFact, verified: Verified, strategy: MergeStrategy | None
) -> Difference | None:
    """Compare the commit that a merge queue made with the verified merge; None: it is the same.

    A queue merges onto the base branch and the pull requests ahead, so another parent is no fault. The tree of such a
    merge was verified by nothing but the checks of the queue, and there is nothing to compare it with.

    Parameters
    ----------
    url
        The pull request.
    commit
        The commit on the base branch that has it.
    landed
        What it is.
    verified
        What was verified.
    strategy
        How the queue merges; None: it is not known. By REBASE the parent of the last commit says nothing of the base.
    """
    is_on_base = landed.parents[:1] == (verified.base,)
    is_same = landed.tree == verified.tree
    if is_on_base:
        return compare_landing(commit, landed, verified, is_rebased=False)
    if is_same and strategy in {None, MergeStrategy.REBASE}:
        return None
    reason = Reason.BASE_MAYBE_UNDONE if is_same else Reason.MERGED_BY_QUEUE
    parent = landed.parents[0] if landed.parents else "no commit"
    values = {"branch": verified.base_branch, "commit": commit, "tree": landed.tree, "base": verified.base}
    return Difference(reason, sentence(reason, url=url, parent=parent, **values))


def _look(decision: Decision, reason: Reason, **values: object) -> LastLook:
    return LastLook(decision, reason, sentence(reason, **values))
