"""The invariants of the design, checked after every step of a simulation.

`docs/invariants.md` has each by its number (2 belongs to RecurringTasks). `once` counts what cannot be taken back:
agent starts, pushes and pull requests. `world` refuses worlds that no cluster can show.
"""

from __future__ import annotations

import asyncio
import base64
from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime

from codecourier.core.project.admission import UNSEEN_LIMIT
from codecourier.core.sandbox.tokens import REVOCATION_LIMIT
from codecourier.core.shared.naming import LABEL_RUN_UID, LABEL_SANDBOX_UID
from codecourier.core.shared.worlds import ImpossibleWorldError, World, check_world
from codecourier.kinds.api_resources import (
    NOTIFICATIONS,
    PROJECTS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
)
from codecourier.kinds.registry import Registry
from codecourier.kube.api import CONTROLLER_REVISIONS, PODS, SECRETS, Json, Resource
from codecourier.resources.meta import GROUP
from tests.simulation.bounds import Endings
from tests.simulation.forge import CANARY, ForgeServer, Push
from tests.simulation.generations import GenerationWatch
from tests.simulation.node import AgentStart, Nodes
from tests.simulation.store import Change, ObjectStore

__all__ = ["FINISHED", "Monitor", "Seen", "Violation", "is_unfinished"]

FINISHED = frozenset({"Completed", "Failed", "Cancelled", "Expired"})
_UNCONFIRMED = "ProcessUnconfirmed"
_MARKER = "<!-- codecourier run="


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    """Its number, `once`, or `world`."""

    text: str
    time: float
    """Virtual seconds since the start."""

    def __str__(self) -> str:
        return f"invariant {self.invariant} at {self.time:.3f} s: {self.text}"


@dataclass(frozen=True)
class Seen:
    """What the monitor counted of the API server's objects up to a backup."""

    made: dict[Resource, Counter[tuple[str, str]]]
    taken_back: Counter[tuple[str, str]]
    told: dict[str, list[tuple[str, str]]]
    started: dict[str, tuple[str, str]]
    stored_tokens: set[str]


def is_unfinished(obj: Json) -> bool:
    """Tell whether a Run or chain has an attempt to do."""
    status, spec = obj.get("status") or {}, obj["spec"]
    if status.get("phase") not in FINISHED:
        return True
    if spec.get("cancelled") or spec.get("origin"):
        return False
    return bool(max(status.get("attempt", 0), status.get("cancelledAttempt", 0)) < spec.get("attempt", 1))


