"""Sentences about merges at a host: what keeps one from it, what the host says, and what landed."""

from __future__ import annotations

from codecourier.core.shared.reason import Reason

__all__ = ["LANDING_SENTENCES"]

LANDING_SENTENCES: dict[Reason, str] = {
    Reason.STACK_BELOW: (
        "{url} is built on {below}, which is not merged. The host would merge both, or one into the other, and only "
        "{url} is verified. It waits until that is merged; merge it first, or give {url} another base."
    ),
    Reason.STACK_RETARGETED: (
        "The pull request of branch {branch}, on which {url} is built, is merged. The operator gives {url} branch "
        "{base} as its base, and verifies it there."
    ),
    Reason.STACK_FREED: (
        "{url} is merged. The operator gives branch {base} as the base to what is built on it, before anything deletes "
        "its branch: {names}."
    ),
    Reason.MERGE_BLOCKED: (
        "The host reports {url} as {state}: the protection of branch {branch} does not allow the merge yet, such as "
        "without a review or an update of the branch. The operator bypasses no protection."
    ),
    Reason.MERGE_UNSETTLED: "The host reports {url} as {state}, so the merge waits until it has computed that anew.",
    Reason.MERGE_PENDING: "The host is merging {pull_request}.",
    Reason.MERGE_QUEUED: (
        "{pull_request} is in the merge queue of its branch, which merges by its own method and not by "
        "spec.mergeStrategy. {detail}"
    ),
    Reason.MERGE_LEFT_QUEUE: (
        "{url} left the merge queue of branch {branch} without being merged ({detail}). Nothing puts it into the queue "
        "again by itself. Fix the cause, then create another MergeJob, which verifies it anew."
    ),
    Reason.MERGE_LEAVING_QUEUE: "The operator takes {url} out of the merge queue, because the MergeJob was stopped.",
    Reason.MERGE_REQUESTED: (
        "The host works on another request to merge {pull_request}, with other options. Wait until it is over, or take "
        "it back at the host: {detail}"
    ),
    Reason.MERGE_REFUSED: "The host does not merge {pull_request}: {detail}",
    Reason.MERGE_RACED: (
        "The host says that a branch of {pull_request} moved while it was to be merged. Nothing was merged; the "
        "operator looks at both branches and asks again. {detail}"
    ),
    Reason.LANDED_DIFFERENT: (
        "What landed is not what was verified: commit {commit} on branch {branch} has tree {tree}, the verified merge "
        "onto {base} has tree {verified}. Compare the two, and run the checks at {commit}."
    ),
    Reason.BASE_UNDONE: (
        "Commit {commit} on branch {branch} has the verified tree {tree}, but is not based on {base}, so it undoes the "
        "commits that came to the branch after {base}. Compare the two, and bring those commits back."
    ),
    Reason.BASE_MAYBE_UNDONE: (
        "The merge queue put {url} onto {parent}, not onto the verified base {base}, and commit {commit} on branch "
        "{branch} has exactly the verified tree {tree}. What others changed between the two is either part of {url} as "
        "well, or undone: compare {base} with {parent}."
    ),
    Reason.MERGED_BY_QUEUE: (
        "{url} is merged: commit {commit} on branch {branch}. The merge queue made it on {parent}, not on {base}, with "
        "which the merge was verified, so its tree {tree} cannot be compared with the verified one: the checks of the "
        "queue are what tried it."
    ),
    Reason.BASE_UNSTEADY: (
        "The merge was made and verified {count} times, and the base moved each time before the host could be asked. "
        "{detail} Create another MergeJob when the branch is quieter."
    ),
    Reason.LANDING_UNSEEN: (
        "The pull request is merged, but commit {commit} could not be compared with the verified merge: {detail}"
    ),
    Reason.MERGE_UNDER_WAY: (
        "{detail} The host was asked to merge {url} before and may still do so: look at the pull request."
    ),
}
"""They are a part of `reasons.SENTENCES`, where they are looked up."""
