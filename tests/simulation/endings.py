"""Every state of Runs and SprintChains, with every problem that never goes away, and every deed that ends them.

One cluster is played for each state and problem. In it each deed has a Run or chain of its own; once these are over,
the namespace is deleted. Whatever takes longer than `BOUND_SECONDS` is reported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from codecourier.core.shared.naming import ANNOTATION_STOP_NOW, LABEL_MANAGED
from codecourier.kinds.api_resources import (
    NOTIFICATIONS,
    PROJECTS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.kube.api import (
    CONTROLLER_REVISIONS,
    EVENTS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    SECRETS,
    Json,
    Propagation,
    Resource,
)
from tests.simulation.admission import Obstacle
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import NoFaults
from tests.simulation.forge import ForgeTrouble
from tests.simulation.invariants.endings import BOUND_SECONDS, is_held
from tests.simulation.invariants.objects import FINISHED
from tests.simulation.scenario import REFERENCE
from tests.simulation.steps import Behaviour

__all__ = ["CASES", "Case", "play_case"]

_REACH_SECONDS = 300.0
_STEP_SECONDS = 5.0

_MOST_WRITES: Mapping[Resource, int] = {RUNS: 500, SPRINT_CHAINS: 1500}
"""How many writes, refused ones too, a case may cost; a write that causes the next one costs thousands."""

_NEXT_TRY = "waits for its next try"

Act = Callable[[SimulatedCluster], object]
Holds = Callable[[SimulatedCluster, Json], bool]

_MADE = (RUNS, SANDBOXES, SECRETS, PODS, NETWORK_POLICIES, CONTROLLER_REVISIONS, NOTIFICATIONS, USAGE_RECORDS, EVENTS)
"""All that the operator makes."""


@dataclass(frozen=True)
class _State:
    """How objects come into a state, and how one sees that they are there."""

    prepare: Act
    """Is done before the operator starts."""

    holds: Holds
    """Tells of each Run whether it is there; of each chain where there is no Run."""


@dataclass(frozen=True)
class Case:
    """A state and a problem."""

    kind: Resource
    """Run or SprintChain: which objects people end."""

    state: str
    problem: str

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.state}; {self.problem}"


def _refuse(obstacle: Obstacle, *resources: Resource) -> Act:
    return lambda cluster: cluster.admission.obstacles.update(dict.fromkeys(resources, obstacle))


def _edit(resource: Resource, name: str, change: Callable[[Json], object]) -> Act:
    return lambda cluster: cluster.server.edit(resource, NAMESPACE, name, change)


def _delete(resource: Resource, selector: str | None = None) -> Act:
    def delete(cluster: SimulatedCluster) -> None:
        for stored in cluster.server.store.list(resource, NAMESPACE, selector):
            cluster.server.store.delete(resource, NAMESPACE, stored.metadata["name"])

    return delete


def _tear_away(resource: Resource) -> Act:
    """Delete a kind as a user does who removes the finalizers by hand."""

    def tear(cluster: SimulatedCluster) -> None:
        _delete(resource)(cluster)
        for stored in cluster.server.store.list(resource, NAMESPACE):
            _edit(resource, stored.metadata["name"], lambda obj: obj["metadata"].update(finalizers=[]))(cluster)

    return tear


def _nothing(_cluster: SimulatedCluster) -> None:
    """Do nothing."""


def _trouble(trouble: ForgeTrouble) -> Act:
    return lambda cluster: setattr(cluster.forge, "trouble", trouble)


def _phase(obj: Json) -> str:
    return str((obj.get("status") or {}).get("phase"))


def _says(*words: str) -> Holds:
    return lambda _, obj: any(word in (obj.get("status") or {}).get("message", "") for word in words)


def _has(resource: Resource) -> Holds:
    """Return that each Run has one of a kind."""

    def holds(cluster: SimulatedCluster, _run: Json) -> bool:
        runs, found = (len(cluster.server.store.list(known, NAMESPACE)) for known in (RUNS, resource))
        return 0 < runs <= found

    return holds


def _is_running(cluster: SimulatedCluster, run: Json) -> bool:
    uids = (s.obj["spec"]["runRef"]["uid"] for s in cluster.server.store.list(SANDBOXES) if _phase(s.obj) == "Running")
    return run["metadata"]["uid"] in set(uids)


def _has_claimed_pull_request(_cluster: SimulatedCluster, run: Json) -> bool:
    return ((run.get("status") or {}).get("pullRequest") or {}).get("phase") == "Creating"


_QUOTA = partial(_refuse, Obstacle.QUOTA)

_STATES: Mapping[str, _State] = {
    "waits for a place": _State(
        _edit(PROJECTS, "default", lambda project: project["spec"].update(suspend=True)),
        lambda _, run: _phase(run) == "Queued",
    ),
    "has no Sandbox": _State(_QUOTA(SANDBOXES), _says("refuses Sandbox")),
    "has no token": _State(_QUOTA(SECRETS), _says("refuses Secret")),
    "has no policy": _State(_QUOTA(NETWORK_POLICIES), _says("NetworkPolicy")),
    "has no pod": _State(_QUOTA(PODS), _says("refuses Pod")),
    "has a pod that waits": _State(lambda cluster: setattr(cluster.nodes, "is_full", True), _has(PODS)),
    "runs": _State(_nothing, _is_running),
    _NEXT_TRY: _State(_nothing, lambda _, run: _phase(run) == "Queued" and bool(run["status"]["tries"])),
    "waits for its pull request": _State(
        lambda cluster: setattr(cluster.forge, "forbids_pulls", True), _has_claimed_pull_request
    ),
}
_RUN_STATES: Mapping[str, _State] = {
    "has no Workflow": _State(_delete(WORKFLOWS), _says("no Workflow")),
    "has a place and no base": _State(_trouble(ForgeTrouble.BROKEN), lambda _, run: _phase(run) == "Queued"),
    **_STATES,
    "owes records": _State(_QUOTA(NOTIFICATIONS, USAGE_RECORDS), lambda _, run: _phase(run) in FINISHED),
    "is finished": _State(_nothing, lambda _, run: _phase(run) in FINISHED),
}
_CHAIN_STATES: Mapping[str, _State] = {
    "has no Run": _State(_QUOTA(RUNS), _says("refuses Run")),
    **_STATES,
    "owes records": _State(
        _QUOTA(NOTIFICATIONS, USAGE_RECORDS),
        lambda cluster, _: all(s.obj["status"].get("unnotified") for s in cluster.server.store.list(SPRINT_CHAINS)),
    ),
}
_PROBLEMS: Mapping[str, Act] = {
    "no problem": _nothing,
    **{f"a quota refuses {resource.plural}": _QUOTA(resource) for resource in _MADE},
    **{f"{obstacle.value}, whatever it is": _refuse(obstacle, *_MADE) for obstacle in Obstacle},
    **{f"of the forge: {trouble.value}": _trouble(trouble) for trouble in ForgeTrouble},
    "the Project is deleted": _delete(PROJECTS),
    "the Project is gone": _tear_away(PROJECTS),
    "the Workflow is gone": _delete(WORKFLOWS),
    "the revision is gone": _delete(CONTROLLER_REVISIONS),
    "the tokens are gone": _delete(SECRETS, f"{LABEL_MANAGED}=true"),
    "all nodes are silent": lambda cluster: cluster.nodes.silence_all(),
    "no kubelet gives a log": lambda cluster: setattr(cluster.server, "is_kubelet_silent", True),
}

CASES = tuple(
    Case(kind, state, problem)
    for kind, states in ((RUNS, _RUN_STATES), (SPRINT_CHAINS, _CHAIN_STATES))
    for state in states
    for problem in _PROBLEMS
)
"""The whole product of states and problems."""


def play_case(case: Case) -> list[str]:
    """Play a case; return what is not over in time, by object and deed."""

    async def main() -> list[str]:
        count = len(_DEEDS[case.kind])
        runs, chains = (count, 0) if case.kind == RUNS else (0, count)
        names = (f"{'run' if runs else 'chain'}-{number}" for number in range(count))
        behaviours = dict.fromkeys(((name, 0) for name in names), _BEHAVIOURS.get(case.state, Behaviour.CHANGES))
        pace = _PACES.get(case.state, 1.0)
        scenario = replace(
            REFERENCE, mood="peopled", limit=count, runs=runs, chains=chains, behaviours=behaviours, pace=pace
        )
        cluster = SimulatedCluster(scenario, NoFaults())
        states = _RUN_STATES if case.kind == RUNS else _CHAIN_STATES
        cluster.monitor.is_people = True
        cluster.server.edit(WORKFLOWS, NAMESPACE, "scripted", _shorten)
        states[case.state].prepare(cluster)
        cluster.monitor.is_people = False
        await _reach(cluster, case, states[case.state])
        cluster.monitor.is_people = True
        _PROBLEMS[case.problem](cluster)
        cluster.monitor.is_people = False
        await asyncio.sleep(_STEP_SECONDS)
        overdue = [text async for text in _end_all(cluster, case.kind)]
        if cluster.monitor.violation is not None:
            overdue.append(str(cluster.monitor.violation))
        if cluster.writes > _MOST_WRITES[case.kind]:
            overdue.append(f"{cluster.writes} writes: some write causes the next one")
        return overdue

    return run_virtual(main)


_PACES = {"runs": 10.0}
_BEHAVIOURS = {_NEXT_TRY: Behaviour.PROVIDER_LIMIT}


def _shorten(workflow: Json) -> None:
    """Let the Workflow's own timeouts, which bound the deletion of a chain, end within the bound."""
    workflow["spec"]["agent"]["timeoutSeconds"] = 300
    workflow["spec"] |= {"stepTimeoutSeconds": 30, "startTimeoutSeconds": 120}


