"""Merges that change workflow files: only with a credential that may, and never half done."""

from __future__ import annotations

import pytest

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import CreateBranch, Effect, MergePullRequest
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import Reason
from codecourier.merging import MergeState
from codecourier.resources.merge import MergedSource, MergeResult
from codecourier.resources.merge_job import MergeJobPhase, MergeMode
from codecourier.resources.project import AppCredential, Project
from codecourier.resources.run import RunPhase
from tests.core.merge_job.host import Host
from tests.core.merge_job.played import Played, commit, make_job, reason_of
from tests.support.worlds import BASE, make_project

FORBIDDEN = Reason.WORKFLOW_PERMISSION


def project_with_app() -> Project:
    """Return a Project whose repository is reached by an App."""
    project = make_project()
    (repository,) = project.spec.repositories
    by_app = repository.updated(credential_ref=None, app=AppCredential(installation_id=5))
    return project.updated(spec=project.spec.updated(repositories=(by_app,)))


@pytest.mark.parametrize("right", [True, False, None])
def test_the_right_of_an_app_is_recorded_and_given_to_each_step(*, right: bool | None) -> None:
    played = Played(project=project_with_app(), may_change_workflows=right)
    played.look()
    assert played.active is not None
    assert played.active.spec.merge is not None
    assert (played.status.may_change_workflows, played.active.spec.merge.may_change_workflows) == (right, right)
    played.may_change_workflows = not right
    played.work()
    assert played.status.may_change_workflows is right


def test_nothing_shows_the_right_of_a_personal_token() -> None:
    played = Played(may_change_workflows=True)
    played.look()
    assert played.status.may_change_workflows is None


@pytest.mark.parametrize("right", [True, False, None])
def test_only_a_known_right_is_asked_of_the_host(*, right: bool | None) -> None:
    played = Played(project=project_with_app(), may_change_workflows=right)
    effects: list[Effect] = []
    while played.status.phase is not MergeJobPhase.COMPLETED:
        effects += played.look().effects
        if played.active is not None:
            played.end()
    assert [e.with_workflows for e in effects if isinstance(e, CreateBranch)] == [right is True]


def test_the_merge_at_the_host_has_the_right_too() -> None:
    host = Host()
    host.job = host.job.updated(status=host.status.updated(may_change_workflows=True))
    host.look()
    assert [effect.with_workflows for effect in host.merges] == [True]


def test_one_that_may_not_is_left_out_and_the_rest_goes_on() -> None:
    played = Played(job=make_job(7, 8, 9), states={8: MergeState.FORBIDDEN})
    played.work()
    assert played.results == {7: "Clean", 8: FORBIDDEN, 9: "Clean"}
    assert played.status.phase is MergeJobPhase.COMPLETED
    assert "Workflows: write" in (played.status.sources[1].message or "")
    assert "Workflows: write" in played.opened[0].body


def test_a_single_merge_that_may_not_fails_before_anything_is_pushed() -> None:
    played = Played(job=make_job(7, mode=MergeMode.SINGLE), states={7: MergeState.FORBIDDEN})
    played.work()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, FORBIDDEN)
    assert (played.merges, played.opened, list(played.branches)) == ([], [], ["main"])


def refuse_push(played: Played, *forbidden: int) -> None:
    """End the active Run as publish does after the host has refused the push."""
    run = played.active
    assert run is not None
    assert run.spec.merge is not None
    handled = tuple(
        MergedSource(number=source.number, state=MergeState.FORBIDDEN)
        if source.number in forbidden
        else MergedSource(number=source.number, state=MergeState.CLEAN, commit=commit(f"clean {source.number}"))
        for source in run.spec.merge.sources
    )
    status = with_outcome(run, run.status, RunPhase.FAILED, FORBIDDEN.value, "It may not.", played.now)
    played.runs[run.name] = run.updated(status=status.updated(merge=MergeResult(sources=handled), attempt=1))


def test_what_the_host_refuses_to_push_is_left_out_at_once_and_the_rest_goes_on() -> None:
    played = Played(job=make_job(7, 8, 9, 10))
    played.rest()
    refuse_push(played, 8, 10)
    played.work()
    assert played.results == {7: "Clean", 8: FORBIDDEN, 9: "Clean", 10: FORBIDDEN}
    assert [step.numbers for step in played.status.steps] == [(7, 8, 9, 10), (7, 9)]
    (first, second) = (run.spec.merge for run in played.runs.values())
    assert first is not None
    assert second is not None
    assert (first.may_change_workflows, second.may_change_workflows) == (None, False)
    assert played.status.phase is MergeJobPhase.COMPLETED


def test_if_the_host_refuses_what_nothing_explains_the_one_is_found_by_halves() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    refuse_push(played)
    played.rest()
    refuse_push(played)
    played.work()
    assert played.results == {7: FORBIDDEN, 8: "Clean"}


def test_a_single_merge_whose_push_is_refused_fails() -> None:
    played = Played(job=make_job(7, mode=MergeMode.SINGLE))
    played.rest()
    refuse_push(played, 7)
    played.rest()
    assert (played.status.phase, reason_of(played), played.merges) == (MergeJobPhase.FAILED, FORBIDDEN, [])


def test_a_host_that_refuses_the_merge_for_its_workflow_files_ends_it() -> None:
    host = Host(answer=Problem(FORBIDDEN, "It may not.", is_final=True))
    host.look()
    host.look()
    assert host.status.phase is MergeJobPhase.FAILED
    assert [type(effect) for effect in host.merges] == [MergePullRequest]
    condition = host.status.condition("Succeeded")
    assert condition is not None
    assert condition.reason == FORBIDDEN


def test_a_host_that_makes_no_such_branch_has_the_rest_merged_without_them() -> None:
    played = Played(job=make_job(7, 8))
    played.host_problem = Problem(FORBIDDEN, "It may not.", is_final=True)
    played.work()
    refused = played.status.steps[0]
    assert (played.status.may_change_workflows, played.opened) == (False, [])
    assert refused.numbers == (7, 8)
    assert played.status.phase is MergeJobPhase.FAILED, "it is refused though nothing changes such files any more"
    again = Played(job=make_job(7, 8, 9))
    while again.status.result is None:
        again.look()
        if again.active is not None:
            again.end()
    again.host_problem = Problem(FORBIDDEN, "It may not.", is_final=True)
    again.look()
    again.host_problem, again.states = None, {9: MergeState.FORBIDDEN}
    again.work()
    assert again.results == {7: "Clean", 8: "Clean", 9: FORBIDDEN}
    assert [step.numbers for step in again.status.steps] == [(7, 8, 9), (7, 8, 9)]
    assert (again.status.phase, len(again.opened)) == (MergeJobPhase.COMPLETED, 1)
    assert [again.status.steps[1].base_commit, again.opened[0].head in again.branches] == [BASE, True]
