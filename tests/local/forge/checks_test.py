"""Commits, statuses, check runs and check suites."""

from __future__ import annotations

import pytest
from github import GithubException
from github.GithubObject import GithubObject
from github.Repository import Repository

from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge


@pytest.fixture
def app(repository: ForgeRepository) -> Repository:
    """Return the repository as an installation with checks sees it."""
    granted = {"contents": "read", "checks": "write", "statuses": "write"}
    installation = repository.control.install_app(repository.owner, granted)  # type: ignore[arg-type]
    return repository.github(repository.control.mint_token(installation))


def values(obj: GithubObject, *names: str) -> list[object]:
    """Return fields as they were answered: PyGithub's types do not know that some may be null."""
    return [obj._rawData[name] for name in names]


def test_commits_are_listed(repository: ForgeRepository) -> None:
    sha = repository.branch("work", {"README.md": "Changed.\nTwice.\n"})
    github = repository.github()
    assert [commit.sha for commit in github.get_commits(sha="work")] == [sha, repository.sha]
    assert [commit.sha for commit in github.get_commits(path="src")] == [repository.sha]
    commit = github.get_commit("work")
    assert (commit.commit.message, commit.commit.author.name) == ("Work on work", repository.owner)
    assert (commit.stats.additions, commit.stats.deletions) == (2, 1)
    assert [file.filename for file in github.get_commit(repository.sha).files] == ["README.md", "src/greet.py"]
    answer = repository.api("GET", "/commits/nothing", repository.token())
    assert (answer.status, answer.body["message"]) == (422, "No commit found for SHA: nothing")


def test_newest_status_of_a_context_counts(repository: ForgeRepository) -> None:
    commit = repository.github().get_commit("main")
    assert (commit.get_combined_status().state, commit.get_combined_status().total_count) == ("pending", 0)
    commit.create_status("pending", context="build", description="runs", target_url="https://ci.example/1")
    commit.create_status("success", context="lint")
    assert commit.get_combined_status().state == "pending"
    commit.create_status("success", context="build")
    combined = commit.get_combined_status()
    assert (combined.state, {status.context: status.state for status in combined.statuses}) == (
        "success", {"build": "success", "lint": "success"},
    )  # fmt: skip
    commit.create_status("error", context="lint")
    assert commit.get_combined_status().state == "failure"
    assert [status.state for status in commit.get_statuses()] == ["error", "success", "success", "pending"]
    with pytest.raises(GithubException) as failure:
        commit.create_status("green")
    assert failure.value.status == 422


def test_check_run_is_made_and_completed(repository: ForgeRepository, app: Repository) -> None:
    run = app.create_check_run("build", repository.sha, status="in_progress")
    assert values(run, "status", "conclusion", "completed_at") == ["in_progress", None, None]
    [suite] = app.get_commit("main").get_check_suites()
    assert values(suite, "status", "conclusion", "head_branch") == ["in_progress", None, "main"]
    run.edit(conclusion="failure", output={"title": "Broken", "summary": "One test failed"})
    [read] = app.get_commit("main").get_check_runs()
    assert (read.id, read.status, read.conclusion, read.output.title) == (run.id, "completed", "failure", "Broken")
    assert app.get_check_run(run.id).conclusion == "failure"
    [suite] = app.get_commit("main").get_check_suites()
    assert (suite.status, suite.conclusion) == ("completed", "failure")
    app.create_check_run("build", repository.sha, conclusion="success")
    assert [found.conclusion for found in app.get_commit("main").get_check_runs()] == ["success"]
    assert [found.conclusion for found in app.get_commit("main").get_check_runs(check_name="lint")] == []


def test_check_suite_without_runs_is_queued(repository: ForgeRepository, app: Repository) -> None:
    made = app.create_check_suite(repository.sha)
    assert values(made, "status", "conclusion", "latest_check_runs_count") == ["queued", None, 0]
    assert app.create_check_suite(repository.sha).id == made.id


def test_check_run_of_nonsense_is_refused(repository: ForgeRepository, app: Repository) -> None:
    token = repository.control.mint_token(
        repository.control.install_app(repository.owner, {"contents": "read", "checks": "write"})
    )
    for sent in ({"conclusion": "great"}, {"status": "done"}, {"status": "completed"}):
        answer = repository.api("POST", "/check-runs", token, {"name": "build", "head_sha": repository.sha, **sent})
        assert answer.status == 422
    assert list(app.get_commit("main").get_check_runs()) == []


def test_checks_decide_about_the_state_of_a_pull(repository: ForgeRepository) -> None:
    sha = repository.branch("work")
    github = repository.github()
    github.create_pull(base="main", head="work", title="Title")
    repository.control.set_check_run(repository.full_name, sha, "build", status="in_progress", conclusion=None)
    assert github.get_pull(1).mergeable_state == "unstable"
    repository.control.set_check_run(repository.full_name, sha, "build")
    assert github.get_pull(1).mergeable_state == "clean"
    repository.control.set_check_run(repository.full_name, sha, "build", conclusion="timed_out")
    assert github.get_pull(1).mergeable_state == "unstable"