async def _reach(cluster: SimulatedCluster, case: Case, state: _State) -> None:
    loop, store = asyncio.get_running_loop(), cluster.server.store
    while loop.time() < _REACH_SECONDS:
        known = [s.obj for s in store.list(RUNS, NAMESPACE)] or [s.obj for s in store.list(case.kind, NAMESPACE)]
        if len(known) >= len(_DEEDS[case.kind]) and all(state.holds(cluster, obj) for obj in known):
            return
        await asyncio.sleep(1.0)
    raise AssertionError("\n".join((f"{case} is never reached", *cluster.trace)))


def _cancel(cluster: SimulatedCluster, name: str) -> None:
    cluster.server.edit(RUNS, NAMESPACE, name, lambda run: run["spec"].update(cancelled=True))


def _remove(resource: Resource, propagation: Propagation) -> Callable[[SimulatedCluster, str], None]:
    def remove(cluster: SimulatedCluster, name: str) -> None:
        cluster.server.store.delete(resource, NAMESPACE, name, propagation=propagation)

    return remove


def _stop_now(cluster: SimulatedCluster, name: str) -> None:
    wish = {"annotations": {ANNOTATION_STOP_NOW: "true"}}
    cluster.server.edit(SPRINT_CHAINS, NAMESPACE, name, lambda chain: chain["metadata"].update(wish))
    _remove(SPRINT_CHAINS, "Background")(cluster, name)


