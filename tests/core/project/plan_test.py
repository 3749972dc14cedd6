"""A Project's plan: when places are given, and which changes of the list are worth a write."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.facts import Facts, RepositoryAsk, RepositoryFact
from codecourier.resources.project import Project, ProjectStatus
from codecourier.resources.run import Run, RunPhase, Try
from tests.support.places import runs_of
from tests.support.plans import plan_project
from tests.support.worlds import ACCESS, NOW, make_project, make_run, queued

FACTS = Facts({RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main")})


def planned(project: Project, *runs: Run) -> Project:
    """Plan once; return the Project with its new status."""
    status = plan_project(ProjectWorld(project, runs_of(*runs), facts=FACTS), NOW).status
    assert isinstance(status, ProjectStatus)
    return project.updated(status=status)


def names(project: Project) -> list[str]:
    """Return the names of the Runs in the list of places."""
    return [entry.name for entry in project.status.admitted]


def finished(run: Run) -> Run:
    """Return a Run that is over."""
    return run.updated(status=run.status.updated(phase=RunPhase.COMPLETED))


def test_a_place_that_is_free_again_is_no_reason_to_write() -> None:
    run = queued(make_run())
    project = planned(make_project(), run)
    assert planned(project, finished(run)) == project
    assert planned(project) == project  # as when the Run is deleted


def test_stale_places_leave_the_list_with_the_next_admission() -> None:
    first, second = (queued(make_run(name)) for name in ("first", "second"))
    project = planned(make_project(limit=1), first)
    project = planned(project, finished(first), second)
    assert names(project) == [second.name]


def test_stale_places_leave_the_list_with_a_change_of_the_project() -> None:
    run = queued(make_run())
    project = planned(make_project(), run)
    changed = project.updated(metadata=project.metadata.updated(generation=2))
    assert planned(changed, finished(run)).status.admitted == ()


def test_a_suspended_project_gives_the_places_of_finished_runs_once_it_goes_on() -> None:
    first, second = (queued(make_run(name)) for name in ("first", "second"))
    project = planned(make_project(limit=1), first)
    suspended = project.updated(spec=make_project(limit=1, suspend=True).spec)
    assert planned(suspended, finished(first), second) == suspended
    assert names(planned(suspended.updated(spec=project.spec), finished(first), second)) == [second.name]


def test_another_try_of_a_run_needs_another_place() -> None:
    run = queued(make_run())
    project = planned(make_project(limit=1), run)
    again = queued(run, tries=(Try(number=1, sandbox="s"),))
    assert [entry.try_number for entry in planned(project, again).status.admitted] == [2]


@given(limits=st.lists(st.integers(1, 4), min_size=1, max_size=30), random=st.randoms(use_true_random=False))
def test_invariant_10_no_more_run_than_the_limit_and_no_free_place_waits(limits: list[int], random: Random) -> None:
    """Runs come and go while the limit changes; a Run starts exactly when the list names it."""
    project, runs, over = make_project(), list[Run](), list[Run]()
    for serial, limit in enumerate(limits):
        project = project.updated(spec=make_project(limit=limit).spec)
        runs.append(queued(make_run(f"run-{serial:03}", age_seconds=-serial)))
        project = planned(project, *runs, *over)
        running = [run for run in runs if run.name in names(project)]
        waiting = [run for run in runs if run not in running]
        assert [*running, *waiting] == runs, "places go to the oldest"
        assert len(running) >= limit or not waiting, "a place is free and a Run waits"
        assert len(running) <= max(limits)
        assert len(project.status.admitted) <= max(limits)
        done = random.choice(running)
        runs.remove(done)
        over.append(finished(done))
