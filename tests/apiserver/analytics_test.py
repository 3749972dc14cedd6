"""Usage, days and counters: equal to a full recomputation whatever happened, and nothing is lost by retention."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pydantic import TypeAdapter, ValidationError

from codecourier.apiserver.analytics import count_runs_ever, list_days
from codecourier.apiserver.answers import read_cursor, write_cursor
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rendered import Rendered
from codecourier.apiserver.routes.analytics import UsageQuery
from codecourier.apiserver.served import cached
from codecourier.apiserver.spans import MOST_DAYS, Span, SpanQuery, read_span
from codecourier.apiserver.sums import Sums
from codecourier.apiserver.usage import UsageList, UsagePlace
from codecourier.apiserver.views.analytics import view_counters, view_day
from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.shared.daily import DayCount, count_days, run_events, seal_days
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kinds.sources import (
    DAILY_STATS_SOURCE,
    ISSUE_SESSION_SOURCE,
    LEARNING_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    USAGE_RECORD_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube.api import Json

MONDAY = date(2026, 11, 30)
NOW = datetime(2026, 12, 20, 12, tzinfo=UTC)
SOURCES: tuple[Source[Any], ...] = (
    RUN_SOURCE,
    SANDBOX_SOURCE,
    WORKFLOW_SOURCE,
    LEARNING_SOURCE,
    ISSUE_SESSION_SOURCE,
    USAGE_RECORD_SOURCE,
    DAILY_STATS_SOURCE,
)
NAMESPACES = ("shop", "other")


def at(day: date, second: int = 0) -> str:
    """Return a time of a day."""
    return (datetime.combine(day, time(), UTC) + timedelta(seconds=second)).isoformat()


def obj_of(source: Source[Any], namespace: str, name: str, version: int, spec: Json, **rest: Any) -> Json:
    """Return an object as the API server returns it."""
    metadata: Json = {
        "namespace": namespace,
        "name": name,
        "uid": f"{namespace}-{name}",
        "resourceVersion": str(version),
    }
    labels = {LABEL_TRASHED: "true"} if rest.pop("is_trashed", False) else {}
    made = {"creationTimestamp": rest.pop("created", at(MONDAY)), "labels": labels}
    api: Json = {"apiVersion": source.resource.api_version, "kind": source.resource.kind}
    return {**api, "metadata": metadata | made, "spec": spec, **rest}


def run_obj(name: str, version: int, namespace: str = "shop", **rest: Any) -> Json:
    """Return a Run."""
    return obj_of(RUN_SOURCE, namespace, name, version, {"workflowRef": {"name": "w"}, "prompt": "x"}, **rest)


def record_obj(name: str, version: int, finish: str, *items: Json, namespace: str = "shop", **rest: Any) -> Json:
    """Return a UsageRecord."""
    spec = {"run": "fix", "runUid": "u", "attempt": 1, "tryNumber": 1, "workflow": "w", "startTime": at(MONDAY)}
    return obj_of(USAGE_RECORD_SOURCE, namespace, name, version, spec | {"finishTime": finish, "items": items}, **rest)


def tokens(quantity: int, cost: int = 0, service: str = "anthropic") -> Json:
    """Return consumption of tokens."""
    return {"service": service, "kind": "Tokens", "quantity": quantity, "unit": "Token", "costMicroUSD": cost}


def make_store() -> Store:
    """Return an empty store as the API server has one."""
    return Store(map(cached, SOURCES))


def summed(store: Store) -> Sums:
    """Return the sums of all that is in a store, from nothing."""
    sums = Sums()
    for source in SOURCES:
        for obj in store.cache(source.resource):
            sums.changed(source.resource, None, obj)
    return sums


times = st.builds(
    lambda number, second: at(MONDAY + timedelta(days=number), second), st.integers(0, 4), st.integers(0, 86_399)
)
phases = st.sampled_from(["Pending", "Queued", "Running", "Completed", "Failed", "Cancelled", "FromANewerVersion"])
pull_requests = st.sampled_from([None, {"phase": "Created"}, {"phase": "Creating"}])


@st.composite
def bodies(draw: st.DrawFn, source: Source[Any]) -> Json:
    """Draw the changing part of an object: spec, status, whether it is in the trash."""
    body: Json = {"is_trashed": draw(st.booleans()), "created": draw(times)}
    if source is USAGE_RECORD_SOURCE:
        items = draw(st.lists(st.builds(tokens, st.integers(0, 2**53), st.integers(0, 2**53)), max_size=3))
        return body | {"spec": record_obj("x", 1, draw(times), *items)["spec"]}
    status: Json = {"phase": draw(phases), "finishTime": draw(times)} if draw(st.booleans()) else {}
    if source is RUN_SOURCE and (pull_request := draw(pull_requests)):
        status |= {"pullRequest": pull_request}
    spec = run_obj("x", 1)["spec"] if source is RUN_SOURCE else {}
    return body | {"spec": spec, "status": status}


class Histories(RuleBasedStateMachine):
    """Random histories of the caches: changes, deletions, lists, lost history, restarts, seals and retention."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Start a server with some objects, so that there is something to seal."""
        self.version = 1
        self.restart([])
        for source in (RUN_SOURCE, RUN_SOURCE, USAGE_RECORD_SOURCE):
            for namespace in NAMESPACES:
                self.write(data=data, source=source, name=f"first-{self.version}", namespace=namespace)

    def restart(self, objects: list[tuple[Source[Any], Json]]) -> None:
        """Start a server that lists these objects."""
        self.store, self.sums = make_store(), Sums()
        self.store.subscribe(self.sums.changed)
        for source in SOURCES:
            listed = [orjson.loads(orjson.dumps(obj)) for kind, obj in objects if kind is source]
            self.store.cache(source.resource).replace_all(listed, str(self.version))

    def objects(self) -> list[tuple[Source[Any], Json]]:
        """Return what is there."""
        return [(source, obj) for source in SOURCES for obj in self.store.cache(source.resource)]

    @rule(
        data=st.data(),
        source=st.sampled_from(SOURCES[:-1]),
        name=st.sampled_from("abc"),
        namespace=st.sampled_from(NAMESPACES),
    )
    def write(self, data: st.DataObject, source: Source[Any], name: str, namespace: str) -> None:
        """Create or change an object; seldom one of the same name is made again, with another UID."""
        self.version += 1
        body = data.draw(bodies(source))
        obj = obj_of(source, namespace, name, self.version, **body)
        if data.draw(st.integers(0, 4)) == 0:
            obj["metadata"]["uid"] += f"-{self.version}"
        self.store.cache(source.resource).apply(obj)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """Delete an object."""
        if found := self.objects():
            source, obj = data.draw(st.sampled_from(found))
            self.version += 1
            metadata = {**obj["metadata"], "resourceVersion": str(self.version)}
            self.store.cache(source.resource).remove({**obj, "metadata": metadata})

    @rule(data=st.data(), source=st.sampled_from(SOURCES), is_restored=st.booleans())
    def relist(self, data: st.DataObject, source: Source[Any], is_restored: bool) -> None:  # noqa: FBT001  drawn
        """List a kind after a gap in which some objects went; or history went back to some objects of before."""
        cache = self.store.cache(source.resource)
        begin = cache.begin_list()
        kept = [orjson.loads(orjson.dumps(obj)) for obj in cache if data.draw(st.booleans())]
        moment = 1 if is_restored else self.version + 1
        self.version = max(self.version, moment)
        cache.replace_all(kept, str(moment), begin)

    @rule()
    def start_again(self) -> None:
        """Kill the server and start another one."""
        self.restart(self.objects())

    @rule(namespace=st.sampled_from(NAMESPACES), number=st.integers(0, 5), data=st.data())
    def keep_less(self, namespace: str, number: int, data: st.DataObject) -> None:
        """Seal days, then delete what happened on sealed days only: nothing that is shown changes."""
        store, before = self.store, self.shown(namespace)
        runs = store.readable(RUN_SOURCE, store.cache(RUN_SOURCE.resource).list(namespace))
        records = store.readable(USAGE_RECORD_SOURCE, store.cache(USAGE_RECORD_SOURCE.resource).list(namespace))
        stats = store.readable(DAILY_STATS_SOURCE, store.cache(DAILY_STATS_SOURCE.resource).list(namespace))
        seals, end = [found.spec for found in stats], MONDAY + timedelta(days=number)
        for made in seal_days(namespace, seals, count_days(runs, records), end, NOW):
            self.version += 1
            spec = made.to_json()["spec"]
            store.cache(DAILY_STATS_SOURCE.resource).apply(
                obj_of(DAILY_STATS_SOURCE, namespace, made.name, self.version, spec)
            )
            seals.append(made.spec)
        assert self.shown(namespace) == before
        sealed = {spec.day for spec in seals}
        for run in runs:
            if {day for day, _ in run_events(run)} <= sealed and data.draw(st.booleans()):
                store.cache(RUN_SOURCE.resource).note_delete(namespace, run.name, run.uid)
        for record in records:
            if record.spec.finish_time.date() in sealed and data.draw(st.booleans()):
                store.cache(USAGE_RECORD_SOURCE.resource).note_delete(namespace, record.name, record.uid)
        assert self.shown(namespace) == before

    def shown(self, namespace: str) -> Any:
        """Return what users see of days, and of the Runs ever where that is defined by the last seal."""
        days = [MONDAY + timedelta(days=number) for number in range(6)]
        sums = self.sums.project(namespace)
        return [view_day(*found) for found in list_days(self.store, namespace, sums, days)]

    @invariant()
    def the_sums_are_those_of_a_full_recomputation(self) -> None:
        """Compare, and see that nothing is kept of a project without objects."""
        fresh = summed(self.store)
        for namespace in NAMESPACES:
            assert self.sums.project(namespace) == fresh.project(namespace)
            runs = self.store.readable(RUN_SOURCE, self.store.cache(RUN_SOURCE.resource).list(namespace))
            records = self.store.cache(USAGE_RECORD_SOURCE.resource).list(namespace)
            days = count_days(runs, self.store.readable(USAGE_RECORD_SOURCE, records))
            assert self.sums.project(namespace).days == {day: n for day, n in days.items() if n != DayCount()}


