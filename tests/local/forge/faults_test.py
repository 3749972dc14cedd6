"""Faults on demand: what the client sees, and what was done all the same."""

from __future__ import annotations

from http.client import RemoteDisconnected

import pytest
import requests
from github import BadCredentialsException, GithubException, RateLimitExceededException

from codecourier.local.forge.control import ForgeControlError
from tests.support.forge import ForgeRepository, GitFailedError

pytestmark = pytest.mark.forge


def rest(repository: ForgeRepository, rest_of_path: str) -> str:
    """Return a fault's path for one repository, so that tests on one forge leave each other alone."""
    return f"^/api/v3/repos/{repository.full_name}{rest_of_path}"


def git_path(repository: ForgeRepository, service: str) -> str:
    return f"^/{repository.full_name}.git/{service}$"


def test_errors_are_answered_as_often_as_asked(repository: ForgeRepository) -> None:
    control, token = repository.control, repository.token()
    control.answer_with(502, method="GET", path=rest(repository, "/branches"), times=2, passes=1, message="Bad Gateway")
    statuses = [repository.api("GET", "/branches", token).status for _ in range(4)]
    assert statuses == [200, 502, 502, 200]
    assert repository.api("GET", "/pulls", token).status == 200
    hits = {key: count for key, count in control.counters().faults.items() if repository.full_name in key}
    assert hits == {f"answer GET /api/v3/repos/{repository.full_name}/branches": 2}


def test_error_replaces_the_work(repository: ForgeRepository) -> None:
    repository.branch("work")
    repository.control.answer_with(500, method="POST", path=rest(repository, "/pulls$"))
    with pytest.raises(GithubException) as failure:
        repository.github().create_pull(base="main", head="work", title="Title")
    assert failure.value.status == 500
    assert repository.count("pulls_created") == {}
    assert repository.github().create_pull(base="main", head="work", title="Title").number == 1


def test_retry_after_is_sent(repository: ForgeRepository) -> None:
    path = rest(repository, "")
    repository.control.answer_with(429, method="GET", path=path, message="Slow down", retry_after_seconds=17)
    answer = repository.api("GET", "", repository.token())
    assert (answer.status, answer.headers["retry-after"], answer.body["message"]) == (429, "17", "Slow down")


def test_secondary_limit_is_recognised_by_pygithub(repository: ForgeRepository) -> None:
    github = repository.github()
    repository.control.limit_secondary(method="GET", path=rest(repository, "/pulls"), retry_after_seconds=30)
    with pytest.raises(RateLimitExceededException) as failure:
        list(github.get_pulls())
    assert failure.value.status == 403
    assert (failure.value.headers or {})["retry-after"] == "30"


def test_lost_answer_leaves_the_pull_request(repository: ForgeRepository) -> None:
    repository.branch("work")
    github = repository.github()
    repository.control.lose_answer(method="POST", path=rest(repository, "/pulls$"))
    with pytest.raises(requests.ConnectionError):
        github.create_pull(base="main", head="work", title="Title")
    assert [pull.title for pull in github.get_pulls()] == ["Title"]
    assert repository.count("pulls_created") == {"": 1}


def test_lost_answer_leaves_the_merge(repository: ForgeRepository) -> None:
    repository.branch("work")
    pull = repository.github().create_pull(base="main", head="work", title="Title")
    repository.control.lose_answer(method="PUT", path=rest(repository, "/pulls/1/merge"))
    with pytest.raises(requests.ConnectionError):
        pull.merge()
    assert repository.github().get_pull(1).merged
    assert repository.count("merges") == {"#1": 1}


