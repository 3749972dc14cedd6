import os
from pathlib import Path

import pytest

from codecourier.runner.git import Git, GitError, Remote
from codecourier.runner.step import StepError
from tests.support import git_https


@pytest.fixture
def repository(tmp_path: Path) -> Git:
    git_https.git(tmp_path, "init", "--quiet", "--bare", "r.git")
    return Git(str(tmp_path / "r.git"))


def test_nothing_is_inherited(repository: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[alias]\n\thello = !echo pwned\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(GitError) as error:
        repository.run("hello")
    assert "pwned" not in str(error.value)
    assert set(repository.environment({})) & set(os.environ) <= {"PATH", "HOME", "LC_ALL", "GIT_CONFIG_GLOBAL"}
    assert repository.environment({})["GIT_CONFIG_GLOBAL"] == "/dev/null"


@pytest.mark.parametrize("url", ["file:///etc", "/etc", "http://127.0.0.1:1/x", "ssh://127.0.0.1/x", "ext::sh -c true"])
def test_only_https_is_spoken(repository: Git, url: str) -> None:
    with pytest.raises(GitError, match="not allowed"):
        repository.run("ls-remote", url)


def test_a_hook_of_the_repository_does_not_run(repository: Git, tmp_path: Path) -> None:
    hook = Path(repository.git_dir, "hooks", "reference-transaction")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    tree = repository.text("mktree")
    commit = repository.run(
        "commit-tree",
        tree,
        environment={f"GIT_{role}_{part}": "a@b" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
    )
    repository.run("update-ref", "refs/heads/x", commit.decode().strip())
    assert not (tmp_path / "ran").exists()


def test_a_command_has_a_bound_on_its_time(repository: Git) -> None:
    with pytest.raises(GitError, match="took longer than 0 seconds"):
        repository.run("cat-file", "--batch", stdin=Path("/dev/zero"), timeout_seconds=0)


def test_secrets_are_cut_out_of_what_git_says(repository: Git) -> None:
    with pytest.raises(GitError) as error:
        repository.run("rev-parse", "--verify", "canary-token", secrets=("canary-token",))
    assert "canary" not in str(error.value)


@pytest.mark.parametrize("content", [None, "", "two\nlines", "\u00e9", "a b"])
def test_a_malformed_token_is_never_sent(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(StepError, match="CredentialsMissing") as error:
        Remote("https://h/p", str(tmp_path / "token"), "").read_token()
    assert not content or content not in str(error.value)