def test_sums_equal_a_full_recomputation_after_any_history() -> None:
    run_state_machine_as_test(Histories, settings=settings(max_examples=50, stateful_step_count=20))


def filled(*objects: Json) -> tuple[Store, Sums]:
    """Return a store with objects, and their sums."""
    store, sums = make_store(), Sums()
    store.subscribe(sums.changed)
    for obj in objects:
        source = next(found for found in SOURCES if found.resource.kind == obj["kind"])
        store.cache(source.resource).apply(obj)
    return store, sums


def test_objects_count_by_their_phase_and_the_trash_counts_alone() -> None:
    def made(phase: str, state: str | None) -> Json:
        return {"phase": "Completed", "pullRequest": {"phase": phase} | ({} if state is None else {"state": state})}

    opened = made("Created", None)
    session = {"issueUrl": "https://forge.test/a/b/issues/1", "workflowRef": {"name": "w"}}
    _, sums = filled(
        run_obj("new", 1),
        run_obj("queued", 2, status={"phase": "Queued"}),
        run_obj("running", 3, status={"phase": "Running"}),
        run_obj("open", 4, status=opened),
        run_obj("blocked", 6, status=made("BlockedOnCI", "Open")),
        run_obj("closed", 7, status=made("Created", "Closed")),
        run_obj("merged", 8, status=made("Merged", "Merged")),
        run_obj("away", 5, status=opened, is_trashed=True),
        obj_of(SANDBOX_SOURCE, "shop", "young", 1, {}),
        obj_of(SANDBOX_SOURCE, "shop", "ended", 2, {}, status={"phase": "Expired"}),
        obj_of(ISSUE_SESSION_SOURCE, "shop", "one", 1, session),
        obj_of(ISSUE_SESSION_SOURCE, "shop", "two", 2, session, status={"phase": "Completed"}),
        obj_of(WORKFLOW_SOURCE, "shop", "old", 1, {}, is_trashed=True),
        obj_of(LEARNING_SOURCE, "other", "away", 1, {}, is_trashed=True),
    )
    assert sums.project("shop").objects == {
        "active_runs": 1,
        "queued_runs": 2,
        "active_sandboxes": 1,
        "pending_issues": 1,
        "open_pull_requests": 2,
        "blocked_pull_requests": 1,
        "trashed_items": 2,
    }
    assert sums.project("other").objects == {"trashed_items": 1}
    assert sums.project("none").objects == {}


