"""A new operation is one module: one that is defined here is sent, read, refused and reported without an edit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import ClassVar

import pytest

from codecourier.controller.problems import problem_of_forge
from codecourier.core.shared.reasons import Reason
from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import ForgeRefused, Unavailable
from codecourier.github.gateway import Request
from codecourier.github.refusals import Refusal
from codecourier.github.secret import Secret
from codecourier.github.session import Session
from codecourier.github.transport import Wait
from tests.support.odd_forge import OddForge, answer


class MergeRefused(ForgeRefused):
    """The pull request cannot be merged as it is."""


@dataclass(frozen=True)
class MergePullRequest(Operation[str]):
    """Merge a pull request; return the commit."""

    is_write: ClassVar[bool] = True

    number: int

    def run(self, session: Session) -> str:
        """See `Operation.run`."""
        refusals = (Refusal(frozenset({405, 409}), MergeRefused, "the pull request cannot be merged as it is"),)
        path = f"{session.address.path}/pulls/{self.number}/merge"
        return session.send(Request("PUT", path, body={}, refusals=refusals)).at("sha").text()


def reach(odd: OddForge) -> tuple[GitHubForge, RepositoryRef]:
    """Return a client that trusts the server, and the repository there."""
    repo = RepositoryRef(f"https://{odd.host}/acme/shop", PersonalToken(Secret("a-token")))
    return GitHubForge(hosts=frozenset({odd.host}), ca_bundle=odd.ca_path), repo


async def test_its_answer_is_read(tmp_path: Path) -> None:
    async with OddForge(tmp_path, [answer(200, {"sha": "a" * 40})]) as odd:
        forge, repo = reach(odd)
        async with forge:
            sha: str = await forge.do(repo, MergePullRequest(7))
        assert (sha, odd.seen[0].line) == ("a" * 40, "PUT /api/v3/repos/acme/shop/pulls/7/merge")


async def test_its_refusal_is_its_own_and_has_the_reason_of_its_base(tmp_path: Path) -> None:
    async with OddForge(tmp_path, [answer(405, {"message": "Pull Request is not mergeable"})]) as odd:
        forge, repo = reach(odd)
        async with forge:
            with pytest.raises(MergeRefused, match="not mergeable") as caught:
                await forge.do(repo, MergePullRequest(7))
    problem = problem_of_forge(caught.value, repo.url)
    assert (problem.reason, problem.is_final) == (Reason.FORGE_REFUSED, True)


@dataclass(frozen=True)
class Look(Operation[None]):
    """Hang until the test is over."""

    is_over: Event

    def run(self, session: Session) -> None:
        """See `Operation.run`."""
        self.is_over.wait()


@dataclass(frozen=True)
class Change(Look):
    """Hang while something may be changing."""

    is_write: ClassVar[bool] = True


@pytest.mark.parametrize(("kind", "may_have_happened"), [(Look, False), (Change, True)])
async def test_only_a_write_without_an_answer_may_have_happened(kind: type[Look], *, may_have_happened: bool) -> None:
    is_over = Event()
    repo = RepositoryRef("https://forge.test/acme/shop", PersonalToken(Secret("a-token")))
    async with GitHubForge(hosts=frozenset({"forge.test"}), wait=Wait(operation_seconds=0.01)) as forge:
        with pytest.raises(Unavailable, match="did not finish") as caught:
            await forge.do(repo, kind(is_over))
        is_over.set()
    assert caught.value.may_have_happened is may_have_happened