def reason_of(obj: Json) -> str:
    """Return the reason of an object's outcome, empty where it has none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c["reason"] for c in conditions if c["type"] == "Succeeded"), "")


def _place(entry: Json) -> tuple[str, int, int, datetime]:
    """Return which try a place is for, and since when."""
    return entry["uid"], entry["attempt"], entry["tryNumber"], datetime.fromisoformat(entry["admissionTime"])


class Monitor:
    """Sees every change and every deed, and remembers the first invariant that did not hold.

    Parameters
    ----------
    store
        The cluster.
    forge
        The forge.
    nodes
        The nodes.
    registry
        The kinds that are played.
    """

    def __init__(self, store: ObjectStore, forge: ForgeServer, nodes: Nodes, registry: Registry) -> None:
        self.violation: Violation | None = None
        self.is_people = False
        """Set while people, not controllers, change something."""

        self.is_namespace_ending = False
        """Whether the namespace is being deleted: nothing can be made in it, so nothing can be recorded either."""

        self.made: dict[Resource, Counter[tuple[str, str]]] = defaultdict(Counter)
        """How often each name was made, by kind."""

        self._taken_back: Counter[tuple[str, str]] = Counter()
        """How often a UsageRecord was deleted before its Run told of it, by namespace and name."""

        self.told: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """Types and names of the Notifications that were ever made, by the UID of what they are about."""

        self.started: dict[str, tuple[str, str]] = {}
        """UIDs of the Sandboxes whose pod was seen to run before their end, with namespace and name."""

        self.stored_tokens: set[str] = set()
        """Credentials that ever lay in a Secret of ours, base64."""

        self.keys: dict[str, str] = {}
        """What an object is called in comparisons, by UID: names contain hashes of UIDs."""

        self.generations = GenerationWatch(store, lambda text: self.fail("13", text))
        self._store, self._forge, self._nodes = store, forge, nodes
        self._seen: Counter[tuple[str, int, int]] = Counter()
        self._pushes = 0
        self._pulls = 0
        self._limit = 0
        self._project_time = 0.0
        self._checks: dict[Resource, list[Callable[[Change], None]]] = {
            RUNS: [
                self._run_made,
                self._cancelled_is_over,
                self._one_of_chain,
                self._has_place,
                self._few_run,
                self._revision_stays,
            ],
            SPRINT_CHAINS: [self._chain_cancelled, self._resume_keeps],
            SANDBOXES: [self._sandbox_cancelled],
            PROJECTS: [self._limit_seen, self._limit_holds],
            NOTIFICATIONS: [self._made_once],
            USAGE_RECORDS: [self._made_once],
            PODS: [self._pod_seen],
            SECRETS: [self._secret_seen],
        }
        for kind in registry.kinds:
            if kind.is_unfinished is not None:
                self._checks.setdefault(kind.resource, []).append(self._finished_stays)
        self._endings = Endings(registry)
        store.listeners += [self.changed, self._endings.changed]
        nodes.starting.append(self._agent_started)

    def back_up(self) -> Seen:
        """Return what was counted of the API server's objects."""
        return deepcopy(Seen(self.made, self._taken_back, self.told, self.started, self.stored_tokens))

    def restore(self, seen: Seen) -> None:
        """Count on from a backup.

        What was written since is lost, and so is that it was done: objects are made again, a try may run again, and
        tokens that no Secret holds any more can only expire. What lies outside of the API server stays: pushes and
        pull requests are still counted once.
        """
        kept = deepcopy(seen)
        self.made, self._taken_back, self.told = kept.made, kept.taken_back, kept.told
        self.started, self.stored_tokens = kept.started, kept.stored_tokens
        self._seen.clear()
        self._endings.restored()

    def fail(self, invariant: str, text: str) -> None:
        """Remember that an invariant did not hold; only the first counts, others follow from it."""
        if self.violation is None:
            self.violation = Violation(invariant, text, asyncio.get_running_loop().time())

    def check_world(self, world: World) -> None:
        """Check that an operator plans in a world that a cluster can show."""
        try:
            check_world(world)
        except ImpossibleWorldError as error:
            self.fail("world", str(error))

    def changed(self, change: Change) -> None:
        """Check what a change can break."""
        if change.type == "ADDED":
            self.made[change.identity[0]][change.identity[1:]] += 1
        self._no_leak(change)
        self._no_spec(change)
        self.generations.changed(change)
        for check in self._checks.get(change.identity[0], ()):
            check(change)
        self.deeds()

    def deeds(self) -> None:
        """Check what was done at the forge since, and what should have ended."""
        for text in self._endings.overdue():
            self.fail("12", text)
        for push in self._forge.pushes[self._pushes :]:
            self._pushed(push)
        self._pushes = len(self._forge.pushes)
        for number in range(self._pulls, len(self._forge.pulls)):
            self._opened(number)
        self._pulls = len(self._forge.pulls)

    def _no_leak(self, change: Change) -> None:
        resource, namespace, name = change.identity
        if resource != SECRETS and CANARY.encode() in change.new.data:
            self.fail("8", f"a credential is in {resource.kind} {namespace}/{name}")

    def _no_spec(self, change: Change) -> None:
        if change.identity[0].group != GROUP or change.type != "MODIFIED" or change.old is None or self.is_people:
            return
        if change.old.obj.get("spec") != change.new.obj.get("spec"):
            self.fail("8", f"a controller wrote the spec of {change.identity[0].kind} {change.identity[2]}")

    def _run_made(self, change: Change) -> None:
        if change.type != "ADDED":
            return
        run = change.new.obj
        self.keys[change.new.metadata["uid"]] = _key(run)
        origin = _sprint_of(run)
        identity = self._store.find_uid(origin["uid"]) if origin else None
        chain = self._store.find(identity) if identity is not None else None
        if origin is None or chain is None:
            return
        status, index = chain.obj["status"], origin["index"]
        if index < status.get("fromSprint", 0):
            self.fail("7", f"Run {change.identity[2]} repeats a sprint before the one to resume from")
        done = [s for s in status["sprints"][:index] if s["phase"] == "Completed" and s.get("headCommit")]
        expected = done[-1]["headCommit"] if done else status["baseCommit"]
        if run["spec"].get("baseCommit") != expected:
            self.fail("1", f"Run {change.identity[2]} does not start from the recorded commit {expected}")

    def _one_of_chain(self, change: Change) -> None:
        origin = _sprint_of(change.new.obj)
        if origin is None or change.type == "DELETED":
            return
        siblings = [
            stored.metadata["name"]
            for stored in self._store.list(RUNS, change.identity[1])
            if (stored.obj["spec"].get("origin") or {}).get("uid") == origin["uid"] and is_unfinished(stored.obj)
        ]
        if len(siblings) > 1:
            self.fail("1", f"chain {origin['name']} has the unfinished Runs {siblings}")

    def _revision_stays(self, change: Change) -> None:
        before = (change.old.obj.get("status") if change.old is not None else None) or {}
        after = change.new.obj.get("status") or {}
        name, named = after.get("workflowRevision"), before.get("workflowRevision")
        if named is not None and after.get("attempt") == before.get("attempt") and name != named:
            self.fail("4", f"Run {change.identity[2]} changes its Workflow within an attempt")
        if name is not None and (change.identity[1], name) not in self.made[CONTROLLER_REVISIONS]:
            self.fail("4", f"Run {change.identity[2]} names a revision that was never made")

    def _finished_stays(self, change: Change) -> None:
        if change.type != "MODIFIED" or change.old is None:
            return
        old, new = change.old.obj.get("status") or {}, change.new.obj.get("status") or {}
        if old.get("phase") not in FINISHED or old.get("attempt") != new.get("attempt"):
            return
        before = old["phase"], reason_of(change.old.obj), old.get("headCommit"), old.get("message")
        after = new.get("phase"), reason_of(change.new.obj), new.get("headCommit"), new.get("message")
        if before != after:
            self.fail("4", f"{change.identity[0].kind} {change.identity[2]} was {before} and became {after}")

    def _became(self, change: Change, phase: str) -> bool:
        old = (change.old.obj.get("status") or {}) if change.old is not None else {}
        return (change.new.obj.get("status") or {}).get("phase") == phase != old.get("phase")

    def _cancelled_is_over(self, change: Change) -> None:
        if self._became(change, "Cancelled"):
            self._no_process(change, LABEL_RUN_UID)

    def _sandbox_cancelled(self, change: Change) -> None:
        if self._became(change, "Cancelled"):
            self._no_process(change, LABEL_SANDBOX_UID)

    def _no_process(self, change: Change, label: str) -> None:
        kind, _, name = change.identity
        is_unconfirmed = _UNCONFIRMED in (reason_of(change.new.obj), change.new.obj["status"].get("reason"))
        for stored in self._store.list(PODS, change.identity[1], f"{label}={change.new.metadata['uid']}"):
            if self._nodes.is_alive(stored.metadata["uid"]) and not is_unconfirmed:
                self.fail("5", f"{kind.kind} {name} is Cancelled and its pod {stored.metadata['name']} runs")

    def _chain_cancelled(self, change: Change) -> None:
        if not self._became(change, "Cancelled"):
            return
        for stored in self._store.list(RUNS, change.identity[1]):
            origin = stored.obj["spec"].get("origin") or {}
            if origin.get("uid") == change.new.metadata["uid"] and is_unfinished(stored.obj):
                self.fail("5", f"chain {change.identity[2]} is Cancelled and Run {stored.metadata['name']} is not over")

    def _resume_keeps(self, change: Change) -> None:
        self.keys.setdefault(change.new.metadata["uid"], change.identity[2])
        if change.old is None or change.type != "MODIFIED":
            return
        old, new = change.old.obj.get("status") or {}, change.new.obj.get("status") or {}
        if old.get("attempt", 0) in (0, new.get("attempt")):
            return
        kept = new.get("fromSprint", 0)
        before = [s for s in old["sprints"][:kept] if s["phase"] == "Completed"]
        after = {s["index"]: s for s in new["sprints"]}
        if any(after[s["index"]] != s for s in before):
            self.fail("7", f"the new attempt of chain {change.identity[2]} changes finished sprints before {kept}")

    def _has_place(self, change: Change) -> None:
        is_new = asyncio.get_running_loop().time() < self._project_time + UNSEEN_LIMIT.total_seconds()
        if is_new or not self._became(change, "Running"):
            return
        project = self._store.find((PROJECTS, change.identity[1], "default"))
        admitted = (project.obj.get("status") or {}).get("admitted") or () if project is not None else ()
        if change.new.metadata["uid"] not in {entry["uid"] for entry in admitted}:
            self.fail("10", f"Run {change.identity[2]} is Running without a place")

    def _limit_holds(self, change: Change) -> None:
        if change.old is None or change.type != "MODIFIED":
            return
        old, new = (
            {_place(entry) for entry in (stored.obj.get("status") or {}).get("admitted") or ()}
            for stored in (change.old, change.new)
        )
        if not new - old:
            return
        limit = change.new.obj["spec"]["limits"]["maxConcurrentRuns"]
        # A Run that runs counts even where its place was given to another one.
        running = self._running(change.identity[1])
        needed = {place[:3] for place in new if self._needs_place(*place)} | running
        if len(needed) > max(limit, len(running)):
            self.fail("10", f"{len(needed)} Runs have a place where {limit} may run")

    def _limit_seen(self, change: Change) -> None:
        if change.type == "ADDED":
            self._project_time = asyncio.get_running_loop().time()
        self._limit = max(self._limit, change.new.obj["spec"]["limits"]["maxConcurrentRuns"])

    def _few_run(self, change: Change) -> None:
        """Check the limit whenever one more Run has a pod; after people lowered it, the highest one counts."""
        if self._became(change, "Running") and len(running := self._running(change.identity[1])) > self._limit:
            self.fail("10", f"{len(running)} Runs are Running where {self._limit} may run")

    def _running(self, namespace: str) -> set[tuple[str, int, int]]:
        """Return the tries that are Running, as places name them."""
        runs = (stored.obj for stored in self._store.list(RUNS, namespace))
        return {
            (run["metadata"]["uid"], run["status"]["attempt"], len(run["status"]["tries"]))
            for run in runs
            if (run.get("status") or {}).get("phase") == "Running" and "pullRequest" not in run["status"]
        }

    def _needs_place(self, uid: str, attempt: int, try_number: int, since: datetime) -> bool:
        identity = self._store.find_uid(uid)
        run = self._store.find(identity) if identity is not None else None
        if run is None:
            return False
        status = run.obj.get("status") or {}
        if status.get("phase") in FINISHED:
            is_wanted = not run.metadata.get("deletionTimestamp") and is_unfinished(run.obj)
            return is_wanted and attempt > status.get("attempt", 0)
        tries = len(status.get("tries") or ()) if status.get("attempt") == attempt else 0
        is_returned = "retryTime" in status and since < datetime.fromisoformat(status["retryTime"])
        if status.get("phase") == "Running":
            return try_number == tries and "pullRequest" not in status
        return try_number == tries + 1 and not is_returned

    def _made_once(self, change: Change) -> None:
        resource, namespace, name = change.identity
        if resource == NOTIFICATIONS and change.type == "ADDED":
            spec = change.new.obj["spec"]
            self.told[spec["entity"]["uid"]].append((spec["type"], name))
        if change.type == "DELETED" and resource == USAGE_RECORDS and not self._is_in_ledger(change):
            # Deleted between its creation and the write that tells of it, it may come back (decision 0006).
            self._taken_back[namespace, name] += 1
        if self.made[resource][namespace, name] > 1 + self._taken_back[namespace, name]:
            self.fail("3" if resource == NOTIFICATIONS else "6", f"{resource.kind} {name} was made twice")

    def _is_in_ledger(self, record: Change) -> bool:
        _, namespace, name = record.identity
        run = self._store.find((RUNS, namespace, record.new.obj["spec"]["run"]))
        tries = (run.obj.get("status") or {}).get("tries") or () if run is not None else ()
        return run is None or any(entry["sandbox"] == name and entry.get("isRecorded") for entry in tries)

    def _pod_seen(self, change: Change) -> None:
        statuses = (change.new.obj.get("status") or {}).get("initContainerStatuses") or ()
        uid = change.new.labels.get(LABEL_SANDBOX_UID, "")
        identity = self._store.find_uid(uid)
        sandbox = self._store.find(identity) if identity is not None else None
        if sandbox is None or sandbox.obj["status"].get("phase") in FINISHED:
            # A node that was cut off tells later what it had done.
            return
        if any({"running", "terminated"} & c["state"].keys() for c in statuses):
            self.started[uid] = change.identity[1:]

    def _secret_seen(self, change: Change) -> None:
        if LABEL_SANDBOX_UID in change.new.labels:
            stored = {v for k, v in change.new.obj["data"].items() if k != "ca.crt"}
            self.stored_tokens |= stored
            if change.type == "DELETED" and any(self.is_working(v) and not self._is_given_up(v) for v in stored):
                self.fail("5", f"Secret {change.identity[2]} went while its tokens worked")

    def is_working(self, encoded: str) -> bool:
        """Tell whether a credential, base64, is a token that ends by itself and has neither ended nor been revoked."""
        token = self._forge.tokens.get(base64.b64decode(encoded).decode())
        return token is not None and token.ends is not None and not token.is_revoked and token.ends > self._forge.now()

    def _is_given_up(self, encoded: str) -> bool:
        """Tell whether a forge has not revoked a token for so long that nothing has to wait for it any more."""
        asked = self._forge.tokens[base64.b64decode(encoded).decode()].asked
        return asked is not None and self._forge.now() >= asked + REVOCATION_LIMIT

    def _agent_started(self, start: AgentStart) -> None:
        key = start.run_uid, start.attempt, start.try_number
        self._seen[key] += 1
        if self._seen[key] > 1:
            self.fail("once", f"two agents were started for try {start.try_number} of Run {start.run}")
        identity = self._store.find_uid(start.run_uid)
        run = self._store.find(identity) if identity is not None else None
        origin = run.obj["spec"].get("origin") if run is not None else None
        chain_identity = self._store.find_uid(origin["uid"]) if origin else None
        chain = self._store.find(chain_identity) if chain_identity is not None else None
        if chain is None or start.sprint is None:
            return
        for sprint in chain.obj["status"]["sprints"][: start.sprint]:
            head = sprint.get("headCommit")
            if sprint["phase"] == "Completed" and head and not self._forge.is_ancestor(head, start.base_commit):
                self.fail("1", f"the agent of {start.run} does not see the work of sprint {sprint['number']}")

    def _pushed(self, push: Push) -> None:
        trees = [dict(p.commit.tree) for p in self._forge.pushes if p.branch == push.branch]
        if trees.count(dict(push.commit.tree)) > 1:
            self.fail("once", f"the same work was pushed to {push.branch} twice")
        if any(CANARY in text for text in push.commit.tree.values()):
            self.fail("8", f"a secret was pushed to {push.branch}")
        identity = self._store.find_uid(push.commit.run)
        run = self._store.find(identity) if identity is not None else None
        if run is None or (run.obj.get("status") or {}).get("phase") != "Cancelled":
            return
        if not (self._forge.personal and reason_of(run.obj) == _UNCONFIRMED):
            self.fail("5", f"Run {run.metadata['name']} is Cancelled, and its work was pushed afterwards")

    def _opened(self, number: int) -> None:
        pull = self._forge.pulls[number]
        if CANARY in pull.body + pull.title:
            self.fail("8", f"a credential is in pull request {pull.number}")
        mark = next((line for line in pull.body.splitlines() if line.startswith(_MARKER)), pull.body)
        if sum(mark in other.body for other in self._forge.pulls) > 1:
            self.fail("once", f"two pull requests were opened for {pull.head}")


def _sprint_of(run: Json) -> Json | None:
    """Return what a Run says of its SprintChain, None for one that none made."""
    origin: Json | None = run["spec"].get("origin")
    return origin if origin is not None and origin["kind"] == SPRINT_CHAINS.kind else None


def _key(run: Json) -> str:
    origin = run["spec"].get("origin")
    if origin is None:
        return str(run["metadata"]["name"])
    suffix = run["metadata"]["name"].rpartition("-")[2]
    return f"{origin['name']}/s{origin['index']}{suffix}"