def test_counters_have_every_field_of_the_contract() -> None:
    shown = view_counters({"active_runs": 2}, total_runs=7, unread_notifications=3).model_dump(by_alias=True)
    others = ["queuedRuns", "activeSandboxes", "pendingIssues", "openPullRequests", "blockedPullRequests"]
    found = {"totalRuns": 7, "activeRuns": 2, "unreadNotifications": 3, "trashedItems": 0}
    assert shown == found | dict.fromkeys(others, 0)


def test_runs_ever_are_those_before_the_last_seal_and_those_after_it() -> None:
    def seal(day: date, total: int, name: str = "") -> Json:
        spec = {"day": day.isoformat(), "totalRuns": total, "sealTime": at(day, 90_000)}
        return obj_of(DAILY_STATS_SOURCE, "shop", name or f"stats-{day}", total, spec)

    runs = [run_obj("a", 1, created=at(MONDAY)), run_obj("b", 2, created=at(MONDAY + timedelta(days=1)))]
    store, sums = filled(*runs)
    assert count_runs_ever(store, "shop", sums.project("shop")) == 2
    store, sums = filled(*runs, seal(MONDAY - timedelta(days=9), 7), seal(MONDAY, 40))
    assert count_runs_ever(store, "shop", sums.project("shop")) == 41
    foreign = [seal(MONDAY + timedelta(days=5), 99, name) for name in ("stats-9999-12-31", "stats-x", "zebra")]
    store, sums = filled(*runs, seal(MONDAY, 40), *foreign)
    assert count_runs_ever(store, "shop", sums.project("shop")) == 41


