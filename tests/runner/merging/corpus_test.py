"""More than forty pairs of real branches: what git says of them, a right resolution, and one that takes one side."""

from pathlib import Path

import pytest

from codecourier.merging import MergeState
from codecourier.runner.git import Git
from codecourier.runner.merging.mechanical import OURS_REF, merge_trees, theirs_ref
from codecourier.task import Publication, StepState
from tests.runner.merging.conftest import MakeScene, MakeSteps, Scene, report_of, scene_of
from tests.runner.merging.pairs import CLEAN, CONFLICTS, HINDERED, PAIRS, Pair
from tests.support.git_https import git

_VERIFY = ("sh tests/ours.sh", "sh tests/theirs.sh")


def test_the_corpus_is_large_enough() -> None:
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert len(PAIRS) >= 30
    assert len(CLEAN) >= 10 <= len(CONFLICTS)


def _plain(scene: Scene) -> tuple[str, set[bytes]]:
    """Merge as a person does by hand: the tree, and the entries in conflict."""
    git(scene.bare, "update-ref", OURS_REF, "main")
    git(scene.bare, "update-ref", theirs_ref(7), scene.heads[7])
    words = f"git merge-tree --write-tree -z --no-messages {OURS_REF} {theirs_ref(7)} || test $? -eq 1"
    output = git(scene.bare, "-c", f"alias.plain=!{words}", "plain").encode("utf-8", "surrogateescape")
    tree, *entries = [field for field in output.split(b"\0") if field]
    return tree.decode(), set(entries)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_it_is_classified_as_git_does(pair: Pair, make_scene: MakeScene) -> None:
    scene = scene_of(make_scene, pair)
    (scene.bare / "info").mkdir(exist_ok=True)
    merged = merge_trees(Git(str(scene.bare)), git(scene.bare, "rev-parse", "main"), scene.heads[7], 7)
    entries = {
        f"{stage.mode} {stage.oid} {number}\t".encode() + path
        for conflict in merged.conflicts
        for path, sides in conflict.stages.items()
        for number, stage in sides.items()
    }
    assert (merged.tree, entries) == _plain(scene)
    assert {kind for conflict in merged.conflicts for kind in conflict.kinds} == pair.kinds


@pytest.mark.parametrize("pair", CLEAN, ids=lambda pair: pair.name)
def test_a_clean_one_is_merged_by_git_alone(pair: Pair, make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = scene_of(make_scene, pair)
    end = make_steps(scene.task(agent_command=("false",))).run()
    assert (end.result.state, [source.state for source in report_of(end).sources]) == (
        Publication.PUSHED,
        [MergeState.CLEAN],
    )
    assert git(scene.bare, "rev-parse", f"{scene.progress}^{{tree}}") == _plain(scene)[0]


@pytest.mark.parametrize("pair", CONFLICTS, ids=lambda pair: pair.name)
def test_a_right_resolution_passes(pair: Pair, make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = scene_of(make_scene, pair)
    steps = make_steps(scene.task(agent_command=("sh", "-ec", pair.right), verify=_VERIFY))
    end = steps.run()
    assert (end.result.state, end.result.message) == (Publication.PUSHED, f"Pushed {scene.progress}.")
    assert [source.state for source in report_of(end).sources] == [MergeState.RESOLVED]
    parents = git(scene.bare, "show", "-s", "--format=%P", scene.progress or "").split()
    assert parents == [git(scene.bare, "rev-parse", "main"), scene.heads[7]]


@pytest.mark.parametrize("pair", CONFLICTS, ids=lambda pair: pair.name)
def test_one_that_takes_one_side_is_refused(pair: Pair, make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = scene_of(make_scene, pair)
    steps = make_steps(scene.task(agent_command=("sh", "-ec", pair.lazy), verify=_VERIFY))
    steps.checkout()
    assert steps.agent().state is StepState.SUCCEEDED
    steps.collect()
    assert (steps.verify().reason, scene.progress) == ("VerifyFailed", None)
    end = steps.publish()
    assert (end.result.state, end.result.reason, scene.progress) == (Publication.FAILED, "NotVerified", None)
    assert [(source.state, source.reason) for source in report_of(end).sources] == [
        (MergeState.CONFLICT, "NotVerified")
    ]


@pytest.mark.parametrize("pair", HINDERED, ids=lambda pair: pair.name)
def test_one_that_no_agent_may_resolve_is_reported(pair: Pair, make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = scene_of(make_scene, pair)
    end = make_steps(scene.task(agent_command=("false",), verify=_VERIFY)).run()
    assert (end.result.state, end.result.reason, scene.progress) == (Publication.FAILED, "MergeConflict", None)
    (source,) = report_of(end).sources
    assert (source.state, source.reason, source.path_count > 0) == (MergeState.CONFLICT, pair.hindrance, True)


@pytest.mark.parametrize("place", ["info/attributes", "config"])
def test_the_repository_on_this_machine_has_no_say(place: str, make_scene: MakeScene, tmp_path: Path) -> None:
    """Not even a hostile configuration of the private git directory runs a driver or merges by union."""
    scene = scene_of(make_scene, next(pair for pair in CONFLICTS if pair.name == "driver-in-the-source"))
    before = merge_trees(Git(str(scene.bare)), git(scene.bare, "rev-parse", "main"), scene.heads[7], 7)
    if place == "config":
        with (scene.bare / "config").open("a") as file:
            file.write(
                "[merge]\n\tconflictStyle = diff3\n\trenames = false\n"
                f'[merge "evil"]\n\tdriver = touch {tmp_path}/ran\n'
            )
    assert merge_trees(Git(str(scene.bare)), git(scene.bare, "rev-parse", "main"), scene.heads[7], 7) == before
    assert not (tmp_path / "ran").exists()
