"""The whole way of one try, over https to a real repository."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from codecourier.task import Publication, StepState, Task
from tests.runner.conftest import READ_TOKEN, WRITE_TOKEN
from tests.support.git_https import git
from tests.support.sandbox import Pod

_AGENT = """
set -e
test "$(cat)" = 'Make it better.'
test "$(cat "$CODECOURIER_PROMPT_FILE")" = 'Make it better.'
cd "$CODECOURIER_WORKSPACE"
test "$(git rev-parse HEAD)" = "$CODECOURIER_BASE_COMMIT"
test "$(git branch --show-current)" = "$CODECOURIER_BRANCH"
echo 'print("better")' >> src/app.py
git commit --quiet --all -m 'of my own'
chmod +x src/app.py
rm README.md
mkdir -p docs build
echo built > build/out
echo text > docs/a.md
ln -s ../src/app.py docs/link
printf 'Make the app better\\n\\nIt says so twice. Fixes #12\\n' > "$CODECOURIER_SUMMARY_FILE"
echo '{"service":"model","kind":"input","unit":"tokens","quantity":10,"costMicroUSD":5}' >> "$CODECOURIER_USAGE_FILE"
echo '{"service":"model","kind":"input","unit":"tokens","quantity":7,"costUsd":0.000001}' >> "$CODECOURIER_USAGE_FILE"
echo '{"text":"Tests live in tests/."}' >> "$CODECOURIER_LEARNINGS_FILE"
"""


def test_a_try_becomes_one_commit_on_the_runs_branch(task: Task, bare: Path, make_pod: Callable[[Task], Pod]) -> None:
    pod = make_pod(dataclasses.replace(task, agent_command=("sh", "-c", _AGENT), setup=("test -f README.md",)))
    result = pod.run_all(read_token=READ_TOKEN, write_token=WRITE_TOKEN)

    assert (result.state, result.reason, result.agent_state) == (Publication.PUSHED, "Pushed", StepState.SUCCEEDED)
    assert git(bare, "rev-parse", task.branch) == result.commit
    assert git(bare, "rev-parse", f"{task.branch}^") == task.base_commit
    assert git(bare, "diff", "--raw", "--no-renames", "--abbrev=4", task.base_commit, task.branch).count("\n") == 3
    changes = git(bare, "diff", "--name-status", "--no-renames", task.base_commit, task.branch).split("\n")
    assert changes == ["D\tREADME.md", "A\tdocs/a.md", "A\tdocs/link", "M\tsrc/app.py"]
    assert git(bare, "ls-tree", task.branch, "src/app.py").startswith("100755")
    assert (result.files, result.insertions, result.deletions) == (4, 3, 1)
    assert git(bare, "show", "-s", "--format=%B", task.branch) == (
        "Make the app better\n\nIt says so twice. Fixes issue #12\n\n"
        f"CodeCourier-Run: {task.run.uid}\nCodeCourier-Attempt: 1\nCodeCourier-Base: {task.base_commit}"
    )