def wide(days: int = 300) -> Span:
    """Return a range that ends now."""
    return Span(NOW - timedelta(days=days), NOW)


def usage_of(
    store: Store,
    span: Span,
    after: UsagePlace | None = None,
    service: str | None = None,
    source: Source[Any] = USAGE_RECORD_SOURCE,
) -> Iterator[tuple[UsagePlace, Any]]:
    """Yield the places of usage in a range, and what is shown there."""
    usage = UsageList(store, Rendered().keep(source.resource), source)
    return ((place, orjson.loads(text)) for place, text in usage.rows("shop", span, service, after) if text is not None)


def ids(store: Store, span: Span, after: UsagePlace | None = None) -> list[str]:
    """Return the ids of usage in a range."""
    return [shown["id"] for _, shown in usage_of(store, span, after)]


def test_usage_is_newest_first_and_both_ends_of_the_range_belong_to_it() -> None:
    store, _ = filled(
        record_obj("b", 1, at(MONDAY), tokens(1), tokens(2)),
        record_obj("a", 2, at(MONDAY), tokens(3)),
        record_obj("c", 3, at(MONDAY, -1), tokens(4)),
        record_obj("d", 4, at(MONDAY, 3600), tokens(5)),
        record_obj("e", 5, at(MONDAY, 7200), tokens(6), namespace="other"),
        record_obj("f", 6, at(MONDAY, 7200)),
    )
    assert ids(store, wide()) == ["us_d.0", "us_b.0", "us_b.1", "us_a.0", "us_c.0"]
    monday = datetime.combine(MONDAY, time(), UTC)
    assert ids(store, Span(monday, monday)) == ["us_b.0", "us_b.1", "us_a.0"]
    assert ids(store, Span(monday - timedelta(seconds=1), monday - timedelta(seconds=1))) == ["us_c.0"]


def test_a_row_shows_what_the_contract_lists() -> None:
    spec = {"sprintChain": "nightly", "recurringTask": None}
    record = record_obj("fix-1", 1, at(MONDAY, 1), tokens(7, cost=1_234_567) | {"model": "large"})
    record["spec"] |= spec
    store, _ = filled(record)
    ((_, shown),) = usage_of(store, wide())
    assert shown == {
        "id": "us_fix-1.0",
        "runId": "r_fix",
        "service": "anthropic",
        "kind": "tokens",
        "quantity": 7,
        "unit": "token",
        "costUsd": 1.234567,
        "recordedAt": "2026-11-30T00:00:01Z",
        "workflowId": "wf_w",
        "sprintChainId": "sc_nightly",
        "recurringTaskId": None,
        "model": "large",
    }


@given(st.integers(0, 10**15 - 1))
def test_costs_are_exact_to_the_millionth(micro: int) -> None:
    shown = orjson.dumps(view_day(MONDAY, DayCount(cost_micro_usd=micro)).cost_usd).decode()
    whole, _, part = f"{micro / 1_000_000:.6f}".partition(".")
    assert round(float(shown) * 1_000_000) == micro
    assert float(shown) == float(f"{whole}.{part}") == float(f"{micro}e-6")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 3)), max_size=12), st.integers(1, 4))
