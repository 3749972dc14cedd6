"""A pull request is closed at one head only, and only while it is open."""

from __future__ import annotations

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.operations.close_pull_request import ClosePullRequest
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.get_pull_request import PullRequestNotFound
from codecourier.github.operations.look_at_pull_requests import LookAtPullRequests, PullRequestLook
from codecourier.pull_request import PullRequestState
from tests.github.conftest import Place

pytestmark = pytest.mark.forge


async def open_pull(forge: GitHubForge, place: Place) -> str:
    """Open the first pull request and return its head."""
    assert place.create_ref(place.personal(), "total") == 201
    head = place.change("total")
    await forge.do(place.by_app, CreatePullRequest("Add total", "Adds it.\n", "total", "main", is_draft=False))
    return head


async def look(forge: GitHubForge, place: Place) -> PullRequestLook:
    found = (await forge.do(place.by_app, LookAtPullRequests((1,)))).found[1]
    assert found is not None
    return found


async def test_it_is_closed_at_its_head(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    await forge.do(place.by_app, ClosePullRequest(1, head))
    assert (await look(forge, place)).state is PullRequestState.CLOSED
    await forge.do(place.by_app, ClosePullRequest(1, head))


async def test_one_whose_head_moved_is_left_open(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    assert place.change("total") != head
    await forge.do(place.by_app, ClosePullRequest(1, head))
    assert (await look(forge, place)).state is PullRequestState.OPEN


async def test_one_that_is_not_there_is_an_error(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(PullRequestNotFound):
        await forge.do(place.by_app, ClosePullRequest(7, place.sha))
