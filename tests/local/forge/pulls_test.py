"""Pull requests, with PyGithub: opened once, true to their branches, merged for real."""

from __future__ import annotations

import pytest
from github import GithubException
from github.PullRequest import PullRequest

from codecourier.local.forge.control import Permissions
from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge


def opened(repository: ForgeRepository, head: str = "work", base: str = "main") -> PullRequest:
    return repository.github().create_pull(base=base, head=head, title=f"Title of {head}", body="Text")


def test_pull_is_opened(repository: ForgeRepository) -> None:
    sha = repository.branch("work", {"new.txt": "1\n2\n", "README.md": None})
    pull = opened(repository)
    assert (pull.number, pull.state, pull.title, pull.body, pull.user.login) == (
        1,
        "open",
        "Title of work",
        "Text",
        "alice",
    )
    assert (pull.head.sha, pull.head.ref, pull.base.sha, pull.base.ref) == (sha, "work", repository.sha, "main")
    assert (pull.mergeable, pull.mergeable_state, pull.merged, pull.draft) == (True, "clean", False, False)
    assert (pull.commits, pull.additions, pull.deletions, pull.changed_files) == (1, 2, 1, 2)
    assert repository.tip("refs/pull/1/head") == sha
    assert repository.count("pulls_created") == {"": 1}


def test_second_pull_for_a_pair_is_refused(repository: ForgeRepository) -> None:
    repository.branch("work")
    first = opened(repository)
    with pytest.raises(GithubException) as failure:
        opened(repository)
    assert failure.value.status == 422
    message = f"A pull request already exists for {repository.owner}:work."
    assert failure.value.data["errors"] == [{"resource": "PullRequest", "code": "custom", "message": message}]
    repository.branch("other-base")
    assert opened(repository, base="other-base").number == 2
    first.edit(state="closed")
    assert opened(repository).number == 3
    assert repository.count("pulls_created") == {"": 3}


@pytest.mark.parametrize(
    ("head", "base", "expected"),
    [
        ("missing", "main", {"field": "head", "code": "invalid"}),
        ("stranger:work", "main", {"field": "head", "code": "invalid"}),
        ("work", "missing", {"field": "base", "code": "invalid"}),
        ("main", "work", {"code": "custom", "message": "No commits between work and main"}),
    ],
)
def test_impossible_pull_is_refused(
    repository: ForgeRepository, head: str, base: str, expected: dict[str, str]
) -> None:
    repository.branch("work")
    with pytest.raises(GithubException) as failure:
        repository.github().create_pull(base=base, head=head, title="Title")
    assert failure.value.status == 422
    assert failure.value.data["errors"] == [{"resource": "PullRequest", **expected}]
    assert repository.count("pulls_created") == {}


def test_title_is_required(repository: ForgeRepository) -> None:
    repository.branch("work")
    answer = repository.api("POST", "/pulls", repository.token(), {"head": "work", "base": "main"})
    assert (answer.status, answer.body["message"]) == (422, 'Invalid request.\n\n"title" wasn\'t supplied.')


def test_list_is_filtered_and_sorted(repository: ForgeRepository) -> None:
    for name in ("one", "two", "three"):
        repository.branch(name)
        opened(repository, name)
    github = repository.github()
    github.get_pull(2).edit(state="closed")
    assert [pull.number for pull in github.get_pulls()] == [3, 1]
    assert [pull.number for pull in github.get_pulls(state="all", sort="created", direction="asc")] == [1, 2, 3]
    assert [pull.number for pull in github.get_pulls(state="closed")] == [2]
    owner = repository.owner
    assert [pull.number for pull in github.get_pulls(state="all", head=f"{owner}:two", base="main")] == [2]
    assert [pull.number for pull in github.get_pulls(state="all", head=f"{owner}:two", base="one")] == []
    assert [pull.number for pull in github.get_pulls(state="all", head="stranger:two")] == []


