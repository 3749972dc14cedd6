import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.result import (
    DETAILS_MAX_BYTES,
    PUBLISH_RESULT_MAX_BYTES,
    STEP_REPORT_MAX_BYTES,
    Details,
    Publication,
    PublishResult,
    StepReport,
    StepState,
    UsageItem,
    frame_details,
    parse_details,
)
from codecourier.wire import TaskError

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=2000)


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
