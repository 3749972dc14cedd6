import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.task import (
    DETAILS_MAX_BYTES,
    LAYOUT,
    PUBLISH_RESULT_MAX_BYTES,
    STEP_REPORT_MAX_BYTES,
    TASK_MAX_BYTES,
    Details,
    Publication,
    PublishResult,
    StepReport,
    StepState,
    Task,
    TaskError,
    UsageItem,
    frame_details,
    parse_details,
)
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
        ("repositoryUrl", "http://h/p", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://user:word@h/p", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h/a/../b", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h/%2e%2e/b", "Task.repositoryUrl: must be https"),
        ("repositoryUrl", "https://h:0/b", "Task.repositoryUrl: must be https"),
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


@given(message=_TEXT, title=_TEXT)
def test_a_result_always_fits(message: str, title: str) -> None:
    result = PublishResult(
        Publication.PUSHED,
        "Pushed",
        message * 3,
        commit="a" * 64,
        title=title * 3,
        files=2**53 - 1,
        insertions=2**53 - 1,
        deletions=2**53 - 1,
        details_digest="0" * 64,
        agent_state=StepState.FAILED,
        agent_reason="A" * 64,
        agent_exit_code=255,
        retry_after_seconds=86_400,
    )
    text = result.to_json()
    assert len(text.encode()) <= PUBLISH_RESULT_MAX_BYTES
    back = PublishResult.from_json(text)
    assert dataclasses.replace(back, message="", title="") == dataclasses.replace(result, message="", title="")
    assert result.message.startswith(back.message)


@given(message=_TEXT, output=_TEXT)
def test_a_report_always_fits(message: str, output: str) -> None:
    report = StepReport("checkout", StepState.FAILED, "BaseNotFound", message, output=output)
    assert len(report.to_json().encode()) <= STEP_REPORT_MAX_BYTES
    assert StepReport.from_json(report.to_json()).reason == "BaseNotFound"


@pytest.mark.parametrize("field", ["message", "output"])
def test_half_of_a_surrogate_pair_is_refused(field: str) -> None:
    text = json.dumps({"step": "agent", "state": "Failed", "reason": "AgentFailed", field: "a\ud800"})
    with pytest.raises(TaskError, match=rf"StepReport.{field}: holds half of a surrogate pair"):
        StepReport.from_json(text)


def test_details_are_found_among_other_lines() -> None:
    details = Details("Summary\n", (UsageItem("model", "input", "tokens", 3, 4),), learnings=("a",), notes=("n",))
    line, digest = frame_details(details)
    other, _ = frame_details(Details("forged"))
    log = f"{other}\nCODECOURIER-DETAILS:{digest}:bm9ubmU=\n2026-01-01T00:00:00Z {line}\nlast words\n"
    assert parse_details(log, digest) == details
    assert parse_details(log[: log.index(line) + len(line) - 3], digest) is None
    assert parse_details("", digest) is None


def test_details_have_a_bound() -> None:
    notes = tuple("\U0001f680" * 250 for _ in range(50))
    assert len(Details("x" * 60_000, notes=notes).to_json()) < DETAILS_MAX_BYTES
    with pytest.raises(TaskError, match="summary"):
        Details("x" * 70_000)


def test_every_path_lies_below_the_root() -> None:
    names = [name for name in dir(LAYOUT) if not name.startswith("_") and name != "root"]
    assert len(names) == 14
    assert all(getattr(LAYOUT, name).startswith("/codecourier/") for name in names)