def test_pull_is_edited(repository: ForgeRepository) -> None:
    repository.branch("work")
    repository.branch("base")
    pull = opened(repository)
    pull.edit(title="New title", body="New text", base="base")
    read = repository.github().get_pull(1)
    assert (read.title, read.body, read.base.ref) == ("New title", "New text", "base")
    read.edit(state="closed")
    read.edit(state="open")
    assert (read.state, read.closed_at) == ("open", None)


def test_head_follows_the_branch(repository: ForgeRepository) -> None:
    repository.branch("work")
    opened(repository)
    token = repository.token()
    clone = repository.clone(token, "--branch", "work")
    sha = repository.commit(clone, {"more.txt": "more\n"})
    repository.git("push", "--quiet", "origin", "work", token=token, folder=clone)
    assert repository.tip("refs/pull/1/head") == sha
    assert repository.github().get_pull(1).head.sha == sha


def test_deleted_head_closes_and_keeps_the_sha(repository: ForgeRepository) -> None:
    sha = repository.branch("work")
    pull = opened(repository)
    assert repository.api("DELETE", "/git/refs/heads/work", repository.token()).status == 204
    read = repository.github().get_pull(1)
    assert (read.state, read.merged, read.head.sha) == ("closed", False, sha)
    with pytest.raises(GithubException) as failure:
        pull.edit(state="open")
    assert failure.value.status == 422


def test_push_of_the_commits_merges(repository: ForgeRepository) -> None:
    sha = repository.branch("work")
    opened(repository)
    token = repository.token()
    clone = repository.clone(token)
    repository.git("push", "--quiet", "origin", "origin/work:refs/heads/main", token=token, folder=clone)
    read = repository.github().get_pull(1)
    assert (read.state, read.merged, read.merge_commit_sha) == ("closed", True, sha)
    assert (repository.count("merges"), repository.count("merges_by_push")) == ({}, {"#1": 1})


def test_head_without_commits_of_its_own_closes(repository: ForgeRepository) -> None:
    repository.branch("work")
    opened(repository)
    moved = {"sha": repository.sha, "force": True}
    assert repository.api("PATCH", "/git/refs/heads/work", repository.token(), moved).status == 200
    read = repository.github().get_pull(1)
    assert (read.state, read.merged) == ("closed", False)


def test_merge_of_the_base_hands_its_dependants_on(repository: ForgeRepository) -> None:
    repository.branch("first")
    repository.branch("second", start="first")
    opened(repository, "first")
    opened(repository, "second", "first")
    github = repository.github()
    github.get_pull(1).merge()
    assert repository.api("DELETE", "/git/refs/heads/first", repository.token()).status == 204
    read = github.get_pull(2)
    assert (read.state, read.base.ref, read.mergeable) == ("open", "main", True)


@pytest.mark.parametrize(("method", "parents", "subject"), [
    ("merge", 2, "Merge pull request #1 from {owner}/work"),
    ("squash", 1, "Title of work (#1)"),
    ("rebase", 1, "Work on work"),
])  # fmt: skip
def test_merge_is_made(repository: ForgeRepository, method: str, parents: int, subject: str) -> None:
    head = repository.branch("work", {"work.txt": "work\n"})
    repository.control.commit(repository.full_name, "main", {"meanwhile.txt": "meanwhile\n"})
    pull = opened(repository)
    result = pull.merge(merge_method=method, sha=head)
    assert (result.merged, result.message) == (True, "Pull Request successfully merged")
    assert repository.tip("refs/heads/main") == result.sha
    clone = repository.clone(repository.token())
    shown = repository.git("log", "-1", "--format=%P%n%s", folder=clone).splitlines()
    assert (len(shown[0].split()), shown[1]) == (parents, subject.format(owner=repository.owner))
    assert {path.name for path in clone.glob("*.txt")} == {"work.txt", "meanwhile.txt"}
    read = repository.github().get_pull(1)
    assert (read.state, read.merged, read.merge_commit_sha, read.head.sha) == ("closed", True, result.sha, head)
    assert repository.count("merges") == {"#1": 1}


