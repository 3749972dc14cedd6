"""Merges that a host works on: requests in the background, and merge queues."""

from __future__ import annotations

import pytest

from codecourier.checks import MergeStrategy
from codecourier.github.client import GitHubForge
from codecourier.github.errors import ForgeRefused, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.merge_pull_request import (
    MergeAnswer,
    MergeConflicts,
    MergeProgress,
    MergePullRequest,
    MergeRefused,
    MergeRequested,
)
from codecourier.github.operations.merge_queue import LeaveQueue, LookAtQueue, QueuePlace
from codecourier.github.operations.read_gate import ReadGate
from codecourier.local.forge.control import ForgeControl
from tests.github.conftest import PERMISSIONS, Place

pytestmark = pytest.mark.forge


@pytest.fixture
def place(place: Place, control: ForgeControl) -> Place:
    account = place.name.partition("/")[0]
    permissions = {**PERMISSIONS, "checks": "read", "statuses": "read"}
    installation_id = control.install_app(account, permissions)  # type: ignore[arg-type]
    return Place(control, place.name, place.id, place.sha, installation_id)


@pytest.fixture
async def head(forge: GitHubForge, place: Place) -> str:
    """Return the head of pull request 1, whose merges wait for the test."""
    assert place.create_ref(place.personal(), "total") == 201
    head = place.change("total")
    await forge.do(place.by_app, CreatePullRequest("Add the total", "Adds it.\n", "total", "main"))
    place.control.set_merging(place.name, holds_merges=True)
    return head


async def merge(
    forge: GitHubForge, place: Place, head: str, *, has_queue: bool = False, request: str | None = None
) -> MergeAnswer:
    return await forge.do(place.by_app, MergePullRequest(1, head, MergeStrategy.SQUASH, has_queue, request))


async def look(forge: GitHubForge, place: Place) -> QueuePlace:
    return await forge.do(place.by_app, LookAtQueue(1))


def requests(place: Place) -> int:
    """Return how many merges in the background there were."""
    return place.control.counters().merge_requests.get(f"{place.name}#1", 0)


def enqueues(place: Place) -> int:
    return place.control.counters().enqueues.get(f"{place.name}#1", 0)


async def test_a_refusal_that_comes_late_is_read_with_its_reason(forge: GitHubForge, place: Place, head: str) -> None:
    answer = await merge(forge, place, head)
    assert answer.progress is MergeProgress.PENDING
    assert answer.request is not None
    place.control.add_rules(place.name, "main", required_checks=["test"])
    place.control.run_merges(place.name)
    with pytest.raises(MergeRefused, match='Required status check "test" is expected'):
        await merge(forge, place, head, request=answer.request)
    assert requests(place) == 1


async def test_a_push_that_comes_late_is_told_from_a_refusal(forge: GitHubForge, place: Place, head: str) -> None:
    answer = await merge(forge, place, head)
    place.control.commit(place.name, "total", {"more.txt": "more\n"})
    place.control.run_merges(place.name)
    with pytest.raises(MergeConflicts):
        await merge(forge, place, head, request=answer.request)


async def test_a_merge_that_ended_is_read_by_its_number(forge: GitHubForge, place: Place, head: str) -> None:
    answer = await merge(forge, place, head)
    place.control.run_merges(place.name)
    assert await merge(forge, place, head, request=answer.request) == MergeAnswer(MergeProgress.MERGED)


async def test_a_number_that_the_host_forgot_is_asked_for_anew(forge: GitHubForge, place: Place, head: str) -> None:
    answer = await merge(forge, place, head)
    place.control.age_merges(place.name, seconds=25 * 3600)
    again = await merge(forge, place, head, request=answer.request)
    assert again.progress is MergeProgress.PENDING
    assert again.request not in {None, answer.request}
    assert requests(place) == 2


async def test_a_number_that_is_gone_before_it_is_read_is_pending(forge: GitHubForge, place: Place, head: str) -> None:
    place.control.answer_with(404, method="GET", path="/merge-async/", message="Not Found")
    assert await merge(forge, place, head) == MergeAnswer(MergeProgress.PENDING)
    assert requests(place) == 1


@pytest.mark.parametrize(
    ("body", "is_followed"),
    [
        ({"merge_method": "squash"}, True),
        ({"merge_method": "squash", "merge_action": "direct_merge"}, True),
        ({"merge_method": "squash", "merge_action": "merge_queue"}, False),
        ({"merge_method": "merge"}, False),
        ({}, False),
    ],
)
async def test_only_a_request_for_the_same_is_followed(
    forge: GitHubForge, place: Place, head: str, body: dict[str, str], *, is_followed: bool
) -> None:
    asked = place.ask("PUT", "/pulls/1/merge-async", place.personal(), {"sha": head, **body})
    if is_followed:
        assert (await merge(forge, place, head)).request == asked.json()["details"]["uuid"]
    else:
        with pytest.raises(MergeRequested, match="another request"):
            await merge(forge, place, head)
    assert requests(place) == 1


