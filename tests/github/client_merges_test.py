"""Merges: what a pull request, its checks and the rules of its base branch say, and the merge at one head only."""

from __future__ import annotations

import pytest

from codecourier.checks import Check, CheckState, Gate, MergeStrategy, RequiredCheck
from codecourier.github.client import GitHubForge
from codecourier.github.errors import ForgeError, ForgeNotFound, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.get_commit import GetCommit
from codecourier.github.operations.get_pull_request import GetPullRequest, MergeablePull, PullRequestNotFound
from codecourier.github.operations.merge_pull_request import (
    MergeConflicts,
    MergeProgress,
    MergePullRequest,
    MergeRefused,
    MergeRequested,
)
from codecourier.github.operations.read_gate import ChecksForbidden, ReadGate
from codecourier.local.forge.control import ForgeControl
from codecourier.pull_request import PullRequestState
from codecourier.text import MARK
from tests.github.conftest import PERMISSIONS, Place

pytestmark = pytest.mark.forge

READ_CHECKS = {"checks": "read", "statuses": "read"}
MERGE = r"/merge$"
MERGE_ASYNC = r"/merge-async$"


@pytest.fixture
def place(place: Place, control: ForgeControl) -> Place:
    account = place.name.partition("/")[0]
    installation_id = control.install_app(account, {**PERMISSIONS, **READ_CHECKS})  # type: ignore[dict-item]
    return Place(control, place.name, place.id, place.sha, installation_id)


async def open_pull(forge: GitHubForge, place: Place, branch: str = "total", *, is_draft: bool = False) -> str:
    """Open the next pull request and return its head."""
    assert place.create_ref(place.personal(), branch) == 201
    head = place.change(branch)
    await forge.do(place.by_app, CreatePullRequest(f"Add {branch}", "Adds it.\n", branch, "main", is_draft))
    return head


async def look(forge: GitHubForge, place: Place, number: int = 1) -> MergeablePull:
    return await forge.do(place.by_app, GetPullRequest(number, MARK))


async def merge(
    forge: GitHubForge,
    place: Place,
    head: str,
    strategy: MergeStrategy = MergeStrategy.SQUASH,
    *,
    has_queue: bool = False,
) -> MergeProgress:
    return (await forge.do(place.by_app, MergePullRequest(1, head, strategy, has_queue))).progress


async def gate_of(forge: GitHubForge, place: Place, head: str) -> Gate:
    return await forge.do(place.by_app, ReadGate("main", head))


