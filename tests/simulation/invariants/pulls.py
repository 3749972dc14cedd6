"""People are told of a merge only once it has happened (invariant 3), and each status follows its pull request (9)."""

from __future__ import annotations

from collections.abc import Iterator

from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.pull_request import PullRequestState
from tests.simulation.forge import Pull
from tests.simulation.invariants.objects import FINISHED, status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change, Stored

__all__ = ["Pulls"]


class Pulls:
    """Compares what is said of pull requests with what they are.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def merge_told(self, change: Change) -> None:
        """Check that a merge that people are told of has happened, to the pull request of that Run."""
        spec = change.new.obj["spec"]
        if change.type != "ADDED" or spec["type"] != "PrMerged":
            return
        run = self._scene.find_by_uid(spec["entity"]["uid"])
        pull = None if run is None else self._find(run)
        if run is not None and (pull is None or pull.state is not PullRequestState.MERGED):
            self._scene.fail("3", f"people are told that the pull request of Run {run.metadata['name']} was merged")

    def unfollowed(self) -> Iterator[str]:
        """Yield what a status does not say of its pull request yet."""
        if not list(self._scene.store.list(PROJECTS)):
            return
        for run in self._scene.store.list(RUNS):
            status, pull = status_of(run), self._find(run)
            made = status.get("pullRequest") or {}
            is_over = "deletionTimestamp" in run.metadata or status.get("phase") not in FINISHED
            # A closed one is looked at for a day only.
            if pull is None or is_over or made.get("phase") == "Failed" or made.get("state") == "Closed":
                continue
            said = made.get("phase"), made.get("state"), ((made.get("checks") or {}).get("items") or [{}])[0]
            is_known = pull.state is not PullRequestState.OPEN or said[2].get("conclusion") == _word(pull)
            if said[1] != pull.state.value or not is_known or said[0] != _phase(pull, str(said[0])):
                yield f"Run {run.metadata['name']} says {said} of pull request {pull.state} ({pull.check})"

    def _find(self, run: Stored) -> Pull | None:
        branch = status_of(run).get("branch")
        number = (status_of(run).get("pullRequest") or {}).get("number")
        return next((p for p in self._scene.forge.pulls if (p.head, p.number) == (branch, number)), None)


def _word(pull: Pull) -> str | None:
    return None if pull.check is None else pull.check.capitalize()


def _phase(pull: Pull, said: str) -> str:
    if pull.state is PullRequestState.MERGED:
        return "Merged"
    if pull.state is PullRequestState.CLOSED:
        return said
    return "BlockedOnCI" if pull.check == "FAILURE" else "Created"
