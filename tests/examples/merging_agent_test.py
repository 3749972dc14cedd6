"""The merging agent resolves conflicts by trying, and knows nothing of a repository but its tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "agent" / "merging_agent.sh"
TESTS = 'for test in *_test.sh; do sh "$test"; done'

Files = Mapping[str, str | None]


class Merge:
    """A repository in the middle of a merge, as the workspace of an agent has it."""

    def __init__(self, folder: Path, base: Files, ours: Files, theirs: Files) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.summary, self.usage = folder / "summary.md", folder / "usage.jsonl"
        self.git("init", "--quiet", "-b", "main")
        self._commit(base)
        self.git("branch", "theirs")
        self._commit(ours)
        self.git("checkout", "--quiet", "theirs")
        self._commit(theirs)
        self.git("checkout", "--quiet", "main")
        assert self.git("merge", "--quiet", "--no-commit", "theirs", check=False) == 1

    def _commit(self, files: Files) -> None:
        for name, text in files.items():
            path = self.workspace / name
            if text is None:
                path.unlink()
            else:
                path.write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", "Change")

    def git(self, *arguments: str, check: bool = True) -> int:
        """Run git as a person does, and return its exit code."""
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": "A Person", f"GIT_{role}_EMAIL": "person@example.com"}
        command = ["git", "-C", str(self.workspace), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, check=check).returncode

    def resolve(self, **variables: str) -> tuple[int, str]:
        """Run the agent; return its exit code and what it said."""
        done = subprocess.run(
            ["sh", "-c", SCRIPT.read_text(encoding="utf-8")],
            input="Resolve it.",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.workspace),
                "CODECOURIER_WORKSPACE": str(self.workspace),
                "CODECOURIER_SUMMARY_FILE": str(self.summary),
                "CODECOURIER_USAGE_FILE": str(self.usage),
                "TEST_COMMAND": TESTS,
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def read(self, name: str) -> str:
        """Return a file of the workspace."""
        return (self.workspace / name).read_text(encoding="utf-8")

    @property
    def is_settled(self) -> bool:
        """Whether no path is left to be settled, and what is staged is what the files say."""
        unmerged = ["git", "-C", str(self.workspace), "ls-files", "--unmerged"]
        listed = subprocess.run(unmerged, capture_output=True, check=True).stdout
        return not listed and self.git("diff", "--quiet", check=False) == 0


BASE = {"steps": "start\nend\n", "base_test.sh": "grep -q start steps\n"}


def before(one: str, other: str) -> str:
    """Return a test that one line comes before another."""
    script = f"test $(grep -n {one} steps | cut -d: -f1) -lt $(grep -n {other} steps | cut -d: -f1)\n"
    return f"grep -q {one} steps\n{script}"


def conflict(folder: Path, ours: str, theirs: str) -> Merge:
    """Return a merge in which both sides add a line at the same place, with the tests of both sides."""
    return Merge(
        folder,
        BASE,
        {"steps": "start\nalpha\nend\n", "ours_test.sh": ours},
        {"steps": "start\nbeta\nend\n", "theirs_test.sh": theirs},
    )


@pytest.mark.parametrize(
    ("ours", "lines"), [("grep -q alpha steps\n", ["alpha", "beta"]), (before("beta", "alpha"), ["beta", "alpha"])]
)
def test_it_keeps_both_sides_in_the_order_that_the_tests_allow(tmp_path: Path, ours: str, lines: list[str]) -> None:
    merge = conflict(tmp_path, ours, "grep -q beta steps\n")
    code, said = merge.resolve()
    assert (code, merge.read("steps").split()) == (0, ["start", *lines, "end"]), said
    assert merge.is_settled
    assert merge.summary.read_text(encoding="utf-8").startswith("Resolve the conflicts of a merge\n\n")


def test_it_takes_one_side_where_only_that_passes(tmp_path: Path) -> None:
    merge = conflict(tmp_path, "! grep -q alpha steps\n", "grep -q beta steps\n")
    assert merge.resolve()[0] == 0
    assert merge.read("steps") == "start\nbeta\nend\n"


def test_it_fails_where_no_candidate_passes(tmp_path: Path) -> None:
    merge = conflict(tmp_path, "grep -q alpha steps\n", "grep -q gamma steps\n")
    code, said = merge.resolve()
    assert (code, merge.is_settled) == (1, False)
    assert "no candidate passes the tests" in said


def test_a_lazy_one_takes_one_side_whatever_the_tests_say(tmp_path: Path) -> None:
    merge = conflict(tmp_path, "grep -q alpha steps\n", "grep -q beta steps\n")
    assert merge.resolve(MERGING_AGENT="lazy")[0] == 0
    assert (merge.read("steps"), merge.is_settled) == ("start\nalpha\nend\n", True)


@pytest.mark.parametrize(("test", "kept"), [("test -e old", True), ("! test -e old", False)])
def test_it_keeps_or_deletes_a_file_that_one_side_deleted(tmp_path: Path, test: str, kept: bool) -> None:  # noqa: FBT001
    base = {**BASE, "old": "old\n"}
    merge = Merge(tmp_path, base, {"old": None}, {"old": "older\n", "theirs_test.sh": f"{test}\n"})
    code, said = merge.resolve()
    assert (code, (merge.workspace / "old").exists(), merge.is_settled) == (0, kept, True), said


def test_it_settles_every_file_of_a_conflict(tmp_path: Path) -> None:
    base = {**BASE, "a b": "1\n", "ä": "1\n"}
    merge = Merge(tmp_path, base, {"a b": "2\n", "ä": "2\n"}, {"a b": "3\n", "ä": "3\n"})
    code, said = merge.resolve()
    assert (code, merge.read("a b"), merge.read("ä"), merge.is_settled) == (0, "2\n3\n", "2\n3\n", True), said
