"""Merge queues: entered with the expected head, merged after the checks of what they come to, left on failure."""

from __future__ import annotations

from typing import Any

import pytest
from github import GithubException

from tests.support.forge import ForgeRepository

pytestmark = pytest.mark.forge

ENQUEUE = """mutation($id: ID!, $head: GitObjectID) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { state position } }
}"""

ENTRY = """{ repository(owner: $o, name: $n) { pullRequest(number: 1) {
  state isMergeQueueEnabled isInMergeQueue mergeQueueEntry { state position headCommit { oid } }
} } }"""


@pytest.fixture
def heads(repository: ForgeRepository) -> list[str]:
    """Return the heads of pull requests 1 and 2, whose base has a merge queue."""
    made = [repository.branch(name) for name in ("one", "two")]
    for name in ("one", "two"):
        repository.github().create_pull(base="main", head=name, title=f"Title of {name}")
    repository.control.add_rules(repository.full_name, "main", merge_queue="squash")
    return made


def enqueue(repository: ForgeRepository, number: int, head: str) -> Any:
    query = f"{{ repository(owner: $o, name: $n) {{ pullRequest(number: {number}) {{ id }} }} }}"
    found = repository.graph(query).body["data"]["repository"]["pullRequest"]["id"]
    return repository.graph(ENQUEUE, id=found, head=head).body


def entry(repository: ForgeRepository) -> Any:
    return repository.graph(ENTRY).body["data"]["repository"]["pullRequest"]


def require(repository: ForgeRepository, heads: list[str]) -> None:
    """Require a check that the pull requests have already."""
    repository.control.add_rules(repository.full_name, "main", required_checks=["build"])
    for head in heads:
        repository.control.set_status(repository.full_name, head, "success")


def test_queue_merges_what_it_checked(repository: ForgeRepository, heads: list[str]) -> None:
    control, name = repository.control, repository.full_name
    require(repository, heads)
    made = enqueue(repository, 1, heads[0])["data"]["enqueuePullRequest"]["mergeQueueEntry"]
    assert made == {"state": "QUEUED", "position": 1}
    enqueue(repository, 2, heads[1])
    found = entry(repository)
    assert (found["isMergeQueueEnabled"], found["isInMergeQueue"], found["state"]) == (True, True, "OPEN")
    assert found["mergeQueueEntry"]["state"] == "AWAITING_CHECKS"
    first, second = control.queue(name)
    assert found["mergeQueueEntry"]["headCommit"]["oid"] == first.sha
    control.set_status(name, second.sha, "success")
    assert repository.tip("refs/heads/main") == repository.sha
    control.set_status(name, first.sha, "success")
    assert repository.tip("refs/heads/main") == second.sha
    merged = [repository.github().get_pull(number) for number in (1, 2)]
    assert [pull.merge_commit_sha for pull in merged] == [first.sha, second.sha]
    assert (repository.count("merges"), repository.count("dequeues")) == ({"#1": 1, "#2": 1}, {})
    assert control.queue(name) == []


def test_failure_leaves_the_queue_and_the_rest_goes_on(repository: ForgeRepository, heads: list[str]) -> None:
    control, name = repository.control, repository.full_name
    require(repository, heads)
    for number, head in enumerate(heads, start=1):
        enqueue(repository, number, head)
    control.run_merges(name)
    first, second = control.queue(name)
    control.set_status(name, first.sha, "failure")
    (left,) = control.queue(name)
    assert (left.number, left.sha != second.sha) == (2, True)
    found = entry(repository)
    assert (found["state"], found["isInMergeQueue"], found["mergeQueueEntry"]) == ("OPEN", False, None)
    control.set_status(name, left.sha, "success")
    assert repository.tip("refs/heads/main") == left.sha
    assert repository.count("dequeues") == {"#1": 1}


def test_push_leaves_the_queue(repository: ForgeRepository, heads: list[str]) -> None:
    repository.control.set_merging(repository.full_name, holds_merges=True)
    enqueue(repository, 1, heads[0])
    repository.control.commit(repository.full_name, "one", {"later.txt": "later\n"})
    repository.control.run_merges(repository.full_name)
    assert repository.tip("refs/heads/main") == repository.sha
    assert repository.count("dequeues") == {"#1": 1}


def test_what_may_not_enter_is_refused(repository: ForgeRepository, heads: list[str]) -> None:
    repository.control.set_merging(repository.full_name, holds_merges=True)
    assert enqueue(repository, 1, heads[1])["errors"][0]["type"] == "UNPROCESSABLE"
    enqueue(repository, 1, heads[0])
    assert enqueue(repository, 1, heads[0])["errors"][0]["message"] == "Pull request is already in the queue"
    repository.control.add_rules(repository.full_name, "main", required_checks=["build"])
    message = enqueue(repository, 2, heads[1])["errors"][0]["message"]
    assert message == 'Pull request Required status check "build" is expected.'
    assert repository.count("enqueues") == {"#1": 1}


def test_direct_merge_is_refused(repository: ForgeRepository, heads: list[str]) -> None:
    repository.control.set_merging(repository.full_name, holds_merges=True)
    enqueue(repository, 2, heads[1])
    for number, message in ((1, "Changes must be made through the merge queue"), (2, "is in the merge queue")):
        with pytest.raises(GithubException, match=message) as failure:
            repository.github().get_pull(number).merge()
        assert failure.value.status == 405


@pytest.mark.usefixtures("heads")
def test_merge_in_the_background_enters_the_queue(repository: ForgeRepository) -> None:
    control, token = repository.control, repository.token()
    control.set_merging(repository.full_name, holds_merges=True)
    taken = repository.api("PUT", "/pulls/1/merge-async", token, {})
    direct = repository.api("PUT", "/pulls/2/merge-async", token, {"merge_action": "direct_merge"})
    assert (taken.status, direct.status) == (202, 202)
    control.set_merging(repository.full_name, holds_merges=False)
    polled = repository.api("GET", f"/pulls/1/merge-async/{taken.body['details']['uuid']}", token).body
    assert polled["status"] == "enqueued"
    refused = repository.api("GET", f"/pulls/2/merge-async/{direct.body['details']['uuid']}", token).body
    assert (refused["status"], "merge queue" in refused["details"]["message"]) == ("failed", True)
    assert repository.github().get_pull(1).merged


def test_fault_hits_the_mutation_only(repository: ForgeRepository, heads: list[str]) -> None:
    repository.control.answer_after(502, method="POST", path="^/api/graphql$", body="enqueuePullRequest")
    repository.control.set_merging(repository.full_name, holds_merges=True)
    assert entry(repository)["isInMergeQueue"] is False
    assert enqueue(repository, 1, heads[0])["message"] == "Server Error"
    assert entry(repository)["isInMergeQueue"] is True
