"""Removing trees that another program made, with depths, names and permissions of its choice."""

import errno
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codecourier import trees
from codecourier.trees import remove_tree
from tests.support.deep_tree import NAME, make_deep

DEPTH = 5_000
NOBODY = 65_534


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@contextmanager
def another_user(folder: Path) -> Iterator[None]:
    """Act as a user without rights where this process is root; the folder becomes that user's."""
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd").iterdir()))


def test_a_deep_tree_goes_with_few_open_files(tree: Path) -> None:
    assert DEPTH * len(NAME) > os.pathconf(tree, "PC_PATH_MAX")
    make_deep(tree, DEPTH)
    before = open_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 100, hard))
    try:
        remove_tree(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not tree.exists()
    assert open_files() == before


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="Python's own function has not recursed since 3.13")
def test_pythons_own_function_fails_where_this_one_does_not(tree: Path) -> None:
    make_deep(tree, 1_500)
    with pytest.raises((RecursionError, OSError)):
        shutil.rmtree(tree)
    remove_tree(tree)
    assert not tree.exists()


def test_a_wide_tree_goes(tree: Path) -> None:
    for number in range(300):
        (tree / f"full-{number}").mkdir()
        (tree / f"full-{number}" / "file").touch()
        (tree / f"empty-{number}").mkdir()
    remove_tree(tree)
    assert not tree.exists()


def test_links_go_and_what_they_point_at_stays(tree: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    (tree / "to-a-folder").symlink_to(kept)
    (tree / "inner").mkdir()
    (tree / "inner" / "to-a-file").symlink_to(kept / "file")
    (tree / "inner" / "to-nothing").symlink_to("/no/such/file")
    remove_tree(tree)
    assert not tree.exists()
    assert (kept / "file").read_text() == "kept"


def test_folders_without_permissions_go(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The user of `another_user` may not pass through the folders of pytest.
    monkeypatch.chdir(tree)
    with another_user(tree):
        for mode in (0o000, 0o500, 0o300, 0o600):
            inner = Path("work", f"{mode:03o}", "inner")
            inner.mkdir(parents=True)
            (inner / "file").touch()
            inner.chmod(mode)
            inner.parent.chmod(mode)
        remove_tree(Path("work"))
    assert list(tree.iterdir()) == []


def test_what_belongs_to_another_user_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make another user's folder")
    monkeypatch.chdir(tree)
    (tree / "work" / "of-root").mkdir(parents=True)
    (tree / "work" / "of-root" / "file").touch()
    before = open_files()
    with another_user(tree / "work"), pytest.raises(PermissionError):
        remove_tree(Path("work"))
    assert (tree / "work" / "of-root" / "file").exists()
    assert open_files() == before


def test_a_link_in_the_place_of_a_folder_is_not_followed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tree / "inner").mkdir()
    (tree / "inner" / "file").touch()
    opened = trees._open_folder

    def swap(parent: int, name: str) -> int:
        if name == "inner":
            (tree / "inner").rename(tmp_path / "moved")
            (tree / "inner").symlink_to(kept)
        return opened(parent, name)

    monkeypatch.setattr(trees, "_open_folder", swap)
    with pytest.raises(NotADirectoryError):
        remove_tree(tree)
    assert (kept / "file").exists()
    assert (tmp_path / "moved" / "file").exists()


def test_a_folder_that_is_moved_out_leads_to_nothing_else(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_deep(tree, 2 * trees._OPEN_LEVELS)
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    go_up = trees._Level.open_above

    def move(level: trees._Level, child: trees._Level) -> None:
        if level.descriptor < 0:
            above = os.open("..", os.O_RDONLY, dir_fd=child.descriptor)
            os.rename(child.name, other / "moved", src_dir_fd=above)
            os.close(above)
        go_up(level, child)

    monkeypatch.setattr(trees._Level, "open_above", move)
    with pytest.raises(OSError, match="moved while") as caught:
        remove_tree(tree)
    assert caught.value.errno == errno.ESTALE
    assert (other / "file").exists()


def test_a_missing_folder_is_no_error_and_a_file_or_link_is_one(tree: Path, tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tree)
    for name in ("file", "link"):
        with pytest.raises(NotADirectoryError):
            remove_tree(tmp_path / name)
    assert tree.exists()
