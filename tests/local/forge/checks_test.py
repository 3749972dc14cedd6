"""Statuses and check runs, and what they mean for a pull request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge


@pytest.fixture
def token(repository: ForgeRepository) -> str:
    """Return a token of an installation that may write checks."""
    granted = {"contents": "read", "checks": "write", "statuses": "write"}
    return repository.app_token(repository.control.install_app(repository.owner, granted))  # type: ignore[arg-type]


def set_run(repository: ForgeRepository, token: str, sha: str, name: str = "build", **fields: object) -> Any:
    answer = repository.api("POST", "/check-runs", token, {"name": name, "head_sha": sha, **fields})
    assert answer.status == 201, answer
    return answer.body


def runs(repository: ForgeRepository, token: str, query: str = "") -> list[tuple[str, str, str | None]]:
    found = repository.api("GET", f"/commits/main/check-runs{query}", token).body["check_runs"]
    return [(run["name"], run["status"], run["conclusion"]) for run in found]


def test_newest_status_of_a_context_counts(repository: ForgeRepository) -> None:
    def combined() -> tuple[str, dict[str, str]]:
        body = repository.api("GET", "/commits/main/status", repository.token()).body
        return body["state"], {status["context"]: status["state"] for status in body["statuses"]}

    assert combined() == ("pending", {})
    repository.set_status(repository.sha, "pending")
    repository.set_status(repository.sha, "success", "lint")
    assert combined()[0] == "pending"
    repository.set_status(repository.sha, "success")
    assert combined() == ("success", {"build": "success", "lint": "success"})
    repository.set_status(repository.sha, "error", "lint")
    assert combined()[0] == "failure"
    assert repository.set_status(repository.sha, "green").status == 422


def test_check_run_is_made_and_completed(repository: ForgeRepository, token: str) -> None:
    run = set_run(repository, token, repository.sha, status="in_progress")
    assert (run["status"], run["conclusion"], run["completed_at"]) == ("in_progress", None, None)
    body = {"conclusion": "failure", "output": {"title": "Broken", "summary": "One test failed"}}
    changed = repository.api("PATCH", f"/check-runs/{run['id']}", token, body).body
    assert (changed["id"], changed["output"]["title"]) == (run["id"], "Broken")
    assert runs(repository, token) == [("build", "completed", "failure")]
    set_run(repository, token, repository.sha, conclusion="success")
    assert runs(repository, token) == [("build", "completed", "success")]
    assert runs(repository, token, "?check_name=lint") == []
    assert repository.api("PATCH", "/check-runs/99999", token, body).status == 404


def test_check_run_of_nonsense_is_refused(repository: ForgeRepository, token: str) -> None:
    for sent in ({"conclusion": "great"}, {"status": "done"}, {"status": "completed"}):
        answer = repository.api("POST", "/check-runs", token, {"name": "build", "head_sha": repository.sha, **sent})
        assert answer.status == 422
    assert runs(repository, token) == []


def test_commit_that_does_not_exist_is_named(repository: ForgeRepository) -> None:
    answer = repository.api("GET", "/commits/nothing/status", repository.token())
    assert (answer.status, answer.body["message"]) == (422, "No commit found for SHA: nothing")


def test_checks_decide_about_the_state_of_a_pull(repository: ForgeRepository, token: str) -> None:
    sha = repository.branch("work")
    github = repository.github()
    github.create_pull(base="main", head="work", title="Title")
    set_run(repository, token, sha, status="in_progress")
    assert github.get_pull(1).mergeable_state == "unstable"
    set_run(repository, token, sha, conclusion="success")
    assert github.get_pull(1).mergeable_state == "clean"
    set_run(repository, token, sha, conclusion="timed_out")
    assert github.get_pull(1).mergeable_state == "unstable"


def test_suites_tell_of_apps_that_have_not_begun(repository: ForgeRepository, token: str) -> None:
    control, name, sha = repository.control, repository.full_name, repository.sha

    def suites(query: str = "") -> dict[str, tuple[str, str | None, int]]:
        found = repository.api("GET", f"/commits/{sha}/check-suites{query}", token).body["check_suites"]
        return {
            suite["app"]["slug"]: (suite["status"], suite["conclusion"], suite["latest_check_runs_count"])
            for suite in found
        }

    control.create_suite(name, sha, app="late")
    control.set_check(name, sha, name="lint", conclusion="success")
    assert suites() == {"late": ("queued", None, 0), "github-actions": ("completed", "success", 1)}
    control.set_check(name, sha, name="test")
    assert suites()["github-actions"] == ("in_progress", None, 2)
    control.set_check(name, sha, name="test", conclusion="failure", text="1 failed")
    assert suites("?app_id=15368") == {"github-actions": ("completed", "failure", 2)}
    assert list(suites("?check_name=test")) == ["github-actions"]
    (run,) = repository.api("GET", f"/commits/{sha}/check-runs?check_name=test&app_id=15368", token).body["check_runs"]
    assert (run["output"]["text"], run["app"]["id"]) == ("1 failed", 15368)


def test_same_name_of_two_apps_is_two_runs(repository: ForgeRepository, token: str) -> None:
    for app, conclusion in (("one", "failure"), ("two", "success")):
        repository.control.set_check(repository.full_name, repository.sha, app=app, conclusion=conclusion)  # type: ignore[arg-type]
    assert sorted(runs(repository, token)) == [("build", "completed", "failure"), ("build", "completed", "success")]


def test_fine_grained_token_may_not_see_checks(repository: ForgeRepository) -> None:
    answer = repository.api("GET", "/commits/main/check-runs", repository.token())
    assert (answer.status, answer.body["message"]) == (403, "Resource not accessible by personal access token")


def test_pygithub_reads_checks(repository: ForgeRepository, token: str) -> None:
    repository.control.set_check(repository.full_name, repository.sha, conclusion="success")
    commit = repository.github(token).get_commit(repository.sha)
    assert [(run.name, run.conclusion) for run in commit.get_check_runs()] == [("build", "success")]
    assert [suite.conclusion for suite in commit.get_check_suites()] == ["success"]
    assert repository.github().get_git_commit(repository.sha).tree.sha == commit.commit.tree.sha
