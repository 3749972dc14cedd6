"""What people and their CI do with pull requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any

from codecourier.pull_request import PullRequestState
from tests.simulation.forge import ForgeServer, Pull

__all__ = ["pull_deeds"]


def pull_deeds(forge: ForgeServer, random: Random) -> Mapping[str, Callable[[], Any]]:
    """Return what can happen to pull requests, by its words."""

    def choose(state: PullRequestState, change: Callable[[Pull], None]) -> None:
        found = [pull for pull in forge.pulls if pull.state is state]
        if found:
            change(random.choice(found))

    def close(pull: Pull) -> None:
        forge.change(pull, state=PullRequestState.CLOSED, ended_at=forge.now())

    def reopen(pull: Pull) -> None:
        if pull.head in forge.branches:
            forge.change(pull, state=PullRequestState.OPEN, ended_at=None)

    def check(conclusion: str) -> None:
        choose(PullRequestState.OPEN, lambda pull: forge.change(pull, check=conclusion))

    return {
        "close pull request": partial(choose, PullRequestState.OPEN, close),
        "reopen pull request": partial(choose, PullRequestState.CLOSED, reopen),
        "fail check": partial(check, "FAILURE"),
        "pass check": partial(check, "SUCCESS"),
    }
