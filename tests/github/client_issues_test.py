"""Issues: read wherever they are, with one comment of ours, and with no more permission than that needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import InstallationToken, RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeRefused, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.get_issue import GetIssue, IssueFacts
from codecourier.github.operations.get_issue_comment import GetIssueComment
from codecourier.github.operations.get_repository import GetRepository
from codecourier.github.operations.issue import IssueLocked, IssueNotFound, IssuesForbidden
from codecourier.github.operations.list_issue_comments import ListIssueComments
from codecourier.github.operations.mint_token_pair import MintTokenPair
from codecourier.github.operations.write_issue_comment import WriteIssueComment
from codecourier.issue import IssueState
from tests.github.conftest import PERMISSIONS, Place

pytestmark = pytest.mark.forge

MARK = "<!-- codecourier session=0a1b -->"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
POSTS = r"/issues/\d+/comments$"


@pytest.fixture
def issues(place: Place) -> Place:
    """Return a repository with issue 1, whose App and tokens may work with issues."""
    account = place.name.partition("/")[0]
    place.control.install_app(account, {**PERMISSIONS, "issues": "write"})  # type: ignore[dict-item]
    assert place.control.create_issue(place.name) == 1
    return place


def personal(place: Place, level: str = "write", *names: str) -> RepositoryRef:
    repositories = [place.name, *names]
    return place.by_token(place.control.create_token("alice", repositories, {"issues": level}))  # type: ignore[dict-item]


async def find(forge: GitHubForge, repo: RepositoryRef, since: datetime = LONG_AGO) -> list[int]:
    page = await forge.do(repo, ListIssueComments(1, MARK, since))
    return [comment.id for comment in page.marked]


async def refusal(forge: GitHubForge, repo: RepositoryRef, operation: Operation[Any]) -> ForgeError:
    with pytest.raises(ForgeError) as caught:
        await forge.do(repo, operation)
    return caught.value


@pytest.mark.parametrize("is_app", [True, False])
async def test_an_issue_is_read(forge: GitHubForge, issues: Place, *, is_app: bool) -> None:
    repo = issues.by_app if is_app else personal(issues, "read")
    url = f"{issues.url}/issues/1"
    assert await forge.do(repo, GetIssue(1)) == IssueFacts(IssueState.OPEN, url, "Title", "alice", "Text")
    issues.control.change_issue(issues.name, 1, state="closed", locked=True)
    found = await forge.do(repo, GetIssue(1))
    assert (found.state, found.is_locked, found.is_pull_request) == (IssueState.CLOSED, True, False)


async def test_a_pull_request_is_an_issue_that_says_so(forge: GitHubForge, issues: Place) -> None:
    issues.change("feature/total")
    opened = await forge.do(issues.by_app, CreatePullRequest("Add", "Adds it.", "feature/total", "main"))
    found = await forge.do(issues.by_app, GetIssue(opened.number))
    assert (found.is_pull_request, found.url) == (True, opened.url)


async def test_what_deleted_accounts_wrote_without_a_text_is_read(forge: GitHubForge, issues: Place) -> None:
    number = issues.control.create_issue(issues.name, body=None, login=None)
    comment = issues.control.comment_issue(issues.name, number, "Text", login=None)
    found = await forge.do(issues.by_app, GetIssue(number))
    assert (found.author, found.body) == ("ghost", "")
    facts = await forge.do(issues.by_app, GetIssueComment(number, comment))
    assert facts is not None
    assert (facts.author, facts.body) == ("ghost", "Text")


async def test_texts_are_cut_between_characters(forge: GitHubForge, issues: Place) -> None:
    number = issues.control.create_issue(issues.name, title="é" * 1000, body="a" + "é" * 60000)
    found = await forge.do(issues.by_app, GetIssue(number))
    assert found.title == "é" * 512
    assert found.body == "a" + "é" * (32 * 1024 - 1)


async def test_an_issue_that_is_not_there_is_told_from_one_that_was_deleted(forge: GitHubForge, issues: Place) -> None:
    assert isinstance(await refusal(forge, issues.by_app, GetIssue(9)), IssueNotFound)
    issues.control.delete_issue(issues.name, 1)
    assert await forge.do(issues.by_app, GetIssue(1)) == IssueFacts(IssueState.DELETED)


async def test_a_repository_without_issues_has_deleted_none(forge: GitHubForge, issues: Place) -> None:
    issues.control.set_issues(issues.name, enabled=False)
    for operation in (GetIssue(1), ListIssueComments(1, MARK, LONG_AGO), WriteIssueComment(1, MARK)):
        error = await refusal(forge, issues.by_app, operation)
        assert isinstance(error, IssueNotFound)
        assert "has no issues" in error.message


async def test_a_transferred_issue_has_its_new_page_where_the_credential_sees_it(
    forge: GitHubForge, issues: Place
) -> None:
    account = issues.name.partition("/")[0]
    for name, private in (("hidden", True), ("open", False)):
        issues.control.create_repository(f"{account}/{name}", {"a": "a"}, private=private)
    both = personal(issues, "read", f"{account}/hidden")
    comment = issues.control.comment_issue(issues.name, 1, "Text")
    issues.control.transfer_issue(issues.name, 1, f"{account}/hidden")
    moved = IssueFacts(IssueState.TRANSFERRED, f"{issues.control.address.base_url}/{account}/hidden/issues/1")
    assert await forge.do(both, GetIssue(1)) == moved
    assert await forge.do(both, GetIssueComment(1, comment)) is None
    assert isinstance(await refusal(forge, issues.by_app, GetIssue(1)), IssueNotFound), "as GitHub answers"
    number = issues.control.create_issue(issues.name)
    issues.control.transfer_issue(issues.name, number, f"{account}/open")
    found = await forge.do(issues.by_app, GetIssue(number))
    assert (found.state, (found.url or "").endswith("/open/issues/1")) == (IssueState.TRANSFERRED, True)


async def test_an_issue_of_a_renamed_repository_is_the_same_at_another_address(
    forge: GitHubForge, issues: Place
) -> None:
    repo, account = personal(issues), issues.name.partition("/")[0]
    comment = issues.control.comment_issue(issues.name, 1, "Text")
    renamed = issues.control.rename_repository(issues.name, "store")
    found = await forge.do(repo, GetIssue(1))
    assert (found.state, found.title) == (IssueState.OPEN, "Title")
    assert found.url == f"{issues.control.address.base_url}/{renamed}/issues/1"
    facts = await forge.do(repo, GetIssueComment(1, comment))
    assert facts is not None
    assert facts.body == "Text"
    assert await forge.do(repo, GetIssueComment(1, comment + 1)) is None
    for operation in (WriteIssueComment(1, MARK), ListIssueComments(1, MARK, LONG_AGO)):
        error = await refusal(forge, repo, operation)
        assert isinstance(error, IssueNotFound), "only what reads one thing follows a redirect"
        assert "give its present address" in error.message
    issues.control.create_repository(f"{account}/other", {"a": "a"}, private=False)
    issues.control.transfer_issue(renamed, 1, f"{account}/other")
    assert await forge.do(repo, GetIssue(1)) == IssueFacts(IssueState.TRANSFERRED), "of two redirects one is followed"


async def test_what_has_not_changed_costs_nothing(forge: GitHubForge, issues: Place) -> None:
    comment = issues.control.comment_issue(issues.name, 1, "Text")
    issue = await forge.do(issues.by_app, GetIssue(1))
    facts = await forge.do(issues.by_app, GetIssueComment(1, comment))
    before = issues.control.counters().requests
    assert await forge.do(issues.by_app, GetIssue(1, issue)) is issue
    assert await forge.do(issues.by_app, GetIssueComment(1, comment, facts)) is facts
    after = issues.control.counters().requests
    new = {route for route, count in after.items() if count > before.get(route, 0) and "/issues" in route}
    assert {route[-3:] for route in new} == {"304"}
    issues.control.change_issue(issues.name, 1, body="Other")
    assert (await forge.do(issues.by_app, GetIssue(1, issue))).body == "Other"


async def test_a_comment_of_another_issue_is_missing(forge: GitHubForge, issues: Place) -> None:
    other = issues.control.create_issue(issues.name)
    comment = issues.control.comment_issue(issues.name, other, MARK)
    assert await forge.do(issues.by_app, GetIssueComment(1, comment)) is None
    assert await find(forge, issues.by_app) == []


async def test_a_comment_that_the_credential_cannot_see_is_not_taken_for_deleted(
    forge: GitHubForge, issues: Place
) -> None:
    comment = issues.control.comment_issue(issues.name, 1, MARK)
    account = issues.name.partition("/")[0]
    issues.control.create_repository(f"{account}/other", {"a": "a"})
    stranger = issues.by_token(issues.control.create_token("bob", [f"{account}/other"], {"issues": "write"}))
    assert isinstance(await refusal(forge, stranger, GetIssueComment(1, comment)), IssueNotFound)


@pytest.mark.parametrize("is_app", [True, False])
async def test_a_comment_is_made_found_and_replaced(forge: GitHubForge, issues: Place, *, is_app: bool) -> None:
    repo = issues.by_app if is_app else personal(issues)
    issues.control.comment_issue(issues.name, 1, "Theirs.")
    made = await forge.do(repo, WriteIssueComment(1, f"{MARK} Started."))
    assert made.url == f"{issues.url}/issues/1#issuecomment-{made.id}"
    assert await find(forge, repo) == [made.id]
    assert await find(forge, repo, datetime.now(UTC) + timedelta(hours=1)) == []
    changed = await forge.do(repo, WriteIssueComment(1, f"{MARK} Done.", made.id))
    assert (changed.id, changed.body) == (made.id, f"{MARK} Done.")
    assert await forge.do(repo, GetIssueComment(1, made.id)) == changed
    assert issues.control.counters().comments_created[f"{issues.name}#1"] == 2


async def test_comments_are_searched_page_by_page(forge: GitHubForge, issues: Place) -> None:
    ids = [issues.control.comment_issue(issues.name, 1, f"{MARK} {number}") for number in range(101)]
    first, second = [await forge.do(issues.by_app, ListIssueComments(1, MARK, LONG_AGO, page)) for page in (1, 2)]
    assert [comment.id for comment in (*first.marked, *second.marked)] == ids
    assert (first.is_full, second.is_full) == (True, False)


async def test_a_lost_answer_is_settled_by_looking(forge: GitHubForge, issues: Place) -> None:
    issues.control.lose_answer(method="POST", path=POSTS, times=3)
    error = await refusal(forge, issues.by_app, WriteIssueComment(1, MARK))
    assert isinstance(error, Unavailable)
    assert error.may_have_happened
    assert len(await find(forge, issues.by_app)) == 1
    # Sent once: two of the three faults wait for a request that never came.
    assert [fault["times"] for fault in issues.control.pending_faults()] == [2]


@pytest.mark.parametrize("is_app", [True, False])
async def test_a_locked_issue_takes_no_comment(forge: GitHubForge, issues: Place, *, is_app: bool) -> None:
    repo = issues.by_app if is_app else personal(issues)
    made = await forge.do(repo, WriteIssueComment(1, MARK))
    issues.control.change_issue(issues.name, 1, locked=True)
    for comment in (None, made.id):
        assert isinstance(await refusal(forge, repo, WriteIssueComment(1, MARK, comment)), IssueLocked)


async def test_a_comment_that_was_deleted_cannot_be_replaced(forge: GitHubForge, issues: Place) -> None:
    assert isinstance(await refusal(forge, issues.by_app, WriteIssueComment(1, MARK, 999_999)), IssueNotFound)


async def test_a_text_that_is_too_long_is_refused_for_good(forge: GitHubForge, issues: Place) -> None:
    error = await refusal(forge, issues.by_app, WriteIssueComment(1, MARK + "x" * 65536))
    assert type(error) is ForgeRefused
    assert "too long" in error.message


async def test_an_installation_without_the_permission_works_for_all_else(forge: GitHubForge, place: Place) -> None:
    place.control.create_issue(place.name)
    error = await refusal(forge, place.by_app, GetIssue(1))
    assert isinstance(error, IssuesForbidden)
    assert "lacks a permission; it needs issues: read" in error.message
    assert (await forge.do(place.by_app, GetRepository())).id == place.id
    account = place.name.partition("/")[0]
    place.control.install_app(account, {**PERMISSIONS, "issues": "read"})  # type: ignore[dict-item]
    assert (await forge.do(place.by_app, GetIssue(1))).title == "Title"
    error = await refusal(forge, place.by_app, WriteIssueComment(1, MARK))
    assert isinstance(error, IssuesForbidden)
    assert "it needs issues: write" in error.message


async def test_a_personal_token_without_the_permission_is_told_which(forge: GitHubForge, issues: Place) -> None:
    repo = issues.by_token(issues.personal())
    for operation, words in (
        (GetIssue(1), "issues: read"),
        (GetIssueComment(1, 1), "issues: read"),
        (ListIssueComments(1, MARK, LONG_AGO), "issues: read"),
        (WriteIssueComment(1, MARK), "issues: write"),
    ):
        error = await refusal(forge, repo, operation)
        assert isinstance(error, IssuesForbidden)
        assert f"lacks the permission {words}" in error.message
    assert isinstance(await refusal(forge, personal(issues, "read"), WriteIssueComment(1, MARK)), IssuesForbidden)


async def test_no_token_of_a_sandbox_reaches_an_issue(forge: GitHubForge, issues: Place) -> None:
    pair = await forge.do(issues.by_app, MintTokenPair())
    for token in (pair.read, pair.write):
        repo = RepositoryRef(issues.url, InstallationToken(token))
        for operation in (GetIssue(1), WriteIssueComment(1, MARK)):
            assert isinstance(await refusal(forge, repo, operation), CredentialsRefused)
    assert f"{issues.name}#1" not in issues.control.counters().comments_created


async def test_a_token_that_was_revoked_is_minted_again_for_issues_too(forge: GitHubForge, issues: Place) -> None:
    await forge.do(issues.by_app, GetIssue(1))
    await forge.do(issues.by_app, GetRepository())
    account = issues.name.partition("/")[0]
    number = issues.control.install_app(account, {**PERMISSIONS, "issues": "write"})  # type: ignore[dict-item]
    issues.control.expire_installation(number)
    for operation in (GetIssue(1), GetRepository(), WriteIssueComment(1, MARK)):
        await forge.do(issues.by_app, operation)
