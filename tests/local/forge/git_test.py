"""Git over https: credentials, what pushes are refused, and the protocol's own promises."""

from __future__ import annotations

import pytest

from codecourier.local.forge.control import Permissions
from tests.support.forge import ForgeRepository, GitFailedError

pytestmark = pytest.mark.forge

READ: Permissions = {"contents": "read"}
WRITE: Permissions = {"contents": "write"}
WORKFLOW = ".github/workflows/ci.yml"


def test_clone_and_push_arrive(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    assert (clone / "src/greet.py").read_text() == 'GREETING = "hello"\n'
    sha = repository.commit(clone, {"new.txt": "new\n"})
    repository.git("push", "--quiet", "origin", "HEAD:refs/heads/work/one", token=token, folder=clone)
    assert repository.tip("refs/heads/work/one") == sha
    assert repository.count("pushes") == {"refs/heads/work/one": 1}
    assert repository.count("clones") == {"": 1}
    assert [(push.ref, push.new, push.login) for push in repository.control.pushes(repository.full_name)] == [
        ("refs/heads/work/one", sha, "alice")
    ]


def test_protocol_is_version_two_and_clones_may_be_partial(repository: ForgeRepository) -> None:
    token = repository.token(READ)
    environment_trace = repository.git(
        "-c", "protocol.version=2", "clone", "--filter=blob:none", "--no-checkout", repository.clone_url, "partial",
        token=token,
    )  # fmt: skip
    assert "filtering not recognized" not in environment_trace
    partial = repository.folder / "partial"
    missing = repository.git("rev-list", "--objects", "--all", "--missing=print", folder=partial).splitlines()
    assert sum(line.startswith("?") for line in missing) == 2
    answer = repository.forge.request(
        "GET",
        f"/{repository.full_name}.git/info/refs?service=git-upload-pack",
        authorization=f"Bearer {token}",
        headers={"Git-Protocol": "version=2"},
    )
    assert "version 2" in answer.body


def test_update_is_no_clone(repository: ForgeRepository) -> None:
    token = repository.token(READ)
    clone = repository.clone(token)
    sha = repository.control.commit(repository.full_name, "main", {"more.txt": "more\n"})
    repository.git("fetch", "--quiet", token=token, folder=clone)
    assert repository.git("rev-parse", "origin/main", folder=clone) == sha
    assert (repository.count("clones"), repository.count("fetches")) == ({"": 1}, {"": 1})


def test_large_history_is_streamed_whole(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    content = "".join(f"{number * 7919 % 1000003}\n" for number in range(400_000))
    sha = repository.commit(clone, {"large.txt": content})
    repository.git("push", "--quiet", "origin", "HEAD:refs/heads/large", token=token, folder=clone)
    other = repository.clone(token, "--branch", "large")
    assert repository.git("rev-parse", "HEAD", folder=other) == sha
    assert (other / "large.txt").read_text() == content


@pytest.mark.parametrize(
    ("permissions", "message"),
    [
        (READ, "Write access to repository not granted"),
        ({"pull_requests": "write"}, "Write access to repository not granted"),
    ],
)
def test_token_without_write_cannot_push(repository: ForgeRepository, permissions: Permissions, message: str) -> None:
    clone = repository.clone(repository.token(READ))
    repository.commit(clone, {"new.txt": "new\n"})
    with pytest.raises(GitFailedError, match=message):
        repository.git("push", "origin", "HEAD:refs/heads/x", token=repository.token(permissions), folder=clone)
    assert repository.count("pushes") == {}


def test_token_without_contents_cannot_clone(repository: ForgeRepository) -> None:
    with pytest.raises(GitFailedError, match="403"):
        repository.clone(repository.token({"pull_requests": "write"}))


def test_token_for_another_repository_finds_nothing(repository: ForgeRepository) -> None:
    other = repository.control.create_repository(f"{repository.owner}/other", {"a.txt": "a\n"})
    token = repository.control.create_token("alice", [other.full_name], WRITE)
    with pytest.raises(GitFailedError, match="not found"):
        repository.clone(token)


@pytest.mark.parametrize("token", [None, "github_pat_unknown"])
def test_request_without_a_credential_is_asked_for_one(repository: ForgeRepository, token: str | None) -> None:
    with pytest.raises(GitFailedError, match=r"(could not read Username|Authentication failed)"):
        repository.git("clone", repository.clone_url, "nothing", token=token)


def test_public_repository_is_read_by_everybody(repository: ForgeRepository) -> None:
    made = repository.control.create_repository(f"{repository.owner}/open", {"a.txt": "a\n"}, private=False)
    repository.git("clone", "--quiet", made.clone_url, "open")
    repository.commit(repository.folder / "open", {"b.txt": "b\n"})
    with pytest.raises(GitFailedError, match="could not read Username"):
        repository.git("push", "origin", "HEAD:refs/heads/x", folder=repository.folder / "open")


def test_revoked_token_is_refused(repository: ForgeRepository) -> None:
    token = repository.token(READ)
    repository.clone(token)
    repository.control.revoke_token(token)
    with pytest.raises(GitFailedError, match="could not read Username"):
        repository.clone(token)


def test_push_is_compare_and_swap(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    winner = repository.control.commit(repository.full_name, "main", {"winner.txt": "1\n"})
    repository.commit(clone, {"loser.txt": "2\n"})
    with pytest.raises(GitFailedError, match="stale info"):
        repository.git(
            "push", f"--force-with-lease=refs/heads/main:{repository.sha}", "origin", "HEAD:refs/heads/main",
            token=token, folder=clone,
        )  # fmt: skip
    with pytest.raises(GitFailedError, match="fetch first"):
        repository.git("push", "origin", "HEAD:refs/heads/main", token=token, folder=clone)
    assert repository.tip("refs/heads/main") == winner
    assert repository.count("pushes") == {}


def test_stale_old_value_is_refused_by_the_server(repository: ForgeRepository) -> None:
    """A command whose old value is wrong, as a client sends it whose advertisement is older than the branch."""
    winner = repository.control.commit(repository.full_name, "main", {"winner.txt": "1\n"})
    other = repository.branch("other", start=repository.sha)
    answer = repository.forge.request(
        "POST",
        f"/{repository.full_name}.git/git-receive-pack",
        authorization=f"Bearer {repository.token(WRITE)}",
        body=_command(repository.sha, other, "refs/heads/main"),
        headers={"Content-Type": "application/x-git-receive-pack-request"},
    )
    assert answer.status == 200
    assert "ng refs/heads/main" in answer.body
    assert repository.tip("refs/heads/main") == winner
    assert repository.count("pushes") == {}


def _command(old: str, new: str, ref: str) -> bytes:
    line = f"{old} {new} {ref}\0report-status".encode()
    empty_pack = bytes.fromhex("5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e")
    return f"{len(line) + 4:04x}".encode() + line + b"0000" + empty_pack


def test_branch_may_be_rewritten_and_deleted(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    repository.branch("work")
    clone = repository.clone(token)
    sha = repository.commit(clone, {"again.txt": "again\n"})
    repository.git("push", "--force", "--quiet", "origin", "HEAD:work", token=token, folder=clone)
    assert repository.tip("refs/heads/work") == sha
    repository.git("push", "--quiet", "origin", ":work", token=token, folder=clone)
    assert repository.tip("refs/heads/work") is None
    assert repository.count("pushes") == {"refs/heads/work": 2}


def test_default_branch_cannot_be_deleted(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    with pytest.raises(GitFailedError, match="deletion of the current branch prohibited"):
        repository.git("push", "origin", ":main", token=token, folder=clone)


def test_refs_of_pull_requests_are_not_pushed(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    with pytest.raises(GitFailedError, match="deny updating a hidden ref"):
        repository.git("push", "origin", "HEAD:refs/pull/1/head", token=token, folder=clone)


def test_refs_of_other_namespaces_are_pushed(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    repository.git("push", "--quiet", "origin", "HEAD:refs/codecourier/merge/1", token=token, folder=clone)
    assert repository.tip("refs/codecourier/merge/1") == repository.sha


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["HEAD:main"], "Changes must be made through a pull request"),
        (["--force", "HEAD~1:main"], "Cannot force-push to this protected branch"),
        ([":main-too"], "Cannot delete this protected branch"),
    ],
)
def test_protected_branch_is_kept(repository: ForgeRepository, command: list[str], message: str) -> None:
    token = repository.token(WRITE)
    repository.control.commit(repository.full_name, "main", {"second.txt": "2\n"})
    repository.branch("main-too")
    clone = repository.clone(token)
    if command[0].startswith("HEAD"):
        repository.commit(clone, {"third.txt": "3\n"})
    for branch in ("main", "main-too"):
        repository.control.protect(repository.full_name, branch)
    with pytest.raises(GitFailedError, match=message) as failure:
        repository.git("push", "--porcelain", "origin", *command, token=token, folder=clone)
    assert "GH006" in str(failure.value)
    assert "[remote rejected] (protected branch hook declined)" in str(failure.value)
    assert repository.count("pushes") == {}


def test_exceptions_of_a_protection_hold(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    repository.control.protect(repository.full_name, "main", allow_pushes=True)
    clone = repository.clone(token)
    sha = repository.commit(clone, {"third.txt": "3\n"})
    repository.git("push", "--quiet", "origin", "HEAD:main", token=token, folder=clone)
    assert repository.tip("refs/heads/main") == sha
    repository.control.protect(repository.full_name, "main", allow_pushes=True, allow_force_pushes=True)
    repository.git("push", "--quiet", "--force", "origin", "HEAD~1:main", token=token, folder=clone)
    assert repository.tip("refs/heads/main") == repository.sha


def test_workflow_files_need_their_permission(repository: ForgeRepository) -> None:
    clone = repository.clone(repository.token(READ))
    repository.commit(clone, {WORKFLOW: "on: push\n"})
    repository.commit(clone, {"other.txt": "a later commit hides nothing\n"})
    push = ("push", "--porcelain", "origin", "HEAD:refs/heads/ci")
    with pytest.raises(GitFailedError) as failure:
        repository.git(*push, token=repository.token(WRITE), folder=clone)
    reason = f"refusing to allow a Personal Access Token to create or update workflow `{WORKFLOW}` without `workflow`"
    assert f"[remote rejected] ({reason} scope)" in str(failure.value)
    allowed = repository.token({"contents": "write", "workflows": "write"})
    repository.git(*push, token=allowed, folder=clone)
    assert repository.count("pushes") == {"refs/heads/ci": 1}


def test_workflow_refusal_names_the_app(repository: ForgeRepository) -> None:
    installation = repository.control.install_app(repository.owner, {"contents": "write"})
    token = repository.app_token(installation)
    clone = repository.clone(token)
    repository.commit(clone, {WORKFLOW: "on: push\n"})
    with pytest.raises(GitFailedError, match=r"refusing to allow a GitHub App .* without `workflows` permission"):
        repository.git("push", "origin", "HEAD:refs/heads/ci", token=token, folder=clone)


def test_merge_of_known_workflow_changes_is_allowed(repository: ForgeRepository) -> None:
    repository.branch("work")
    repository.control.commit(repository.full_name, "main", {WORKFLOW: "on: push\n"})
    token = repository.token(WRITE)
    clone = repository.clone(token)
    repository.git("checkout", "--quiet", "work", folder=clone)
    repository.git("merge", "--quiet", "--no-edit", "origin/main", folder=clone)
    repository.git("push", "--quiet", "origin", "work", token=token, folder=clone)
    assert repository.count("pushes") == {"refs/heads/work": 1}


def test_each_ref_of_a_push_is_judged_by_itself(repository: ForgeRepository) -> None:
    token = repository.token(WRITE)
    clone = repository.clone(token)
    sha = repository.commit(clone, {"new.txt": "new\n"})
    repository.control.protect(repository.full_name, "main")
    with pytest.raises(GitFailedError, match="protected branch hook declined"):
        repository.git("push", "origin", "HEAD:main", "HEAD:free", token=token, folder=clone)
    assert (repository.tip("refs/heads/main"), repository.tip("refs/heads/free")) == (repository.sha, sha)
    assert repository.count("pushes") == {"refs/heads/free": 1}
