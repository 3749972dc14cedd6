"""Issues and their comments: one sequence with pull requests, and what becomes of an issue that moves or goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from codecourier.local.forge.control import ForgeControlError, Permissions
from tests.support.forge import Answer, ForgeRepository, new_repository

pytestmark = pytest.mark.forge

WRITE: Permissions = {"issues": "write"}


def get(repository: ForgeRepository, path: str, permissions: Permissions = WRITE) -> Answer:
    return repository.api("GET", path, repository.token(permissions))


def send(repository: ForgeRepository, method: str, path: str, body: Any) -> Answer:
    return repository.api(method, path, repository.token(WRITE, login="bob"), body)


def follow(repository: ForgeRepository, answer: Answer, token: str) -> Answer:
    path = answer.headers["location"].removeprefix(repository.forge.address.base_url)
    return repository.forge.request("GET", path, authorization=f"Bearer {token}")


def test_issues_and_pull_requests_share_their_numbers(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    assert control.create_issue(name) == 1
    repository.branch("work")
    pull = repository.github().create_pull(base="main", head="work", title="Work", body="Text")
    assert pull.number == 2
    assert control.create_issue(name) == 3
    control.delete_issue(name, 3)
    assert control.create_issue(name) == 4, "no number is used twice"
    assert "pull_request" not in get(repository, "/issues/1").body
    as_issue = get(repository, "/issues/2").body
    assert (as_issue["title"], as_issue["pull_request"]["html_url"]) == ("Work", pull.html_url)
    assert as_issue["html_url"] == pull.html_url
    made = send(repository, "POST", "/issues/2/comments", {"body": "Good."})
    assert (made.status, made.body["issue_url"]) == (201, as_issue["url"])


def test_an_issue_is_closed_reopened_edited_and_locked(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    number = control.create_issue(name, title="Old", body=None, login=None)
    assert get(repository, "/issues/1").body["user"] is None, "as for an account that was deleted"
    control.change_issue(name, number, state="closed", title="New", body="Text", locked=True)
    found = get(repository, "/issues/1").body
    assert (found["state"], found["title"], found["body"], found["locked"]) == ("closed", "New", "Text", True)
    assert found["closed_at"]
    control.change_issue(name, number, state="open", locked=False)
    found = get(repository, "/issues/1").body
    assert (found["state"], found["closed_at"], found["locked"], found["title"]) == ("open", None, False, "New")
    with pytest.raises(ForgeControlError):
        control.change_issue(name, number, state="done")  # type: ignore[arg-type]


def test_a_comment_is_made_changed_and_deleted(repository: ForgeRepository) -> None:
    repository.control.create_issue(repository.full_name)
    made = send(repository, "POST", "/issues/1/comments", {"body": "One."})
    assert (made.status, made.body["user"]["login"]) == (201, "bob")
    path = f"/issues/comments/{made.body['id']}"
    assert send(repository, "PATCH", path, {"body": "Two."}).body["body"] == "Two."
    assert get(repository, path).body["html_url"].endswith(f"/issues/1#issuecomment-{made.body['id']}")
    assert get(repository, "/issues/1").body["comments"] == 1
    assert send(repository, "DELETE", path, None).status == 204
    assert get(repository, path).status == 404
    for body in ({}, {"body": ""}, {"body": "x" * 65537}):
        assert send(repository, "POST", "/issues/1/comments", body).status == 422
    assert repository.count("comments_created") == {"#1": 1}


def test_comments_are_listed_oldest_first_in_pages_since_a_time(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    control.create_issue(name)
    ids = [control.comment_issue(name, 1, f"{number}") for number in range(5)]
    first = get(repository, "/issues/1/comments?per_page=2")
    assert [item["id"] for item in first.body] == ids[:2]
    assert 'rel="next"' in first.headers["link"]
    assert [item["id"] for item in get(repository, "/issues/1/comments?per_page=2&page=3").body] == ids[4:]
    updated = datetime.fromisoformat(first.body[0]["updated_at"])
    for moved, count in ((timedelta(), 5), (timedelta(hours=1), 0)):
        since = (updated + moved).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert len(get(repository, f"/issues/1/comments?since={since}").body) == count
    assert get(repository, "/issues/1/comments?since=yesterday").status == 422


def test_a_locked_issue_takes_no_comment(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    control.create_issue(name)
    comment = control.comment_issue(name, 1, "Before.")
    control.change_issue(name, 1, locked=True)
    for method, path, verb in (("POST", "1/comments", "create"), ("PATCH", f"comments/{comment}", "update")):
        answer = send(repository, method, f"/issues/{path}", {"body": "After."})
        assert (answer.status, answer.body["message"]) == (403, f"Unable to {verb} comment because issue is locked.")
    assert repository.count("comments_created") == {"#1": 1}


def test_a_deleted_issue_is_gone_with_its_comments(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    control.create_issue(name)
    comment = control.comment_issue(name, 1, "Before.")
    control.delete_issue(name, 1)
    for path in ("/issues/1", "/issues/1/comments"):
        answer = get(repository, path)
        assert (answer.status, answer.body["message"]) == (410, "This issue was deleted")
    assert send(repository, "POST", "/issues/1/comments", {"body": "After."}).status == 410
    assert get(repository, f"/issues/comments/{comment}").status == 404


def test_a_transferred_issue_is_redirected_for_those_who_see_where_it_is(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    other = new_repository(repository.forge, repository.folder, owner=repository.owner)
    control.create_issue(other.full_name)
    control.create_issue(name, title="Moves")
    comment = control.comment_issue(name, 1, "Moves too.")
    assert control.transfer_issue(name, 1, other.full_name) == 2
    assert get(repository, "/issues/1").status == 404
    assert get(repository, f"/issues/comments/{comment}").status == 404
    both = control.create_token("alice", [name, other.full_name], WRITE)
    answer = repository.api("GET", "/issues/1", both)
    assert (answer.status, answer.body["message"]) == (301, "Moved Permanently")
    assert answer.headers["location"].endswith(f"/api/v3/repositories/{other.id}/issues/2")
    moved = follow(repository, answer, both).body
    assert (moved["title"], moved["comments"]) == ("Moves", 1)
    assert moved["html_url"].endswith(f"/{other.full_name}/issues/2")


def test_issues_can_be_disabled(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    control.create_issue(name)
    control.set_issues(name, enabled=False)
    assert get(repository, "").body["has_issues"] is False
    answer = get(repository, "/issues/1")
    assert (answer.status, answer.body["message"]) == (410, "Issues are disabled for this repo")
    control.set_issues(name, enabled=True)
    assert get(repository, "/issues/1").status == 200


def test_a_renamed_repository_is_found_by_its_old_name_through_redirects(repository: ForgeRepository) -> None:
    control, name = repository.control, repository.full_name
    control.create_issue(name)
    token = repository.token(WRITE)
    renamed = control.rename_repository(name, f"{name.partition('/')[2]}-new")
    for path in ("", "/issues/1", "/issues/1/comments?per_page=5"):
        answer = repository.api("GET", path, token)
        assert answer.status == 301
        assert answer.headers["location"].endswith(f"/repositories/{repository.id}{path}")
        assert follow(repository, answer, token).status == 200
    assert follow(repository, repository.api("GET", "", token), token).body["full_name"] == renamed
    assert repository.api("POST", "/issues/1/comments", token, {"body": "x"}).status == 307
    assert repository.api("GET", "/issues/1", None).status == 404, "a private repository does not show that it moved"
    assert repository.forge.request("GET", f"/api/v3/repos/{renamed}/branches/main").status == 404
    with pytest.raises(ForgeControlError, match="already exists"):
        control.rename_repository(renamed, renamed.partition("/")[2])


def test_what_is_unknown_is_not_found(repository: ForgeRepository) -> None:
    for path in ("/issues/1", "/issues/x", "/issues/1/comments", "/issues/comments/1", "/issues/comments/x"):
        assert get(repository, path).status == 404
    for operation in (repository.control.delete_issue, repository.control.change_issue):
        with pytest.raises(ForgeControlError, match="no issue 7"):
            operation(repository.full_name, 7)
