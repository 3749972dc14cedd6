"""Whole pods that merge, over https to a real repository."""

from collections.abc import Callable

from codecourier.merging import MergeState
from codecourier.task import Publication, StepState, Task
from tests.runner.conftest import READ_TOKEN, WRITE_TOKEN
from tests.runner.merging.conftest import MakeScene
from tests.support.git_https import git
from tests.support.sandbox import Pod

_NUMBERS = "seq 1 9 > app"
_AGENT = """
set -e
grep -q 'could not merge pull request #8' "$CODECOURIER_PROMPT_FILE"
grep -q '"app": both sides changed it' "$CODECOURIER_PROMPT_FILE"
git status | grep -q 'You have unmerged paths'
git show :2:app | grep -q '5 seven'
git show :3:app | grep -q '5 eight'
sed -i -E '/^(<{7}|={7}|>{7})/d' app
git add app
echo 'Keep both' > "$CODECOURIER_SUMMARY_FILE"
"""


def test_clean_merges_and_a_resolution_become_one_chain(make_scene: MakeScene, make_pod: Callable[[Task], Pod]) -> None:
    scene = make_scene()
    scene.start(_NUMBERS)
    scene.pull(6, "echo six > six")
    scene.pull(7, "sed -i 's/^5$/5 seven/' app")
    scene.pull(8, "sed -i 's/^5$/5 eight/' app")
    scene.pull(9, "echo nine > nine")
    task = scene.task(
        agent_command=("sh", "-c", _AGENT),
        setup=("test -f app",),
        verify=("grep -q '5 seven' app", "grep -q '5 eight' app"),
    )
    pod = make_pod(task)
    result = pod.run_all(read_token=READ_TOKEN, write_token=WRITE_TOKEN)

    assert (result.state, result.reason, result.agent_state) == (Publication.PUSHED, "Pushed", StepState.SUCCEEDED)
    assert scene.progress == result.commit
    assert result.merge is not None
    assert (result.merge.states, result.merge.tree) == (
        "CCR",
        git(scene.bare, "rev-parse", f"{result.commit}^{{tree}}"),
    )
    chain = git(scene.bare, "log", "--first-parent", "--format=%P", f"{task.base_commit}..{result.commit}").split("\n")
    assert [parents.split()[1] for parents in chain] == [scene.heads[number] for number in (8, 7, 6)]
    assert chain[-1].split()[0] == task.base_commit
    assert git(scene.bare, "show", "-s", "--format=%an <%ae>|%cn|%B", str(scene.progress)).startswith(
        "CodeCourier <courier@example.com>|CodeCourier|Merge pull request #8\n\nCodeCourier-Merge: merge-uid-1\n"
        "CodeCourier-Step: 0\nCodeCourier-Pull-Request: 8"
    )
    assert not git(scene.bare, "for-each-ref", "refs/heads/codecourier")


def test_without_a_conflict_no_agent_runs(make_scene: MakeScene, make_pod: Callable[[Task], Pod]) -> None:
    scene = make_scene()
    scene.start(_NUMBERS)
    scene.pull(7, "echo seven > seven")
    task = scene.task(agent_command=("false",), setup=("touch set-up",), verify=("test -f set-up -a -f seven",))
    pod = make_pod(task)
    result = pod.run_all(read_token=READ_TOKEN, write_token=WRITE_TOKEN)
    assert (result.state, result.agent_reason) == (Publication.PUSHED, "AgentSkipped")
    assert result.merge is not None
    assert result.merge.states == MergeState.CLEAN.letter
