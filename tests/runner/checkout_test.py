import dataclasses
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from codecourier.task import StepReport, StepState, Task
from tests.runner.conftest import FILES, READ_TOKEN, WRITE_TOKEN
from tests.support.git_https import Fault, GitServer, commit_files, git
from tests.support.sandbox import Ended, Pod

MakePod = Callable[[Task], Pod]


def _checkout(pod: Pod, token: str = READ_TOKEN) -> Ended:
    pod.set_token(token)
    return pod.run("checkout")


def _failure(pod: Pod, token: str = READ_TOKEN) -> StepReport:
    ended = _checkout(pod, token)
    assert (ended.exit_code, ended.report.state) == (1, StepState.FAILED)
    return ended.report


def test_the_workspace_is_a_clone_without_credentials(task: Task, make_pod: MakePod) -> None:
    pod = make_pod(task)
    ended = _checkout(pod)
    assert ended.report.reason == "CheckedOut"
    workspace = pod.workspace
    for name, content in FILES.items():
        assert (workspace / name).read_text() == content
    assert git(workspace, "status", "--porcelain") == ""
    assert git(workspace, "branch", "--show-current") == task.branch
    assert git(workspace, "rev-parse", "HEAD", "origin/main").split() == [task.base_commit] * 2
    assert git(workspace, "config", "remote.origin.url") == task.repository_url
    git(workspace, "fsck", "--strict")
    for path in pod.volumes.rglob("*"):
        if path.is_file() and path.name != "token":
            assert READ_TOKEN.encode() not in path.read_bytes(), path
    assert READ_TOKEN not in pod.logs + ended.message


def test_the_agents_user_may_write_everywhere(task: Task, make_pod: MakePod) -> None:
    pod = make_pod(task)
    _checkout(pod)
    for folder, _, names in os.walk(pod.workspace):
        assert Path(folder).stat().st_mode & stat.S_IWGRP or Path(folder) == pod.workspace
        for name in names:
            if "objects" not in folder:
                assert (Path(folder) / name).stat().st_mode & stat.S_IWGRP, name


def test_files_are_as_stored_whatever_attributes_say(task: Task, bare: Path, make_pod: MakePod) -> None:
    attributes = "* text=auto eol=crlf ident\n*.utf16 working-tree-encoding=UTF-16\n"
    base = commit_files(
        bare, "main", {".gitattributes": attributes, "a.txt": "$Id$\none\n", "b.utf16": "x\n".encode("utf-16")}
    )
    pod = make_pod(dataclasses.replace(task, base_commit=base))
    _checkout(pod)
    assert (pod.workspace / "a.txt").read_bytes() == b"$Id$\none\n"
    assert (pod.workspace / "b.utf16").read_bytes() == b"x\n"
    assert git(pod.workspace, "status", "--porcelain") == ""


def test_history_and_tags_are_there(task: Task, bare: Path, make_pod: MakePod) -> None:
    base = commit_files(bare, "main", {"a.txt": "x"})
    git(bare, "tag", "v1", task.base_commit)
    pod = make_pod(dataclasses.replace(task, base_commit=base))
    _checkout(pod)
    assert git(pod.workspace, "log", "-p", "--format=%h").count("diff --git") == len(FILES) + 1
    assert git(pod.workspace, "describe", "--tags").startswith("v1-1-g")


def test_work_starts_from_the_recorded_commit_though_the_branch_moved_on(
    task: Task, bare: Path, make_pod: MakePod
) -> None:
    commit_files(bare, "main", {"later": "x"})
    pod = make_pod(task)
    _checkout(pod)
    assert not (pod.workspace / "later").exists()


def test_a_base_commit_survives_its_branch(task: Task, bare: Path, make_pod: MakePod) -> None:
    base = commit_files(bare, "side", {"side": "x"})
    git(bare, "update-ref", "-d", "refs/heads/side")
    pod = make_pod(dataclasses.replace(task, base_branch="side", base_commit=base))
    assert _checkout(pod).report.reason == "CheckedOut"
    assert (pod.workspace / "side").exists()


def test_an_unknown_base_is_named(task: Task, make_pod: MakePod) -> None:
    report = _failure(make_pod(dataclasses.replace(task, base_commit="1" * 40)))
    assert report.reason == "BaseNotFound"
    assert f"Commit {'1' * 40} is not, or no longer, in branch 'main'" in report.message