def _cancel_chain(cluster: SimulatedCluster, name: str) -> None:
    cluster.server.edit(SPRINT_CHAINS, NAMESPACE, name, lambda chain: chain["spec"].update(cancelled=True))


def _cancel_its_run(cluster: SimulatedCluster, name: str) -> None:
    for stored in cluster.server.store.list(RUNS, NAMESPACE):
        if stored.obj["spec"]["origin"]["name"] == name:
            _cancel(cluster, stored.metadata["name"])


_DEEDS: Mapping[Resource, Mapping[str, Callable[[SimulatedCluster, str], None]]] = {
    RUNS: {
        "cancel": _cancel,
        "delete": _remove(RUNS, "Background"),
        "delete in foreground": _remove(RUNS, "Foreground"),
    },
    SPRINT_CHAINS: {
        "delete": _remove(SPRINT_CHAINS, "Background"),
        "delete in foreground": _remove(SPRINT_CHAINS, "Foreground"),
        "stop now": _stop_now,
        "cancel": _cancel_chain,
        "cancel its Run": _cancel_its_run,
    },
}


async def _end_all(cluster: SimulatedCluster, kind: Resource) -> AsyncIterator[str]:
    """Do every deed, each with an object of its own, then delete the namespace; yield what is not over in time."""
    names = {deed: f"{'run' if kind == RUNS else 'chain'}-{n}" for n, deed in enumerate(_DEEDS[kind])}
    cluster.monitor.is_people = True
    for deed, name in names.items():
        _DEEDS[kind][deed](cluster, name)
    cluster.monitor.is_people = False
    await _wait(cluster, lambda: all(_is_over(cluster, kind, name) for name in names.values()))
    for deed, name in names.items():
        if not _is_over(cluster, kind, name):
            yield f"{name} is not over after '{deed}': {_message(cluster, kind, name)}"
    cluster.monitor.is_namespace_ending = True
    cluster.server.store.delete(NAMESPACES, None, NAMESPACE)
    await _wait(cluster, lambda: not any(_held(cluster)))
    for text in _held(cluster):
        yield f"{text} is held in a namespace that is deleted"


async def _wait(cluster: SimulatedCluster, is_over: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + BOUND_SECONDS
    while loop.time() < end and not is_over() and cluster.monitor.violation is None:  # noqa: ASYNC110 - virtual time
        await asyncio.sleep(_STEP_SECONDS)


def _is_over(cluster: SimulatedCluster, kind: Resource, name: str) -> bool:
    """Tell whether an object is gone, finished where it is not deleted, or held by others only, such as a node."""
    stored = cluster.server.store.find((kind, NAMESPACE, name))
    if stored is None:
        return True
    if "deletionTimestamp" in stored.metadata:
        return not is_held(stored.metadata)
    return _phase(stored.obj) in FINISHED


def _held(cluster: SimulatedCluster) -> Iterator[str]:
    for resource in cluster.server.store.resources:
        for stored in cluster.server.store.list(resource, NAMESPACE):
            if is_held(stored.metadata):
                yield f"{resource.kind} {stored.metadata['name']}"


def _message(cluster: SimulatedCluster, kind: Resource, name: str) -> str:
    stored = cluster.server.store.find((kind, NAMESPACE, name))
    return str((stored.obj.get("status") or {}).get("message")) if stored is not None else ""
