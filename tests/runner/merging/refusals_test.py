"""What a resolution may not do, and what a lost pod has left."""

import pytest

from codecourier.merging import MergeState
from codecourier.task import Publication
from tests.runner.merging.conftest import MakeScene, MakeSteps, report_of, scene_of
from tests.runner.merging.pairs import CONFLICTS

_TEXT = CONFLICTS[0]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"{_TEXT.right}; echo x > other", "PathNotConflicted"),
        ("git add app", "ConflictMarkersLeft"),
        ("true", "ConflictUnsettled"),
        ("ln -sfn tests app; git add app", "LinkNotConflicted"),
        (f"{_TEXT.right}; rm -rf .git", None),
    ],
)
def test_it_is_refused_by_a_word(script: str, reason: str | None, make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = scene_of(make_scene, _TEXT)
    end = make_steps(scene.task(agent_command=("sh", "-ec", script))).run()
    assert end.result.reason == (reason or "Pushed")
    assert (scene.progress is None) is (reason is not None)


def test_what_a_lost_pod_pushed_is_adopted(make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = scene_of(make_scene, _TEXT)
    task = scene.task(agent_command=("sh", "-ec", _TEXT.right))
    first = make_steps(task).run()
    second = make_steps(scene.task(agent_command=("false",))).run()
    assert (second.result.state, second.result.reason) == (Publication.PUSHED, "Adopted")
    assert second.result.commit == first.result.commit
    assert [source.state for source in report_of(second).sources] == [MergeState.RESOLVED]
