"""Faults planted into the code of merges; see `plants`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from codecourier.checks import CheckState
from codecourier.core.merge_job import body, gate, plan, settle, single
from codecourier.core.merge_job.gate import Verdict
from codecourier.core.merge_job.landing import Decision, LastLook
from codecourier.core.shared.reasons import Reason
from codecourier.resources.merge_job import SourceResult

__all__ = ["MERGE_FAULTS"]

_Fault = tuple[Any, str, Callable[[Any], Any], frozenset[str]]

_LANDS, _ONCE, _RESTS = frozenset({"16"}), frozenset({"once"}), frozenset({"9"})


def _taking_any_head(right: Any) -> Any:
    return property(lambda merge: replace(right.fget(merge), head=merge.pull.head_commit))


def _without_a_claim(right: Any) -> Any:
    return lambda *arguments: replace(right(*arguments), status=None)


def _denying_a_merge(right: Any) -> Any:
    def find_end(pull: Any, verified: Any) -> Any:
        found = right(pull, verified)
        if found is None or found.decision is not Decision.MERGED:
            return found
        return LastLook(Decision.STOP, Reason.PULL_REQUEST_CLOSED, f"{pull.url} is closed.")

    return find_end


def _calling_it_clean(right: Any) -> Any:
    def excluded(source: Any, reason: str, message: str) -> Any:
        return right(source, reason, message).updated(result=SourceResult.CLEAN)

    return excluded


def _cancelling_at_once(right: Any) -> Any:
    def plan_running(world: Any, now: Any) -> Any:
        is_stopped = plan._is_stopped(world.job)
        return plan._cancel(world, world.job.status, now) if is_stopped else right(world, now)

    return plan_running


def _naming_it_anew(right: Any) -> Any:
    numbers = count()

    def build(*arguments: Any) -> Any:
        run = right(*arguments)
        return run.updated(metadata=run.metadata.updated(name=f"{run.name}-{next(numbers)}"))

    return build


def _waiting_on(right: Any) -> Any:
    def judge(found: Any, since: Any, now: Any, **options: Any) -> Any:
        verdict = right(found, since, now, **options)
        if verdict.reason is not Reason.CHECKS_MISSING:
            return verdict
        again = now + gate.MOST_PAUSE
        return replace(verdict, state=CheckState.PENDING, reason=Reason.WAITING_FOR_CHECKS, look_again=again)

    return judge


MERGE_FAULTS: Mapping[str, _Fault] = {
    "whatever head is there is merged": (single._Merge, "verified", _taking_any_head, _LANDS),
    "the host is asked to merge before the claim": (single._Merge, "claim", _without_a_claim, _LANDS),
    "a merge that was done counts as failed": (single, "find_end", _denying_a_merge, _LANDS),
    "what is left out counts as merged": (settle, "_excluded", _calling_it_clean, _LANDS),
    "the new pull request does not list its sources": (body, "_row", lambda _right: lambda _source: "", _LANDS),
    "a merge ends while its Run works": (plan, "_plan_running", _cancelling_at_once, _LANDS),
    "a step has a new Run each time": (plan, "build_step_run", _naming_it_anew, _ONCE),
    "checks are waited for without an end": (single, "judge_gate", _waiting_on, _RESTS),
    "a merge does not wait for its lane": (
        single,
        "take_part",
        lambda _right: lambda *_arguments: None,
        _LANDS,
    ),
    "what landed is not compared": (
        single,
        "compare_landing",
        lambda _right: lambda *_arguments, **_options: None,
        _LANDS,
    ),
    "checks are not waited for": (
        single,
        "judge_gate",
        lambda _right: lambda *_arguments, **_options: Verdict(CheckState.PASSED, Reason.ACCEPTED, ""),
        _LANDS,
    ),
    "checks that are green need not stay so": (
        gate,
        "_quiet_since",
        lambda _right: lambda _gate, since, _now: since - gate.QUIET,
        _LANDS,
    ),
}
"""Each fault: the place, the name, from the right function to the wrong one, and which invariants that breaks."""