def test_pages_have_each_row_once_in_the_order_of_the_whole(made: list[tuple[int, int, int]], limit: int) -> None:
    records = [
        record_obj(f"n{number}", number + 1, at(MONDAY + timedelta(days=day), second), *[tokens(1)] * count)
        for number, (day, second, count) in enumerate(made)
    ]
    store, _ = filled(*records)
    whole, found, after = ids(store, wide()), list[str](), None
    while page := list(islice(usage_of(store, wide(), after), limit)):
        found += [shown["id"] for _, shown in page]
        after = read_cursor(write_cursor(page[-1][0]), TypeAdapter(UsagePlace))
    assert found == whole


def test_a_range_reads_only_its_own_days_and_a_page_only_what_it_shows() -> None:
    parsed: list[str] = []

    def parse(obj: Json) -> Any:
        parsed.append(obj["metadata"]["name"])
        return USAGE_RECORD_SOURCE.parse(obj)

    counting: Source[Any] = Source(USAGE_RECORD_SOURCE.resource, parse)

    def work(span: Span, most: int | None = None) -> int:
        parsed.clear()
        for _ in islice(usage_of(store, span, source=counting), most):
            pass
        return len(parsed)

    days = [NOW - timedelta(days=number) for number in range(200)]
    store, _ = filled(*(record_obj(f"n{n}", n + 1, days[n // 10].isoformat(), tokens(1)) for n in range(2000)))
    assert work(Span(days[-1], NOW)) == 2000
    assert work(Span(days[-1], NOW), most=50) == 50
    assert work(Span(days[109], days[100])) == 100


def query(**parameters: str) -> SpanQuery:
    """Return a query."""
    return SpanQuery.model_validate(parameters)


def test_a_range_is_the_last_30_days_unless_it_says_otherwise() -> None:
    def days(**parameters: str) -> tuple[str, str, int]:
        span = read_span(query(**parameters), NOW)
        return span.start.isoformat(), span.end.isoformat(), len(list(span.days))

    ends = "2026-12-20T23:59:59.999999+00:00"
    assert days() == ("2026-11-21T00:00:00+00:00", ends, 30)
    assert days(startDate="2026-12-20") == ("2026-12-20T00:00:00+00:00", ends, 1)
    assert days(endDate="2024-02-29")[0] == "2024-01-31T00:00:00+00:00"
    assert days(startDate="2024-01-01", endDate="2024-12-31")[2] == MOST_DAYS
    instants = days(startDate="2026-12-01T23:30:00Z", endDate="2026-12-02T00:10Z")
    assert instants == ("2026-12-01T23:30:00+00:00", "2026-12-02T00:10:00+00:00", 2)


BAD = [
    "2024-13-01",
    "2024-02-30",
    "2024-01-01T25:00:00Z",
    "2024-01-01+02:00",
    "2024-01-01T00:00:00+02:00",
    "0000-01-01",
]
BAD += [
    "9999-12-31",
    "1999-12-31",
    "2024-1-1",
    "",
    "today",
    "20240101",
    "2024-01-01T00:00:00",
    "2024-01-01 00:00:00Z",
    "٢٠٢٤-01-01",
]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_date_is_refused_with_all_other_problems(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        UsageQuery.model_validate({"startDate": text, "endDate": text, "limit": "0", "service": "x" * 257, "day": "1"})
    assert {problem["loc"][0] for problem in refused.value.errors()} == {
        "startDate",
        "endDate",
        "limit",
        "service",
        "day",
    }


def problems(**parameters: str) -> list[str]:
    """Return what is wrong with a range."""
    try:
        read_span(query(**parameters), NOW)
    except ValidationError as error:
        return [str(problem["msg"]) for problem in error.errors()]
    except Refusal as refusal:
        return [detail.message for detail in refusal.details]
    return []


@pytest.mark.parametrize(
    "parameters",
    [
        {"startDate": "2026-12-02", "endDate": "2026-12-01"},
        {"startDate": "2026-12-01T00:00:01Z", "endDate": "2026-12-01T00:00:00Z"},
        {"startDate": "2026-12-21"},
    ],
)
def test_a_reversed_range_is_refused(parameters: dict[str, str]) -> None:
    (problem,) = problems(**parameters)
    assert "must not end before startDate" in problem


@pytest.mark.parametrize(
    "parameters", [{"startDate": "2024-01-01", "endDate": "2025-01-01"}, {"startDate": "2025-12-19"}]
)
def test_a_range_of_more_than_366_days_is_refused(parameters: dict[str, str]) -> None:
    (problem,) = problems(**parameters)
    assert "at most 366 days" in problem
