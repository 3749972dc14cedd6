"""What a branch asks of a merge: methods, checks by protection and rulesets, approvals, linear history."""

from __future__ import annotations

import pytest
from github import GithubException

from codecourier.local.forge.control import Permissions
from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge

READER: Permissions = {"contents": "read", "pull_requests": "write"}


@pytest.fixture
def head(repository: ForgeRepository) -> str:
    """Return the head of pull request 1."""
    sha = repository.branch("work")
    repository.github().create_pull(base="main", head="work", title="Title")
    return sha


def refusal(repository: ForgeRepository, method: str = "merge") -> str:
    """Return why the pull request is not merged."""
    with pytest.raises(GithubException) as failure:
        repository.github().get_pull(1).merge(merge_method=method)
    assert failure.value.status == 405
    assert repository.tip("refs/heads/main") == repository.sha
    return str(failure.value.message)


@pytest.mark.usefixtures("head")
def test_methods_are_those_of_the_repository(repository: ForgeRepository) -> None:
    repository.control.set_merging(repository.full_name, allow_merge_commit=False, allow_rebase_merge=False)
    assert refusal(repository) == "Merge commits are not allowed on this repository."
    assert refusal(repository, "rebase") == "Rebase merges are not allowed on this repository."
    github = repository.github()
    assert (github.allow_merge_commit, github.allow_squash_merge, github.allow_rebase_merge) == (False, True, False)
    assert repository.api("GET", "", repository.token(READER)).body.get("allow_squash_merge") is None
    assert github.get_pull(1).merge(merge_method="squash").merged


@pytest.mark.usefixtures("head")
def test_linear_history_takes_no_merge_commit(repository: ForgeRepository) -> None:
    rules = repository.control.add_rules(repository.full_name, "main", linear_history=True)
    assert "must not contain merge commits" in refusal(repository)
    repository.control.remove_rules(rules)
    repository.control.add_rules(repository.full_name, "main", merge_methods=["squash"])
    assert "Rebase merges are not allowed for this branch" in refusal(repository, "rebase")
    assert repository.github().get_pull(1).merge(merge_method="squash").merged


def test_checks_of_protection_and_rulesets_hold_together(repository: ForgeRepository, head: str) -> None:
    control, name = repository.control, repository.full_name
    control.protect(name, "main", required_checks=["build"])
    control.add_rules(name, "main", required_checks=["lint", ("test", 15368)])
    control.set_status(name, head, "success")
    assert refusal(repository) == 'Required status check "lint" is expected.'
    control.set_check(name, head, name="lint", app="other", status="in_progress")
    assert refusal(repository) == 'Required status check "lint" is pending.'
    control.set_check(name, head, name="lint", app="other", conclusion="failure", title="2 problems")
    assert refusal(repository) == 'Required status check "lint" is failing.'
    control.set_check(name, head, name="lint", app="other", conclusion="neutral")
    control.set_check(name, head, name="test", app="other", conclusion="success")
    assert refusal(repository) == 'Required status check "test" is expected.'
    assert repository.github().get_pull(1).mergeable_state == "blocked"
    control.set_check(name, head, name="test", conclusion="success")
    assert repository.github().get_pull(1).mergeable_state == "clean"
    assert repository.github().get_pull(1).merge().merged


def test_rules_are_read(repository: ForgeRepository, head: str) -> None:
    control, name = repository.control, repository.full_name
    number = control.add_rules(
        name, "main", required_checks=["lint", ("test", 15368)], strict=True, required_approvals=1
    )
    rules = repository.api("GET", "/rules/branches/main", repository.token({"contents": "read"})).body
    assert [rule["type"] for rule in rules] == ["pull_request", "required_status_checks"]
    assert {rule["ruleset_id"] for rule in rules} == {number}
    assert rules[1]["parameters"] == {
        "strict_required_status_checks_policy": True,
        "required_status_checks": [{"context": "lint"}, {"context": "test", "integration_id": 15368}],
    }
    assert repository.api("GET", "/rules/branches/none", repository.token()).body == []


def test_protection_is_for_those_who_administer(repository: ForgeRepository) -> None:
    branch = repository.github().get_branch("main")
    with pytest.raises(GithubException) as failure:
        branch.get_protection()
    assert (failure.value.status, failure.value.message) == (404, "Branch not protected")
    repository.control.protect(
        repository.full_name, "main", required_checks=["build"], linear_history=True, required_approvals=2
    )
    protection = branch.get_protection()
    assert protection.required_status_checks.contexts == ["build"]
    assert protection.required_linear_history
    assert protection.required_pull_request_reviews.required_approving_review_count == 2
    with pytest.raises(GithubException) as failure:
        repository.github(repository.token(READER)).get_branch("main").get_protection()
    assert failure.value.status == 403


def test_merged_branch_is_deleted_where_asked(repository: ForgeRepository, head: str) -> None:
    repository.branch("next", start="work")
    repository.github().create_pull(base="work", head="next", title="Next")
    repository.control.set_merging(repository.full_name, delete_branch_on_merge=True)
    assert repository.github().get_pull(1).merge(sha=head).merged
    assert repository.tip("refs/heads/work") is None
    read = repository.github().get_pull(2)
    assert (read.state, read.base.ref) == ("open", "main")


@pytest.mark.usefixtures("head")
def test_bad_gateway_after_the_merge(repository: ForgeRepository) -> None:
    repository.control.answer_after(502, method="PUT", path=f"{repository.full_name}/pulls/1/merge$")
    with pytest.raises(GithubException) as failure:
        repository.github().get_pull(1).merge()
    assert failure.value.status == 502
    assert repository.github().get_pull(1).merged
    assert repository.count("merges") == {"#1": 1}
