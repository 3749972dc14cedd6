"""What plans are told of errors: each error of the forge has a reason and a sentence that fits the operation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from codecourier.controller.problems import problem_of_forge
from codecourier.core.shared.facts import Problem, RepositoryAsk
from codecourier.core.shared.intents import OpenPullRequest
from codecourier.core.shared.reasons import Reason
from codecourier.github.address import RepositoryAddress
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    HostNotAllowed,
    RateLimited,
    Unavailable,
)
from codecourier.github.operations.create_pull_request import PullRequestExists, PullRequestRefused
from tests.simulation.clock import virtual
from tests.simulation.forge import MAIN
from tests.support.desk import Desk

URL = "https://forge.test/example/shop"
TIME = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "reason", "is_final"),
    [
        (RateLimited("slow", retry_at=TIME), Reason.RATE_LIMITED, False),
        (CredentialsRefused("expired"), Reason.CREDENTIALS_REFUSED, False),
        (ForgeNotFound("gone"), Reason.REPOSITORY_NOT_FOUND, False),
        (Unavailable("away", may_have_happened=True), Reason.FORGE_UNAVAILABLE, False),
        (ForgeRefused("418"), Reason.FORGE_REFUSED, True),
        (PullRequestExists("theirs"), Reason.PULL_REQUEST_TAKEN, False),
        (PullRequestRefused("no commits"), Reason.PULL_REQUEST_REFUSED, True),
    ],
)
def test_each_error_has_its_reason(error: ForgeError, reason: Reason, *, is_final: bool) -> None:
    problem = problem_of_forge(error, URL, "codecourier/fix")
    assert (problem.reason, problem.is_final) == (reason, is_final)
    assert error.message in problem.message
    assert ("codecourier/fix" if "PULL_REQUEST" in reason.name else URL) in problem.message
    assert problem.retry_time == (TIME if reason is Reason.RATE_LIMITED else None)


def test_a_host_that_is_not_allowed_is_named_with_what_to_do() -> None:
    problem = problem_of_forge(HostNotAllowed("evil.test may not be asked"), "https://evil.test/example/shop")
    assert (problem.reason, problem.is_final) == (Reason.HOST_NOT_ALLOWED, False)
    assert "to add evil.test to the operator's setting CODECOURIER_FORGE_HOSTS" in problem.message


def test_only_an_opened_pull_request_is_told_as_a_refused_one() -> None:
    names = {kind for kind in kinds_of(ForgeError) if reason_of(kind) is Reason.PULL_REQUEST_REFUSED}
    assert names == {PullRequestRefused}


def kinds_of(kind: type[ForgeError]) -> Iterator[type[ForgeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from kinds_of(child)


def reason_of(kind: type[ForgeError]) -> Reason:
    error = kind.__new__(kind)
    ForgeError.__init__(error, "words")
    error.__dict__.setdefault("retry_at", TIME)
    return problem_of_forge(error, URL).reason


def test_an_address_that_is_none_is_no_refused_pull_request() -> None:
    with pytest.raises(ForgeRefused) as caught:
        RepositoryAddress.parse("https://gitlab.test/group/sub/shop")
    problem = problem_of_forge(caught.value, "https://gitlab.test/group/sub/shop")
    assert (problem.reason, problem.is_final) == (Reason.FORGE_REFUSED, True)
    assert "https://HOST[:PORT]/OWNER/NAME" in problem.message
    assert "pull request" not in problem.message


@virtual
async def test_a_refusal_that_a_look_up_meets_is_told_of_the_repository() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    desk.wire.refuse = lambda call: ForgeRefused("418 from a proxy") if call.client.endswith("@forge") else None
    asked = await desk.observer.answer(RepositoryAsk(desk.access))
    assert isinstance(asked, Problem)
    opened = await desk.effects.do(OpenPullRequest(desk.access, "Ours", "", "codecourier/fix", MAIN, False))
    assert isinstance(opened, Problem)
    for problem in (asked, opened):
        assert problem.reason is Reason.FORGE_REFUSED
        assert problem.message.startswith(f"A request for {URL} was refused")


@virtual
async def test_a_pull_request_that_the_forge_refuses_says_where_the_work_is() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    problem = await desk.effects.do(OpenPullRequest(desk.access, "Ours", "", "codecourier/gone", MAIN, False))
    assert isinstance(problem, Problem)
    assert (problem.reason, problem.is_final) == (Reason.PULL_REQUEST_REFUSED, True)
    assert "The work is on branch codecourier/gone" in problem.message
