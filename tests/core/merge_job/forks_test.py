"""Pull requests from forks: left out unless the Project allows them and a writer approved exactly the recorded head."""

from __future__ import annotations

import pytest

from codecourier.checks import Approval
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason
from codecourier.resources.merge_job import MergeJobPhase, MergeMode
from codecourier.resources.project import MergeRules, Project
from tests.core.merge_job.played import Played, commit, make_job, make_pull, reason_of
from tests.support.worlds import make_project

HEAD = commit("head 7")
GIVEN: dict[int, dict[str, Approval | Problem]] = {7: {HEAD: Approval.GIVEN}}


def allowing(**rules: bool) -> Project:
    """Return a Project with these rules for merges."""
    project = make_project()
    return project.updated(spec=project.spec.updated(merges=MergeRules(**rules)))


@pytest.mark.parametrize("mode", MergeMode)
@pytest.mark.parametrize(
    ("allows", "approval", "outcome", "advice"),
    [
        (True, Approval.GIVEN, "Clean", ""),
        (False, Approval.GIVEN, Reason.PULL_REQUEST_FROM_FORK, "spec.merges.allowForks"),
        (True, Approval.MISSING, Reason.FORK_NOT_APPROVED, "no user has approved it"),
        (True, Approval.OUTDATED, Reason.FORK_NOT_APPROVED, "for another commit"),
        (True, Approval.NOT_BY_WRITER, Reason.FORK_NOT_APPROVED, "may write to the repository"),
        (True, Approval.UNREAD, Reason.FORK_NOT_APPROVED, "more reviews"),
    ],
)
def test_a_fork_needs_the_project_and_an_approval(
    mode: MergeMode, *, allows: bool, approval: Approval, outcome: str, advice: str
) -> None:
    played = Played(
        job=make_job(7, mode=mode),
        project=allowing(allow_forks=allows),
        pulls={7: make_pull(7, is_fork=True)},
        approvals={7: {HEAD: approval}},
    )
    played.work()
    assert played.results == {7: outcome}
    message = played.status.sources[0].message or ""
    assert advice in message
    assert (HEAD in message) is (outcome != "Clean")
    if outcome == "Clean":
        assert played.status.phase is MergeJobPhase.COMPLETED
    else:
        assert (played.made, played.merges, played.opened, list(played.branches)) == ([], [], [], ["main"])
        reason = outcome if mode is MergeMode.SINGLE else Reason.NOTHING_MERGED
        assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, reason)


def test_an_approval_of_an_earlier_head_lets_no_later_one_in() -> None:
    moved = make_pull(7, is_fork=True, head_commit=commit("later"))
    played = Played(project=allowing(allow_forks=True), pulls={7: moved}, approvals=GIVEN)
    played.work()
    assert played.results == {7: Reason.FORK_NOT_APPROVED, 8: "Clean"}


def test_the_approved_head_is_merged_though_the_fork_moves_on() -> None:
    played = Played(project=allowing(allow_forks=True), pulls={7: make_pull(7, is_fork=True)}, approvals=GIVEN)
    played.look()
    played.pulls[7] = make_pull(7, is_fork=True, head_commit=commit("later"))
    played.work()
    assert played.results == {7: "Clean", 8: "Clean"}
    assert played.status.sources[0].head_commit == HEAD


def test_an_approval_changes_nothing_else() -> None:
    pulls = {7: make_pull(7, is_fork=True, is_draft=True), 8: make_pull(8, is_fork=True, base_branch="other")}
    approvals: dict[int, dict[str, Approval | Problem]] = {**GIVEN, 8: {commit("head 8"): Approval.GIVEN}}
    job = make_job(7, 8, 9, base_branch="main")
    played = Played(job=job, project=allowing(allow_forks=True), pulls={**pulls}, approvals=approvals)
    played.work()
    assert played.results == {7: Reason.PULL_REQUEST_DRAFT, 8: Reason.OTHER_BASE, 9: "Clean"}


def test_a_fork_that_is_left_out_does_not_choose_the_base() -> None:
    fork = make_pull(7, is_fork=True, base_branch="release")
    played = Played(project=allowing(allow_forks=True), pulls={7: fork})
    played.work()
    assert (played.status.base_branch, played.results) == ("main", {7: Reason.FORK_NOT_APPROVED, 8: "Clean"})


def test_reviews_that_cannot_be_read_are_waited_for() -> None:
    down = Problem(Reason.FORGE_UNAVAILABLE, "It does not answer.")
    played = Played(
        project=allowing(allow_forks=True), pulls={7: make_pull(7, is_fork=True)}, approvals={7: {HEAD: down}}
    )
    plan = played.look()
    assert (reason_of(played, "Ready"), played.status.sources) == (Reason.FORGE_UNAVAILABLE, ())
    assert plan.look_again is not None
    played.approvals = {**GIVEN}
    played.work()
    assert played.results == {7: "Clean", 8: "Clean"}
