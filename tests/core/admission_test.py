"""Places: never more than the limit, in creation order, never taken back."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.admission import admit, has_place
from codecourier.resources.run import Run, RunPhase, Try
from tests.support.worlds import NOW, make_project, make_run, queued


def waiting(count: int) -> list[Run]:
    """Return queued Runs, the oldest first."""
    return [queued(make_run(f"run-{n:03}", age_seconds=count - n)) for n in range(count)]


@given(limit=st.integers(1, 8), count=st.integers(0, 20), seed=st.integers(0, 2**16))
def test_the_oldest_are_admitted_up_to_the_limit(limit: int, count: int, seed: int) -> None:
    runs = waiting(count)
    shuffled = random.Random(seed).sample(runs, len(runs))
    admitted = admit(make_project(limit=limit), shuffled, NOW)
    assert [entry.name for entry in admitted] == [run.name for run in runs[:limit]]


def test_a_lower_limit_takes_no_place_back() -> None:
    runs = waiting(3)
    project = make_project(limit=3)
    project = project.updated(status=project.status.updated(admitted=admit(project, runs, NOW)))
    lowered = project.updated(spec=make_project(limit=1).spec)
    assert admit(lowered, [*runs, *waiting(5)], NOW) == project.status.admitted


def test_a_suspended_project_gives_no_place() -> None:
    assert admit(make_project(suspend=True), waiting(2), NOW) == ()


def test_a_finished_or_vanished_run_gives_its_place_to_the_next() -> None:
    first, second, third = waiting(3)
    project = make_project(limit=2)
    project = project.updated(status=project.status.updated(admitted=admit(project, [first, second], NOW)))
    finished = first.updated(status=first.status.updated(phase=RunPhase.COMPLETED))
    assert [e.name for e in admit(project, [finished, third], NOW)] == [third.name]


def test_an_old_place_starts_no_second_try() -> None:
    run = waiting(1)[0]
    project = make_project()
    project = project.updated(status=project.status.updated(admitted=admit(project, [run], NOW)))
    assert has_place(project, run)
    tried = queued(run, tries=(Try(number=1, sandbox="s"),))
    assert not has_place(project, tried)
    made_again = tried.updated(metadata=run.metadata.updated(uid="another"), status=run.status)
    assert not has_place(project, made_again)
