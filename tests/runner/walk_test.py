import os
from pathlib import Path

import pytest

from codecourier.runner.step import StepError
from codecourier.runner.walk import Tree, hash_blob
from tests.support.git_https import git


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "file").write_text("content")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("not yours")
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "link").symlink_to("folder/file")
    return root


def test_a_folder_is_listed_without_following(root: Path) -> None:
    kinds = {entry.path: (entry.is_file, entry.is_folder, entry.is_link) for entry in Tree(str(root)).list(b"")}
    assert kinds == {b"away": (False, False, True), b"folder": (False, True, False), b"link": (False, False, True)}


@pytest.mark.parametrize("path", [b"away/file", b"link", b"away", b"../outside/file", b"folder/../../outside/file"])
def test_no_path_leads_out(root: Path, path: bytes) -> None:
    with pytest.raises(StepError, match="UnsafeEntry"):
        list(Tree(str(root)).pieces(path, 9))
    assert Tree(str(root)).read(path, 100) is None


def test_reading_a_fifo_does_not_hang(root: Path) -> None:
    os.mkfifo(root / "fifo")
    assert Tree(str(root)).read(b"fifo", 100) is None
    with pytest.raises(StepError, match="changed while"):
        list(Tree(str(root)).pieces(b"fifo", 1))


@pytest.mark.parametrize("size", [6, 8])
def test_a_file_of_another_size_has_changed(root: Path, size: int) -> None:
    with pytest.raises(StepError, match="changed while"):
        list(Tree(str(root)).pieces(b"folder/file", size))


def test_hashes_are_gits(root: Path, tmp_path: Path) -> None:
    expected = git(tmp_path, "hash-object", "--no-filters", "root/folder/file")
    assert Tree(str(root)).hash("sha1", b"folder/file", 7) == expected == hash_blob("sha1", b"content")


def test_names_are_bytes(root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff"))).write_text("x")
    assert Tree(str(root)).read(b"\xff", 10) == b"x"
