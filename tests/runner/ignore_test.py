"""Our answers against git's own on the same tree."""

import os
from pathlib import Path

import pytest

from codecourier.runner.ignore import Ignorer
from codecourier.runner.walk import Entry, Tree
from tests.support.git_https import git

_RULES = {
    ".gitignore": "*.log\n!keep.log\nbuild/\n/top\nmid/*/leaf\n**/deep\n# note\n\\#odd\nspace\\ \n:colon\n[ab].txt\n",
    "sub/.gitignore": "!special.log\n/only\n*.tmp\n",
    "sub/inner/.gitignore": "!*.tmp\n",
}
_FILES = [
    *("a.log", "keep.log", "build/out", "sub/build/out", "top", "sub/top", "mid/x/leaf", "mid/x/y/leaf", "x/deep/file"),
    *("#odd", "space ", ":colon", ":(glob)x", "a.txt", "c.txt", "sub/special.log", "sub/only", "sub/inner/only"),
    *("sub/t.tmp", "sub/inner/t.tmp", "build.txt", "caf\u00e9.log", "plain", "new\nline.log", "--help"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name, content in [*_RULES.items(), *((name, "") for name in _FILES)]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def _kept(root: Path, scratch: Path) -> set[bytes]:
    scratch.mkdir()
    tree = Tree(str(root))
    ignorer = Ignorer(tree, scratch)
    kept: set[bytes] = set()
    folders = [b""]
    while folders:
        entries: list[Entry] = [entry for folder in folders for entry in tree.list(folder)]
        ignored = ignorer.ignored(entries)
        left = [entry for entry in entries if entry.path not in ignored]
        folders = [entry.path for entry in left if entry.is_folder]
        kept |= {entry.path for entry in left if not entry.is_folder}
    return kept


def test_the_answers_are_gits_own(tree: Path, tmp_path: Path) -> None:
    ours = _kept(tree, tmp_path / "scratch")
    git(tree, "init", "--quiet")
    listed = os.fsencode(git(tree, "ls-files", "-z", "--others", "--exclude-standard"))
    assert ours == set(listed.split(b"\0")) - {b""}
    assert b"keep.log" in ours
    assert b"a.log" not in ours


def test_the_agents_repository_has_no_say(tree: Path, tmp_path: Path) -> None:
    before = _kept(tree, tmp_path / "one")
    git(tree, "init", "--quiet")
    (tree / ".git" / "info" / "exclude").write_text("*\n")
    git(tree, "config", "core.excludesFile", str(tree / "plain"))
    (tree / "plain").write_text("*\n")
    assert {name for name in _kept(tree, tmp_path / "two") if not name.startswith(b".git/")} == before


def test_a_link_is_no_ignore_file(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    (tmp_path / "rules").write_text("*\n")
    (root / ".gitignore").symlink_to(tmp_path / "rules")
    (root / "file").touch()
    assert _kept(root, tmp_path / "scratch") == {b".gitignore", b"file"}
