"""What a hostile agent may leave in the workspace, against the real collect and publish.

Each test prepares the workspace with checkout, plays the agent by hand, and runs the next steps as processes. The
canary
is a file that stands for what the agent must not reach; it may be nowhere in what leaves the pod.
"""

import base64
import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from codecourier.task import Limits, Publication, StepReport, StepState, Task
from tests.runner.conftest import READ_TOKEN, WRITE_TOKEN
from tests.support.git_https import commit_files, git
from tests.support.sandbox import Ended, Pod, manifest

MakePod = Callable[[Task], Pod]
_CANARY = "canary-of-another-container-51c0"


@pytest.fixture
def pod(task: Task, make_pod: MakePod) -> Pod:
    return _checked_out(make_pod(task))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    path = tmp_path / "canary"
    path.write_text(_CANARY)
    return path


def _checked_out(pod: Pod) -> Pod:
    pod.set_token(READ_TOKEN)
    assert pod.run("checkout").exit_code == 0
    pod.set_token("")
    return pod


def _changes(pod: Pod) -> tuple[list[str], list[str]]:
    """Collect, and return the changed and the deleted paths."""
    ended = pod.run("collect")
    assert ended.exit_code == 0, ended
    value = manifest(pod)
    changes, deleted = value["changes"], value["deleted"]
    assert isinstance(changes, list)
    assert isinstance(deleted, list)
    return [change[0] for change in changes], deleted


def _refused(pod: Pod, **variables: str) -> StepReport:
    ended = pod.run("collect", **variables)
    assert (ended.exit_code, ended.report.state) == (1, StepState.FAILED), ended
    assert not (pod.outbox / "manifest.json").exists()
    return ended.report


def _publish(pod: Pod) -> Ended:
    pod.set_token(WRITE_TOKEN)
    return pod.run("publish")


def _published(pod: Pod, bare: Path) -> str:
    """Publish and return the whole content of the commit, after a look for canaries everywhere."""
    ended = _publish(pod)
    assert ended.result.state is Publication.PUSHED, ended
    content = git(bare, "log", "-p", "--binary", "--text", pod.task.branch) + ended.details.to_json() + pod.logs
    for secret in (_CANARY, WRITE_TOKEN, READ_TOKEN):
        assert secret not in content
        assert base64.b64encode(secret.encode()).decode() not in content
    return content


def test_nothing_changed_is_nothing(pod: Pod, bare: Path) -> None:
    assert _changes(pod) == ([], [])
    assert _publish(pod).result.state is Publication.NO_CHANGE
    assert git(bare, "for-each-ref", "refs/heads/codecourier") == ""


@pytest.mark.parametrize("target", ["/", None])
def test_a_workspace_that_was_replaced_is_not_walked(pod: Pod, target: str | None) -> None:
    pod.workspace.rename(pod.workspace.with_name("away"))
    if target is not None:
        pod.workspace.symlink_to(target)
    assert _refused(pod).reason == "UnsafeEntry"


def test_a_mode_that_the_agent_staged_is_published(pod: Pod, bare: Path) -> None:
    git(pod.workspace, "update-index", "--chmod=+x", "README.md")
    (pod.workspace / "run.sh").write_text("true\n")
    git(pod.workspace, "add", "--chmod=+x", "run.sh")
    assert _changes(pod) == (["README.md", "run.sh"], [])
    _published(pod, bare)
    modes = git(bare, "ls-tree", "--format=%(objectmode)", pod.task.branch, "README.md", "run.sh")
    assert modes.split() == ["100755"] * 2


def test_changes_are_told_from_builds(pod: Pod) -> None:
    workspace = pod.workspace
    (workspace / "build").mkdir()
    (workspace / "build" / "out").write_text("x")
    (workspace / "new.log").write_text("x")
    (workspace / "keep.log").write_text("x")
    (workspace / "tracked.log").write_text("tracked stays tracked\n")
    (workspace / "src" / "app.py").unlink()
    assert _changes(pod) == (["keep.log", "tracked.log"], ["src/app.py"])


def test_a_tracked_file_in_an_ignored_folder_is_watched(task: Task, bare: Path, make_pod: MakePod) -> None:
    base = commit_files(bare, "main", {"build/kept/file": "x", "build/gone": "x"})
    pod = _checked_out(make_pod(dataclasses.replace(task, base_commit=base)))
    (pod.workspace / "build" / "kept" / "file").write_text("y")
    (pod.workspace / "build" / "kept" / "other").write_text("y")
    (pod.workspace / "build" / "gone").unlink()
    assert _changes(pod) == (["build/kept/file"], ["build/gone"])


