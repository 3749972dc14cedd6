"""Scenes of merges: the pull requests that people have opened, their CI, and the MergeJobs for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Literal

from codecourier.kube.api import Json
from codecourier.pull_request import PullRequestState
from tests.simulation.merge_steps import BROKEN
from tests.simulation.pulls import URL

if TYPE_CHECKING:
    from tests.simulation.forge import ForgeServer

__all__ = ["Ci", "MergeScene", "Source", "merge_scenes_of", "spec_of"]


class Source(Enum):
    """What a pull request is when its MergeJob is declared."""

    CLEAN = "changes a file of its own"
    CLASHES = "changes a file that others change, too"
    BROKEN = "changes a file so that the verify steps fail"
    EMPTY = "changes nothing"
    CONTAINED = "has the head of the one before it"
    DRAFT = "is a draft"
    CLOSED = "was closed"
    FORK = "comes from a fork"
    OTHER_BASE = "is for another branch"
    MISSING = "does not exist"


class Ci(Enum):
    """What checks say of a pull request that is to be merged, from its beginning on."""

    GREEN = "is green"
    PASSES = "is pending, then green"
    FAILS = "is pending, then red"
    SLOW = "is pending for minutes, then green"
    LATE = "is green, and a slow check that begins late is red in the end"
    NONE = "says nothing"


_CI_SECONDS = 40.0
_SLOW_SECONDS = 200.0
_LATE_SECONDS = 20.0


@dataclass(frozen=True)
class MergeScene:
    """A MergeJob and what it merges."""

    sources: tuple[Source, ...]
    mode: Literal["Single", "Combine"] = "Combine"
    strategy: str | None = None
    skips_ci: bool = False
    ci: Ci = Ci.GREEN

    def propose(self, forge: ForgeServer, name: str) -> tuple[int, ...]:
        """Open the pull requests; return their numbers."""
        numbers: list[int] = []
        for index, source in enumerate(self.sources):
            if source is Source.MISSING:
                numbers.append(9000 + index)
                continue
            numbers.append(_propose(forge, f"{name}-{index}", source, numbers))
        if self.mode == "Single":
            _begin_ci(forge, numbers[0], self.ci)
        return tuple(numbers)


def _propose(forge: ForgeServer, branch: str, source: Source, earlier: list[int]) -> int:
    base = forge.branches["main"]
    tree = dict(forge.history.commits[base].tree)
    match source:
        case Source.CLASHES:
            tree["shared"] = branch
        case Source.BROKEN:
            tree[branch] = BROKEN
        case Source.EMPTY:
            pass
        case _:
            tree[branch] = branch
    facts: dict[str, object] = {}
    if source is Source.OTHER_BASE:
        forge.branches.setdefault("release", base)
    if source is Source.DRAFT:
        facts["is_draft"] = True
    if source is Source.FORK:
        facts["is_fork"] = True
    if source is Source.CLOSED:
        facts |= {"state": PullRequestState.CLOSED, "ended_at": forge.now()}
    pull = forge.propose(branch, tree, base="release" if source is Source.OTHER_BASE else "main", **facts)
    below = forge.find_pull(earlier[-1]) if earlier else None
    if source is Source.CONTAINED and below is not None:
        forge.branches[branch] = below.head_sha
        forge.change(pull, head_sha=below.head_sha)
    return pull.number


def _begin_ci(forge: ForgeServer, number: int, ci: Ci) -> None:
    def say(**words: str) -> None:
        pull = forge.find_pull(number)
        if pull is not None and pull.state is PullRequestState.OPEN:
            forge.change(pull, checked_at=forge.now(), **words)

    def later(seconds: float, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, work)

    if ci in {Ci.PASSES, Ci.FAILS}:
        say(check="PENDING")
        later(_CI_SECONDS, lambda: say(check="SUCCESS" if ci is Ci.PASSES else "FAILURE"))
    if ci is Ci.SLOW:
        say(check="PENDING")
        later(_SLOW_SECONDS, lambda: say(check="SUCCESS"))
    if ci in {Ci.GREEN, Ci.LATE}:
        say(check="SUCCESS")
    if ci is Ci.LATE:
        later(_LATE_SECONDS, lambda: say(slow_check="PENDING"))
        later(_LATE_SECONDS + _CI_SECONDS, lambda: say(slow_check="FAILURE"))


def spec_of(scene: MergeScene, numbers: tuple[int, ...]) -> Json:
    """Return the spec of a MergeJob."""
    spec: Json = {
        "mode": scene.mode,
        "pullRequests": [f"{URL}/pull/{number}" for number in numbers],
        "workflowRef": {"name": "scripted"},
    }
    if scene.strategy is not None:
        spec["mergeStrategy"] = scene.strategy
    if scene.skips_ci:
        spec["skipCiCheck"] = True
    return spec


_SETTLED = (Source.CLEAN, Source.CLEAN, Source.BROKEN, Source.EMPTY, Source.CONTAINED, Source.DRAFT, Source.CLOSED)
_ODD = (Source.FORK, Source.OTHER_BASE, Source.MISSING)


def merge_scenes_of(seed: int) -> tuple[MergeScene, ...]:
    """Return the merges of a seed's scenario: few have any, as each takes its time."""
    random = Random(f"merges {seed}")
    count = random.choices((0, 1, 2), (30, 1, 1))[0]
    return tuple(_scene(random) for _ in range(count))


def _scene(random: Random) -> MergeScene:
    if random.random() < 0.5:
        sources = (Source.CLEAN, Source.CLASHES, *random.choices((*_SETTLED, *_ODD, Source.CLASHES), k=2))
        return MergeScene(tuple(random.sample(sources, len(sources))))
    source = random.choice((Source.CLEAN, Source.CLEAN, Source.CLEAN, Source.BROKEN, Source.DRAFT, Source.FORK))
    strategy = random.choice((None, "Merge", "Squash", "Rebase"))
    ci = random.choice((Ci.GREEN, Ci.PASSES, Ci.PASSES, Ci.FAILS, Ci.LATE))
    return MergeScene((source,), "Single", strategy, random.random() < 0.2, ci)
