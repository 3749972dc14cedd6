"""Pull requests that change files of GitHub's workflows, and a credential that may not."""

import dataclasses
from pathlib import Path

import pytest

from codecourier.merging import MergeState
from codecourier.task import Publication, Task
from tests.runner.merging.conftest import MakeScene, MakeSteps, Scene, report_of
from tests.support.git_https import git

_CI = ".github/workflows/ci.yml"
_HOOK = """#!/bin/sh
if git diff-tree -r --name-only main "$3" | grep -q '^.github/workflows/'; then
    echo 'refusing to allow a GitHub App to create or update workflow `ci.yml` without `workflows` permission' >&2
    exit 1
fi
"""


def forbidden(task: Task) -> Task:
    """Return a task whose credential is known to lack the permission."""
    assert task.merge is not None
    return dataclasses.replace(task, merge=dataclasses.replace(task.merge, may_change_workflows=False))


def start(make_scene: MakeScene) -> Scene:
    scene = make_scene()
    scene.start(f"seq 1 9 > app; mkdir -p .github/workflows; echo 'on: push' > {_CI}; echo docs > .github/owners")
    return scene


def refuse_workflows(bare: Path) -> None:
    hook = bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_HOOK)
    hook.chmod(0o755)


@pytest.mark.parametrize(
    "change",
    [
        f"echo 'on: pull_request' > {_CI}",
        f"mkdir other; git mv {_CI} other/ci.yml",
        f"rm {_CI}; ln -s ../owners {_CI}",
        "git rm -q -r .github/workflows; echo file > .github/workflows",
    ],
)
def test_one_that_changes_workflows_is_left_out_before_anything_is_pushed(
    change: str, make_scene: MakeScene, make_steps: MakeSteps
) -> None:
    scene = start(make_scene)
    scene.pull(6, "echo six > six; echo more >> .github/owners")
    scene.pull(7, change)
    scene.pull(8, "mkdir -p workflows; echo eight > workflows/ci.yml")
    end = make_steps(forbidden(scene.task(resolves=False))).run()
    assert end.result.state is Publication.PUSHED
    assert "".join(source.state.letter for source in report_of(end).sources) == "CFC"
    assert not git(scene.bare, "diff-tree", "-r", "--name-only", "main", str(scene.progress), "--", ".github/workflows")


@pytest.mark.parametrize("change", [f"echo theirs > {_CI}", f"git rm -q {_CI}"])
def test_a_conflict_in_workflows_goes_to_no_agent(change: str, make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = start(make_scene)
    base = git(scene.bare, "rev-parse", "main")
    scene.on_main(f"echo ours > {_CI}")
    scene.pull(7, change, base)
    task = forbidden(scene.task(agent_command=("false",), allow_ci_paths=True))
    end = make_steps(task).run()
    assert (end.result.state, [source.state for source in report_of(end).sources]) == (
        Publication.NO_CHANGE,
        [MergeState.FORBIDDEN],
    )


def test_a_credential_that_may_merges_them(make_scene: MakeScene, make_steps: MakeSteps) -> None:
    scene = start(make_scene)
    scene.pull(7, f"echo 'on: pull_request' > {_CI}")
    end = make_steps(scene.task(resolves=False)).run()
    assert [source.state for source in report_of(end).sources] == [MergeState.CLEAN]


def test_where_only_the_host_knows_its_refusal_names_the_pull_requests(
    make_scene: MakeScene, make_steps: MakeSteps
) -> None:
    scene = start(make_scene)
    scene.pull(6, "echo six > six")
    scene.pull(7, f"echo 'on: pull_request' > {_CI}")
    scene.pull(8, "echo eight > eight")
    refuse_workflows(scene.bare)
    end = make_steps(scene.task(resolves=False)).run()
    assert (end.result.state, end.result.reason) == (Publication.FAILED, "WorkflowPermission")
    assert "".join(source.state.letter for source in report_of(end).sources) == "CFC"
    assert end.result.merge is not None
    assert end.result.merge.states == "CFC"
    assert scene.progress is None
    again = make_steps(scene.task(6, 8, resolves=False)).run()
    assert again.result.state is Publication.PUSHED


def test_a_resolution_in_workflows_that_the_host_refuses_is_named_too(
    make_scene: MakeScene, make_steps: MakeSteps
) -> None:
    scene = start(make_scene)
    base = git(scene.bare, "rev-parse", "main")
    scene.on_main(f"echo ours > {_CI}")
    scene.pull(7, f"echo theirs > {_CI}", base)
    refuse_workflows(scene.bare)
    task = scene.task(agent_command=("sh", "-ec", f"echo both > {_CI}"), allow_ci_paths=True)
    end = make_steps(task).run()
    assert (end.result.reason, [source.state for source in report_of(end).sources]) == (
        "WorkflowPermission",
        [MergeState.FORBIDDEN],
    )
    assert scene.progress is None
