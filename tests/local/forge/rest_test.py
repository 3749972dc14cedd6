"""What holds for every REST call: permissions, pages of lists, rate limits, shapes of errors."""

from __future__ import annotations

import re
from typing import Any

import pytest
from github import GithubException, RateLimitExceededException

from codecourier.local.forge.control import ForgeControlError, Permissions
from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge

NEEDED: list[tuple[str, str, dict[str, Any] | None, Permissions]] = [
    ("GET", "", None, {}),
    ("GET", "/branches", None, {"contents": "read"}),
    ("GET", "/branches/main", None, {"contents": "read"}),
    ("GET", "/branches/main/protection", None, {"administration": "read"}),
    ("GET", "/git/ref/heads/main", None, {"contents": "read"}),
    ("POST", "/git/refs", {"ref": "refs/heads/new", "sha": "{sha}"}, {"contents": "write"}),
    ("PATCH", "/git/refs/heads/work", {"sha": "{sha}", "force": True}, {"contents": "write"}),
    ("DELETE", "/git/refs/heads/work", None, {"contents": "write"}),
    ("GET", "/commits/main/status", None, {"statuses": "read"}),
    ("POST", "/statuses/{sha}", {"state": "success"}, {"statuses": "write"}),
    ("GET", "/pulls", None, {"pull_requests": "read"}),
    ("GET", "/issues/1", None, {"issues": "read"}),
    ("GET", "/issues/1/comments", None, {"issues": "read"}),
    ("POST", "/issues/1/comments", {"body": "Text"}, {"issues": "write"}),
    ("POST", "/pulls", {"title": "T", "head": "work", "base": "main"}, {"pull_requests": "write"}),
]
"""A call, and the least permission that it needs."""


@pytest.mark.parametrize(("method", "path", "body", "needed"), NEEDED, ids=[f"{row[0]} {row[1]}" for row in NEEDED])
def test_least_permission_is_enough_and_less_is_refused(
    repository: ForgeRepository, method: str, path: str, body: dict[str, Any] | None, needed: Permissions
) -> None:
    repository.branch("work")
    repository.control.protect(repository.full_name, "main")
    repository.control.create_issue(repository.full_name)
    path = path.format(sha=repository.sha)
    sent = body and {key: repository.sha if value == "{sha}" else value for key, value in body.items()}
    others: Permissions = {name: "write" for name in ("contents", "statuses", "issues") if name not in needed}
    if needed:
        less: Permissions = {**others, **{name: "read" for name, level in needed.items() if level == "write"}}
        answer = repository.api(method, path, repository.token(less), sent)
        assert (answer.status, answer.body["message"]) == (403, "Resource not accessible by personal access token")
    assert repository.api(method, path, repository.token(needed), sent).status in {200, 201, 204}


def test_what_a_token_may_not_see_is_not_found(repository: ForgeRepository) -> None:
    other = repository.control.create_repository(f"{repository.owner}/other", {"a.txt": "a\n"})
    token = repository.control.create_token("alice", [other.full_name], {"contents": "write"})
    for path in ("", "/branches", "/pulls"):
        for credential in (token, None):
            answer = repository.api("GET", path, credential)
            assert (answer.status, answer.body["message"]) == (404, "Not Found")


def test_unknown_credentials_and_routes(repository: ForgeRepository) -> None:
    answer = repository.api("GET", "", "github_pat_unknown")
    assert (answer.status, answer.body["message"], answer.body["documentation_url"]) == (
        401, "Bad credentials", "https://docs.github.com/rest",
    )  # fmt: skip
    assert repository.api("GET", "/nothing/of/this/kind", repository.token()).status == 404
    assert repository.api("PUT", "/branches", repository.token()).status == 404
    assert repository.forge.request("POST", f"/api/v3/repos/{repository.full_name}/pulls").status == 404


def test_personal_token_cannot_have_checks(repository: ForgeRepository) -> None:
    with pytest.raises(ForgeControlError, match="cannot have the permission checks"):
        repository.token({"checks": "read"})
    answer = repository.api("GET", "/commits/main/check-runs", repository.token())
    assert (answer.status, answer.body["message"]) == (403, "Resource not accessible by personal access token")


def test_body_must_be_json(repository: ForgeRepository) -> None:
    answer = repository.api("POST", "/pulls", repository.token(), b"{not json")
    assert (answer.status, answer.body["message"]) == (400, "Problems parsing JSON")
    answer = repository.api("POST", "/pulls", repository.token(), {"title": 1})
    assert answer.status == 422


