"""Invariant 16, watched: what lands is what was verified, and each source has the outcome that the repository shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from codecourier.core.merge_job.gate import QUIET
from codecourier.core.merge_job.waiting import CLAIM_LIMIT
from codecourier.github.operations.close_pull_request import ClosePullRequest
from codecourier.kinds.api_resources import MERGE_JOBS, RUNS
from codecourier.kube.api import Json
from codecourier.pull_request import PullRequestState
from tests.simulation.history import Commit
from tests.simulation.invariants.objects import FINISHED, is_unfinished, reason_of, status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.merger import Landed
from tests.simulation.pulls import Pull
from tests.simulation.stored import Change, Stored

__all__ = ["Merges"]

_MERGED = frozenset({"Clean", "Resolved"})
_DIFFERENT = frozenset({"LandedDifferent", "BaseUndone"})
_LATE = timedelta(seconds=60)
"""How long an operator's write may be under way."""

_UNDER_WAY = "may still"
"""What a sentence says of a merge that the host was asked for and that has not ended."""

Claim = tuple[int, str]
"""Number of a pull request, and the only head that may be merged."""


class Merges:
    """Sees every claim of a merge, every request to merge, and everything that lands.

    Parameters
    ----------
    scene
        What is looked at.
    is_disturbed
        Tells whether something has gone wrong a short time ago, so that leaders may not see each other's writes.
    """

    def __init__(self, scene: Scene, is_disturbed: Callable[[], bool]) -> None:
        self._scene = scene
        self._is_disturbed = is_disturbed
        self._claims: dict[str, Claim] = {}
        """What was claimed, by the UID of the MergeJob."""

        self._forgetful: set[str] = set()
        """UIDs of MergeJobs whose claims a restore has taken away."""

        self._made: Counter[tuple[str, int]] = Counter()
        self._asked = 0
        self._landed = 0
        self._closed = 0

    def restored(self) -> None:
        """Forget what was made: the API server lost it, too. What was asked for may still arrive."""
        self._made.clear()
        self._forgetful |= self._claims.keys()

    def run_made(self, change: Change) -> None:
        """Check a Run that is made: its MergeJob claims it, and made no other one for that step."""
        origin = change.new.obj["spec"].get("origin") or {}
        if change.type != "ADDED" or origin.get("kind") != MERGE_JOBS.kind:
            return
        self._made[origin["uid"], origin["index"]] += 1
        if self._made[origin["uid"], origin["index"]] > 1:
            self._scene.fail("once", f"step {origin['index']} of MergeJob {origin['name']} was made twice")
        job = self._scene.find_by_uid(origin["uid"])
        if job is not None and change.identity[2] not in {step["run"] for step in _steps(job)}:
            self._scene.fail("once", f"Run {change.identity[2]} is not claimed by its MergeJob")

    def job_changed(self, change: Change) -> None:
        """Check a claim before the host is asked, and an end against what the repository has."""
        before, after = status_of(change.old), status_of(change.new)
        if after.get("landing") and not before.get("landing"):
            self._check_claim(change.new)
        if change.type != "MODIFIED" or after.get("phase") not in FINISHED or before.get("phase") in FINISHED:
            return
        self._check_runs(change.new)
        if change.new.obj["spec"]["mode"] == "Single":
            self._check_single(change.new)
        elif after["phase"] == "Completed":
            self._check_combined(change.new)

    def deeds(self) -> None:
        """Check what operators have asked for, and what has landed since."""
        merger = self._scene.forge.merger
        for asked in merger.asked[self._asked :]:
            if (asked.operation.number, asked.operation.head) not in self._claims.values():
                self._fail(f"the host is asked to merge {asked.operation}, which nothing has claimed")
        self._asked = len(merger.asked)
        for landed in merger.landed[self._landed :]:
            if landed.is_ours:
                self._check_landed(landed)
        self._landed = len(merger.landed)
        for closed in merger.closed[self._closed :]:
            if not any(self._may_close(job, closed) for job in self._scene.store.list(MERGE_JOBS)):
                self._fail(f"an operator has closed pull request {closed.number}, which no merge has landed")
        self._closed = len(merger.closed)

    def _may_close(self, job: Stored, closed: ClosePullRequest) -> bool:
        """Tell whether a pull request is a source of a merge that has landed and that closes its sources."""
        status = status_of(job)
        heads = {s["number"]: s.get("headCommit") for s in status.get("sources") or () if s["result"] in _MERGED}
        pull = self._scene.forge.find_pull((status.get("result") or {}).get("number") or 0)
        is_landed = pull is not None and pull.state is PullRequestState.MERGED
        return bool(job.obj["spec"].get("closeSources")) and is_landed and heads.get(closed.number) == closed.head

    def _check_claim(self, job: Stored) -> None:
        status, name = status_of(job), job.metadata["name"]
        (source,), landing = status["sources"], status["landing"]
        verified = [step for step in _steps(job) if step["phase"] == "Completed"][-1:]
        head, base = landing["headCommit"], landing["baseCommit"]
        if head != source.get("headCommit") or base != status.get("baseCommit"):
            self._fail(f"MergeJob {name} claims {head} on {base}, which it has not verified")
        if not verified or verified[0]["baseCommit"] != base:
            self._fail(f"MergeJob {name} claims a merge on {base}, and no step has made it")
        merged = self._scene.forge.history.merge(base, head)
        if status.get("headTree") != Commit("", "", merged.tree).tree_id:
            self._fail(f"MergeJob {name} claims a tree that is not that of the merge")
        self._claims[job.metadata["uid"]] = (source["number"], head)
        self._check_gate(job)
        if not self._is_disturbed():
            self._check_lane(job)

    def _check_lane(self, job: Stored) -> None:
        """Check that no other merge into the same branch is under way at the host."""
        now = self._scene.forge.now()
        for other in self._scene.store.list(MERGE_JOBS):
            status, landing = status_of(other), status_of(other).get("landing") or {}
            is_over = status.get("phase") in FINISHED or not landing or landing.get("hasQueue")
            if is_over or other.metadata["uid"] == job.metadata["uid"]:
                continue
            is_counted = now < datetime.fromisoformat(landing["claimTime"]) + CLAIM_LIMIT
            if is_counted and status["baseBranch"] == status_of(job)["baseBranch"]:
                self._fail(f"{other.metadata['name']} and {job.metadata['name']} merge into one branch at one time")

    def _check_gate(self, job: Stored) -> None:
        """Check that a claim has waited for checks, unless it skips them. What has just changed may come too late."""
        pull, status, forge = self._find_pull(status_of(job)), status_of(job), self._scene.forge
        if pull is None or job.obj["spec"].get("skipCiCheck"):
            return
        is_old = pull.checked_at is not None and forge.now() > pull.checked_at + _LATE
        if is_old and set(pull.words.values()) != {"SUCCESS"}:
            self._fail(f"MergeJob {job.metadata['name']} claims a merge while its checks say {dict(pull.words)}")
        since = datetime.fromisoformat(status["gateSince"])
        if not forge.merger.had_rules and forge.now() < since + QUIET:
            self._fail(f"MergeJob {job.metadata['name']} claims a merge {forge.now() - since} after its first look")

    def _check_landed(self, landed: Landed) -> None:
        """Check that the only head lands that was claimed, and that what has ended has not denied it."""
        claim = landed.number, landed.head
        if claim not in self._claims.values():
            self._fail(f"pull request {landed.number} was merged at {landed.head}, which nothing has claimed")
        for job in map(self._scene.find_by_uid, [uid for uid, made in self._claims.items() if made == claim]):
            status = status_of(job)
            if status.get("phase") in {"Failed", "Cancelled"} and _UNDER_WAY not in status["message"]:
                self._fail(f"pull request {landed.number} was merged after its MergeJob ended: {status['message']}")

    def _check_runs(self, job: Stored) -> None:
        for run in self._scene.store.list(RUNS, job.metadata["namespace"]):
            origin = run.obj["spec"].get("origin") or {}
            if origin.get("uid") == job.metadata["uid"] and is_unfinished(run.obj):
                self._fail(f"MergeJob {job.metadata['name']} is over and Run {run.metadata['name']} is not")

    def _check_single(self, job: Stored) -> None:
        status, name = status_of(job), job.metadata["name"]
        pull = self._find_pull(status)
        if status["phase"] == "Completed":
            for text in self._misreported(job, pull):
                self._fail(f"MergeJob {name} is Completed: {text}")
            return
        claim = self._claims.get(job.metadata["uid"])
        is_known = job.metadata["uid"] in self._forgetful or claim is None
        is_denied = _UNDER_WAY not in status["message"]
        if not is_known and is_denied and any((la.number, la.head) == claim for la in self._ours()):
            self._fail(f"MergeJob {name} ended as {status['phase']}, and its pull request was merged")

    def _ours(self) -> Iterator[Landed]:
        return (landed for landed in self._scene.forge.merger.landed if landed.is_ours)

    def _find_pull(self, status: Json) -> Pull | None:
        sources = status.get("sources") or ()
        return self._scene.forge.find_pull(sources[0]["number"]) if sources else None

    def _misreported(self, job: Stored, pull: Pull | None) -> Iterator[str]:
        """Yield what a completed Single merge says that is not so."""
        status, landing = status_of(job), status_of(job).get("landing") or {}
        if pull is None or pull.state is not PullRequestState.MERGED or pull.merge_sha is None:
            yield "its pull request is not merged"
            return
        if landing.get("commit") != pull.merge_sha:
            yield f"it says that {landing.get('commit')} landed, and it was {pull.merge_sha}"
        if pull.head_sha != status["sources"][0]["headCommit"]:
            yield "another head was merged"
        landed, reason = self._scene.forge.history.commits[pull.merge_sha], reason_of(job.obj)
        is_rebased = job.obj["spec"].get("mergeStrategy") == "Rebase"
        is_on_base = is_rebased or landed.parent == status["baseCommit"]
        is_same = status.get("headTree") in {None, landed.tree_id} and is_on_base
        if is_same and reason in _DIFFERENT:
            yield f"what landed is what was verified, and it says {reason}"
        if not is_same and reason == "Completed":
            yield "what landed is not what was verified, and it does not say so"

    def _check_combined(self, job: Stored) -> None:
        status, name, history = status_of(job), job.metadata["name"], self._scene.forge.history
        head = history.commits[status["headCommit"]]
        if head.tree_id != status["headTree"]:
            self._fail(f"MergeJob {name} names another tree than that of its commit")
        pull = self._scene.forge.find_pull(status["result"]["number"])
        if pull is None or pull.head != status["result"]["branch"]:
            self._fail(f"MergeJob {name} names a pull request that is not its own")
            return
        merged = [source["headCommit"] for source in status["sources"] if source["result"] in _MERGED]
        for source in status["sources"]:
            if (text := self._doubt(source, head.sha, [*merged, status["baseCommit"]])) is not None:
                self._fail(f"MergeJob {name} says {source['result']} of pull request {source['number']}: {text}")
            if not _is_listed(source, pull.body):
                self._fail(f"pull request {pull.number} does not say what became of {source['number']}")

    def _doubt(self, source: Json, head: str, merged: list[str]) -> str | None:
        """Return why an outcome cannot be; None: the repository confirms it."""
        history, own = self._scene.forge.history, source.get("headCommit")
        if source["result"] not in {*_MERGED, "Excluded"}:
            return "it is not decided"
        has_it = own is not None and history.is_ancestor(own, head)
        if source["result"] in _MERGED:
            return None if has_it else "the new one does not have it"
        is_below = own is not None and any(history.is_ancestor(own, other) for other in merged)
        if has_it and not is_below:
            return "the new one has it"
        return "it says nothing" if not source.get("reason") or not source.get("message") else None

    def _fail(self, text: str) -> None:
        self._scene.fail("16", text)


def _steps(job: Stored) -> list[Json]:
    return list(status_of(job).get("steps") or ())


def _is_listed(source: Json, body: str) -> bool:
    rows = [line for line in body.splitlines() if line.startswith(f"| #{source['number']} ")]
    word = "**left out**" if source["result"] == "Excluded" else "merged"
    return len(rows) == 1 and word in rows[0]