def test_kinds_of_files_may_change(pod: Pod, bare: Path) -> None:
    workspace = pod.workspace
    (workspace / "README.md").unlink()
    (workspace / "README.md").mkdir()
    (workspace / "README.md" / "inside").write_text("x")
    shutil.rmtree(workspace / "src")
    (workspace / "src").symlink_to("README.md")
    (workspace / "tracked.log").chmod(0o755)
    (workspace / "empty").touch()
    assert _changes(pod) == (["empty", "src", "tracked.log", "README.md/inside"], ["README.md", "src/app.py"])
    _published(pod, bare)
    tree = git(bare, "ls-tree", "-r", "--format=%(objectmode) %(path)", pod.task.branch).split("\n")
    assert tree == ["100644 .gitignore", "100644 README.md/inside", "100644 empty", "120000 src", "100755 tracked.log"]


def test_hooks_filters_and_config_of_the_agent_do_nothing(pod: Pod, bare: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = pod.workspace / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    script.chmod(0o755)
    nested = pod.workspace / "vendor"
    nested.mkdir()
    git(nested, "init", "--quiet")
    for repository in (pod.workspace, nested):
        for key in ("core.fsmonitor", "filter.x.clean", "filter.x.process", "core.sshCommand", "core.pager"):
            git(repository, "config", key, str(script))
        git(repository, "config", "core.hooksPath", str(pod.workspace))
        git(repository, "config", "alias.check-ignore", f"!{script}")
        (repository / ".git" / "info" / "attributes").write_text("* filter=x\n")
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
        for hook in ("pre-commit", "post-index-change", "reference-transaction", "pre-push"):
            shutil.copy(script, repository / ".git" / "hooks" / hook)
    (nested / "file").write_text("of a nested repository\n")
    assert _changes(pod) == (["evil.sh", "vendor/file"], [])
    assert "of a nested repository" in _published(pod, bare)
    assert not mark.exists()


def test_alternates_and_replaced_objects_are_never_read(pod: Pod, bare: Path, tmp_path: Path) -> None:
    git_dir = pod.workspace / ".git"
    (git_dir / "objects" / "info").mkdir(exist_ok=True)
    (git_dir / "objects" / "info" / "alternates").write_text(str(tmp_path))
    blob = git(pod.workspace, "hash-object", "-w", "README.md")
    git_dir.joinpath("refs", "replace").mkdir()
    git_dir.joinpath("refs", "replace", blob).write_text(git(pod.workspace, "hash-object", "-w", "src/app.py") + "\n")
    (pod.workspace / "new").write_text("x")
    assert _changes(pod) == (["new"], [])
    _published(pod, bare)


def test_the_agents_git_may_be_gone_or_something_else(pod: Pod, canary: Path) -> None:
    shutil.rmtree(pod.workspace / ".git")
    (pod.workspace / ".git").symlink_to(canary)
    (pod.workspace / "new").write_text("x")
    assert _changes(pod) == (["new"], [])


@pytest.mark.parametrize(
    "name", [".GIT", "git~1", ".git.", ".git ", ".g\u200cit", ".git::$INDEX_ALLOCATION", "a\\.git"]
)
def test_git_in_odd_spellings_is_refused(pod: Pod, name: str) -> None:
    (pod.workspace / "dir" / name).mkdir(parents=True)
    (pod.workspace / "dir" / name / "config").write_text("[core]\n\tfsmonitor = evil\n")
    report = _refused(pod)
    assert report.reason == "UnsafePath"
    assert "is .git in the eyes of some file system" in report.message


def test_the_history_of_a_nested_repository_is_left_out_and_said(pod: Pod, bare: Path) -> None:
    git(pod.workspace, "init", "--quiet", "lib")
    (pod.workspace / "lib" / "file").write_text("x")
    (pod.workspace / "worktree").mkdir()
    (pod.workspace / "worktree" / ".git").write_text("gitdir: /etc\n")
    assert _changes(pod) == (["lib/file"], [])
    ended = _publish(pod)
    assert [note.partition(" is a")[0] for note in ended.details.notes] == ["'lib'", "'worktree'"]


def test_a_submodule_stays_as_it_is(task: Task, bare: Path, make_pod: MakePod, tmp_path: Path) -> None:
    base = _with_submodule(bare, task.base_commit)
    pod = _checked_out(make_pod(dataclasses.replace(task, base_commit=base)))
    assert list((pod.workspace / "module").iterdir()) == []
    git(pod.workspace, "init", "--quiet", "module")
    (pod.workspace / "module" / "file").write_text("x")
    assert _changes(pod) == ([], [])


def test_a_submodule_cannot_become_a_file(task: Task, bare: Path, make_pod: MakePod) -> None:
    base = _with_submodule(bare, task.base_commit)
    pod = _checked_out(make_pod(dataclasses.replace(task, base_commit=base)))
    (pod.workspace / "module").rmdir()
    (pod.workspace / "module").write_text("x")
    assert _refused(pod).reason == "SubmoduleChanged"


def _with_submodule(bare: Path, commit: str) -> str:
    tree = git(bare, "ls-tree", commit) + f"\n160000 commit {commit}\tmodule\n"
    oid = git(bare, "mktree", "--missing", stdin=tree.encode())
    made = git(bare, "commit-tree", "-p", commit, "-m", "module", oid)
    git(bare, "update-ref", "refs/heads/main", made)
    return made


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../canary", "src/../../../x", ".git/config", "up/x"])
def test_links_out_of_the_tree_are_refused(pod: Pod, target: str) -> None:
    (pod.workspace / "up").symlink_to("..")
    (pod.workspace / "docs").mkdir()
    (pod.workspace / "docs" / "link").symlink_to(target)
    if target != "up/x":
        (pod.workspace / "up").unlink()
    report = _refused(pod)
    assert (report.reason, "leads out of the repository" in report.message) == ("UnsafeLink", True)


def test_a_folder_that_became_a_link_is_not_entered(pod: Pod, canary: Path) -> None:
    shutil.rmtree(pod.workspace / "src")
    (pod.workspace / "src").symlink_to(canary.parent)
    assert _refused(pod).reason == "UnsafeLink"


def test_a_hard_link_out_of_the_tree_is_refused(pod: Pod, canary: Path) -> None:
    os.link(canary, pod.workspace / "mine")
    report = _refused(pod)
    assert (report.reason, "hard link" in report.message) == ("UnsafeLink", True)


def test_hard_links_within_the_tree_are_files(pod: Pod, bare: Path) -> None:
    (pod.workspace / "one").write_text("x")
    os.link(pod.workspace / "one", pod.workspace / "two")
    assert _changes(pod) == (["one", "two"], [])
    _published(pod, bare)


def test_fifos_and_sockets_are_left_out_and_said(pod: Pod) -> None:
    os.mkfifo(pod.workspace / "fifo")
    (pod.workspace / "src" / "app.py").unlink()
    os.mkfifo(pod.workspace / "src" / "app.py")
    assert _changes(pod) == ([], ["src/app.py"])
    notes = (pod.outbox / "details.json").read_text()
    assert "'fifo' is neither file, folder nor link" in notes


def test_a_sparse_monster_is_refused_unread(pod: Pod) -> None:
    with (pod.workspace / "monster").open("wb") as file:
        file.truncate(2**42)
    report = _refused(pod)
    assert (report.reason, "4398046511104 bytes" in report.message) == ("OutputTooLarge", True)


@pytest.mark.parametrize(
    "limits", [Limits(max_files=2), Limits(max_total_bytes=250), Limits(max_file_bytes=99), Limits()]
)
def test_limits_are_kept(task: Task, make_pod: MakePod, limits: Limits) -> None:
    packed = 150 if limits == Limits() else 10_000
    pod = _checked_out(make_pod(dataclasses.replace(task, limits=limits, max_pack_bytes=packed)))
    for name in "abc":
        (pod.workspace / name).write_bytes(os.urandom(100))
    assert _refused(pod).reason == "OutputTooLarge"


@pytest.mark.parametrize(
    "path", [".github/workflows/x.yml", "CODEOWNERS", ".gitattributes", "Jenkinsfile", ".GitHub/x"]
)
def test_files_that_steer_ci_need_permission(task: Task, bare: Path, make_pod: MakePod, path: str) -> None:
    pod = _checked_out(make_pod(task))
    (pod.workspace / path).parent.mkdir(parents=True, exist_ok=True)
    (pod.workspace / path).write_text("on: push\n")
    report = _refused(pod)
    assert (report.reason, path in report.message) == ("CiPathChanged", True)
    pod.write_task(dataclasses.replace(task, allow_ci_paths=True).to_json())
    (pod.outbox / "objects.pack").unlink(missing_ok=True)
    assert _changes(pod) == ([path], [])
    _published(pod, bare)


@pytest.mark.parametrize("how", ["changed", "deleted", "link", "folder"])
def test_a_file_that_steers_ci_is_guarded_against_every_change(
    task: Task, bare: Path, make_pod: MakePod, how: str
) -> None:
    base = commit_files(bare, "main", {".github/workflows/ci.yml": "on: push\n"})
    pod = _checked_out(make_pod(dataclasses.replace(task, base_commit=base)))
    path = pod.workspace / ".github" / "workflows" / "ci.yml"
    if how == "changed":
        path.write_text("on: pull_request_target\n")
    elif how == "deleted":
        path.unlink()
    elif how == "link":
        path.unlink()
        path.symlink_to("../../README.md")
    else:
        shutil.move(pod.workspace / ".github", pod.workspace / "elsewhere")
        (pod.workspace / ".github").symlink_to("elsewhere")
    assert _refused(pod).reason == "CiPathChanged"


def test_names_that_differ_by_case_are_refused(pod: Pod) -> None:
    (pod.workspace / "readme.MD").write_text("x")
    report = _refused(pod)
    assert report.reason == "NameCollision"
    assert report.message == "'readme.MD' and 'README.md' differ by case only."


def test_a_name_that_is_not_utf8_is_refused(pod: Pod) -> None:
    Path(os.fsdecode(os.fsencode(pod.workspace) + b"/na\xefve")).write_text("x")
    report = _refused(pod)
    assert (report.reason, "na\\\\xefve" in report.message) == ("UnsafePath", True)


def test_names_that_the_repository_had_before_are_its_own_affair(task: Task, bare: Path, make_pod: MakePod) -> None:
    blob = git(bare, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    entries = [b"100644 blob %s\tX", b"100644 blob %s\tx", b"100644 blob %s\tna\xefve", b"120000 blob %s\tout"]
    listing = b"".join(entry % blob.encode() + b"\0" for entry in entries)
    base = git(bare, "commit-tree", "-m", "odd", git(bare, "mktree", "-z", stdin=listing))
    git(bare, "update-ref", "refs/heads/main", base)
    pod = _checked_out(make_pod(dataclasses.replace(task, base_commit=base)))
    (pod.workspace / "new").write_text("x")
    assert _changes(pod) == (["new"], [])
    _published(pod, bare)
    assert git(bare, "ls-tree", "-r", "--name-only", pod.task.branch).count("\n") == 4


@pytest.mark.parametrize("make", ["plain", "base64", "url", "name", "target"])
def test_a_secret_of_the_agent_stops_everything(task: Task, make_pod: MakePod, make: str) -> None:
    value = "s3cret/value+of the agent"
    pod = _checked_out(make_pod(dataclasses.replace(task, canary_env=("MODEL_KEY",))))
    file = pod.workspace / "new"
    if make == "plain":
        # Across the border of two pieces.
        file.write_bytes(b"x" * (1024 * 1024 - 7) + value.encode() + b"y")
    elif make == "base64":
        file.write_bytes(base64.b64encode(b"k=" + value.encode() + b"!"))
    elif make == "url":
        file.write_text("?k=s3cret%2fvalue%2bof+the+agent")
    elif make == "name":
        (pod.workspace / value.split("/", maxsplit=1)[0]).mkdir()
        (pod.workspace / value).write_text("x")
    else:
        file.symlink_to(value)
    report = _refused(pod, CODECOURIER_CANARY_MODEL_KEY=value)
    assert (report.reason, "MODEL_KEY" in report.message) == ("SecretInOutput", True)
    assert value not in pod.logs + report.message


def test_a_report_that_is_a_link_shows_nothing(pod: Pod, bare: Path, canary: Path) -> None:
    for name in ("summary.md", "usage.jsonl", "learnings.jsonl", "retry-after", "steps"):
        (pod.reports / name).symlink_to(canary if name != "steps" else canary.parent)
    (pod.workspace / "new").write_text("x")
    assert _changes(pod) == (["new"], [])
    content = _published(pod, bare)
    assert "The report summary.md is not a regular file" in content
    assert "Work of fix" in content


def test_a_task_in_sha256_works(task: Task, bare: Path, make_pod: MakePod) -> None:
    shutil.rmtree(bare)
    git(bare.parent, "init", "--quiet", "--bare", "--object-format=sha256", "-b", "main", bare.name)
    git(bare, "config", "http.receivepack", "true")
    blob = git(bare, "hash-object", "-w", "--stdin", stdin=b"x\n")
    tree = git(bare, "mktree", stdin=f"100644 blob {blob}\ta\n100644 blob {blob}\tgone\n".encode())
    base = git(bare, "commit-tree", "-m", "first", tree)
    git(bare, "update-ref", "refs/heads/main", base)
    pod = _checked_out(make_pod(dataclasses.replace(task, base_commit=base)))
    (pod.workspace / "b").write_text("y\n")
    (pod.workspace / "gone").unlink()
    assert _changes(pod) == (["b"], ["gone"])
    _published(pod, bare)
