"""Checkout and publish against the local forge: narrowed tokens, lost answers, limits, workflow files."""

import dataclasses
from pathlib import Path

import pytest

from codecourier.task import Publication, PublishResult, Task
from tests.support.forge import ForgeRepository
from tests.support.sandbox import Pod, make_task

pytestmark = pytest.mark.forge

_PUSH = "git-receive-pack$"


@pytest.fixture
def task(repository: ForgeRepository) -> Task:
    script = "echo better >> README.md; echo new > new.txt"
    return make_task(
        repository_url=repository.clone_url, base_commit=repository.sha, agent_command=("sh", "-c", script)
    )


@pytest.fixture
def pod(repository: ForgeRepository, task: Task, tmp_path: Path) -> Pod:
    return Pod(tmp_path / "pod", task, ca_file=repository.forge.address.ca_path)


def _until_publish(repository: ForgeRepository, pod: Pod) -> None:
    pod.set_token(repository.token({"contents": "read"}))
    for step in ("checkout", "agent", "collect"):
        ended = pod.run(step)
        assert ended.exit_code == 0, ended


def _publish(pod: Pod, token: str) -> PublishResult:
    pod.set_token(token)
    ended = pod.run("publish")
    assert token not in ended.log + ended.message
    return ended.result


def test_narrowed_tokens_are_enough(repository: ForgeRepository, pod: Pod) -> None:
    _until_publish(repository, pod)
    result = _publish(pod, repository.token({"contents": "write"}))
    assert (result.state, result.files) == (Publication.PUSHED, 2)
    assert repository.tip(f"refs/heads/{pod.task.branch}") == result.commit
    assert len(repository.control.pushes(repository.full_name)) == 1


def test_a_reading_token_cannot_publish(repository: ForgeRepository, pod: Pod) -> None:
    _until_publish(repository, pod)
    result = _publish(pod, repository.token({"contents": "read"}))
    assert result.reason == "CredentialsRefused"
    assert repository.control.pushes(repository.full_name) == []


def test_a_revoked_token_is_refused(repository: ForgeRepository, pod: Pod) -> None:
    token = repository.token({"contents": "read"})
    repository.control.revoke_token(token)
    pod.set_token(token)
    assert pod.run("checkout").report.reason == "CredentialsRefused"


def test_a_lost_answer_to_the_push_is_no_second_push(repository: ForgeRepository, pod: Pod) -> None:
    _until_publish(repository, pod)
    repository.control.lose_answer(method="POST", path=_PUSH)
    result = _publish(pod, repository.token({"contents": "write"}))
    assert result.state is Publication.PUSHED
    assert [push.new for push in repository.control.pushes(repository.full_name)] == [result.commit]


def test_a_lost_push_is_said_to_be_lost(repository: ForgeRepository, pod: Pod) -> None:
    _until_publish(repository, pod)
    # More than once: curl itself sends a request again when a connection that it kept turns out to be closed.
    lost = repository.control.lose_request(method="POST", path=_PUSH, times=9)
    assert _publish(pod, repository.token({"contents": "write"})).reason == "ForgeUnavailable"
    repository.control.clear_faults(lost)
    assert repository.control.pushes(repository.full_name) == []


def test_a_secondary_limit_is_no_fault_of_the_token(repository: ForgeRepository, pod: Pod) -> None:
    repository.control.limit_secondary(method="GET", path=f"{repository.full_name}.*info/refs", retry_after_seconds=44)
    pod.set_token(repository.token({"contents": "read"}))
    report = pod.run("checkout").report
    assert (report.reason, report.retry_after_seconds) == ("RateLimited", 44)


def test_a_refused_push_is_told_in_the_forges_words(repository: ForgeRepository, pod: Pod) -> None:
    _until_publish(repository, pod)
    repository.control.refuse_pushes(repository.full_name, "this branch is frozen")
    result = _publish(pod, repository.token({"contents": "write"}))
    assert (result.reason, "this branch is frozen" in result.message) == ("PushRefused", True)


def test_workflow_files_need_the_forges_permission_too(repository: ForgeRepository, task: Task, tmp_path: Path) -> None:
    script = "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml"
    changed = dataclasses.replace(task, agent_command=("sh", "-c", script), allow_ci_paths=True)
    pod = Pod(tmp_path / "pod", changed, ca_file=repository.forge.address.ca_path)
    _until_publish(repository, pod)
    result = _publish(pod, repository.token({"contents": "write"}))
    assert (result.reason, "workflow" in result.message.lower()) == ("PushRefused", True)
    allowed = _publish(pod, repository.token({"contents": "write", "workflows": "write"}))
    assert allowed.state is Publication.PUSHED
