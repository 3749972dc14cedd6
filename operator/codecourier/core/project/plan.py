"""How a Project is looked after: its repositories are reached, its sandboxes' network is closed, its Runs are admitted.

Revisions of Workflows that none of its Runs uses any more are collected here, too, and what its retention does not keep
any longer (`core.project.retention`).

Admission is the one decision over many Runs, so it has one writer (this plan) and one object that is claimed (the
Project's status, with its resourceVersion): a second leader or an old copy conflicts instead of admitting too many.

A place that is no longer needed counts for nothing from then on, but costs no write of its own: it leaves the list
with the next change of the status, be that another Run's place or a condition. Nothing can use it meanwhile, because
it names a try that is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from codecourier.core.project.admission import UNSEEN_LIMIT, admit, has_new_place, settles_at
from codecourier.core.project.finishing import is_let_go, plan_finishing
from codecourier.core.project.members import plan_members, settle_members
from codecourier.core.project.network_policy import build_network_policy, is_policy_current
from codecourier.core.project.places import Runs, UsableWorkflows
from codecourier.core.project.reachability import events_of, judge, settle_notifications
from codecourier.core.project.retention import plan_retention
from codecourier.core.project.unused_revisions import collect_revisions
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.consent import RepositoryKey, repository_key
from codecourier.core.shared.facts import Problem, RepositoryAsk, RepositoryFact
from codecourier.core.shared.grace import is_passing, next_look
from codecourier.core.shared.intents import Plan, WritePolicy, asking
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.repositories import find_access
from codecourier.resources.project import AdmittedRun, Repository

__all__ = ["REACHED_SECONDS", "plan_project"]

LOOK_AGAIN = timedelta(seconds=30)
"""Retry delay for a repository that could not be reached, when the problem carries no retry time."""

REACHED_SECONDS = 900.0
"""How old the news may be that a repository can be reached: a Run that is about to use it asks for itself."""


@asking
def plan_project(world: ProjectWorld, now: datetime) -> Plan:
    """Return what is to be done for a Project now."""
    project = world.project
    if project.is_deleting and is_let_go(world, now):
        return Plan(release_finalizer=True)
    if FINALIZER not in project.metadata.finalizers and not project.is_deleting:
        return Plan(add_finalizer=True)
    writes = _policy_write(world)
    if project.is_deleting:
        return plan_finishing(world, writes, now)
    answers = _ask_repositories(world)
    problems = [answer for answer in answers.values() if isinstance(answer, Problem)]
    unreached = _worst_problem(problems)
    refused = next(filter(None, map(world.failures.get, writes)), None)
    status, creates = settle_notifications(world, judge(project, unreached, refused, now))
    membership = plan_members(world)
    status, news = settle_members(world, status, membership, now)
    clearing = plan_retention(world, status, now)
    status = clearing.status
    admitted = admit(project, world.runs, _reached(answers), UsableWorkflows(world.workflows), now)
    if status != project.status or has_new_place(project, admitted):
        status = status.updated(admitted=admitted)
    deletes, next_collection = collect_revisions(world, now)
    next_time = _look_again(world, (*problems, refused, membership.problem), now)
    return Plan(
        status=status,
        creates=creates + news + writes + membership.creates + clearing.creates,
        deletes=deletes + membership.deletes + clearing.deletes,
        events=events_of(project.status, status),
        look_again=min(filter(None, (next_time, next_collection, clearing.look_again)), default=None),
    )


def _policy_write(world: ProjectWorld) -> tuple[WritePolicy, ...]:
    project, policy = world.project, world.policy
    if world.is_namespace_ending or is_policy_current(project, world.api_server, policy):
        return ()
    replaces = policy.resource_version if policy is not None else None
    return (WritePolicy(build_network_policy(project, world.api_server, replaces)),)


def _ask_repositories(world: ProjectWorld) -> Mapping[Repository, RepositoryFact | Problem]:
    project = world.project
    repositories = project.spec.repositories
    accesses = (find_access(project, project.namespace, r.url, world.credentials) for r in repositories)
    asks = (RepositoryAsk(access, REACHED_SECONDS) for access in accesses)
    return dict(zip(repositories, world.facts.get_all(asks), strict=True))


def _worst_problem(problems: Iterable[Problem]) -> Problem | None:
    """Return what is said of repositories that are not reached: what people have to fix before what passes."""
    return min(problems, key=lambda problem: is_passing(problem.reason), default=None)


def _reached(answers: Mapping[Repository, RepositoryFact | Problem]) -> frozenset[RepositoryKey | None]:
    """Return which repositories can be reached, None among them where the default one can be."""
    reached = [repository for repository, answer in answers.items() if not isinstance(answer, Problem)]
    keys = {repository_key(repository.url) for repository in reached}
    return frozenset(keys | {None} if any(repository.is_default for repository in reached) else keys)


def _look_again(world: ProjectWorld, problems: Iterable[Problem | None], now: datetime) -> datetime | None:
    runs = world.runs
    unseen = (e.admission_time + UNSEEN_LIMIT for e in world.project.status.admitted if not _is_known(runs, e))
    times = [time for time in unseen if time > now]
    times += filter(None, (runs.next_retry(now), settles_at(world.project, runs, now)))
    for problem in filter(None, problems):
        times.append(problem.retry_time or _next_look(world, problem, now))
    return min(times, default=None)


def _next_look(world: ProjectWorld, problem: Problem, now: datetime) -> datetime:
    usual = next_look(world.project, problem, now)
    watched = next_look(world.project, problem, now, world.credentials)
    return min(usual, now + LOOK_AGAIN) if watched == usual else watched


def _is_known(runs: Runs, entry: AdmittedRun) -> bool:
    run = runs.named(entry.name)
    return run is not None and run.uid == entry.uid
