"""Reviews, comments on lines, and what users may do."""

from __future__ import annotations

import pytest
from github import GithubException

from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge


@pytest.fixture
def head(repository: ForgeRepository) -> str:
    """Return the head of pull request 1."""
    sha = repository.branch("work")
    repository.github().create_pull(base="main", head="work", title="Title")
    return sha


def test_only_writers_approve(repository: ForgeRepository, head: str) -> None:
    control, name = repository.control, repository.full_name
    control.add_rules(name, "main", required_approvals=1)
    control.review(name, 1, login="stranger", state="APPROVED")
    assert repository.github().get_pull(1).mergeable_state == "blocked"
    control.set_collaborator(name, "bob", "write")
    control.review(name, 1, login="bob", state="CHANGES_REQUESTED", body="No")
    with pytest.raises(GithubException, match="Changes have been requested") as failure:
        repository.github().get_pull(1).merge()
    assert failure.value.status == 405
    repository.github(repository.token(login="bob")).get_pull(1).create_review(event="APPROVE")
    assert [review.state for review in repository.github().get_pull(1).get_reviews()] == [
        "APPROVED", "CHANGES_REQUESTED", "APPROVED",
    ]  # fmt: skip
    assert repository.github().get_pull(1).merge(sha=head).merged


def test_comments_on_lines_are_read(repository: ForgeRepository, head: str) -> None:
    control, name = repository.control, repository.full_name
    control.set_collaborator(name, "bob", "write")
    said = [{"path": "work.txt", "line": 1, "body": "Why?"}]
    review = control.review(name, 1, login="bob", body="See below", comments=said)
    control.review(name, 1, login="stranger", comments=[{"path": "work.txt", "line": 1, "body": "Spam"}])
    first, second = repository.github().get_pull(1).get_review_comments()
    assert (first.body, first.path, first.commit_id, first.pull_request_review_id) == ("Why?", "work.txt", head, review)
    found = repository.api("GET", "/pulls/1/comments", repository.token()).body
    assert [comment["author_association"] for comment in found] == ["COLLABORATOR", "NONE"]
    github = repository.github()
    logins = (first.user.login, second.user.login, repository.owner)
    assert [github.get_collaborator_permission(login) for login in logins] == ["write", "none", "admin"]
    with pytest.raises(GithubException) as failure:
        github.get_collaborator_permission("unknown-user")
    assert failure.value.status == 404


def test_review_of_ones_own_is_refused(repository: ForgeRepository, head: str) -> None:
    assert head
    sent = [{"event": "APPROVE"}, {"event": "PRAISE", "body": "x"}, {"event": "COMMENT"}]
    sent.append({"event": "COMMENT", "comments": [{"path": "work.txt"}]})  # type: ignore[dict-item]
    for body in sent:
        assert repository.api("POST", "/pulls/1/reviews", repository.token(), body).status == 422
