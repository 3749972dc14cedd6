"""What has to be true once a simulated cluster has come to rest, and what came of it all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codecourier.core.shared.naming import FINALIZER, LABEL_MANAGED, LABEL_TRASHED
from codecourier.kinds.api_resources import (
    LEARNINGS,
    MERGE_JOBS,
    NOTIFICATIONS,
    RUNS,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.kinds.kind import Kind
from codecourier.kube.api import PODS, SECRETS, Json
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.invariants.objects import reason_of
from tests.simulation.members import wrong_members
from tests.simulation.stored import Stored

__all__ = ["Outcome", "differences", "outcome_of", "unrest"]


_NEWS_OF_SPRINT = {"Completed": ("SprintCompleted",), "Failed": ("SprintFailed",), "Cancelled": ("SprintFailed",)}


@dataclass(frozen=True)
class Outcome:
    """What people find in the end: the same whatever went wrong on the way."""

    runs: Mapping[str, tuple[Any, ...]]
    """By the name of the Run, or of its chain and sprint: phase, reason, tree of its branch, pull requests."""

    chains: Mapping[str, tuple[Any, ...]]
    """By name: phase, attempt, phases and trees of the sprints."""

    merges: Mapping[str, tuple[Any, ...]]
    """By name of the MergeJob: phase, reason, and what became of each source."""

    notifications: Counter[tuple[str, str]]
    """How many of each type there were about what."""

    tries: Mapping[str, int]
    """Sandboxes that each Run used."""

    lessons: Mapping[str, bool]
    """Whether each Learning is accepted."""


def unrest(cluster: SimulatedCluster) -> Iterator[str]:
    """Yield what is not as it has to be at rest; nothing when all is done."""
    store = cluster.server.store
    workflows = store.list(WORKFLOWS, NAMESPACE)
    lacks_workflow = all((found.metadata.get("labels") or {}).get(LABEL_TRASHED) == "true" for found in workflows)
    for kind in cluster.registry.kinds:
        for stored in store.list(kind.resource, NAMESPACE) if kind.is_unfinished is not None else ():
            name = f"{kind.resource.kind} {stored.metadata['name']}"
            if "deletionTimestamp" in stored.metadata:
                yield f"{name} is not gone"
            elif not _is_done(kind, stored.obj, lacks_workflow=lacks_workflow, has_backup=cluster.backup is not None):
                yield f"{name} is not finished: {(stored.obj.get('status') or {}).get('message')}"
    for stored in store.list(SECRETS, NAMESPACE, f"{LABEL_MANAGED}=true"):
        yield f"token Secret {stored.metadata['name']} is left"
    for stored in store.list(PODS, NAMESPACE):
        if FINALIZER in (stored.metadata.get("finalizers") or ()):
            yield f"pod {stored.metadata['name']} is not released"
    if not cluster.monitor.is_namespace_ending:
        yield from cluster.monitor.slots.unsettled(cluster.clock.now())
        yield from cluster.monitor.lessons.unproposed()
        yield from cluster.monitor.pulls.unfollowed()
        yield from cluster.monitor.sessions.untold()
        yield from wrong_members(cluster.server.store, cluster.monitor.records.told, NAMESPACE)
    for uid in cluster.nodes.living():
        yield f"processes of pod {uid} run"
    yield from _unrecorded(cluster)
    yield from _unrevoked(cluster)
    yield from _mistold(cluster)


def _is_done(kind: Kind[Any, Any], obj: Json, *, lacks_workflow: bool, has_backup: bool) -> bool:
    status = obj.get("status") or {}
    is_seen = status.get("observedGeneration") == obj["metadata"]["generation"]
    # What is cancelled stays so, also when its wish is taken back.
    is_over = kind.is_unfinished is None or not kind.is_unfinished(obj) or status.get("phase") == "Cancelled"
    # A merge whose branch was made since a backup does not take it for its own.
    needs_users = (lacks_workflow and _waits_for_a_workflow(status)) or (has_backup and _waits_for_a_branch(status))
    is_at_rest = is_over or needs_users
    return is_at_rest and is_seen and not status.get("unnotified")


def _waits_for_a_branch(status: Json) -> bool:
    """Tell whether a merge asks users to delete a branch of the name of its own."""
    return any(c["type"] == "Stalled" and c["reason"] == "BranchTaken" for c in status.get("conditions") or ())


def _waits_for_a_workflow(status: Json) -> bool:
    """Tell whether something says that it waits for a Workflow which users have taken away."""
    return any(
        (condition["type"], condition["status"]) == ("Stalled", "True")
        and condition["reason"] in {"WorkflowTrashed", "WorkflowNotFound"}
        for condition in status.get("conditions") or ()
    )


def _unrecorded(cluster: SimulatedCluster) -> Iterator[str]:
    if cluster.monitor.is_namespace_ending:
        return
    made = cluster.monitor.records.made[USAGE_RECORDS]
    for namespace, name in cluster.monitor.records.started.values():
        if not made[namespace, name]:
            yield f"no UsageRecord tells of Sandbox {name}, whose pod ran"


def _mistold(cluster: SimulatedCluster) -> Iterator[str]:
    """Yield what people were told otherwise than the status says, more than once, or not at all (invariant 3)."""
    for stored in cluster.server.store.list(RUNS, NAMESPACE):
        status = stored.obj["status"]
        told = _told(cluster, stored.metadata["uid"], f"-a{status['attempt']}")
        if told != Counter(_news_of_run(cluster, stored.obj)):
            yield f"of Run {stored.metadata['name']}, {status['phase']}, people were told {dict(told)}"
    for stored in cluster.server.store.list(SPRINT_CHAINS, NAMESPACE):
        status = stored.obj["status"]
        told = _told(cluster, stored.metadata["uid"], f"-a{status['attempt']}")
        if told["ChainCancelled"] != (status["phase"] == "Cancelled"):
            yield f"of chain {stored.metadata['name']}, {status['phase']}, people were told {dict(told)}"
        for sprint in stored.obj["status"]["sprints"]:
            told = _told(cluster, stored.metadata["uid"], f"-s{sprint['index']}-a{sprint.get('attempt', 1)}")
            if told != Counter(_NEWS_OF_SPRINT.get(sprint["phase"], ())):
                yield f"of sprint {sprint['number']}, {sprint['phase']}, people were told {dict(told)}"


def _told(cluster: SimulatedCluster, uid: str, ending: str) -> Counter[str]:
    return Counter(type_ for type_, name in cluster.monitor.records.told[uid] if name.endswith(ending))


def _news_of_run(cluster: SimulatedCluster, run: Json) -> Iterator[str]:
    phase, pull_request = run["status"]["phase"], (run["status"].get("pullRequest") or {}).get("phase")
    if pull_request in ("Created", "BlockedOnCI", "Merged"):
        yield "PrCreated"
    if pull_request in ("Failed", "Merged"):
        yield f"Pr{pull_request}"
    origin = run["spec"].get("origin")
    reports_itself = origin is None or not cluster.registry.origins[origin["kind"]].reports_ends
    if reports_itself and phase in ("Completed", "Failed"):
        yield f"Run{phase}"


def _unrevoked(cluster: SimulatedCluster) -> Iterator[str]:
    if any(map(cluster.monitor.credentials.is_working, cluster.monitor.credentials.stored)):
        yield "a token that was given to a pod still works"


def outcome_of(cluster: SimulatedCluster) -> Outcome:
    """Return what came of it all, in words that do not depend on UIDs."""
    store, keys = cluster.server.store, cluster.monitor.keys
    runs, tries = {}, {}
    for stored in store.list(RUNS, NAMESPACE):
        if (stored.obj["spec"].get("origin") or {}).get("kind") == MERGE_JOBS.kind:
            # How many steps there are, and on which base, depends on which of two merges lands first.
            continue
        key = keys[stored.metadata["uid"]]
        status = stored.obj["status"]
        runs[key] = (status["phase"], reason_of(stored.obj), _tree(cluster, status), _pulls(cluster, status))
        tries[key] = len(status.get("tries") or ())
    chains = {}
    for stored in store.list(SPRINT_CHAINS, NAMESPACE):
        status = stored.obj["status"]
        sprints = tuple((s["phase"], s.get("pullRequest"), _tree(cluster, s)) for s in status["sprints"])
        chains[stored.metadata["name"]] = (status["phase"], status["attempt"], sprints)
    merges = {stored.metadata["name"]: _merge(stored) for stored in store.list(MERGE_JOBS, NAMESPACE)}
    notifications: Counter[tuple[str, str]] = Counter()
    for stored in store.list(NOTIFICATIONS, NAMESPACE):
        spec = stored.obj["spec"]
        notifications[spec["type"], keys.get(spec["entity"]["uid"], "?")] += 1
    lessons = {
        stored.metadata["name"]: stored.obj["spec"].get("accepted", False)
        for stored in store.list(LEARNINGS, NAMESPACE)
    }
    return Outcome(runs, chains, merges, notifications, tries, lessons)


def _merge(job: Stored) -> tuple[Any, ...]:
    sources = job.obj["status"].get("sources") or ()
    became = tuple((source["number"], source["result"], source.get("reason")) for source in sources)
    return job.obj["status"]["phase"], reason_of(job.obj), became


def _tree(cluster: SimulatedCluster, status: Json) -> object:
    head = status.get("headCommit")
    return tuple(sorted(cluster.forge.history.commits[head].tree.items())) if head else None


def _pulls(cluster: SimulatedCluster, status: Json) -> object:
    branch = status.get("branch")
    return tuple(
        (pull.title, pull.is_draft, tuple(sorted(_tree_of(cluster, pull.base).items())))
        for pull in cluster.forge.pulls
        if pull.head == branch
    )


def _tree_of(cluster: SimulatedCluster, branch: str) -> Mapping[str, str]:
    """Return the tree at a branch; nothing where users have deleted it after its own pull request was merged."""
    head = cluster.forge.branches.get(branch)
    return {} if head is None else cluster.forge.history.commits[head].tree


def differences(found: Outcome, expected: Outcome, *, is_calm: bool) -> Iterator[str]:
    """Yield in what an outcome differs from the one without faults.

    Pods, nodes and pushes that fail use tries up; and what an agent left that had failed is pushed once, by the same
    pod: where that fails, too, the agent is not run again, and its work is gone. All the rest stays the same.
    """
    ours, theirs = (outcome if is_calm else _without_lost_work(outcome) for outcome in (found, expected))
    for field in ("runs", "chains", "merges", "notifications", *(("tries", "lessons") if is_calm else ())):
        have, want = getattr(ours, field), getattr(theirs, field)
        for key in sorted({*have, *want}, key=str):
            if have.get(key) != want.get(key):
                yield f"{field} {key}: {have.get(key)} instead of {want.get(key)}"


def _without_lost_work(outcome: Outcome) -> Outcome:
    failed = {key for key, run in outcome.runs.items() if run[0] == "Failed"}
    return Outcome(
        runs={key: run[:2] if key in failed else run for key, run in outcome.runs.items()},
        chains={
            name: (*chain[:2], *(sprint[0] if sprint[0] == "Failed" else sprint for sprint in chain[2]))
            for name, chain in outcome.chains.items()
        },
        merges=outcome.merges,
        notifications=Counter(
            {
                (type_, about): count
                for (type_, about), count in outcome.notifications.items()
                if type_ != "PrCreated" or about not in failed
            }
        ),
        tries=outcome.tries,
        lessons=outcome.lessons,
    )