def test_lfs_is_a_clear_error(task: Task, bare: Path, make_pod: MakePod) -> None:
    base = commit_files(bare, "main", {"art/.gitattributes": "*.png filter=lfs diff=lfs -text\n"})
    report = _failure(make_pod(dataclasses.replace(task, base_commit=base)))
    assert (report.reason, "art/.gitattributes" in report.message) == ("LfsNotSupported", True)


def test_a_comment_about_lfs_is_no_error(task: Task, bare: Path, make_pod: MakePod) -> None:
    base = commit_files(bare, "main", {".gitattributes": "# *.png filter=lfs\n"})
    assert _checkout(make_pod(dataclasses.replace(task, base_commit=base))).exit_code == 0


def test_somebody_elses_branch_is_not_taken(task: Task, bare: Path, make_pod: MakePod) -> None:
    foreign = commit_files(bare, task.branch, {"mine": "x"})
    report = _failure(make_pod(task))
    assert (report.reason, foreign in report.message) == ("BranchTaken", True)


@pytest.mark.parametrize("used", ["courier", "workspace"])
def test_a_pod_that_starts_anew_is_not_continued(task: Task, make_pod: MakePod, used: str) -> None:
    pod = make_pod(task)
    (pod.volumes / used / "file").touch()
    assert _failure(pod).reason == "SandboxRestarted"


@pytest.mark.parametrize(
    ("fault", "reason", "wait"),
    [
        (Fault("/info/refs", 500), "ForgeUnavailable", None),
        (Fault("/info/refs", 503, {"Retry-After": "120"}), "ForgeUnavailable", 120),
        (Fault("/info/refs", 429, {"Retry-After": "30"}), "RateLimited", 30),
        (Fault("/info/refs", 429), "RateLimited", None),
        (Fault("/info/refs", 403, {"Retry-After": "60"}), "RateLimited", 60),
        (Fault("/info/refs", 403), "CredentialsRefused", None),
        (Fault("/info/refs", 404), "RepositoryNotFound", None),
        (Fault("/info/refs", 301, {"Location": "https://127.0.0.1:1/elsewhere"}), "RepositoryMoved", None),
        (Fault("POST", 502, {"Retry-After": "5"}), "ForgeUnavailable", 5),
    ],
)
def test_what_the_forge_refuses_has_a_reason(
    task: Task, server: GitServer, make_pod: MakePod, fault: Fault, reason: str, wait: int | None
) -> None:
    server.faults.append(dataclasses.replace(fault, times=99))
    report = _failure(make_pod(task))
    assert (report.reason, report.retry_after_seconds) == (reason, wait)
    assert f"HTTP {fault.status}" in report.message


def test_a_wrong_token_is_refused_and_not_shown(task: Task, make_pod: MakePod) -> None:
    ended = _checkout(make_pod(task), "canary-wrong-token")
    assert ended.report.reason == "CredentialsRefused"
    assert "canary" not in ended.log + ended.message


def test_a_missing_token_is_said(task: Task, make_pod: MakePod) -> None:
    assert _failure(make_pod(task), "").reason == "CredentialsMissing"


def test_an_untrusted_certificate_is_refused(task: Task, make_pod: MakePod) -> None:
    pod = make_pod(task)
    (pod.volumes / "ca" / "ca.crt").unlink()
    report = _failure(pod)
    assert (report.reason, "certificate" in report.message) == ("ForgeUnavailable", True)


def test_a_forge_that_is_not_there_is_unavailable(task: Task, make_pod: MakePod) -> None:
    report = _failure(make_pod(dataclasses.replace(task, repository_url="https://127.0.0.1:1/team/x.git")))
    assert (report.reason, "(no answer)" in report.message) == ("ForgeUnavailable", True)


def test_a_task_that_is_none_is_said(task: Task, make_pod: MakePod) -> None:
    pod = make_pod(task)
    pod.write_task("{}")
    report = _failure(pod)
    assert (report.reason, "field 'agentCommand' is missing" in report.message) == ("TaskInvalid", True)


def test_a_reading_token_is_enough(task: Task, server: GitServer, make_pod: MakePod) -> None:
    server.requests.clear()
    assert _checkout(make_pod(task)).exit_code == 0
    assert server.requests
    assert not any("receive-pack" in line for line in server.requests)
    assert WRITE_TOKEN != READ_TOKEN
