"""How a MergeJob makes one pull request of many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.merge_job.ledger import result_branch
from codecourier.core.merge_job.settle import MOST_TROUBLES
from codecourier.core.run.pull_request import WAIT_LIMIT
from codecourier.core.shared.creations import START_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import CREDENTIAL_REASONS, Reason
from codecourier.merging import UNRESOLVABLE, MergeState
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import MergeJobPhase, MergeJobStatus, SourceResult
from codecourier.resources.run import RunPhase
from codecourier.text import has_marker
from tests.core.merge_job.played import Played, commit, make_job, make_pull, reason_of
from tests.support.worlds import BASE, NOW, URL

CLEAN, RESOLVED, EXCLUDED = SourceResult.CLEAN, SourceResult.RESOLVED, SourceResult.EXCLUDED


def test_base_and_heads_are_recorded_and_the_first_step_is_claimed_before_its_run_is_made() -> None:
    played = Played(job=make_job(7, 8))
    plan = played.plan()
    assert isinstance(plan.status, MergeJobStatus)
    status = plan.status
    assert (status.phase, status.base_branch, status.base_commit) == (MergeJobPhase.RUNNING, "main", BASE)
    heads = [(source.number, source.head_commit) for source in status.sources]
    assert heads == [(7, commit("head 7")), (8, commit("head 8"))]
    played.look()
    assert [(step.run, step.numbers) for step in played.status.steps] == [(played.made[0], (7, 8))]
    run = played.runs[played.made[0]]
    assert run.spec.merge is not None
    assert run.spec.merge.resolves
    assert [(source.number, source.head_commit) for source in run.spec.merge.sources] == heads
    assert (run.spec.base_commit, run.spec.base_branch, run.spec.repository_url) == (BASE, "main", URL)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": PullRequestState.MERGED}, Reason.MERGED_BEFORE),
        ({"state": PullRequestState.CLOSED}, Reason.PULL_REQUEST_CLOSED),
        ({"is_draft": True}, Reason.PULL_REQUEST_DRAFT),
        ({"is_fork": True}, Reason.PULL_REQUEST_FROM_FORK),
        ({"base_branch": "release"}, Reason.OTHER_BASE),
    ],
)
def test_a_pull_request_that_cannot_be_merged_is_left_out_and_the_rest_goes_on(
    changes: dict[str, object], reason: Reason
) -> None:
    played = Played(job=make_job(7, 8, base_branch="main"), pulls={7: make_pull(7, **changes)})
    played.work()
    assert played.results == {7: reason, 8: "Clean"}
    assert played.status.phase is MergeJobPhase.COMPLETED
    assert f"{URL}/pull/7" in (played.status.sources[0].message or "")


def test_a_pull_request_that_is_not_there_is_left_out() -> None:
    problem = Problem(Reason.PULL_REQUEST_NOT_FOUND, "There is none.")
    played = Played(job=make_job(7, 8), pulls={7: problem})
    played.work()
    assert played.results == {7: Reason.PULL_REQUEST_NOT_FOUND, 8: "Clean"}


def test_a_host_that_does_not_answer_is_waited_for_and_nothing_is_recorded() -> None:
    played = Played(job=make_job(7, 8), pulls={8: Problem(Reason.FORGE_UNAVAILABLE, "It does not answer.")})
    plan = played.look()
    assert (played.status.phase, played.status.sources, played.made) == (MergeJobPhase.PENDING, (), [])
    assert (reason_of(played, "Ready"), plan.look_again is None) == (Reason.FORGE_UNAVAILABLE, False)


def test_the_base_is_that_of_the_first_pull_request_that_can_be_merged() -> None:
    pulls = {7: make_pull(7, is_draft=True, base_branch="old"), 8: make_pull(8, base_branch="release")}
    played = Played(job=make_job(7, 8, 9), pulls={**pulls}, branches={"main": BASE, "release": commit("release")})
    played.work()
    assert (played.status.base_branch, played.status.base_commit) == ("release", commit("release"))
    assert played.results == {7: Reason.PULL_REQUEST_DRAFT, 8: "Clean", 9: Reason.OTHER_BASE}
    assert played.opened[0].base == "release"


def test_a_base_that_is_not_there_is_reported_before_anything_is_done() -> None:
    played = Played(job=make_job(7, base_branch="gone"), pulls={7: make_pull(7, base_branch="gone")})
    played.look()
    assert (reason_of(played, "Ready"), played.made) == (Reason.BRANCH_NOT_FOUND, [])


def test_a_branch_of_the_name_of_the_new_one_is_reported_before_anything_is_done() -> None:
    job = make_job(7, branch_name="batch")
    played = Played(job=job, branches={"main": BASE, "batch": commit("other")})
    played.look()
    assert (reason_of(played, "Ready"), played.made) == (Reason.BRANCH_TAKEN, [])


def test_none_that_can_be_merged_fails_without_a_run() -> None:
    played = Played(job=make_job(7), pulls={7: make_pull(7, is_draft=True)})
    played.rest()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.NOTHING_MERGED)
    assert (played.made, played.opened, list(played.branches)) == ([], [], ["main"])


def test_a_head_that_moves_is_merged_as_it_was_recorded() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    played.pulls[7] = make_pull(7, head_commit=commit("later"), state=PullRequestState.CLOSED)
    played.work()
    assert played.results == {7: "Clean", 8: "Clean"}
    assert played.status.sources[0].head_commit == commit("head 7")


def test_clean_pull_requests_are_one_step_one_branch_and_one_pull_request() -> None:
    played = Played(job=make_job(7, 8, 9))
    played.work()
    status = played.status
    assert (status.phase, reason_of(played)) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)
    assert len(played.made) == len(played.opened) == 1
    branch = result_branch(played.job)
    assert played.branches == {"main": BASE, branch: status.head_commit}
    assert status.result is not None
    assert (status.result.number, status.result.url) == (100, f"{URL}/pull/100")
    made = played.opened[0]
    assert (made.head, made.base, made.title) == (branch, "main", "Combine 3 pull requests (release)")
    assert has_marker(made.body, played.job.uid, 1)


def test_a_conflict_is_resolved_and_the_next_step_continues_from_its_commit() -> None:
    played = Played(job=make_job(7, 8, 9), attempts_needed={8: 2})
    played.work()
    assert played.results == {7: "Clean", 8: "Resolved", 9: "Clean"}
    steps = [(step.numbers, step.phase) for step in played.status.steps]
    assert steps == [
        ((7, 8, 9), RunPhase.FAILED),
        ((7, 8, 9), RunPhase.COMPLETED),
        ((9,), RunPhase.COMPLETED),
    ]
    assert played.status.steps[2].base_commit == played.status.steps[1].head_commit
    assert "the agent resolved its conflicts in 2 attempts" in played.opened[0].body


@pytest.mark.parametrize("reason", UNRESOLVABLE)
@pytest.mark.parametrize("number", [7, 8])
def test_a_conflict_that_no_agent_is_given_is_left_out_at_once_and_the_rest_goes_on(reason: str, number: int) -> None:
    played = Played(job=make_job(7, 8, 9), hindrances={number: reason})
    played.work()
    others = {other: "Clean" for other in (7, 8, 9) if other != number}
    assert played.results == {number: Reason.MERGE_UNRESOLVABLE, **others}
    source = next(source for source in played.status.sources if source.number == number)
    assert source.attempts == 0
    assert UNRESOLVABLE[reason] in (source.message or "")
    assert len(played.made) == 2


@pytest.mark.parametrize("limit", [1, 3])
def test_a_conflict_that_is_not_resolved_is_left_out_after_its_attempts(limit: int) -> None:
    played = Played(job=make_job(7, 8, 9, max_attempts=limit), attempts_needed={8: 99})
    played.work()
    assert played.results == {7: "Clean", 8: Reason.AGENT_FAILED, 9: "Clean"}
    assert played.tried[8] == limit
    assert f"{limit} of {limit} attempts" in (played.status.sources[1].message or "")


def test_a_pull_request_that_breaks_the_verify_steps_is_found_by_halves() -> None:
    played = Played(job=make_job(*range(1, 9)), broken={6})
    played.work()
    assert played.results == {n: Reason.VERIFY_FAILED if n == 6 else "Clean" for n in range(1, 9)}
    numbers = [step.numbers for step in played.status.steps]
    assert numbers == [(1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4), (5, 6), (5,), (6,), (7, 8)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (MergeState.EMPTY, Reason.MERGE_EMPTY),
        (MergeState.CONTAINED, Reason.MERGE_CONTAINED),
        (MergeState.MISSING, Reason.COMMIT_MISSING),
    ],
)
def test_a_pull_request_that_adds_nothing_is_left_out(state: MergeState, reason: Reason) -> None:
    played = Played(job=make_job(7, 8), states={8: state})
    played.work()
    assert played.results == {7: "Clean", 8: reason}


def test_if_every_one_is_left_out_nothing_is_pushed() -> None:
    played = Played(job=make_job(7, 8), broken={7, 8})
    played.work()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.NOTHING_MERGED)
    assert (list(played.branches), played.opened) == (["main"], [])


@pytest.mark.parametrize("reason", sorted(CREDENTIAL_REASONS))
def test_trouble_of_a_credential_is_none_of_the_pull_requests(reason: Reason) -> None:
    played = Played()
    for _ in range(MOST_TROUBLES):
        played.rest()
        played.end(RunPhase.FAILED, reason)
    played.rest()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, reason)
    assert {source.result for source in played.status.sources} == {SourceResult.PENDING}
    assert played.status.suspected == ()


def test_the_runs_that_made_the_pull_requests_are_recorded() -> None:
    played = Played(makers={7: "fix-total"})
    played.work()
    assert [source.run for source in played.status.sources] == ["fix-total", None]


def test_trouble_outside_is_tried_again_and_then_fails_the_merge() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    played.end(RunPhase.FAILED, Reason.NODE_LOST)
    played.work()
    assert played.results == {7: "Clean", 8: "Clean"}
    lost = Played(job=make_job(7, 8))
    for _ in range(3):
        lost.rest()
        lost.end(RunPhase.FAILED, Reason.NODE_LOST)
    lost.rest()
    assert (lost.status.phase, reason_of(lost)) == (MergeJobPhase.FAILED, Reason.NODE_LOST)
    assert lost.results == {7: "Pending", 8: "Pending"}


def test_a_completed_run_without_a_report_proves_nothing() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    played.end(RunPhase.COMPLETED)
    played.look()
    assert played.results == {7: "Pending", 8: "Pending"}
    assert (played.status.steps[0].phase, played.status.steps[0].reason) == (RunPhase.FAILED, Reason.REPORT_LOST)


def test_the_limit_of_steps_leaves_out_what_is_left() -> None:
    played = Played(job=make_job(*range(1, 51), max_attempts=10), attempts_needed=dict.fromkeys(range(1, 51), 99))
    played.work()
    assert len(played.made) == 100
    assert set(played.results.values()) == {Reason.AGENT_FAILED, Reason.STEP_LIMIT}
    assert played.status.phase is MergeJobPhase.FAILED


def test_a_cancelled_step_cancels_the_merge() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    played.end(RunPhase.CANCELLED, Reason.CANCELLED)
    played.rest()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.CANCELLED, Reason.STEP_CANCELLED)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_merge_that_is_stopped_waits_for_its_run(*, is_deleted: bool) -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    if is_deleted:
        played.delete()
    else:
        played.change(cancelled=True)
    played.rest()
    assert (played.status.phase, played.status.stopping) == (MergeJobPhase.RUNNING, (played.made[0],))
    played.change(cancelled=False)
    played.end(RunPhase.CANCELLED, Reason.CANCELLED)
    played.look()
    expected = Reason.DELETED if is_deleted else Reason.CANCELLED
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.CANCELLED, expected)
    assert (played.status.stopping, played.opened) == ((), [])
    if is_deleted:
        assert played.plan() == Plan(release_finalizer=True)


def test_a_lost_answer_makes_neither_a_second_branch_nor_a_second_pull_request() -> None:
    played = Played(job=make_job(7, 8), is_answer_lost=True)
    played.work()
    played.pass_time(NOW + timedelta(minutes=2))
    assert (played.status.phase, len(played.opened), len(played.branches)) == (MergeJobPhase.COMPLETED, 1, 2)


def test_a_host_that_refuses_the_pull_request_is_tried_for_a_day() -> None:
    played = Played(job=make_job(7), host_problem=Problem(Reason.FORGE_UNAVAILABLE, "It does not answer."))
    played.work()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.RUNNING, Reason.FORGE_UNAVAILABLE)
    played.pass_time(NOW + WAIT_LIMIT + timedelta(minutes=6))
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.FORGE_UNAVAILABLE)


def test_a_branch_that_another_user_makes_meanwhile_is_not_taken_over() -> None:
    played = Played(job=make_job(7))
    played.rest()
    played.branches[result_branch(played.job)] = commit("other")
    played.work()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.BRANCH_TAKEN)
    assert played.opened == []


def test_a_pull_request_that_is_open_completes_the_merge_though_a_user_cancels() -> None:
    played = Played(job=make_job(7))
    played.rest()
    played.end()
    while not played.opened:
        played.look()
    played.change(cancelled=True)
    played.rest()
    assert played.status.phase is MergeJobPhase.COMPLETED


def test_a_run_that_the_cluster_refuses_is_given_up() -> None:
    played = Played(job=make_job(7), refusal=Problem(Reason.CREATION_REFUSED, "It is refused."))
    played.pass_time(NOW + START_LIMIT + timedelta(minutes=2))
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.CREATION_REFUSED)
    assert (played.status.steps[0].phase, played.made) == (RunPhase.FAILED, [])


def test_a_run_of_an_earlier_ledger_decides_nothing() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    played.job = played.job.updated(status=MergeJobStatus())
    played.branches["main"] = commit("moved")
    played.rest()
    played.end()
    played.rest()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.STEP_UNKNOWN)
    assert played.results == {7: "Pending", 8: "Pending"}


def test_a_body_says_what_became_of_each_and_has_no_effect_of_its_own() -> None:
    pulls = {7: make_pull(7, title="@all | Fixes #1 <!-- x -->"), 8: make_pull(8, is_draft=True)}
    played = Played(job=make_job(7, 8, 9), pulls={**pulls}, attempts_needed={9: 1})
    played.work()
    body = played.opened[0].body
    rows = [line for line in body.splitlines() if line.startswith("| #")]
    assert [row.split(" ")[1] for row in rows] == ["#7", "#8", "#9"]
    assert "2 of 3 pull requests" in body
    assert "**left out**" in rows[1]
    assert "draft" in rows[1]
    assert rows[2].endswith("| merged; the agent resolved its conflicts in 1 attempt |")
    assert "@all" not in body
    assert "Fixes #1" not in body
    assert body.count("<!--") == 1
    assert rows[0].replace("\\|", "").count("|") == 4


def test_a_body_of_the_most_and_longest_fits() -> None:
    numbers = range(1, 51)
    played = Played(job=make_job(*numbers), pulls={n: make_pull(n, title="ü" * 300, is_draft=n > 1) for n in numbers})
    played.work()
    assert len(played.opened[0].body) < 65_536


@st.composite
def worlds(draw: st.DrawFn) -> Played:
    numbers = draw(st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True))
    some = st.sampled_from(numbers)
    drafts = draw(st.sets(some))
    return Played(
        job=make_job(*numbers, max_attempts=draw(st.integers(1, 3))),
        pulls={number: make_pull(number, is_draft=True) for number in drafts},
        attempts_needed=draw(st.dictionaries(some, st.integers(1, 4))),
        states=draw(
            st.dictionaries(some, st.sampled_from([MergeState.EMPTY, MergeState.CONTAINED, MergeState.MISSING]))
        ),
        broken=draw(st.sets(some)),
        is_answer_lost=draw(st.booleans()),
    )


class Watch:
    """Looks, and holds what was seen against what must always hold."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.decided: dict[int, tuple[SourceResult, str | None]] = {}
        self.verified: set[int] = set()

    def look(self) -> None:
        """Let the operator look once."""
        before = self.played.status
        self.played.look()
        status = self.played.status
        assert sum(step.phase is RunPhase.RUNNING for step in status.steps) <= 1
        assert len(set(self.played.made)) == len(self.played.made)
        self._note_verified()
        for source in status.sources:
            said = source.result, source.reason
            if source.result is not SourceResult.PENDING:
                assert self.decided.setdefault(source.number, said) == said
            assert source.result not in {CLEAN, RESOLVED} or source.number in self.verified
        if before.phase.is_finished:
            assert (status.phase, status.sources) == (before.phase, before.sources)

    def _note_verified(self) -> None:
        for run in self.played.runs.values():
            report = run.status.merge
            if run.status.phase is RunPhase.COMPLETED and report is not None and report.tip is not None:
                self.verified.update(said.number for said in report.sources if said.commit is not None)

    def settle(self) -> None:
        """Let all Runs end, and the operator look until nothing is left to do."""
        for _ in range(400):
            self.look()
            if self.played.active is not None:
                self.played.end()
            elif self.played.status.phase.is_finished:
                return
        raise AssertionError("it does not finish")


_ENDS = {"fail": Reason.SETUP_FAILED, "lose": Reason.NODE_LOST}


@given(worlds(), st.lists(st.sampled_from(["end", "fail", "lose", "look"]), max_size=40))
def test_whatever_happens_each_is_decided_once_and_merged_only_by_a_verified_commit(
    played: Played, deeds: list[str]
) -> None:
    watch = Watch(played)
    for deed in deeds:
        watch.look()
        if played.active is not None and deed != "look":
            played.end(*((RunPhase.FAILED, _ENDS[deed]) if deed in _ENDS else ()))
    watch.settle()
    watch.look()
    assert len(played.opened) == (played.status.phase is MergeJobPhase.COMPLETED)
    for made in played.opened:
        assert {number for number, (result, _) in watch.decided.items() if result is not EXCLUDED} <= watch.verified
        assert played.branches[made.head] == played.status.head_commit
