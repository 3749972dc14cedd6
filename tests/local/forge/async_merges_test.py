"""Merges in the background: answered at once, judged later, kept for a day."""

from __future__ import annotations

from http.client import RemoteDisconnected
from typing import Any

import pytest

from tests.support.forge import Answer, ForgeRepository

pytestmark = pytest.mark.forge


@pytest.fixture
def head(repository: ForgeRepository) -> str:
    """Return the head of pull request 1, whose merges wait for the test."""
    sha = repository.branch("work")
    repository.github().create_pull(base="main", head="work", title="Title")
    repository.control.set_merging(repository.full_name, holds_merges=True)
    return sha


def submit(repository: ForgeRepository, number: int = 1, **body: Any) -> Answer:
    return repository.api("PUT", f"/pulls/{number}/merge-async", repository.token(), body)


def poll(repository: ForgeRepository, uuid: str, number: int = 1) -> Answer:
    return repository.api("GET", f"/pulls/{number}/merge-async/{uuid}", repository.token())


def run(repository: ForgeRepository, uuid: str) -> tuple[str, str]:
    """Let the merge happen; returns status and message of its result."""
    assert repository.control.run_merges(repository.full_name) == 1
    body = poll(repository, uuid).body
    return body["status"], body["details"]["message"]


def test_request_is_taken_and_then_done(repository: ForgeRepository, head: str) -> None:
    taken = submit(repository, sha=head, merge_method="squash", commit_title="Own title")
    details = taken.body["details"]
    assert (taken.status, taken.body["status"]) == (202, "pending")
    assert (details["merge_method"], details["merge_action"], details["expected_head_sha"]) == (
        "squash",
        "default",
        head,
    )
    assert poll(repository, details["uuid"]).body["details"]["message"] == "Merge request is in progress."
    assert repository.tip("refs/heads/main") == repository.sha
    assert run(repository, details["uuid"]) == ("merged", "Pull request was merged.")
    tip = repository.tip("refs/heads/main")
    assert poll(repository, details["uuid"]).body["details"]["sha"] == tip
    assert (repository.count("merges"), repository.count("merge_requests")) == ({"#1": 1}, {"#1": 1})
    again = submit(repository)
    assert (again.status, again.body["status"], again.body["details"]["sha"]) == (200, "merged", tip)


def test_second_request_is_told_of_the_first(repository: ForgeRepository, head: str) -> None:
    first = submit(repository, merge_method="rebase").body["details"]
    second = submit(repository, sha="0" * 40)
    assert second.status == 409
    told = second.body["details"]
    assert (told["uuid"], told["merge_method"], told["expected_head_sha"]) == (first["uuid"], "rebase", head)
    assert repository.count("merge_requests") == {"#1": 1}


def test_push_in_between_cancels(repository: ForgeRepository, head: str) -> None:
    uuid = submit(repository).body["details"]["uuid"]
    repository.control.commit(repository.full_name, "work", {"later.txt": "later\n"})
    assert run(repository, uuid) == ("failed", "Head branch was modified. Review and try the merge again.")
    assert repository.tip("refs/heads/main") == repository.sha
    assert submit(repository).status == 202


def test_rules_are_judged_when_it_runs(repository: ForgeRepository, head: str) -> None:
    control, name = repository.control, repository.full_name
    control.add_rules(name, "main", required_checks=["build"])
    first = submit(repository)
    assert first.status == 202
    message = 'Required status check "build" is expected.'
    assert run(repository, first.body["details"]["uuid"]) == ("failed", message)
    second = submit(repository).body["details"]["uuid"]
    control.set_check(name, head, conclusion="success")
    assert run(repository, second)[0] == "merged"


def test_only_an_open_pull_is_taken(repository: ForgeRepository, head: str) -> None:
    repository.branch("draft")
    github = repository.github()
    github.create_pull(base="main", head="draft", title="Draft", draft=True)
    github.get_pull(1).edit(state="closed")
    assert submit(repository).body == {"status": "failed", "details": {"message": "Pull request is closed."}}
    assert [submit(repository, number).status for number in (1, 2, 3)] == [400, 400, 404]
    assert submit(repository, merge_action="soon").status == 422
    assert submit(repository, merge_method="octopus").status == 422


def test_result_is_kept_for_a_day(repository: ForgeRepository, head: str) -> None:
    uuid = submit(repository).body["details"]["uuid"]
    run(repository, uuid)
    repository.control.age_merges(repository.full_name, seconds=24 * 3600 - 60)
    assert poll(repository, uuid).status == 200
    repository.control.age_merges(repository.full_name, seconds=60)
    assert poll(repository, uuid).status == 404


def test_polls_are_counted(repository: ForgeRepository, head: str) -> None:
    repository.control.set_merging(repository.full_name, holds_merges=False, merge_polls=2)
    uuid = submit(repository).body["details"]["uuid"]
    assert [poll(repository, uuid).body["status"] for _ in range(3)] == ["pending", "pending", "merged"]


def test_it_needs_no_poll(repository: ForgeRepository, head: str) -> None:
    repository.control.set_merging(repository.full_name, holds_merges=False)
    submit(repository)
    assert repository.github().get_pull(1).merged


def test_host_without_it(repository: ForgeRepository, head: str) -> None:
    repository.control.set_merging(repository.full_name, has_async_merges=False)
    assert submit(repository).status == 404
    assert poll(repository, "some").status == 404
    assert repository.github().get_pull(1).merge().merged


def test_answer_is_lost_after_the_request_was_taken(repository: ForgeRepository, head: str) -> None:
    path = f"^/api/v3/repos/{repository.full_name}/pulls/1/merge-async$"
    repository.control.lose_answer(method="PUT", path=path)
    with pytest.raises(RemoteDisconnected):
        submit(repository)
    known = submit(repository)
    assert known.status == 409
    assert run(repository, known.body["details"]["uuid"])[0] == "merged"


def test_reading_is_not_enough(repository: ForgeRepository, head: str) -> None:
    token = repository.token({"contents": "read", "pull_requests": "write"})
    assert repository.api("PUT", "/pulls/1/merge-async", token, {}).status == 403
