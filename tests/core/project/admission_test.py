"""Places: never more than the limit, in creation order, never taken back."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.project.admission import UNSEEN_LIMIT, has_place
from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.facts import Facts, RepositoryAsk, RepositoryFact
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase, Try
from tests.support.places import admit, runs_of
from tests.support.plans import plan_project
from tests.support.worlds import ACCESS, NOW, URL, make_project, make_run, make_workflow, queued, trashed_workflow

FACTS = Facts({RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main")})


def waiting(count: int) -> list[Run]:
    """Return queued Runs, the oldest first."""
    return [queued(make_run(f"run-{n:03}", age_seconds=count - n)) for n in range(count)]


@given(limit=st.integers(1, 8), count=st.integers(0, 20), seed=st.integers(0, 2**16))
def test_the_oldest_are_admitted_up_to_the_limit(limit: int, count: int, seed: int) -> None:
    runs = waiting(count)
    shuffled = random.Random(seed).sample(runs, len(runs))
    admitted = admit(make_project(limit=limit), shuffled, {}, NOW)
    assert [entry.name for entry in admitted] == [run.name for run in runs[:limit]]


def test_a_lower_limit_takes_no_place_back() -> None:
    runs = waiting(3)
    project = make_project(limit=3)
    project = project.updated(status=project.status.updated(admitted=admit(project, runs, {}, NOW)))
    lowered = project.updated(spec=make_project(limit=1).spec)
    assert admit(lowered, [*runs, *waiting(5)], {}, NOW) == project.status.admitted


def test_a_suspended_project_gives_no_place() -> None:
    assert admit(make_project(suspend=True), waiting(2), {}, NOW) == ()


def test_a_finished_or_vanished_run_gives_its_place_to_the_next() -> None:
    first, second, third = waiting(3)
    project = make_project(limit=2)
    project = project.updated(status=project.status.updated(admitted=admit(project, [first, second], {}, NOW)))
    finished = first.updated(status=first.status.updated(phase=RunPhase.COMPLETED))
    assert [e.name for e in admit(project, [finished, third], {}, NOW + UNSEEN_LIMIT)] == [third.name]


def test_a_run_that_is_not_heard_of_yet_keeps_its_place_for_a_while() -> None:
    """A leader that has just begun can know of the place before it knows of the Run."""
    first, second = waiting(2)
    project = make_project(limit=1)
    project = project.updated(status=project.status.updated(admitted=admit(project, [first], {}, NOW)))
    assert admit(project, [second], {}, NOW + UNSEEN_LIMIT - timedelta(seconds=1)) == project.status.admitted
    assert [e.name for e in admit(project, [second], {}, NOW + UNSEEN_LIMIT)] == [second.name]


def test_an_old_place_starts_no_second_try() -> None:
    run = waiting(1)[0]
    project = make_project()
    project = project.updated(status=project.status.updated(admitted=admit(project, [run], {}, NOW)))
    assert has_place(project, run)
    tried = queued(run, tries=(Try(number=1, sandbox="s"),))
    assert not has_place(project, tried)
    made_again = tried.updated(metadata=run.metadata.updated(uid="another"), status=run.status)
    assert not has_place(project, made_again)


def pending(name: str, **spec: Any) -> Run:
    """Return a Run without a status."""
    return make_run(name, base_branch="main", **spec)


def test_a_pending_run_is_admitted_once_what_it_names_is_there() -> None:
    run, workflow = pending("fix"), make_workflow()
    assert admit(make_project(), [run], {}, NOW) == ()
    assert [e.name for e in admit(make_project(), [run], {workflow.name: workflow}, NOW)] == [run.name]
    elsewhere = pending("fix", repository_url=f"{URL}-other")
    assert admit(make_project(), [elsewhere], {workflow.name: workflow}, NOW) == ()
    broken = make_workflow(prompt_template="{{ nonsense }}")
    assert admit(make_project(), [run], {broken.name: broken}, NOW) == ()
    assert admit(make_project(), [run], {workflow.name: trashed_workflow()}, NOW) == ()


def test_pending_and_queued_runs_are_admitted_in_one_order() -> None:
    workflow = make_workflow()
    runs = [make_run("new", age_seconds=1), queued(make_run("old", age_seconds=3)), make_run("middle", age_seconds=2)]
    admitted = admit(make_project(limit=2), runs, {workflow.name: workflow}, NOW)
    assert [entry.name for entry in admitted] == ["old", "middle"]


def test_a_place_for_another_attempt_is_of_that_attempt_alone() -> None:
    run = queued(make_run(), phase=RunPhase.FAILED, tries=(Try(number=1, sandbox="s"),))
    again = run.updated(spec=run.spec.updated(attempt=2))
    workflow = make_workflow()
    workflows = {workflow.name: workflow}
    assert admit(make_project(), [run], workflows, NOW) == ()
    assert admit(make_project(), [again], {}, NOW) == ()
    (entry,) = admit(make_project(), [again], workflows, NOW)
    assert (entry.attempt, entry.try_number) == (2, 1)
    project = make_project()
    project = project.updated(status=project.status.updated(admitted=(entry,)))
    assert has_place(project, again)
    assert not has_place(project, run)
    assert admit(project, [again.updated(spec=again.spec.updated(cancelled=True))], {}, NOW) == ()


def test_a_place_for_a_later_try_than_the_copy_of_its_run_shows_is_kept() -> None:
    old = queued(make_run(), phase=RunPhase.RUNNING, tries=(Try(number=1, sandbox="s"),))
    retrying = old.updated(status=old.status.updated(phase=RunPhase.QUEUED))
    project = make_project(limit=1)
    (second,) = admit(project, [retrying], {}, NOW)
    project = project.updated(status=project.status.updated(admitted=(second,)))
    assert admit(project, [old, *waiting(1)], {}, NOW) == (second,)
    ended = old.updated(status=old.status.updated(phase=RunPhase.FAILED))
    resumed = project.updated(status=project.status.updated(admitted=(second.updated(attempt=2, try_number=1),)))
    assert admit(resumed, [ended, *waiting(1)], {}, NOW) == resumed.status.admitted


def going(name: str, **changes: Any) -> Run:
    """Return a Run that is Running in its first try."""
    return queued(
        make_run(name, age_seconds=60), phase=RunPhase.RUNNING, tries=(Try(number=1, sandbox="s"),), **changes
    )


def test_invariant_10_a_project_made_again_counts_what_runs() -> None:
    """Its list is empty, as after `kubectl replace --force` or a restore without status."""
    running, waits = [going(f"r{n}") for n in range(2)], waiting(3)
    admitted = admit(make_project(limit=3), [*waits, *running], {}, NOW)
    assert [entry.name for entry in admitted] == ["r0", "r1", waits[0].name]
    more = [going(f"r{n}") for n in range(5)]
    assert [e.name for e in admit(make_project(limit=3), [*waits, *more], {}, NOW)] == ["r0", "r1", "r2"]
    assert len(admit(make_project(limit=3, suspend=True), more, {}, NOW)) == 3


def test_a_new_project_gives_no_place_while_an_older_run_may_start_with_one_of_the_project_before() -> None:
    project = make_project()
    project = project.updated(metadata=project.metadata.updated(creation_timestamp=NOW))
    older, newer = queued(make_run("older", age_seconds=5)), queued(make_run("newer"))
    assert admit(project, [older, newer], {}, NOW) == ()
    assert [e.name for e in admit(project, [newer], {}, NOW)] == ["newer"]
    assert [e.name for e in admit(project, [older, newer], {}, NOW + UNSEEN_LIMIT)] == ["older", "newer"]
    world = ProjectWorld(project, runs_of(older), facts=FACTS)
    assert plan_project(world, NOW).look_again == NOW + UNSEEN_LIMIT


def test_a_run_whose_pull_request_is_being_opened_holds_no_place() -> None:
    run = going("fix")
    project = make_project(limit=1)
    (entry,) = admit(project, [run], {}, NOW)
    project = project.updated(status=project.status.updated(admitted=(entry,)))
    assert admit(project, [run, *waiting(1)], {}, NOW) == (entry,)
    pushed = run.updated(status=run.status.updated(pull_request=PullRequest(phase=PullRequestPhase.CREATING)))
    assert [e.name for e in admit(project, [pushed, *waiting(1)], {}, NOW)] == ["run-000"]


def test_a_place_that_was_returned_is_void_and_goes_to_the_next() -> None:
    first, second = waiting(2)
    project = make_project(limit=1)
    (entry,) = admit(project, [first], {}, NOW)
    project = project.updated(status=project.status.updated(admitted=(entry,)))
    due = NOW + timedelta(seconds=15)
    returned = first.updated(status=first.status.updated(retry_time=due))
    assert (has_place(project, first), has_place(project, returned)) == (True, False)
    assert [e.name for e in admit(project, [returned, second], {}, NOW)] == [second.name]
    (again,) = admit(project, [returned], {}, due)
    assert has_place(project.updated(status=project.status.updated(admitted=(again,))), returned)


def test_a_run_that_had_to_wait_comes_after_those_that_became_ready_before() -> None:
    """Else old Runs that return their places again and again would keep all younger ones from theirs."""
    old = queued(make_run("old", age_seconds=3600), retry_time=NOW)
    admitted = admit(make_project(limit=1), [old, queued(make_run("young", age_seconds=5))], {}, NOW)
    assert [entry.name for entry in admitted] == ["young"]


def test_runs_of_a_repository_that_cannot_be_reached_are_passed_over() -> None:
    runs = waiting(2)
    assert admit(make_project(), runs, {}, NOW, reached=()) == ()
    assert len(admit(make_project(), runs, {}, NOW)) == 2