def test_lists_are_paged_with_links(repository: ForgeRepository) -> None:
    names = [f"branch-{number}" for number in range(5)]
    for name in names:
        repository.branch(name)
    token = repository.token()
    first = repository.api("GET", "/branches?per_page=2", token)
    assert [branch["name"] for branch in first.body] == ["branch-0", "branch-1"]
    links = dict(reversed(link) for link in re.findall(r'<([^>]+)>; rel="(\w+)"', first.headers["link"]))
    assert set(links) == {"next", "last"}
    assert links["next"].endswith("per_page=2&page=2")
    last = repository.api("GET", "/branches?per_page=2&page=3", token)
    assert [branch["name"] for branch in last.body] == ["branch-4", "main"]
    assert 'rel="first"' in last.headers["link"]
    assert 'rel="next"' not in last.headers["link"]
    assert repository.api("GET", "/branches?per_page=2&page=9", token).body == []
    github = repository.forge.github(token)
    github.per_page = 2
    assert [found.name for found in github.get_repo(repository.full_name).get_branches()] == [*names, "main"]


def test_rate_limit_is_reported_and_expires(repository: ForgeRepository) -> None:
    token = repository.token()
    github = repository.forge.github(token)
    answer = repository.api("GET", "", token)
    assert {name: answer.headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "used", "resource")} == {
        "limit": "5000", "remaining": "4999", "used": "1", "resource": "core",
    }  # fmt: skip
    assert answer.headers["x-github-request-id"]
    repository.control.set_rate(token, limit=5000, remaining=1, reset_seconds=900)
    assert repository.api("GET", "", token).status == 200
    with pytest.raises(RateLimitExceededException) as failure:
        github.get_repo(repository.full_name)
    assert failure.value.status == 403
    assert (failure.value.headers or {})["x-ratelimit-remaining"] == "0"
    assert github.get_rate_limit().rate.remaining == 0
    repository.control.set_rate(token, limit=5000, remaining=0, reset_seconds=0)
    assert github.get_repo(repository.full_name).full_name == repository.full_name


def test_refs_are_made_moved_and_deleted(repository: ForgeRepository) -> None:
    token, ref = repository.token(), "heads/topic/one"

    def change(method: str, path: str, **body: object) -> tuple[int, str | None]:
        answer = repository.api(method, f"/git/refs{path}", token, body)
        return answer.status, (answer.body or {}).get("message")

    made = repository.api("POST", "/git/refs", token, {"ref": f"refs/{ref}", "sha": repository.sha})
    assert (made.status, made.body["ref"], made.body["object"]["sha"]) == (201, f"refs/{ref}", repository.sha)
    assert change("POST", "", ref=f"refs/{ref}", sha=repository.sha) == (422, "Reference already exists")
    sha = repository.branch("work")
    assert change("PATCH", f"/{ref}", sha=sha) == (200, None)
    assert repository.api("GET", f"/git/ref/{ref}", token).body["object"]["sha"] == sha
    assert change("PATCH", f"/{ref}", sha=repository.sha) == (422, "Update is not a fast forward")
    assert change("PATCH", f"/{ref}", sha=repository.sha, force=True) == (200, None)
    assert repository.github().get_branch("topic/one").commit.sha == repository.sha
    assert change("DELETE", f"/{ref}") == (204, None)
    assert change("DELETE", f"/{ref}") == (422, "Reference does not exist")
    answer = repository.api("GET", "/branches/topic/one", token)
    assert (answer.status, answer.body["message"]) == (404, "Branch not found")
    assert repository.api("GET", f"/git/ref/{ref}", token).status == 404
    changes = {f"{action} refs/{ref}": count for action, count in (("create", 1), ("update", 2), ("delete", 1))}
    assert repository.count("ref_writes") == changes


@pytest.mark.parametrize(
    ("ref", "sha"),
    [("main2", "{sha}"), ("refs/heads/x", "0123"), ("refs/heads/x", "f" * 40), ("refs/heads/a..b", "{sha}")],
)
def test_impossible_ref_is_refused(repository: ForgeRepository, ref: str, sha: str) -> None:
    body = {"ref": ref, "sha": sha.format(sha=repository.sha)}
    assert repository.api("POST", "/git/refs", repository.token(), body).status == 422
    assert repository.count("ref_writes") == {}


def test_refs_of_protected_branches_are_kept(repository: ForgeRepository) -> None:
    repository.branch("kept")
    repository.control.protect(repository.full_name, "kept")
    further = repository.branch("further", start="kept")
    token = repository.token()
    for method, branch, message in (
        ("PATCH", "kept", "Changes must be made through a pull request."),
        ("DELETE", "kept", "Cannot delete this protected branch"),
        ("DELETE", "main", "Cannot delete the default branch"),
    ):
        answer = repository.api(method, f"/git/refs/heads/{branch}", token, {"sha": further})
        assert (answer.status, answer.body["message"]) == (422, message)


def test_protection_is_read(repository: ForgeRepository) -> None:
    branch = repository.github().get_branch("main")
    assert not branch.protected
    with pytest.raises(GithubException, match="Branch not protected"):
        branch.get_protection()
    repository.control.protect(repository.full_name, "main", required_checks=["build"], strict=True)
    branch = repository.github().get_branch("main")
    checks = branch.get_required_status_checks()
    assert (branch.protected, checks.strict, checks.contexts) == (True, True, ["build"])
    assert branch.get_protection().required_status_checks.contexts == ["build"]
