"""Intents, questions and problems: different ones are unequal, or a backlog would take one for another."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from codecourier.checks import Approval, MergeStrategy
from codecourier.core.shared import facts, intents, merge_facts
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.following import Follow, PullRequestLifeAsk
from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.pull_request import PullRequestState
from codecourier.resources.run import RunStatus
from tests.support.worlds import ACCESS, NOW, make_run, make_workflow


def pod(image: str, name: str = "fix-1") -> dict[str, Any]:
    """Return a manifest."""
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"image": image}}


PAIRS: dict[type, tuple[dict[str, Any], dict[str, Any]]] = {
    intents.Create: ({"resource": make_run()}, {"resource": make_run(prompt="Another one.")}),
    intents.CreatePod: ({"manifest": pod("one")}, {"manifest": pod("two")}),
    intents.CreateBinding: ({"manifest": pod("one")}, {"manifest": pod("two")}),
    intents.CreateRevision: ({"manifest": pod("one")}, {"manifest": pod("two")}),
    intents.WritePolicy: ({"manifest": pod("one")}, {"manifest": pod("two")}),
    intents.Plan: (
        {},
        {
            "records": (intents.Create(make_run()),),
            "status": RunStatus(),
            "creates": (intents.CreatePod(pod("one")),),
            "deletes": (intents.ReleasePod("shop", "fix-1", "uid"),),
            "effects": (intents.RevokeTokens("shop", "token"),),
            "add_finalizer": True,
            "release_finalizer": True,
            "events": (intents.Event("Started", "It runs."),),
            "asks": (facts.RepositoryAsk(ACCESS),),
            "look_again": NOW,
            "is_brief": True,
            "follow": Follow(PullRequestLifeAsk(ACCESS, 7, "work"), NOW),
        },
    ),
    intents.Failures: ({}, {"problems": {"intent": Problem(Reason.RATE_LIMITED, "It asks to wait.")}}),
    facts.Facts: ({}, {"answers": {"ask": "fact"}}),
    Problem: (
        {"reason": Reason.FORGE_UNAVAILABLE, "message": "One."},
        {
            "reason": Reason.RATE_LIMITED,
            "message": "Two.",
            "retry_time": NOW,
            "is_final": True,
            "since": NOW,
            "is_refusal": True,
            "refused_since": NOW,
            "tried": NOW,
        },
    ),
}
"""Fields of two instances that differ in every one, for the classes whose fields are not plain values."""

_PLAIN: dict[str, tuple[object, object]] = {
    "str": ("one", "two"),
    "int": (1, 2),
    "float": (1.0, 2.0),
    "bool": (False, True),
    "datetime": (NOW, NOW + timedelta(seconds=1)),
    "PullRequestState": (PullRequestState.OPEN, PullRequestState.MERGED),
    "tuple[str, ...]": ((), ("uid",)),
    "tuple[int, ...]": ((), (1,)),
    "Approval": (Approval.GIVEN, Approval.MISSING),
    "bool | None": (True, None),
    "MergeStrategy": (MergeStrategy.MERGE, MergeStrategy.SQUASH),
    "datetime | None": (NOW, None),
    "str | None": ("one", None),
    "IssueState": (IssueState.OPEN, IssueState.CLOSED),
    "tuple[IssueComment, ...]": ((), (facts.IssueComment(1, "alice", "Fix it."),)),
    "tuple[OwnComment, ...]": ((), (facts.OwnComment(1, "u", "It runs."),)),
    "tuple[tuple[str, str], ...]": ((("a", "b"),), (("a", "c"),)),
    "int | None": (1, None),
    "WorkflowSpec | None": (make_workflow().spec, None),
    "RepositoryAccess | Problem": (ACCESS, dataclasses.replace(ACCESS, secret="other")),
    "tuple[UnreadableSecret, ...]": ((), (facts.UnreadableSecret("model", "key", "It has no key 'key'."),)),
    "OwnerReference": (make_run().as_owner, make_run("other").as_owner),
    "tuple[PullRequestFact, ...]": ((), (facts.PullRequestFact(1, "u", PullRequestState.OPEN, False, NOW),)),
}


def find_classes(*modules: ModuleType) -> list[type]:
    """Return the public dataclasses of modules."""
    return [
        item
        for module in modules
        for name, item in vars(module).items()
        if inspect.isclass(item) and dataclasses.is_dataclass(item) and not name.startswith("_")
        if item.__module__ == module.__name__
    ]


def find_pair(kind: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of two instances that differ in every one."""
    if kind in PAIRS:
        return PAIRS[kind]
    types = {field.name: _PLAIN[str(field.type)] for field in dataclasses.fields(kind)}
    return {n: pair[0] for n, pair in types.items()}, {n: pair[1] for n, pair in types.items()}


NO_KEYS = {intents.Plan, intents.Event, intents.Failures, facts.Facts}
"""What is never looked up in a table."""

CASES = [(kind, field.name) for kind in find_classes(intents, facts, merge_facts) for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind.__name__}.{name}" for kind, name in CASES])
def test_whatever_differs_in_one_field_is_unequal(kind: type, name: str) -> None:
    first, second = find_pair(kind)
    one, same, other = kind(**first), kind(**first), kind(**{**first, name: second[name]})
    assert one == same
    assert one != other


def test_every_intent_and_question_is_among_them() -> None:
    assert {kind for kind, _ in CASES} >= {intents.CreatePod, intents.OpenPullRequest, facts.LogAsk, Problem}
    assert len({kind for kind, _ in CASES}) > 20


@pytest.mark.parametrize("kind", [k for k in find_classes(intents, facts, merge_facts) if k not in NO_KEYS])
def test_equal_ones_are_found_in_a_table(kind: type) -> None:
    first, second = find_pair(kind)
    table = {kind(**first): "found"}
    assert table[kind(**first)] == "found"
    assert kind(**{**first, **second}) not in table


def test_intents_of_two_kinds_for_one_name_are_unequal() -> None:
    manifest = pod("one")
    assert len({intents.CreatePod(manifest), intents.WritePolicy(manifest)}) == 2
