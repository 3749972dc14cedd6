"""Modes that an agent has staged, as git itself writes them into its index."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from codecourier.runner.manifest import parse_listing
from codecourier.runner.staged import read_staged_modes
from codecourier.runner.walk import Tree
from tests.support.git_https import git


@pytest.fixture(params=["sha1", "sha256"])
def repository(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    git(tmp_path, "init", "-q", f"--object-format={request.param}")
    (tmp_path / "folder").mkdir()
    for name in ("a.sh", "b.sh", "folder/with a longer name.sh", "folder/with an even longer name.sh", "z"):
        (tmp_path / name).write_text(name)
    (tmp_path / "b.sh").chmod(0o755)
    git(tmp_path, "add", "--all")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "base")
    return tmp_path


def _staged(repository: Path) -> dict[bytes, str]:
    listing = git(repository, "ls-tree", "-r", "-l", "-z", "--full-tree", "HEAD").encode()
    object_format = git(repository, "rev-parse", "--show-object-format")
    return read_staged_modes(Tree(str(repository)), object_format, parse_listing(listing))


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_staged_modes_are_found_in_every_version_of_an_index(repository: Path, version: str) -> None:
    git(repository, "update-index", "--index-version", version)
    assert _staged(repository) == {}
    git(repository, "update-index", "--chmod=+x", "a.sh", "folder/with an even longer name.sh")
    git(repository, "update-index", "--chmod=-x", "b.sh")
    for name in ("new.sh", "later.sh"):
        (repository / name).write_text("new")
    git(repository, "add", "--chmod=+x", "new.sh")
    git(repository, "add", "--intent-to-add", "later.sh")
    assert _staged(repository) == {
        b"a.sh": "100755",
        b"b.sh": "100644",
        b"folder/with an even longer name.sh": "100755",
        b"later.sh": "100644",
        b"new.sh": "100755",
    }


def _fifo(index: Path) -> None:
    index.unlink()
    os.mkfifo(index)


def _link(index: Path) -> None:
    index.rename(index.with_name("other"))
    index.symlink_to("other")


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        _fifo,
        _link,
        lambda index: index.write_bytes(b""),
        lambda index: index.write_bytes(b"DIRC"),
        lambda index: index.write_bytes(index.read_bytes()[:100]),
        lambda index: index.write_bytes(index.read_bytes()[:8] + b"\xff" * 4 + index.read_bytes()[12:]),
        lambda index: index.write_bytes(index.read_bytes()[:12] + b"\xff" * 10_000),
        lambda index: index.write_bytes(b"DIRC\0\0\0\4\0\0\0\1" + b"\0" * 62 + b"\xff" * 100),
    ],
)
def test_an_index_that_cannot_be_read_stages_nothing(repository: Path, spoil: Callable[[Path], object]) -> None:
    git(repository, "update-index", "--chmod=+x", "a.sh")
    listing = git(repository, "ls-tree", "-r", "-l", "-z", "--full-tree", "HEAD").encode()
    spoil(repository / ".git" / "index")
    for object_format in ("sha1", "sha256"):
        assert read_staged_modes(Tree(str(repository)), object_format, parse_listing(listing)) == {}
