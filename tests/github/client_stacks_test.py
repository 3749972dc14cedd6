"""Pull requests that are built on each other: stacks of the host, and those that the operator opened so."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.errors import ForgeRefused
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.get_pull_request import GetPullRequest
from codecourier.github.operations.stacked_pulls import ALONE, FindDependants, RetargetPullRequest, StackPlace
from codecourier.pull_request import PullRequestState
from codecourier.text import MARK, marker
from tests.github.conftest import Place

pytestmark = pytest.mark.forge


async def open_chain(forge: GitHubForge, place: Place, *, count: int = 3, is_ours: bool = True) -> None:
    """Open pull requests 1 to `count`, each for the branch of the one before."""
    parent, base = place.sha, "main"
    for number in range(1, count + 1):
        branch = f"sprint-{number}"
        body = {"ref": f"refs/heads/{branch}", "sha": parent}
        assert place.ask("POST", "/git/refs", place.personal(), body).status_code == 201
        parent = place.control.commit(place.name, branch, {f"{number}.txt": "changed\n"})
        text = marker(f"run-{number}", 1) if is_ours else "A user's."
        await forge.do(place.by_app, CreatePullRequest(f"Sprint {number}", text, branch, base))
        base = branch


async def place_of(forge: GitHubForge, place: Place, number: int) -> StackPlace:
    return (await forge.do(place.by_app, GetPullRequest(number, MARK, with_place=True))).place


async def base_of(forge: GitHubForge, place: Place, number: int) -> tuple[PullRequestState, str]:
    pull = (await forge.do(place.by_app, GetPullRequest(number, MARK))).pull
    return pull.state, pull.base_branch


def merge(place: Place, number: int, method: str = "squash") -> None:
    answer = place.ask("PUT", f"/pulls/{number}/merge", place.personal(), {"merge_method": method})
    assert answer.status_code == 200


async def test_a_sprint_is_built_on_the_one_before(forge: GitHubForge, place: Place) -> None:
    await open_chain(forge, place)
    assert [await place_of(forge, place, number) for number in (1, 2, 3)] == [ALONE, StackPlace((1,)), StackPlace((2,))]
    merge(place, 1)
    assert await place_of(forge, place, 2) == StackPlace(new_base="main")
    await forge.do(place.by_app, RetargetPullRequest(2, "main"))
    assert await place_of(forge, place, 2) == ALONE
    assert await base_of(forge, place, 2) == (PullRequestState.OPEN, "main")


async def test_one_before_that_was_closed_is_not_merged(forge: GitHubForge, place: Place) -> None:
    await open_chain(forge, place, count=2)
    place.ask("PATCH", "/pulls/1", place.personal(), {"state": "closed"})
    assert await place_of(forge, place, 2) == StackPlace((1,))


async def test_branches_that_users_build_on_each_other_are_their_own_affair(forge: GitHubForge, place: Place) -> None:
    await open_chain(forge, place, count=2, is_ours=False)
    assert await place_of(forge, place, 2) == ALONE
    assert await forge.do(place.by_app, FindDependants("sprint-1", MARK)) == ()


async def test_what_is_built_on_a_branch_is_found_and_survives_its_end(forge: GitHubForge, place: Place) -> None:
    await open_chain(forge, place)
    merge(place, 1)
    assert await forge.do(place.by_app, FindDependants("sprint-1", MARK)) == (2,)
    await forge.do(place.by_app, RetargetPullRequest(2, "main"))
    assert await forge.do(place.by_app, FindDependants("sprint-1", MARK)) == ()
    deleted = place.ask("DELETE", "/git/refs/heads/sprint-1", place.personal(), {})
    assert deleted.status_code == 204
    assert await base_of(forge, place, 2) == (PullRequestState.OPEN, "main")


async def test_a_base_that_cannot_be_given_is_refused(forge: GitHubForge, place: Place) -> None:
    await open_chain(forge, place, count=2)
    with pytest.raises(ForgeRefused, match="this base"):
        await forge.do(place.by_app, RetargetPullRequest(2, "nowhere"))


async def make_stack(forge: GitHubForge, place: Place) -> None:
    await open_chain(forge, place, is_ours=False)
    body: Any = {"pull_requests": [1, 2, 3]}
    assert place.ask("POST", "/stacks", place.personal(), body).status_code == 201


async def test_a_stack_of_the_host_names_all_that_it_would_merge(forge: GitHubForge, place: Place) -> None:
    await make_stack(forge, place)
    places = [await place_of(forge, place, number) for number in (1, 2, 3)]
    assert places == [ALONE, StackPlace((1,)), StackPlace((1, 2))]
    assert place.ask("PUT", "/pulls/2/merge", place.personal(), {}).status_code == 405


async def test_the_host_merges_all_that_is_below(forge: GitHubForge, place: Place) -> None:
    await make_stack(forge, place)
    assert place.ask("PUT", "/pulls/2/merge-async", place.personal(), {}).status_code == 202
    states = [(await base_of(forge, place, number))[0] for number in (1, 2, 3)]
    assert states == [PullRequestState.MERGED, PullRequestState.MERGED, PullRequestState.OPEN]
    assert await place_of(forge, place, 3) == ALONE


async def test_a_stack_that_the_host_does_not_show_lets_nothing_through(forge: GitHubForge, place: Place) -> None:
    await make_stack(forge, place)
    place.control.answer_with(404, method="GET", path="/stacks/1$", message="Not Found")
    with pytest.raises(ForgeRefused, match="does not show the stack"):
        await place_of(forge, place, 2)
