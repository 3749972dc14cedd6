"""What people do with MergeJobs, with the pull requests that these merge, and with the branches below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from codecourier.kinds.api_resources import MERGE_JOBS
from codecourier.pull_request import PullRequestState
from tests.simulation.invariants.objects import is_unfinished
from tests.simulation.pulls import Pull
from tests.simulation.stored import Stored

if TYPE_CHECKING:
    from tests.simulation.cluster import SimulatedCluster

__all__ = ["merge_deeds"]

_HOLD_SECONDS = 60.0


def merge_deeds(
    cluster: SimulatedCluster,
    random: Random,
    edit: Callable[..., Stored | None],
    delete: Callable[..., Stored | None],
    later: Callable[[float, Callable[[], object]], None],
) -> Mapping[str, Callable[[], Any]]:
    """Return the deeds by what they do.

    Parameters
    ----------
    cluster
        The cluster.
    random
        Chooses among what is there.
    edit
        Changes an object of a kind.
    delete
        Deletes an object of a kind.
    later
        Does something after so many seconds.
    """
    forge = cluster.forge

    def choose(change: Callable[[Pull], object]) -> None:
        """Change an open pull request that people have made for a merge, or of its result."""
        found = [pull for pull in forge.pulls if pull.state is PullRequestState.OPEN and pull.head in forge.branches]
        ours = [pull for pull in found if pull.head.startswith("merge-")]
        if ours:
            change(random.choice(ours))

    def retarget(pull: Pull) -> None:
        forge.branches.setdefault("release", forge.branches["main"])
        forge.change(pull, base="main" if pull.base == "release" else "release")

    def hide_checks() -> None:
        forge.hides_checks = True
        later(random.random() * _HOLD_SECONDS, lambda: setattr(forge, "hides_checks", False))

    def require() -> None:
        """Require the fast check for a while."""
        forge.merger.required.add("main")
        forge.merger.had_rules = True
        later(random.random() * _HOLD_SECONDS, lambda: forge.merger.required.discard("main"))

    def break_merge() -> None:
        forge.merger.breaks += 1

    return {
        "cancel merge": lambda: edit(MERGE_JOBS, lambda job: job["spec"].update(cancelled=True), is_unfinished),
        "delete merge": lambda: delete(MERGE_JOBS),
        "delete merge in foreground": lambda: delete(MERGE_JOBS, "Foreground"),
        "push to pull request": lambda: choose(lambda pull: forge.commit(pull.head, {pull.head: "again"})),
        "push to base": lambda: forge.commit("main", {f"base-{random.randrange(1000)}": "new"}),
        "push a clash to base": lambda: forge.commit("main", {"shared": "base"}),
        "retarget pull request": lambda: choose(retarget),
        "make pull request a draft": lambda: choose(lambda pull: forge.change(pull, is_draft=not pull.is_draft)),
        "close source": lambda: choose(
            lambda pull: forge.change(pull, state=PullRequestState.CLOSED, ended_at=forge.now())
        ),
        "fail check of source": lambda: choose(
            lambda pull: forge.change(pull, check="FAILURE", checked_at=forge.now())
        ),
        "hide checks": hide_checks,
        "require check": require,
        "break merge": break_merge,
        "merge at once": lambda: setattr(forge.merger, "is_async", False),
    }