async def test_a_pull_request_is_shown_as_one_that_may_be_merged(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    found = await look(forge, place)
    assert (found.pull.number, found.pull.head_sha, found.pull.base_branch) == (1, head, "main")
    assert (found.pull.state, found.pull.is_draft, found.is_fork) == (PullRequestState.OPEN, False, False)
    assert (found.merge_state, found.merge_commit, found.merge_time) == ("clean", None, None)


async def test_what_keeps_a_pull_request_from_a_merge_is_shown(forge: GitHubForge, place: Place) -> None:
    await open_pull(forge, place, is_draft=True)
    assert (await look(forge, place)).merge_state == "draft"
    head = await open_pull(forge, place, "second")
    place.control.protect(place.name, "main", required_checks=["test"])
    assert (await look(forge, place, 2)).merge_state == "blocked"
    place.control.set_check(place.name, head, name="test", conclusion="success")
    assert (await look(forge, place, 2)).merge_state == "clean"


async def test_a_pull_request_that_is_not_there_is_told_from_a_repository_that_is_not(
    forge: GitHubForge, place: Place
) -> None:
    with pytest.raises(PullRequestNotFound):
        await look(forge, place, 99)


@pytest.mark.parametrize("has_async", [True, False])
@pytest.mark.parametrize("strategy", MergeStrategy)
async def test_a_pull_request_is_merged_by_each_strategy(
    forge: GitHubForge, place: Place, strategy: MergeStrategy, *, has_async: bool
) -> None:
    head = await open_pull(forge, place)
    place.control.set_merging(place.name, has_async_merges=has_async)
    progress = await merge(forge, place, head, strategy)
    assert progress in {MergeProgress.MERGED, MergeProgress.PENDING}
    found = await look(forge, place)
    assert (found.pull.state, found.pull.head_sha) == (PullRequestState.MERGED, head)
    assert found.merge_commit is not None
    assert found.merge_time is not None
    landed = await forge.do(place.by_app, GetCommit(found.merge_commit))
    assert landed.parents[0] == place.sha
    assert len(landed.parents) == (2 if strategy is MergeStrategy.MERGE else 1)
    if has_async:
        assert await merge(forge, place, head, strategy) is MergeProgress.MERGED
    assert place.control.counters().merges[f"{place.name}#1"] == 1


@pytest.mark.parametrize("has_async", [True, False])
async def test_another_head_is_never_merged(forge: GitHubForge, place: Place, *, has_async: bool) -> None:
    head = await open_pull(forge, place)
    place.control.set_merging(place.name, has_async_merges=has_async)
    place.control.commit(place.name, "total", {"more.txt": "more\n"})
    with pytest.raises(MergeRefused) as caught:
        await merge(forge, place, head)
    assert isinstance(caught.value, MergeConflicts) or has_async
    assert (await look(forge, place)).pull.state is PullRequestState.OPEN


@pytest.mark.parametrize("has_async", [True, False])
async def test_a_rule_that_is_not_met_refuses_the_merge(forge: GitHubForge, place: Place, *, has_async: bool) -> None:
    head = await open_pull(forge, place)
    place.control.set_merging(place.name, has_async_merges=has_async)
    place.control.add_rules(place.name, "main", required_checks=["test"])
    with pytest.raises(MergeRefused):
        await merge(forge, place, head)


async def test_a_forbidden_method_and_a_closed_pull_request_are_refused(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    place.control.set_merging(place.name, allow_rebase_merge=False)
    with pytest.raises(MergeRefused):
        await merge(forge, place, head, MergeStrategy.REBASE)
    place.ask("PATCH", "/pulls/1", place.personal(), {"state": "closed"})
    with pytest.raises(MergeRefused):
        await merge(forge, place, head)


async def test_a_merge_that_takes_long_is_asked_for_again_without_harm(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    place.control.set_merging(place.name, holds_merges=True)
    assert await merge(forge, place, head) is MergeProgress.PENDING
    assert await merge(forge, place, head) is MergeProgress.PENDING
    with pytest.raises(MergeRequested, match=f"by squash, as default and for commit {head}"):
        await merge(forge, place, head, MergeStrategy.REBASE)
    assert place.control.counters().merge_requests[f"{place.name}#1"] == 1
    place.control.run_merges(place.name)
    assert await merge(forge, place, head) is MergeProgress.MERGED


@pytest.mark.parametrize(("has_async", "path"), [(True, MERGE_ASYNC), (False, MERGE)])
async def test_a_lost_answer_is_settled_by_the_pull_request(
    forge: GitHubForge, place: Place, path: str, *, has_async: bool
) -> None:
    head = await open_pull(forge, place)
    place.control.set_merging(place.name, has_async_merges=has_async)
    place.control.answer_after(502, method="PUT", path=path)
    with pytest.raises(Unavailable) as caught:
        await merge(forge, place, head)
    assert caught.value.may_have_happened
    found = await look(forge, place)
    assert (found.pull.state, found.pull.head_sha) == (PullRequestState.MERGED, head)
    assert place.control.counters().merges[f"{place.name}#1"] == 1


async def test_checks_and_statuses_are_read_together(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    assert await gate_of(forge, place, head) == Gate((), has_queue=False, checks=(), unfinished_suites=0, is_whole=True)
    place.control.set_check(place.name, head, name="test", conclusion="success")
    place.control.set_check(place.name, head, name="lint", status="in_progress")
    place.control.set_check(place.name, head, name="docs", conclusion="skipped")
    place.control.set_check(place.name, head, name="old", conclusion="timed_out")
    place.control.set_status(place.name, head, "pending", context="deploy")
    place.control.set_status(place.name, head, "error", context="scan")
    found = await gate_of(forge, place, head)
    assert {check.name: (check.state, check.word) for check in found.checks} == {
        "test": (CheckState.PASSED, "success"),
        "lint": (CheckState.PENDING, "in_progress"),
        "docs": (CheckState.PASSED, "skipped"),
        "old": (CheckState.FAILED, "timed_out"),
        "deploy": (CheckState.PENDING, "pending"),
        "scan": (CheckState.FAILED, "error"),
    }
    assert {check.name for check in found.checks if check.app is None} == {"deploy", "scan"}
    assert found.unfinished_suites == 1


async def test_a_suite_that_has_no_runs_is_waited_for_by_nothing(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    place.control.create_suite(place.name, head)
    assert (await gate_of(forge, place, head)).unfinished_suites == 0


async def test_required_checks_come_from_rules_and_from_protection(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    place.control.add_rules(place.name, "main", required_checks=["test", ("build", 15368)])
    place.control.protect(place.name, "main", required_checks=["lint", "test"])
    found = await gate_of(forge, place, head)
    assert set(found.required) >= {
        RequiredCheck("test", None),
        RequiredCheck("build", 15368),
        RequiredCheck("lint", None),
    }
    assert {required.name for required in found.required} == {"test", "build", "lint"}


async def test_a_merge_queue_is_seen_and_used(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    place.control.add_rules(place.name, "main", merge_queue="squash")
    place.control.set_merging(place.name, holds_merges=True)
    assert (await gate_of(forge, place, head)).has_queue
    assert await merge(forge, place, head) in {MergeProgress.QUEUED, MergeProgress.PENDING}


async def test_many_checks_are_read_page_by_page(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    for number in range(101):
        place.control.set_status(place.name, head, "success", context=f"check {number}")
    found = await gate_of(forge, place, head)
    assert len(found.checks) == 101
    assert found.is_whole


async def test_checks_that_may_not_be_read_let_nothing_through(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    token = place.personal(contents="write", pull_requests="write")
    with pytest.raises(ChecksForbidden, match="checks: read"):
        await forge.do(place.by_token(token), ReadGate("main", head))


async def test_a_branch_that_is_not_there_has_no_gate(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    with pytest.raises(ForgeNotFound):
        await forge.do(place.by_app, ReadGate("nowhere", head))


async def test_checks_without_a_state_that_is_known_count_as_failed(forge: GitHubForge, place: Place) -> None:
    head = await open_pull(forge, place)
    place.control.set_check(place.name, head, name="test", conclusion="action_required")
    (check,) = (await gate_of(forge, place, head)).checks
    assert check == Check("test", check.app, CheckState.FAILED, "action_required", check.change_time)


async def test_a_commit_that_is_not_there_is_an_error(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(ForgeError):
        await forge.do(place.by_app, GetCommit("0" * 40))
