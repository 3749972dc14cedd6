"""Sources that are odd for git: what becomes of each, and that those after it go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecourier.runner.git import Git
from codecourier.runner.merging.commits import MergeCommitter
from codecourier.runner.merging.walk import MergeWalk, walk_sources
from codecourier.task import Author
from tests.runner.merging.conftest import MakeScene, MakeSteps, Scene, report_of
from tests.support.git_https import git

GONE = "1" * 40


def walk(scene: Scene, *numbers: int, resolves: bool = True) -> MergeWalk:
    """Merge by git alone, without a pod."""
    task = scene.task(*numbers, resolves=resolves)
    assert task.merge is not None
    repository = Git(str(scene.bare))
    committer = MergeCommitter.of(repository, Author("Courier", "courier@example.com"), task.merge)
    return walk_sources(repository, task, {GONE}, committer)


def letters(found: MergeWalk) -> str:
    return "".join(report.state.letter for report in found.reports)


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    scene = make_scene()
    scene.start("seq 1 9 > app; echo readme > readme; echo run > run")
    return scene


def test_each_odd_source_has_its_outcome_and_the_rest_goes_on(scene: Scene) -> None:
    first = scene.pull(1, "sed -i 's/^1$/one/' app")
    scene.pull(2, "echo two > two", first)  # contains 1, and merges what is left of it
    scene.heads[3] = first  # the same commit under another number
    scene.pull(4, "sed -i 's/^1$/one/' app")  # the same change as another commit
    scene.heads[5] = git(scene.bare, "rev-parse", "main")  # nothing beyond the base
    scene.heads[6] = GONE
    scene.pull(7, "echo x > x; save x; git rm -q x")  # its commits take each other back
    scene.pull(8, "git checkout -q HEAD; git commit -q --allow-empty -m nothing")
    scene.pull(9, "echo nine > nine")
    found = walk(scene)
    assert letters(found) == "CCKEKMEEC"
    assert [report.commit is None for report in found.reports] == [letter not in "CR" for letter in "CCKEKMEEC"]
    names = git(scene.bare, "ls-tree", "-r", "--name-only", found.tip).splitlines()
    assert names == ["app", "nine", "readme", "run", "two"]


def test_one_that_contains_another_makes_that_one_needless(scene: Scene) -> None:
    first = scene.pull(1, "echo one > one")
    scene.pull(2, "echo two > two", first)
    assert letters(walk(scene, 2, 1)) == "CK"
    assert letters(walk(scene, 1, 2)) == "CC"


def test_unrelated_histories_are_a_conflict_for_no_agent(scene: Scene) -> None:
    scene.pull(
        1, "git checkout -q --orphan alone; git rm -rfq .; echo alone > alone; save alone; git checkout -q -B theirs"
    )
    found = walk(scene)
    assert [(report.state.letter, report.reason) for report in found.reports] == [("X", "UnrelatedHistories")]
    assert (found.conflict, found.tip) == (None, git(scene.bare, "rev-parse", "main"))


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        ("chmod +x run", "100755 run"),
        ("rm run; ln -s readme run", "120000 run"),
        ("rm run; mkdir run; echo x > run/x", "100644 run/x"),
        ("echo other > README", "100644 README"),
        ("printf 'a\\0b' > bin", "100644 bin"),
        ("sub 1", "160000 module"),
        ("git mv run moved", "100644 moved"),
        ("echo '* filter=evil diff=evil' > .gitattributes", "100644 .gitattributes"),
    ],
    ids=["mode", "link", "folder", "case", "binary", "submodule", "rename", "filter"],
)
def test_what_git_merges_alone_is_merged_as_it_is(change: str, listed: str, scene: Scene) -> None:
    scene.on_main("echo more >> readme")
    scene.pull(1, change, "start")
    found = walk(scene)
    assert (letters(found), found.conflict) == ("C", None)
    entries = git(scene.bare, "ls-tree", "-r", "--format=%(objectmode) %(path)", found.tip).splitlines()
    assert listed in entries


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ("chmod +x run; echo a > run", "rm run; ln -s readme run", "of different types on the two sides"),
        ("git rm -q run", "chmod +x run", "one side changed it, the other deleted it"),
        ("rm run; mkdir run; echo x > run/x", "echo y > run", "a file on one side, a folder on the other"),
        ("echo a > new", "printf 'a\\0b' > new", "both sides changed it, and it is binary"),
    ],
    ids=["link", "mode-and-deletion", "folder", "binary"],
)
def test_what_git_cannot_merge_stops_the_walk_there(ours: str, theirs: str, kind: str, scene: Scene) -> None:
    scene.on_main(ours)
    scene.pull(1, "echo one > one", "start")
    scene.pull(2, theirs, "start")
    scene.pull(3, "echo three > three", "start")
    found = walk(scene)
    assert letters(found) == "C"
    assert found.conflict is not None
    assert found.conflict.source.number == 2
    assert kind in {word for conflict in found.conflict.merged.conflicts for word in conflict.kinds}
    assert letters(walk(scene, resolves=False)) == "CX"


def test_a_filter_of_a_source_never_runs(scene: Scene, make_steps: MakeSteps, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    git(scene.bare, "config", "filter.evil.clean", f"touch {ran}")
    git(scene.bare, "config", "filter.evil.smudge", f"touch {ran}")
    scene.pull(1, "echo '* filter=evil ident text=auto' > .gitattributes; printf 'a\\r\\n$Id$\\r\\n' > dos")
    end = make_steps(scene.task(resolves=False)).run()
    assert [source.state.letter for source in report_of(end).sources] == ["C"]
    blob = git(scene.bare, "rev-parse", f"{scene.progress}:dos")
    assert blob == git(scene.bare, "rev-parse", f"{scene.heads[1]}:dos")
    # A pod's repository has no such filter; the server's has it, and the same merges work there.
    assert letters(walk(scene)) == "C"
    assert not ran.exists()


def test_names_that_differ_by_case_alone_stay_two_files(scene: Scene) -> None:
    scene.pull(1, "echo one > Makefile")
    scene.pull(2, "echo two > makefile")
    found = walk(scene)
    assert letters(found) == "CC"
    assert {"Makefile", "makefile"} <= set(git(scene.bare, "ls-tree", "--name-only", found.tip).splitlines())


def test_fifty_sources_are_merged_in_their_order(scene: Scene) -> None:
    script = "\n".join(
        f"git checkout -q -b n{n} start; echo {n} > file-{n}; save {n}; git push -q $BARE HEAD:refs/pull/{n}/head"
        for n in range(1, 51)
    )
    scene.sh(f"BARE={scene.bare}\n{script}\ngit checkout -q -f main")
    refs = git(scene.bare, "for-each-ref", "--format=%(refname) %(objectname)", "refs/pull").splitlines()
    scene.heads = {int(line.split("/")[2]): line.split()[1] for line in refs}
    order = list(range(50, 0, -1))
    found = walk(scene, *order)
    assert letters(found) == "C" * 50
    chain = git(scene.bare, "log", "--first-parent", "--reverse", "--format=%P", f"main..{found.tip}").splitlines()
    assert [parents.split()[1] for parents in chain] == [scene.heads[number] for number in order]


def test_the_recorded_head_is_merged_though_it_has_moved(scene: Scene, make_steps: MakeSteps) -> None:
    recorded = scene.pull(1, "echo one > one")
    task = scene.task(resolves=False)
    scene.pull(1, "echo other > other")
    git(scene.bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    end = make_steps(task).run()
    assert [source.state.letter for source in report_of(end).sources] == ["C"]
    assert git(scene.bare, "show", "-s", "--format=%P", str(scene.progress)).split()[1] == recorded


def test_a_source_of_a_fork_comes_from_the_ref_of_its_pull_request(scene: Scene, make_steps: MakeSteps) -> None:
    head = scene.pull(1, "echo one > one")
    assert git(scene.bare, "for-each-ref", "--format=%(refname)", f"--points-at={head}") == "refs/pull/1/head"
    end = make_steps(scene.task(resolves=False)).run()
    assert [source.state.letter for source in report_of(end).sources] == ["C"]
