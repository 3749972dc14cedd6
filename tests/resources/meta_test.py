"""What `updated` refuses: it is on the way of every status that is written, and the API server would refuse it too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from codecourier.resources.meta import Condition, ConditionStatus
from codecourier.resources.run import RunPhase, RunStatus, Try
from codecourier.resources.sandbox import SandboxPhase
from tests.support.worlds import NOW, make_run

TRY = Try(number=1, sandbox="fix-1")
READY = Condition(type="Ready", status=ConditionStatus.TRUE, reason="Accepted", message="", last_transition_time=NOW)


def test_a_name_that_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="RunStatus has no field 'pahse'"):
        RunStatus().updated(pahse=RunPhase.RUNNING)
    with pytest.raises(TypeError, match="RunStatus has no field 'retryTime'"):
        RunStatus().updated(retryTime=NOW)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tries": (TRY,) * 101}, "RunStatus.tries: Tuple should have at most 100 items"),
        ({"message": "x" * 4097}, "RunStatus.message: String should have at most 4096 characters"),
        ({"attempt": 1001}, "RunStatus.attempt: Input should be less than or equal to 1000"),
        ({"attempt": "1"}, "RunStatus.attempt: Input should be a valid integer"),
        ({"phase": "Running"}, "RunStatus.phase: Input should be an instance of RunPhase"),
        ({"phase": SandboxPhase.RUNNING}, "RunStatus.phase: Input should be an instance of RunPhase"),
        ({"tries": [TRY]}, "RunStatus.tries: Input should be a valid tuple"),
        ({"tries": (READY,)}, "RunStatus.tries: Input should be a valid dictionary or instance of Try"),
        ({"message": None}, "RunStatus.message: Input should be a valid string"),
        ({"base_commit": "HEAD"}, "RunStatus.base_commit: String should have at least 40 characters"),
        ({"message": "", "unnotified": ("No Name",)}, "RunStatus.unnotified: String should match pattern"),
    ],
)
def test_a_value_past_its_bounds_or_of_another_type_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="RunStatus") as raised:
        RunStatus().updated(**changes)
    assert str(raised.value).startswith(said)


def test_a_value_is_not_repeated_in_what_is_said_of_it() -> None:
    with pytest.raises(ValueError, match="base_commit") as raised:
        RunStatus().updated(base_commit="a secret value")
    assert "secret" not in str(raised.value)


def test_what_fits_is_taken_as_it_is() -> None:
    old = RunStatus(attempt=1)
    new = old.updated(tries=(TRY,), conditions=(READY,), retry_time=None, phase=RunPhase.RUNNING)
    assert (new.tries[0] is TRY, new.conditions[0] is READY) == (True, True)
    assert new == RunStatus(attempt=1, tries=(TRY,), conditions=(READY,), phase=RunPhase.RUNNING)
    assert old == RunStatus(attempt=1)


def test_an_instant_is_kept_in_utc_and_a_whole_object_can_be_changed() -> None:
    local = datetime.fromisoformat("2026-03-01T13:00:00+01:00")
    status = RunStatus().updated(retry_time=local)
    assert str(status.retry_time) == "2026-03-01 12:00:00+00:00"
    run = make_run()
    assert run.updated(status=status).status is status
    with pytest.raises(ValueError, match=r"Run\.status"):
        run.updated(status=run.spec)
