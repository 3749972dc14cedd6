"""What a pusher to the private ref, and the authors of pull requests, may try: nothing of it counts or harms."""

import resource
import shlex

import pytest

from codecourier.runner.merging.conflicts import parse_merge_output
from codecourier.runner.merging.prompt import describe_conflict
from codecourier.runner.merging.resolution import find_hindrance
from codecourier.runner.merging.walk import OpenConflict, describe_paths, report_conflict
from codecourier.runner.step import StepError
from codecourier.task import Publication
from tests.runner.merging.conftest import UID, MakeScene, MakeSteps, Scene, scene_of
from tests.runner.merging.pairs import CONFLICTS
from tests.support.git_https import git

_TEXT = CONFLICTS[0]
_FORGED = f"Merge pull request #7\n\nCodeCourier-Merge: {UID}\nCodeCourier-Step: %s\nCodeCourier-Pull-Request: 7\n"
_OURS = "GIT_AUTHOR_NAME=CodeCourier GIT_AUTHOR_EMAIL=courier@example.com"


def push_progress(scene: Scene, script: str) -> None:
    """Push what a script prints the id of to the private ref, as a user with write access can."""
    ref = f"refs/codecourier/merge/{UID}"
    scene.sh(f"id=$({script})\ngit push --quiet -f {shlex.quote(str(scene.bare))} $id:{ref}")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo blob | git hash-object -w --stdin", "ProgressTaken"),
        ("git rev-parse main^{tree}", "ProgressTaken"),
        (
            "git tag -a -m x of-a-blob $(echo blob | git hash-object -w --stdin); git rev-parse of-a-blob",
            "ProgressTaken",
        ),
        ("git commit-tree -m foreign main^{tree}", "ProgressTaken"),
        (f"printf {shlex.quote(_FORGED % 5)} | git commit-tree main^{{tree}}", "Superseded"),
        (f"printf {shlex.quote(_FORGED % 9999999999)} | git commit-tree main^{{tree}}", "ProgressTaken"),
        ("head -c 3000000 /dev/zero | tr '\\0' x | git commit-tree main^{tree}", "ProgressTaken"),
    ],
    ids=["blob", "tree", "tag", "foreign", "later step", "no step", "long message"],
)
def test_a_crafted_progress_stops_the_merges_with_a_sentence(
    script: str, reason: str, make_scene: MakeScene, make_steps: MakeSteps
) -> None:
    scene = scene_of(make_scene, _TEXT)
    push_progress(scene, script)
    with pytest.raises(StepError) as caught:
        make_steps(scene.task()).checkout()
    assert caught.value.reason == reason
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    "script",
    [
        f"{_TEXT.right}; echo evil >other; git add -A; printf %s | git commit-tree $(git write-tree) -p main -p theirs",
        f"{_TEXT.right}; git add -A; printf %s | git commit-tree $(git write-tree) -p main -p main~",
        f"{_TEXT.right}; git add -A; printf %s | {_OURS} git commit-tree $(git write-tree) -p main -p theirs",
        "git add -A; printf %s | git commit-tree $(git write-tree) -p main -p theirs",
    ],
    ids=["another path", "another parent", "another author", "markers"],
)
def test_a_forged_resolution_is_not_adopted_and_is_replaced(
    script: str, make_scene: MakeScene, make_steps: MakeSteps
) -> None:
    scene = scene_of(make_scene, _TEXT)
    scene.sh("git checkout --quiet main; git merge --quiet --no-commit --no-ff theirs >/dev/null 2>&1 || true")
    push_progress(scene, script.replace("%s", shlex.quote(_FORGED % 0)))
    forged = scene.progress
    task = scene.task(agent_command=("sh", "-ec", _TEXT.right))
    end = make_steps(task).run()
    assert (end.result.state, end.result.reason) == (Publication.PUSHED, "Pushed")
    assert end.result.commit == scene.progress != forged
    assert git(scene.bare, "show", "-s", "--format=%P", str(scene.progress)).split() == [
        git(scene.bare, "rev-parse", "main"),
        scene.heads[7],
    ]
    assert "evil" not in git(scene.bare, "ls-tree", "-r", "--name-only", str(scene.progress))


def merge_output(count: int, name: bytes = b"%d") -> bytes:
    """Return what git prints of a merge with so many conflicts."""
    names = [name % number for number in range(count)]
    stages = b"".join(
        b"100644 %040d %d\t%b\0" % (number, stage, path) for number, path in enumerate(names) for stage in (1, 2, 3)
    )
    words = b"".join(b"1\0%b\0CONFLICT (contents)\0CONFLICT (content): x\n\0" % path for path in names)
    return b"0" * 40 + b"\0" + stages + b"\0" + words


def test_a_hundred_thousand_conflicts_cost_linear_time_and_few_bytes() -> None:
    def seconds(count: int) -> float:
        output = merge_output(count)
        start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        merged = parse_merge_output(output)
        assert find_hindrance(merged, allow_ci_paths=True) == "TooManyConflicts"
        report = report_conflict(7, merged, "TooManyConflicts")
        assert (report.path_count, len(report.paths)) == (count, 20)
        assert len(describe_paths(report)) < 1000
        return resource.getrusage(resource.RUSAGE_SELF).ru_utime - start

    assert min(seconds(100_000) for _ in range(2)) < 3 * min(seconds(50_000) for _ in range(3))


@pytest.mark.parametrize(
    "name",
    [
        b"a\nb%d",
        b"\x1b[31m%d",
        b"\xe2\x80\xae%d",
        b"\xff%d",
        b"%d" + b"x" * 5000,
        b"\xf3\xa0\x81\x81%d",
        b"\xe2\x80\xa8%d",
    ],
)
def test_odd_names_of_files_are_one_visible_line_in_reports_and_prompts(name: bytes, make_scene: MakeScene) -> None:
    merged = parse_merge_output(merge_output(3, name))
    report = report_conflict(7, merged, "MergeConflict")
    assert all(path.isprintable() and len(path) <= 200 for path in report.paths)
    assert describe_paths(report).isprintable()
    if find_hindrance(merged, allow_ci_paths=True) is None:
        scene = scene_of(make_scene, _TEXT)
        task = scene.task()
        assert task.merge is not None
        prompt = describe_conflict(task, OpenConflict(task.merge.sources[0], merged))
        assert prompt.replace("\n", "").isprintable()
