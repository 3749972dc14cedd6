"""Races, refusals and lost answers of the push, and an outbox that collect never wrote."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codecourier.task import Publication, PublishResult, StepReport, StepState, Task
from tests.runner.conftest import READ_TOKEN, WRITE_TOKEN
from tests.support.git_https import Fault, GitServer, commit_files, git
from tests.support.sandbox import Ended, Pod, manifest

MakePod = Callable[[Task], Pod]


def _collected(pod: Pod, files: dict[str, str]) -> Pod:
    """Bring a pod to the point where publish starts."""
    pod.set_token(READ_TOKEN)
    assert pod.run("checkout").exit_code == 0
    for name, content in files.items():
        (pod.workspace / name).write_text(content)
    ended = pod.run("collect")
    assert ended.exit_code == 0, ended
    return pod


def _publish(pod: Pod, token: str = WRITE_TOKEN) -> Ended:
    pod.set_token(token)
    return pod.run("publish")


def _result(pod: Pod, token: str = WRITE_TOKEN) -> PublishResult:
    ended = _publish(pod, token)
    assert (ended.exit_code == 0) is (ended.result.state is not Publication.FAILED)
    assert len(ended.message.encode()) <= 1024
    for secret in (READ_TOKEN, WRITE_TOKEN):
        assert secret not in ended.log + ended.message
    return ended.result


def _tip(bare: Path, task: Task) -> str:
    return git(bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{task.branch}")


def _try(task: Task, number: int = 2, **changes: object) -> Task:
    return dataclasses.replace(task, try_number=number, **changes)  # type: ignore[arg-type]


def _hook(bare: Path, text: str) -> None:
    hook = bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{text}\n")
    hook.chmod(0o755)


def test_the_next_try_continues_from_what_is_there(task: Task, bare: Path, make_pod: MakePod) -> None:
    first = _result(_collected(make_pod(task), {"one": "1\n"}))
    pod = make_pod(_try(task))
    pod.set_token(READ_TOKEN)
    assert "Continued from an earlier try" in pod.run("checkout").report.message
    assert (pod.workspace / "one").exists()
    (pod.workspace / "two").write_text("2\n")
    assert pod.run("collect").exit_code == 0
    second = _result(pod)
    assert git(bare, "rev-list", f"{task.base_commit}..{task.branch}").split() == [second.commit, first.commit]
    # Counted from the base commit, over both.
    assert (second.files, second.insertions) == (2, 2)


def test_a_try_that_adds_nothing_hands_on_what_is_there(task: Task, make_pod: MakePod) -> None:
    first = _result(_collected(make_pod(task), {"one": "1\n"}))
    second = _result(_collected(make_pod(_try(task)), {}))
    assert (second.state, second.reason, second.commit) == (Publication.PUSHED, "Continued", first.commit)
    assert (second.files, second.title) == (1, first.title)


def test_a_new_attempt_starts_from_scratch_and_replaces(task: Task, bare: Path, make_pod: MakePod) -> None:
    _result(_collected(make_pod(task), {"one": "1\n"}))
    pod = _collected(make_pod(_try(task, attempt=2)), {"two": "2\n"})
    assert not (pod.workspace / "one").exists()
    result = _result(pod)
    assert git(bare, "rev-parse", f"{task.branch}^") == task.base_commit
    assert _tip(bare, task) == result.commit


def test_a_leftover_of_an_earlier_attempt_ends_without_a_trace(task: Task, bare: Path, make_pod: MakePod) -> None:
    old = _collected(make_pod(task), {"old": "x\n"})
    newer = _result(_collected(make_pod(_try(task, attempt=2)), {"new": "x\n"}))
    result = _result(old)
    assert (result.state, result.reason, result.commit) == (Publication.FAILED, "PushRejected", None)
    assert _tip(bare, task) == newer.commit
    pod = make_pod(task)
    pod.set_token(READ_TOKEN)
    assert pod.run("checkout").report.reason == "Superseded"


def test_of_two_tries_at_once_the_loser_adopts(task: Task, bare: Path, make_pod: MakePod) -> None:
    one, two = _collected(make_pod(task), {"one": "1\n"}), _collected(make_pod(_try(task)), {"two": "2\n"})
    winner, loser = _result(one), _result(two)
    assert (winner.reason, loser.reason) == ("Pushed", "Adopted")
    assert loser.commit == winner.commit == _tip(bare, task)
    assert (loser.state, loser.files) == (Publication.PUSHED, 1)


def test_somebody_elses_push_in_between_is_not_overwritten(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    foreign = commit_files(bare, task.branch, {"theirs": "x"})
    result = _result(pod)
    assert (result.state, result.reason) == (Publication.FAILED, "PushRejected")
    assert foreign in result.message
    assert _tip(bare, task) == foreign


def test_a_branch_that_was_deleted_in_between_is_not_made_again(task: Task, bare: Path, make_pod: MakePod) -> None:
    _result(_collected(make_pod(task), {"one": "1\n"}))
    pod = _collected(make_pod(_try(task)), {"two": "2\n"})
    git(bare, "update-ref", "-d", f"refs/heads/{task.branch}")
    result = _result(pod)
    assert (result.reason, "now gone" in result.message) == ("PushRejected", True)


@pytest.mark.parametrize("status", [500, 429])
def test_a_lost_answer_is_settled_by_looking(
    task: Task, bare: Path, server: GitServer, make_pod: MakePod, status: int
) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    server.faults.append(Fault("POST", status, after_work=True))
    result = _result(pod)
    assert (result.state, result.reason) == (Publication.PUSHED, "Pushed")
    assert result.message == f"Pushed {_tip(bare, task)}."
    assert _tip(bare, task) == result.commit


def test_a_push_that_did_not_happen_is_said(task: Task, bare: Path, server: GitServer, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    server.faults.append(Fault("POST /", 503, {"Retry-After": "17"}))
    result = _result(pod)
    assert (result.state, result.reason, result.retry_after_seconds) == (Publication.FAILED, "ForgeUnavailable", 17)
    assert _tip(bare, task) == ""


def test_a_forge_that_stays_away_is_said(task: Task, server: GitServer, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    server.faults.append(Fault("/", 500, times=99))
    assert _result(pod).reason == "ForgeUnavailable"


@pytest.mark.parametrize("token", [READ_TOKEN, "canary-wrong-token"])
def test_a_token_that_may_not_write_is_refused(task: Task, bare: Path, make_pod: MakePod, token: str) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    ended = _publish(pod, token)
    assert ended.result.reason == "CredentialsRefused"
    assert token not in ended.log + ended.message
    assert _tip(bare, task) == ""


def test_a_rule_of_the_forge_is_told_in_its_words(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    _hook(bare, "echo 'GH006: Protected branch update failed'; exit 1")
    result = _result(pod)
    assert (result.state, result.reason) == (Publication.FAILED, "PushRefused")
    assert "GH006: Protected branch update failed" in result.message


def test_a_forge_that_echoes_the_token_does_not_get_it_shown(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    _hook(bare, f"echo 'you sent {WRITE_TOKEN}'; exit 1")
    result = _result(pod)
    assert "you sent [secret]" in result.message


def test_the_token_is_read_anew_for_every_conversation(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    token_file = pod.volumes / "token" / "token"
    # Rotated while the push is under way: the look afterwards needs the new one.
    _hook(bare, f"printf %s {WRITE_TOKEN} > {token_file}.new && mv {token_file}.new {token_file}; exit 0")
    assert _result(pod).reason == "Pushed"


def test_a_failed_agents_work_is_pushed_and_its_state_told(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = make_pod(dataclasses.replace(task, agent_command=("sh", "-c", "echo half > half; echo why; exit 3")))
    result = pod.run_all(read_token=READ_TOKEN, write_token=WRITE_TOKEN)
    assert (result.state, result.agent_state, result.agent_reason) == (
        Publication.PUSHED,
        StepState.FAILED,
        "AgentFailed",
    )
    assert result.agent_exit_code == 3
    assert git(bare, "show", f"{task.branch}:half") == "half"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agent_command": ("sh", "-c", "echo half > half; exit 3")}, "AgentFailed"),
        ({"agent_command": ("sh", "-c", "echo bad > half"), "verify": ("grep good half",)}, "NotVerified"),
        ({"agent_command": ("sh", "-c", "echo good > half"), "verify": ("grep good half",)}, "Pushed"),
    ],
)
def test_work_for_an_open_pull_request_is_pushed_only_if_it_is_verified(
    task: Task, bare: Path, make_pod: MakePod, changes: dict[str, Any], reason: str
) -> None:
    pod = make_pod(dataclasses.replace(task, only_verified=True, **changes))
    result = pod.run_all(read_token=READ_TOKEN, write_token=WRITE_TOKEN)
    assert (result.reason, bool(_tip(bare, task))) == (reason, reason == "Pushed")


def test_a_provider_limit_is_told_and_the_work_pushed(task: Task, make_pod: MakePod) -> None:
    script = 'echo half > half; echo 90 > "$CODECOURIER_RETRY_AFTER_FILE"; exit 75'
    pod = make_pod(dataclasses.replace(task, agent_command=("sh", "-c", script)))
    result = pod.run_all(read_token=READ_TOKEN, write_token=WRITE_TOKEN)
    assert (result.state, result.agent_reason, result.retry_after_seconds) == (
        Publication.PUSHED,
        "ProviderLimit",
        90,
    )


def test_details_reach_the_log(task: Task, make_pod: MakePod) -> None:
    pod = make_pod(task)
    (pod.reports / "summary.md").write_text("Title\n\nBody @somebody\n")
    _collected(pod, {"one": "1\n"})
    ended = _publish(pod)
    assert ended.details.summary == "Title\n\nBody @somebody"
    assert ended.result.title == "Title"


def _forge(pod: Pod, **changes: object) -> None:
    (pod.outbox / "manifest.json").write_text(json.dumps({**manifest(pod), **changes}))


_OID = "1" * 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"changes": [["../x", "100644", _OID, 1]]}, "not a plain relative one"),
        ({"changes": [["a/.git/config", "100644", _OID, 1]]}, "in the eyes of some file system"),
        ({"changes": [["x", "160000", _OID, 1]]}, "git cannot store"),
        ({"changes": [["x", "040000", _OID, 1]]}, "git cannot store"),
        ({"changes": [["x", "100644", "HEAD", 1]]}, "no object id"),
        ({"changes": [["x", "100644", _OID, 1], ["x", "100755", _OID, 1]]}, "names a path twice"),
        ({"changes": [["x\0y", "100644", _OID, 1]]}, "no path"),
        ({"changes": [["\ud800", "100644", _OID, 1]]}, "not what collect writes"),
        ({"changes": 3}, "not what collect writes"),
        ({"changes": [["x", "100644", _OID, 1]]}, "differ in their objects"),
        ({"changes": [[".github/workflows/x.yml", "100644", _OID, 1]]}, "steer CI"),
        ({"changes": [["readme.md", "100644", _OID, 1]]}, "differ by case only"),
        ({"changes": [["x", "100644", _OID, 2**60]]}, "too many bytes"),
        ({"deleted": ["not/there"]}, "deletes what is not there"),
        ({"deleted": ["README.md\x00100644 x\ty"]}, "no path"),
        ({"changes": [["README.md/x", "100644", "EXISTING", 10]]}, "differs from the commit"),
    ],
)
def test_a_forged_manifest_pushes_nothing(
    task: Task, bare: Path, make_pod: MakePod, changes: dict[str, object], message: str
) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    existing = git(bare, "rev-parse", "main:README.md")
    _forge(pod, **json.loads(json.dumps(changes).replace("EXISTING", existing)))
    result = _result(pod)
    assert (result.state, result.reason) == (Publication.FAILED, "OutboxInvalid")
    assert message in result.message
    assert _tip(bare, task) == ""


def test_a_pack_with_more_than_blobs_pushes_nothing(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    stowaway = commit_files(bare, "stowaway", {"x": "y"})
    name = git(bare, "pack-objects", "--revs", str(pod.volumes / "evil"), stdin=f"{stowaway}\n".encode())
    (pod.volumes / f"evil-{name}.pack").rename(pod.outbox / "objects.pack")
    assert _result(pod).reason == "OutboxInvalid"


def test_a_broken_pack_pushes_nothing(task: Task, bare: Path, make_pod: MakePod) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    pack = pod.outbox / "objects.pack"
    pack.write_bytes(pack.read_bytes()[:-1] + b"\0")
    result = _result(pod)
    assert (result.state, result.reason) == (Publication.FAILED, "GitFailed")
    assert _tip(bare, task) == ""


@pytest.mark.parametrize("name", ["manifest.json", "details.json"])
def test_a_link_in_the_outbox_is_not_followed(task: Task, bare: Path, make_pod: MakePod, name: str) -> None:
    pod = _collected(make_pod(task), {"one": "1\n"})
    pod.set_token(WRITE_TOKEN)
    (pod.outbox / name).unlink()
    (pod.outbox / name).symlink_to(pod.volumes / "token" / "token")
    result = _result(pod)
    assert (result.state, result.reason) == (Publication.FAILED, "SystemError")
    assert _tip(bare, task) == ""


def test_without_reports_of_the_agent_nothing_is_said_about_it(task: Task, make_pod: MakePod) -> None:
    pod = make_pod(task)
    (pod.reports / "steps").mkdir()
    (pod.reports / "steps" / "agent.json").write_text(StepReport("verify", StepState.SUCCEEDED, "Verified").to_json())
    assert _result(_collected(pod, {"one": "1\n"})).agent_state is None