def test_lost_answer_leaves_the_push(repository: ForgeRepository) -> None:
    token = repository.token()
    clone = repository.clone(token)
    sha = repository.commit(clone, {"new.txt": "new\n"})
    repository.control.lose_answer(method="POST", path=git_path(repository, "git-receive-pack"))
    with pytest.raises(GitFailedError):
        repository.git("push", "origin", "HEAD:refs/heads/work", token=token, folder=clone)
    assert repository.tip("refs/heads/work") == sha
    assert repository.count("pushes") == {"refs/heads/work": 1}
    repository.git("push", "--quiet", "origin", "HEAD:refs/heads/work", token=token, folder=clone)
    assert repository.count("pushes") == {"refs/heads/work": 1}


def test_lost_answer_leaves_the_token_minted(repository: ForgeRepository) -> None:
    installation = repository.control.install_app(repository.owner, {"contents": "read"})
    token = repository.app_token(installation)
    repository.control.lose_answer(method="DELETE", path="^/api/v3/installation/token$")
    with pytest.raises(RemoteDisconnected):
        repository.forge.request("DELETE", "/api/v3/installation/token", authorization=f"Bearer {token}")
    with pytest.raises(BadCredentialsException):
        repository.github(token)


def test_lost_request_does_nothing(repository: ForgeRepository) -> None:
    token = repository.token()
    clone = repository.clone(token)
    repository.commit(clone, {"new.txt": "new\n"})
    repository.control.lose_request(method="POST", path=git_path(repository, "git-receive-pack"))
    with pytest.raises(GitFailedError):
        repository.git("push", "origin", "HEAD:refs/heads/work", token=token, folder=clone)
    assert repository.tip("refs/heads/work") is None
    assert repository.count("pushes") == {}


@pytest.mark.parametrize("service", ["info/refs", "git-upload-pack"])
def test_clone_meets_a_server_error(repository: ForgeRepository, service: str) -> None:
    repository.control.answer_with(503, method="GET|POST", path=git_path(repository, service))
    with pytest.raises(GitFailedError, match="503"):
        repository.clone(repository.token())
    assert repository.count("clones") == {}
    repository.clone(repository.token())


def test_push_is_refused_by_a_hook(repository: ForgeRepository) -> None:
    token = repository.token()
    clone = repository.clone(token)
    repository.commit(clone, {"new.txt": "new\n"})
    repository.control.refuse_pushes(repository.full_name, "The policy of this house forbids it.")
    with pytest.raises(GitFailedError) as failure:
        repository.git("push", "origin", "HEAD:refs/heads/work", token=token, folder=clone)
    assert "remote: The policy of this house forbids it." in str(failure.value)
    assert "[remote rejected] HEAD -> work (pre-receive hook declined)" in str(failure.value)
    assert repository.count("pushes") == {}
    repository.git("push", "--quiet", "origin", "HEAD:refs/heads/work", token=token, folder=clone)


def test_delay_changes_nothing_else(repository: ForgeRepository) -> None:
    repository.control.delay(0.01, method="GET", path=rest(repository, "$"))
    assert repository.api("GET", "", repository.token()).status == 200
    assert repository.control.pending_faults() == []


def test_faults_are_listed_and_cleared(repository: ForgeRepository) -> None:
    control = repository.control
    number = control.lose_answer(method="GET", path=rest(repository, ""), times=3)
    assert [fault["times"] for fault in control.pending_faults() if fault["id"] == number] == [3]
    assert control.clear_faults(number) == 1
    assert repository.api("GET", "", repository.token()).status == 200


def test_control_says_what_is_wrong(repository: ForgeRepository) -> None:
    control = repository.control
    with pytest.raises(ForgeControlError, match="there is no repository nobody/nothing"):
        control.pushes("nobody/nothing")
    with pytest.raises(ForgeControlError, match="already exists"):
        control.create_repository(repository.full_name, {})
    with pytest.raises(ForgeControlError, match="no name of the form owner/name"):
        control.create_repository("../etc", {})
    with pytest.raises(ForgeControlError, match="unterminated"):
        control.lose_answer(method="GET", path="(")
    answer = repository.forge.request("POST", "/_control/counters", authorization="Bearer wrong")
    assert answer.status == 401
