"""Places with two leaders, each with copies as old as chance has it: the first write wins, and no more run."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.project.world import ProjectWorld
from codecourier.core.run.status import attempt_status
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts, RepositoryAsk, RepositoryFact
from codecourier.resources.project import Project, ProjectStatus
from codecourier.resources.run import Run, RunPhase, RunStatus
from tests.support.places import runs_of
from tests.support.plans import plan_project, plan_run
from tests.support.worlds import ACCESS, BASE, NOW, make_project, make_revision, make_run, make_workflow

FACTS = Facts(
    {
        RepositoryAsk(ACCESS): RepositoryFact("main"),
        RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main"),
        BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE),
    }
)
WORKFLOW = make_workflow()
REVISION = make_revision(WORKFLOW)


class Cluster:
    """A Project and its Runs as the API server has them, and the copies of two leaders."""

    def __init__(self, random: Random, limit: int, count: int) -> None:
        self.random = random
        self.project = make_project(limit=limit)
        self.runs = {f"run-{n}": make_run(f"run-{n}", base_branch="main", age_seconds=60 - n) for n in range(count)}
        self.projects = [self.project, self.project]
        self.copies = [dict(self.runs), dict(self.runs)]

    def refresh(self) -> None:
        """Bring one object of one leader up to date."""
        leader, name = self.random.randrange(2), self.random.choice([*self.runs, "default"])
        if name == "default":
            self.projects[leader] = self.project
        else:
            self.copies[leader][name] = self.runs[name]

    def refresh_all(self) -> None:
        """Bring both leaders up to date."""
        self.projects = [self.project, self.project]
        self.copies = [dict(self.runs), dict(self.runs)]

    def admit(self) -> None:
        """Let a leader plan for the Project; its write is refused where its copy is old."""
        leader = self.random.randrange(2)
        copy = self.projects[leader]
        world = ProjectWorld(copy, runs_of(*self.copies[leader].values()), {WORKFLOW.name: WORKFLOW}, facts=FACTS)
        status = plan_project(world, NOW).status
        if isinstance(status, ProjectStatus) and copy is self.project:
            self.project = self.projects[leader] = copy.updated(status=status)

    def work(self) -> None:
        """Let a leader plan for a Run."""
        self.work_on(self.random.randrange(2), self.random.choice(list(self.runs)))

    def work_on(self, leader: int, name: str) -> None:
        """Let this leader plan for this Run; its write is refused where its copy is old."""
        copy = self.copies[leader][name]
        status = plan_run(
            RunWorld(copy, self.projects[leader], WORKFLOW, None, revision=REVISION, facts=FACTS), NOW
        ).status
        if isinstance(status, RunStatus) and copy is self.runs[name]:
            self.runs[name] = self.copies[leader][name] = copy.updated(status=status)

    def end(self) -> None:
        """End the try of a Run that is Running, as its own plan would: for good, or to try again."""
        name = self.random.choice(list(self.runs))
        run = self.runs[name]
        if run.status.phase is RunPhase.RUNNING:
            phase = self.random.choice([RunPhase.COMPLETED, RunPhase.QUEUED])
            self.runs[name] = run.updated(status=run.status.updated(phase=phase))

    def ask_again(self) -> None:
        """Raise the attempt of a Run, as people do."""
        name = self.random.choice(list(self.runs))
        run = self.runs[name]
        self.runs[name] = run.updated(spec=run.spec.updated(attempt=run.spec.attempt + 1))

    def running(self) -> list[Run]:
        """Return the Runs that are Running."""
        return [run for run in self.runs.values() if run.status.phase is RunPhase.RUNNING]


def listed(project: Project) -> set[tuple[str, int, int]]:
    """Return which tries have a place."""
    return {(entry.name, entry.attempt, entry.try_number) for entry in project.status.admitted}


@pytest.mark.parametrize("limit", [1, 2, 3])
@settings(max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_invariant_10_two_leaders_with_old_copies_never_run_more_than_the_limit(limit: int, seed: int) -> None:
    random = Random(seed)
    cluster = Cluster(random, limit, count=4)
    steps = [cluster.refresh, cluster.refresh, cluster.admit, cluster.work, cluster.work, cluster.end]
    for _ in range(80):
        random.choice([*steps, cluster.ask_again] if random.random() < 0.2 else steps)()
        running = cluster.running()
        assert len(running) <= limit
        assert {(r.name, r.status.attempt, len(r.status.tries)) for r in running} <= listed(cluster.project)
        assert len(cluster.project.status.admitted) <= limit
    assert_no_free_place_waits(cluster, limit)


def assert_no_free_place_waits(cluster: Cluster, limit: int) -> None:
    """Check that a leader with fresh copies gives and uses every place for which there is a Run."""
    cluster.refresh_all()
    cluster.admit()
    for _ in range(2):  # a new attempt begins before it starts
        cluster.refresh_all()
        for name in cluster.runs:
            cluster.work_on(0, name)
    unfinished = [run for run in cluster.runs.values() if not attempt_status(run).phase.is_finished]
    assert len(cluster.running()) == min(limit, len(unfinished))
