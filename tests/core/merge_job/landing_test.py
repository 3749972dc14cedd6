"""The last look before a merge, and the comparison of what landed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.merge_job.landing import Decision, Verified, compare_landing, look_last
from codecourier.core.shared.merge_facts import CommitFact, MergePullFact
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState

HEAD, BASE, TREE, OTHER = "1" * 40, "2" * 40, "3" * 40, "4" * 40
VERIFIED = Verified(HEAD, "main", BASE, TREE)
PULL = MergePullFact(
    number=7,
    url="https://forge.example/acme/shop/pull/7",
    title="Add the total",
    state=PullRequestState.OPEN,
    is_draft=False,
    is_fork=False,
    head_branch="total",
    head_commit=HEAD,
    base_branch="main",
    merge_state="clean",
)


@pytest.mark.parametrize(
    ("changes", "base_head", "decision", "reason"),
    [
        ({}, BASE, Decision.MERGE, Reason.RUNNING),
        ({"merge_state": "unstable"}, BASE, Decision.MERGE, Reason.RUNNING),
        ({"merge_state": "has_hooks"}, BASE, Decision.MERGE, Reason.RUNNING),
        ({"merge_state": "blocked"}, BASE, Decision.WAIT, Reason.MERGE_BLOCKED),
        ({"merge_state": "behind"}, BASE, Decision.WAIT, Reason.MERGE_BLOCKED),
        ({"merge_state": "unknown"}, BASE, Decision.WAIT, Reason.MERGE_UNSETTLED),
        ({"merge_state": "dirty"}, BASE, Decision.WAIT, Reason.MERGE_UNSETTLED),
        ({}, OTHER, Decision.VERIFY, Reason.BASE_MOVED),
        ({}, None, Decision.VERIFY, Reason.BASE_MOVED),
        ({"base_branch": "next"}, BASE, Decision.VERIFY, Reason.BASE_MOVED),
        ({"head_commit": OTHER}, BASE, Decision.STOP, Reason.HEAD_MOVED),
        ({"head_commit": OTHER, "state": PullRequestState.MERGED}, BASE, Decision.STOP, Reason.HEAD_MOVED),
        ({"state": PullRequestState.MERGED}, OTHER, Decision.MERGED, Reason.COMPLETED),
        ({"state": PullRequestState.CLOSED}, BASE, Decision.STOP, Reason.PULL_REQUEST_CLOSED),
        ({"is_draft": True}, BASE, Decision.STOP, Reason.PULL_REQUEST_DRAFT),
        ({"is_draft": True, "merge_state": "draft"}, BASE, Decision.STOP, Reason.PULL_REQUEST_DRAFT),
    ],
)
def test_the_last_look(changes: dict[str, object], base_head: str | None, decision: Decision, reason: Reason) -> None:
    look = look_last(replace(PULL, **changes), base_head, VERIFIED)  # type: ignore[arg-type]
    assert (look.decision, look.reason) == (decision, reason)
    assert look.message


PULLS = st.builds(
    replace,
    st.just(PULL),
    state=st.sampled_from(PullRequestState),
    is_draft=st.booleans(),
    head_commit=st.sampled_from([HEAD, OTHER]),
    base_branch=st.sampled_from(["main", "next"]),
    merge_state=st.sampled_from(["clean", "unstable", "blocked", "behind", "dirty", "unknown", "draft", "new word"]),
)


@given(PULLS, st.sampled_from([BASE, OTHER, None]))
def test_only_what_was_verified_is_merged(pull: MergePullFact, base_head: str | None) -> None:
    look = look_last(pull, base_head, VERIFIED)
    if look.decision is Decision.MERGE:
        assert (pull.state, pull.head_commit, pull.base_branch) == (PullRequestState.OPEN, HEAD, "main")
        assert (base_head, pull.is_draft) == (BASE, False)
        assert pull.merge_state not in {"blocked", "behind"}
    if look.decision is Decision.MERGED:
        assert (pull.state, pull.head_commit) == (PullRequestState.MERGED, HEAD)


@pytest.mark.parametrize(
    ("tree", "parents", "is_rebased", "reason"),
    [
        (TREE, (BASE, HEAD), False, None),
        (TREE, (BASE,), False, None),
        (TREE, (OTHER,), True, None),
        (OTHER, (BASE, HEAD), False, Reason.LANDED_DIFFERENT),
        (OTHER, (OTHER,), False, Reason.LANDED_DIFFERENT),
        (OTHER, (BASE,), True, Reason.LANDED_DIFFERENT),
        (TREE, (OTHER, HEAD), False, Reason.BASE_UNDONE),
        (TREE, (), False, Reason.BASE_UNDONE),
    ],
)
def test_what_landed_is_compared(tree: str, parents: tuple[str, ...], is_rebased: bool, reason: Reason | None) -> None:  # noqa: FBT001
    difference = compare_landing("5" * 40, CommitFact(tree, parents), VERIFIED, is_rebased=is_rebased)
    assert (None if difference is None else difference.reason) == reason
    if difference is not None:
        assert "5" * 40 in difference.message
        assert BASE in difference.message
