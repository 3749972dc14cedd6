import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.task import LAYOUT, TASK_MAX_BYTES, Task, TaskError
from tests.support.sandbox import make_task

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=2000)


@given(prompt=_TEXT.filter(bool), steps=st.lists(_TEXT.filter(bool), max_size=3), words=st.lists(_TEXT, max_size=3))
def test_a_task_comes_back_as_it_was(prompt: str, steps: list[str], words: list[str]) -> None:
    task = make_task(prompt=prompt, setup=tuple(steps), agent_command=("run", *words), variables={"CODECOURIER_X": "1"})
    assert Task.from_json(task.to_json()) == task


@pytest.mark.parametrize("prompt", ['"' * 65_536, "\U0001f680" * 16_384, "\x01" * 10_000, "\\\t\r\n" * 16_384])
def test_awkward_prompts_survive(prompt: str) -> None:
    assert Task.from_json(make_task(prompt=prompt).to_json()).prompt == prompt


def test_a_task_of_control_characters_is_refused_when_it_grows_too_large() -> None:
    with pytest.raises(TaskError, match=f"more than {TASK_MAX_BYTES}"):
        make_task(prompt="\x01" * 65_536).to_json()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("attempt", 0, "Task.attempt: is 0, must be 1 to"),
        ("attempt", "1", "Task.attempt: must be an integer, is a string"),
        ("attempt", True, "Task.attempt: must be an integer, is true or false"),
        ("prompt", "", "Task.prompt: 0 bytes"),
        ("prompt", "a\0b", "Task.prompt: holds a NUL"),
        ("repositoryUrl", "http://h/a/p", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://user:word@h/a/p", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h/a/../b", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h/a/%2e%2e", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h:0/a/b", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h/group/sub/p", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h", "Task.repositoryUrl: must be https"),
        ("branch", "main", "Task.branch: is the base branch"),
        ("branch", "a..b", "Task.branch: 'a..b' is not a branch name"),
        ("branch", "-x", "is not a branch name"),
        ("branch", "refs/heads/x", "is not a branch name"),
        ("branch", "x.lock", "is not a branch name"),
        ("baseCommit", "abc", "Task.baseCommit: 'abc' is not a full commit id"),
        ("baseCommit", "A" * 40, "is not a full commit id"),
        ("agentCommand", [], "Task.agentCommand: is empty"),
        ("agentCommand", "run", "Task.agentCommand: must be a list"),
        ("agentCommand", [1], "Task.agentCommand[0]: must be a string"),
        ("setup", [""], "Task.setup[0]: 0 bytes"),
        ("variables", {"PATH": "x"}, "Task.variables: 'PATH' is not a name such as"),
        ("variables", {"CODECOURIER_ROOT": "x"}, "Task.variables: CODECOURIER_ROOT is set by the sandbox itself"),
        ("variables", {"CODECOURIER_CANARY_X": "x"}, "is set by the sandbox itself"),
        ("canaryEnv", ["a b"], "Task.canaryEnv: 'a b' is not a name of an environment variable"),
        ("limits", {"maxFiles": 0}, "Task.limits.maxFiles: is 0"),
        ("run", {"namespace": "a", "name": "b"}, "Task.run: field 'uid' is missing"),
        ("commitAuthor", {"name": "a<b", "email": "e"}, "Task.commitAuthor.name: holds <"),
        ("surprise", 1, "Task: unknown field 'surprise'"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object, message: str) -> None:
    text = json.dumps({**json.loads(make_task().to_json()), field: value})
    with pytest.raises(TaskError) as error:
        Task.from_json(text)
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "[", "[]", "1", '{"a":NaN}', "[" * 100_000, '{"run":1,"run":1}', b"\xff\xfe"])
def test_what_is_no_task_is_refused(text: str | bytes) -> None:
    with pytest.raises(TaskError):
        Task.from_json(text)


def test_every_path_lies_below_the_root() -> None:
    names = [name for name in dir(LAYOUT) if not name.startswith("_") and name != "root"]
    assert len(names) == 16
    assert all(getattr(LAYOUT, name).startswith("/codecourier/") for name in names)