async def test_a_queue_merges_by_its_own_method_whatever_others_asked_for(
    forge: GitHubForge, place: Place, head: str
) -> None:
    place.control.add_rules(place.name, "main", merge_queue="squash")
    place.ask("PUT", "/pulls/1/merge-async", place.personal(), {"sha": head, "merge_method": "rebase"})
    assert (await merge(forge, place, head, has_queue=True)).progress is MergeProgress.PENDING
    place.control.run_merges(place.name)
    place.control.set_merging(place.name, holds_merges=False)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (405, "Base branch was modified. Review and try the merge again.", MergeConflicts),
        (409, "Head branch was modified. Review and try the merge again.", MergeConflicts),
        (405, "Squash merges are not allowed on this repository.", MergeRefused),
        (502, "Bad Gateway", Unavailable),
    ],
)
async def test_what_a_host_without_requests_says(
    forge: GitHubForge, place: Place, head: str, status: int, message: str, error: type[Exception]
) -> None:
    place.control.set_merging(place.name, has_async_merges=False)
    place.control.answer_with(status, method="PUT", path=r"/pulls/1/merge$", message=message)
    with pytest.raises(error) as caught:
        await merge(forge, place, head)
    assert type(caught.value) is error


@pytest.mark.parametrize("has_async", [True, False])
async def test_a_pull_request_enters_the_queue_once(
    forge: GitHubForge, place: Place, head: str, *, has_async: bool
) -> None:
    place.control.add_rules(place.name, "main", merge_queue="rebase", required_checks=["test"])
    place.control.set_status(place.name, head, "success", context="test")
    place.control.set_merging(place.name, holds_merges=False, has_async_merges=has_async)
    gate = await forge.do(place.by_app, ReadGate("main", head))
    assert (gate.has_queue, gate.queue_strategy) == (True, MergeStrategy.REBASE)
    assert await look(forge, place) == QueuePlace(True, False, None, None, "")
    for _ in range(2):
        answer = await merge(forge, place, head, has_queue=True)
        answer = await merge(forge, place, head, has_queue=True, request=answer.request)
        assert answer == MergeAnswer(MergeProgress.QUEUED)
    assert enqueues(place) == 1
    found = await look(forge, place)
    assert (found.is_open, found.is_queued, found.position) == (True, True, 1)


async def test_an_exit_from_the_queue_is_seen_with_its_reason(forge: GitHubForge, place: Place, head: str) -> None:
    place.control.add_rules(place.name, "main", merge_queue="squash", required_checks=["test"])
    place.control.set_status(place.name, head, "success", context="test")
    place.control.set_merging(place.name, holds_merges=False, has_async_merges=False)
    await merge(forge, place, head, has_queue=True)
    place.control.run_merges(place.name)
    (entry,) = place.control.queue(place.name)
    place.control.set_status(place.name, entry.sha, "failure", context="test")
    first = await look(forge, place)
    assert (first.is_open, first.is_queued, first.exit_reason) == (True, False, "failed_checks")
    # Within a second the queue makes the same commit again, whose check has failed.
    place.control.set_merging(place.name, holds_merges=True)
    await merge(forge, place, head, has_queue=True)
    await forge.do(place.by_app, LeaveQueue(1))
    second = await look(forge, place)
    assert (second.is_queued, second.exit_reason) == (False, "manual")
    assert second.exit_id not in {None, first.exit_id}
    await forge.do(place.by_app, LeaveQueue(1))
    assert await look(forge, place) == second


async def test_a_queue_that_the_host_does_not_show_is_entered_by_nothing(
    forge: GitHubForge, place: Place, head: str
) -> None:
    place.control.set_merging(place.name, has_async_merges=False)
    place.control.answer_with(404, method="POST", path="^/api/graphql$", times=2, message="Not Found")
    with pytest.raises(ForgeRefused, match="no places in merge queues"):
        await look(forge, place)
    with pytest.raises(MergeRefused, match="no places in merge queues"):
        await merge(forge, place, head, has_queue=True)


async def test_another_head_does_not_enter_the_queue(forge: GitHubForge, place: Place, head: str) -> None:
    place.control.add_rules(place.name, "main", merge_queue="squash")
    place.control.set_merging(place.name, has_async_merges=False)
    with pytest.raises(MergeRefused, match="does not match"):
        await merge(forge, place, place.sha, has_queue=True)
    assert enqueues(place) == 0


async def test_an_entry_whose_answer_is_lost_is_there_once(forge: GitHubForge, place: Place, head: str) -> None:
    place.control.add_rules(place.name, "main", merge_queue="squash")
    place.control.set_merging(place.name, has_async_merges=False)
    place.control.answer_after(502, method="POST", path="^/api/graphql$", body="enqueuePullRequest")
    with pytest.raises(Unavailable) as caught:
        await merge(forge, place, head, has_queue=True)
    assert caught.value.may_have_happened
    assert await merge(forge, place, head, has_queue=True) == MergeAnswer(MergeProgress.QUEUED)
    assert enqueues(place) == 1