def test_merge_takes_title_and_message(repository: ForgeRepository) -> None:
    repository.branch("work")
    opened(repository).merge(commit_title="Own title", commit_message="Own text", merge_method="squash")
    clone = repository.clone(repository.token())
    assert repository.git("log", "-1", "--format=%B", folder=clone) == "Own title\n\nOwn text"


def test_merge_of_a_moved_head_is_refused(repository: ForgeRepository) -> None:
    old = repository.branch("work")
    pull = opened(repository)
    repository.control.commit(repository.full_name, "work", {"later.txt": "later\n"})
    with pytest.raises(GithubException) as failure:
        pull.merge(sha=old)
    assert (failure.value.status, failure.value.message) == (
        409, "Head branch was modified. Review and try the merge again.",
    )  # fmt: skip
    assert repository.tip("refs/heads/main") == repository.sha


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_conflict_is_not_merged(repository: ForgeRepository, method: str) -> None:
    repository.branch("work", {"README.md": "ours\n"})
    pull = opened(repository)
    base = repository.control.commit(repository.full_name, "main", {"README.md": "theirs\n"})
    read = repository.github().get_pull(1)
    assert (read.mergeable, read.mergeable_state) == (False, "dirty")
    with pytest.raises(GithubException) as failure:
        pull.merge(merge_method=method)
    assert (failure.value.status, failure.value.message) == (405, "Pull Request is not mergeable")
    assert repository.tip("refs/heads/main") == base
    assert repository.count("merges") == {}


def test_merged_and_closed_pulls_are_not_merged_again(repository: ForgeRepository) -> None:
    repository.branch("work")
    repository.branch("other")
    pull, other = opened(repository), opened(repository, "other")
    pull.merge()
    other.edit(state="closed")
    for again in (pull, other):
        with pytest.raises(GithubException) as failure:
            again.merge()
        assert failure.value.status == 405
    assert repository.count("merges") == {"#1": 1}


def test_draft_is_not_merged(repository: ForgeRepository) -> None:
    repository.branch("work")
    pull = repository.github().create_pull(base="main", head="work", title="Draft", draft=True)
    assert (pull.draft, pull.mergeable_state) == (True, "draft")
    with pytest.raises(GithubException) as failure:
        pull.merge()
    assert failure.value.status == 405


def test_required_checks_and_fresh_base_gate_the_merge(repository: ForgeRepository) -> None:
    sha = repository.branch("work")
    pull = opened(repository)
    repository.control.protect(repository.full_name, "main", required_checks=["build"], strict=True)
    github = repository.github()
    assert github.get_pull(1).mergeable_state == "blocked"
    with pytest.raises(GithubException) as failure:
        pull.merge()
    assert failure.value.status == 405
    repository.set_status(sha, "success")
    assert github.get_pull(1).mergeable_state == "clean"
    repository.control.commit(repository.full_name, "main", {"meanwhile.txt": "meanwhile\n"})
    assert github.get_pull(1).mergeable_state == "behind"
    with pytest.raises(GithubException, match="out of date"):
        pull.merge()


def test_merge_of_workflow_changes_needs_the_permission(repository: ForgeRepository) -> None:
    repository.branch("work", {".github/workflows/ci.yml": "on: push\n"})
    opened(repository)
    permissions: Permissions = {"contents": "write", "pull_requests": "write"}
    with pytest.raises(GithubException) as failure:
        repository.github(repository.token(permissions)).get_pull(1).merge()
    assert failure.value.status == 403
    assert "without `workflows` permission" in str(failure.value.message)
    assert repository.github().get_pull(1).merge().merged


def test_merge_needs_contents_write(repository: ForgeRepository) -> None:
    repository.branch("work")
    opened(repository)
    token = repository.token({"contents": "read", "pull_requests": "write"})
    with pytest.raises(GithubException) as failure:
        repository.github(token).get_pull(1).merge()
    assert (failure.value.status, failure.value.message) == (403, "Resource not accessible by personal access token")
