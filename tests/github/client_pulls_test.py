"""Pull requests: opened once, found by their marker, and settled by looking where an answer was lost."""

from __future__ import annotations

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.errors import ForgeRefused, Unavailable
from codecourier.github.operations.create_branch import BranchExists, CreateBranch
from codecourier.github.operations.create_pull_request import CreatePullRequest, PullRequestExists
from codecourier.github.operations.find_pull_requests import FindPullRequests
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.pull_request import PullRequestFacts
from codecourier.pull_request import PullRequestState
from codecourier.text import marker
from tests.github.conftest import DRAFT, MARKER, PULLS, Place

pytestmark = pytest.mark.forge


@pytest.mark.parametrize("is_draft", [False, True])
async def test_pull_request_is_opened_and_found_by_its_marker(
    forge: GitHubForge, place: Place, *, is_draft: bool
) -> None:
    sha = place.change("feature/total")
    draft = CreatePullRequest(DRAFT.title, DRAFT.body, DRAFT.head, DRAFT.base, is_draft)
    opened = await forge.do(place.by_app, draft)
    assert opened == PullRequestFacts(
        number=1,
        url=f"{place.url}/pull/1",
        state=PullRequestState.OPEN,
        is_draft=is_draft,
        head_branch="feature/total",
        head_sha=sha,
        base_branch="main",
        has_marker=True,
        title="Add the total",
        created_at=opened.created_at,
    )
    assert opened.created_at.tzinfo is not None
    assert await forge.do(place.by_app, FindPullRequests("feature/total", MARKER)) == [opened]
    assert await forge.do(place.by_app, FindPullRequests("main", MARKER)) == []
    (foreign,) = await forge.do(place.by_app, FindPullRequests("feature/total", marker("other", 1)))
    assert not foreign.has_marker


async def test_pull_requests_are_found_in_every_state(forge: GitHubForge, place: Place) -> None:
    repo = place.by_token(place.personal())
    assert place.create_ref(place.personal(), "feature/total") == 201
    for number, (body, state) in enumerate([({"state": "closed"}, "PATCH"), (None, "PUT")], start=1):
        place.control.commit(place.name, "feature/total", {f"{number}": "x"})
        opened = await forge.do(repo, DRAFT)
        path = f"/pulls/{opened.number}" + ("" if body else "/merge")
        answer = place.ask(state, path, place.personal(), body or {})
        assert answer.ok, answer.text
    found = await forge.do(repo, FindPullRequests("feature/total", MARKER))
    assert [facts.state for facts in found] == [PullRequestState.MERGED, PullRequestState.CLOSED]


async def test_second_pull_request_for_the_branches_already_exists(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    await forge.do(place.by_app, CreatePullRequest("By hand", "No marker", "feature/total", "main"))
    with pytest.raises(PullRequestExists, match="already exists"):
        await forge.do(place.by_app, DRAFT)
    (by_hand,) = await forge.do(place.by_app, FindPullRequests("feature/total", MARKER))
    assert not by_hand.has_marker
    assert place.control.counters().pulls_created[place.name] == 1


async def test_lost_answer_is_settled_by_looking(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    place.control.lose_answer(method="POST", path=PULLS, times=3)
    with pytest.raises(Unavailable) as caught:
        await forge.do(place.by_app, DRAFT)
    assert caught.value.may_have_happened
    (found,) = await forge.do(place.by_app, FindPullRequests("feature/total", MARKER))
    assert found.has_marker
    assert place.control.counters().pulls_created[place.name] == 1
    # Sent once: two of the three faults wait for a request that never came.
    assert [fault["times"] for fault in place.control.pending_faults()] == [2]


async def test_lost_request_can_be_sent_again(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    place.control.lose_request(method="POST", path=PULLS)
    with pytest.raises(Unavailable):
        await forge.do(place.by_app, DRAFT)
    assert await forge.do(place.by_app, FindPullRequests("feature/total", MARKER)) == []
    assert (await forge.do(place.by_app, DRAFT)).number == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_server_errors_are_not_repeated(forge: GitHubForge, place: Place, status: int) -> None:
    place.change("feature/total")
    place.control.answer_with(status, method="POST", path=PULLS, times=20)
    with pytest.raises(Unavailable) as caught:
        await forge.do(place.by_app, DRAFT)
    assert (caught.value.status, caught.value.may_have_happened) == (status, True)
    assert [fault["times"] for fault in place.control.pending_faults()] == [19]


async def test_refused_pull_request_names_the_field(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(ForgeRefused, match=r"PullRequest\.head: invalid"):
        await forge.do(place.by_app, DRAFT)


async def test_a_branch_is_created_once_at_a_commit(forge: GitHubForge, place: Place) -> None:
    sha = place.change("feature/total")
    await forge.do(place.by_app, CreateBranch("codecourier/release", sha))
    assert await forge.do(place.by_app, GetBranchHead("codecourier/release")) == sha
    with pytest.raises(BranchExists):
        await forge.do(place.by_app, CreateBranch("codecourier/release", sha))


async def test_a_branch_at_a_commit_that_is_not_there_is_refused(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(ForgeRefused) as caught:
        await forge.do(place.by_app, CreateBranch("codecourier/release", "1" * 40))
    assert not isinstance(caught.value, BranchExists)
    assert await forge.do(place.by_app, GetBranchHead("codecourier/release")) is None
