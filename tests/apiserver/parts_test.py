"""The parts of the REST API that need no server: words, ids, names, rates, reviews, pages."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.apiserver.answers import PageQuery, cut
from codecourier.apiserver.callers import Caller, RateLimit
from codecourier.apiserver.ids import RECURRING_TASK_ID, parse_id
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Reviews, Right
from codecourier.apiserver.words import WORDS
from codecourier.apiserver.writing import Creation, name_object
from codecourier.core.shared.api_keys import Identity
from codecourier.issue import IssueState
from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import KubeError, Unanswered
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import IssueSessionPhase
from codecourier.resources.learning import Learning, LearningSpec
from codecourier.resources.merge_job import MergeJobPhase, MergeMode, MergeStrategy, SourceResult
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.notification import NotificationType
from codecourier.resources.pull_request import ChecksStatus
from codecourier.resources.recurring_task import Frequency
from codecourier.resources.run import PullRequestPhase, RunPhase
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.sprint_chain import SprintChainPhase, SprintPhase
from codecourier.resources.usage_record import UsageKind, UsageUnit

CALLER = Caller(Identity("codecourier:shop:ci", ("codecourier:shop",)), "shop")
LIST = Right("list", "recurringtasks")
CONTRACT = {
    Frequency: ["daily", "every_other_day", "weekly", "biweekly", "monthly"],
    SprintChainPhase: ["pending", "running", "completed", "failed", "cancelled"],
    SprintPhase: ["pending", "running", "completed", "failed", "cancelled", "omitted"],
    PullRequestPhase: ["creating", "created", "failed", "skipped", "merged", "blocked_on_ci"],
    PullRequestState: ["open", "closed", "merged"],
    ChecksStatus: ["none", "pending", "passed", "failed"],
    RunPhase: ["pending", "queued", "running", "completed", "failed", "cancelled"],
    SandboxPhase: ["pending", "running", "completed", "failed", "cancelled", "expired"],
    IssueSessionPhase: ["pending", "running", "completed", "failed", "cancelled"],
    NotificationType: [
        "run_completed",
        "run_failed",
        "pr_created",
        "pr_merged",
        "pr_failed",
        "workflow_completed",
        "sprint_completed",
        "sprint_failed",
        "follow_up_stopped",
        "credentials_failed",
        "chain_cancelled",
        "task_paused",
        "landing_differs",
        "member_joined",
    ],
    UsageKind: ["compute", "tokens", "api_calls"],
    UsageUnit: ["second", "token", "call"],
    IssueState: ["open", "closed", "transferred", "deleted"],
    MergeJobPhase: ["pending", "running", "completed", "failed", "cancelled"],
    MergeMode: ["combine", "single"],
    MergeStrategy: ["merge", "squash", "rebase"],
    SourceResult: ["pending", "clean", "resolved", "excluded"],
}


def test_the_words_are_those_of_the_contract_and_lead_back() -> None:
    assert {kind: list(words) for kind, words in WORDS.items()} == CONTRACT
    for kind, words in WORDS.items():
        assert sorted(words.values()) == sorted(kind)


@pytest.mark.parametrize(
    ("text", "name"),
    [("rt_audit", "audit"), ("audit", "audit"), ("a.b-c", "a.b-c"), ("rt_", ""), ("", ""), ("rt_A", ""), ("../x", "")],
)
def test_an_id_has_its_prefix_or_none(text: str, name: str) -> None:
    assert parse_id(text, RECURRING_TASK_ID) == name


@pytest.mark.parametrize("text", ["sc_audit", "_audit", "rt_rt_audit", "RT_audit"])
def test_an_id_with_another_prefix_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rt_"):
        parse_id(text, RECURRING_TASK_ID)


def creation(**changes: Any) -> Creation:
    """Return a creation with an Idempotency-Key."""
    return replace(Creation(CALLER, "/recurring-tasks", "Daily audit!", {}, "once"), **changes)


def test_the_same_key_of_the_same_caller_makes_the_same_name() -> None:
    name = name_object(creation())
    assert name == name_object(creation(title="Else", body={"title": "Else"}))
    others = [creation(key="twice"), creation(route="/sprint-chains"), creation(caller=replace(CALLER, namespace="x"))]
    assert len({name, *map(name_object, others)}) == 4


@given(st.text(max_size=300))
def test_a_title_makes_a_name_that_an_origin_may_have(title: str) -> None:
    first, second = (name_object(creation(title=title, key=None)) for _ in range(2))
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", first)
    assert len(first) <= 40
    assert first != second


def test_a_rate_is_spent_and_comes_back() -> None:
    now = 0.0
    rate = RateLimit(lambda: now)
    assert [rate.take("key", 2) > 0 for _ in range(3)] == [False, False, True]
    assert rate.take("other", 2) == 0
    now = 29.0
    assert rate.take("key", 2) == pytest.approx(1.0)
    now = 30.0
    assert rate.take("key", 2) == 0
    now = 10_000.0
    assert [rate.take("key", 2) > 0 for _ in range(3)] == [False, False, True]


class Authorizer:
    """An API server that only answers reviews."""

    def __init__(self) -> None:
        self.answer: Json | KubeError = {"allowed": True}
        self.asked: list[Json] = []

    async def create(self, _resource: Resource, review: Json) -> Json:
        """Answer a review."""
        self.asked.append(review["spec"])
        if isinstance(self.answer, KubeError):
            raise self.answer
        return {"status": self.answer}


def test_an_answer_of_the_authorizer_counts_for_ten_seconds() -> None:
    now, server = 0.0, Authorizer()
    reviews = Reviews(server, lambda: now)  # type: ignore[arg-type]  # one method of it is asked

    def is_allowed(right: Right = LIST, name: str = "") -> bool:
        with suppress(Refusal):
            asyncio.run(reviews.check(CALLER, right, name))
            return True
        return False

    assert is_allowed()
    server.answer = {"allowed": False}
    assert is_allowed()
    assert len(server.asked) == 1
    assert not is_allowed(replace(LIST, verb="create"))
    assert not is_allowed(name="audit")
    now = 10.0
    assert not is_allowed()
    server.answer = {"allowed": True, "denied": True}
    now = 20.0
    assert not is_allowed()
    # Without an answer nothing is allowed, and the next request asks again.
    server.answer = Unanswered("away")
    now = 30.0
    assert not is_allowed()
    server.answer = {"allowed": True}
    assert is_allowed()
    attributes = server.asked[2]["resourceAttributes"]
    assert attributes == {
        "namespace": "shop",
        "group": "codecourier.dev",
        "resource": "recurringtasks",
        "verb": "list",
        "name": "audit",
    }
    assert (server.asked[2]["user"], server.asked[2]["groups"]) == ("codecourier:shop:ci", ["codecourier:shop"])


def learning(name: str, age: int) -> Learning:
    """Return an object of an age in seconds."""
    created = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=age)
    spec = LearningSpec(text="x", repository_url="https://h/o/n")
    return Learning(metadata=ObjectMeta(name=name, creation_timestamp=created), spec=spec)


@given(st.sets(st.tuples(st.integers(0, 5), st.text("abc", min_size=1, max_size=3))), st.integers(1, 5), st.data())
def test_pages_hold_each_object_once_also_while_others_come_and_go(
    made: set[tuple[int, str]], limit: int, data: st.DataObject
) -> None:
    everything = sorted((learning(f"{name}{age}", age) for age, name in made), key=_order, reverse=True)
    kept, paged, cursor = list(everything), list[str](), None
    while True:
        page, cursor = cut(kept, PageQuery(limit=limit, cursor=cursor))
        paged += [obj.name for obj in page]
        if cursor is None:
            break
        kept = [obj for obj in kept if data.draw(st.booleans()) or obj.name not in paged]
    assert paged == [obj.name for obj in everything]


def _order(obj: Learning) -> tuple[Any, str]:
    return obj.metadata.creation_timestamp, obj.name


@pytest.mark.parametrize("cursor", ["x", "%", "ä", "W10=", "bnVsbA=="])
def test_a_cursor_of_no_page_is_refused(cursor: str) -> None:
    with pytest.raises(Refusal):
        cut([learning("a", 1)], PageQuery(cursor=cursor))
