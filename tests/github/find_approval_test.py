"""Approvals: the latest verdict of a user who may write, for exactly one commit."""

from __future__ import annotations

import pytest

from codecourier.checks import Approval
from codecourier.github.client import GitHubForge
from codecourier.github.errors import ForgeError
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.find_approval import FindApproval
from codecourier.github.operations.get_pull_request import GetPullRequest, PullRequestNotFound
from tests.github.conftest import Place

pytestmark = pytest.mark.forge

GIVEN, MISSING, OUTDATED, NOT_BY_WRITER = (
    *(Approval.GIVEN, Approval.MISSING),
    *(Approval.OUTDATED, Approval.NOT_BY_WRITER),
)


@pytest.fixture
async def head(forge: GitHubForge, place: Place) -> str:
    """Open pull request 1 from a fork and return its head."""
    assert place.create_ref(place.personal(), "work") == 201
    sha = place.change("work")
    await forge.do(place.by_app, CreatePullRequest("Work", "It works.\n", "work", "main", is_draft=False))
    place.control.move_to_fork(place.name, 1, "stranger")
    for login, permission in (("bob", "write"), ("root", "admin"), ("carol", "read")):
        place.control.set_collaborator(place.name, login, permission)  # type: ignore[arg-type]
    return sha


async def test_a_pull_request_from_a_fork_is_seen_as_one(forge: GitHubForge, place: Place, head: str) -> None:
    found = await forge.do(place.by_app, GetPullRequest(1, ""))
    assert (found.is_fork, found.pull.head_sha) == (True, head)
    refs = place.ask("GET", "/git/ref/pull/1/head", place.personal(), {}).json()
    assert refs["object"]["sha"] == head


@pytest.mark.parametrize(
    ("reviews", "approval"),
    [
        ([], MISSING),
        ([("bob", "APPROVED")], GIVEN),
        ([("root", "APPROVED")], GIVEN),
        ([("stranger", "APPROVED"), ("carol", "APPROVED")], NOT_BY_WRITER),
        ([("carol", "APPROVED"), ("bob", "APPROVED")], GIVEN),
        ([("bob", "APPROVED"), ("bob", "CHANGES_REQUESTED")], MISSING),
        ([("bob", "APPROVED"), ("bob", "DISMISSED")], MISSING),
        ([("bob", "CHANGES_REQUESTED"), ("bob", "APPROVED"), ("bob", "COMMENTED")], GIVEN),
        ([("bob", "COMMENTED")], MISSING),
        ([("root", "CHANGES_REQUESTED"), ("bob", "APPROVED")], GIVEN),
    ],
)
async def test_the_latest_verdict_of_a_writer_counts(
    forge: GitHubForge, place: Place, head: str, reviews: list[tuple[str, str]], approval: Approval
) -> None:
    for login, state in reviews:
        place.control.review(place.name, 1, login=login, state=state, body="So.")  # type: ignore[arg-type]
    assert await forge.do(place.by_app, FindApproval(1, head)) is approval
    other = MISSING if approval is MISSING else OUTDATED
    assert await forge.do(place.by_app, FindApproval(1, "1" * 40)) is other


async def test_a_pull_request_that_is_not_there_has_no_reviews(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(PullRequestNotFound):
        await forge.do(place.by_app, FindApproval(99, "1" * 40))


async def test_nothing_counts_where_the_rights_cannot_be_read(forge: GitHubForge, place: Place, head: str) -> None:
    place.control.review(place.name, 1, login="bob", state="APPROVED")
    place.control.answer_with(403, method="GET", path="/permission$")
    with pytest.raises(ForgeError):
        await forge.do(place.by_app, FindApproval(1, head))
