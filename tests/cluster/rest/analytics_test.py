"""Usage, days and counters of the REST API on a real API server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codecourier.kinds.api_resources import DAILY_STATS, RUNS, USAGE_RECORDS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.rest import OTHER, PROJECT, Rest, known, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

DATA = Path(__file__).parents[2] / "data" / "rest"
RECORD: Json = {
    "run": "old",
    "runUid": "u",
    "attempt": 1,
    "tryNumber": 1,
    "workflow": "build",
    "startTime": "2024-01-31T22:00:00Z",
    "finishTime": "2024-01-31T23:59:59.999999Z",
    "items": [
        {"service": "kubernetes", "kind": "Compute", "quantity": 7200, "unit": "Second"},
        {"service": "anthropic", "kind": "Tokens", "quantity": 9, "unit": "Token", "costMicroUSD": 1_500_001},
    ],
}


@pytest.mark.both_doors
def test_the_line_of_the_contract_about_usage(rest: Rest, editor: str) -> None:
    rest.create(USAGE_RECORDS, PROJECT, "old-1", RECORD)
    rest.create(USAGE_RECORDS, PROJECT, "old-2", RECORD | {"finishTime": "2024-02-01T00:00:00Z"})
    rest.create(USAGE_RECORDS, OTHER, "old-3", RECORD)
    (line,) = read_lines(DATA / "analytics.sh")

    def rows() -> list[Json]:
        return list(rest.run_line(line, editor, {}).data)

    assert wait_until(lambda: len(rows()) == 2, timeout_seconds=20)
    assert [(row["id"], row["service"], row["costUsd"]) for row in rows()] == [
        ("us_old-1.0", "kubernetes", 0.0),
        ("us_old-1.1", "anthropic", 1.500001),
    ]
    path = "/analytics/usage?startDate=2024-01-01&endDate=2024-02-29"
    found = rest.ask("GET", f"{path}&service=anthropic&limit=1", editor)
    assert [row["id"] for row in found.data] == ["us_old-2.1"]
    rest_of_it = rest.ask("GET", f"{path}&service=anthropic&limit=1&cursor={found.body['nextCursor']}", editor)
    assert ([row["id"] for row in rest_of_it.data], rest_of_it.body["nextCursor"]) == (["us_old-1.1"], None)
    assert rest.ask("GET", f"{path}&service=nothing", editor).data == []
    days = rest.ask("GET", "/analytics/daily-stats?startDate=2024-01-30&endDate=2024-02-02T12:00:00Z", editor).data
    assert [(day["date"], day["computeSeconds"], day["costUsd"]) for day in days] == [
        ("2024-01-30", 0, 0.0),
        ("2024-01-31", 7200, 1.500001),
        ("2024-02-01", 7200, 1.500001),
        ("2024-02-02", 0, 0.0),
    ]


@pytest.mark.both_doors
def test_runs_count_on_their_day_and_still_do_once_the_day_is_sealed(rest: Rest, editor: str) -> None:
    today = datetime.now(UTC).date()
    day = f"/analytics/daily-stats?startDate={today}&endDate={today + timedelta(days=1)}"

    def created() -> list[int]:
        return [found["runsCreated"] for found in rest.ask("GET", day, editor).data[:1]]

    def counters() -> Json:
        return dict(rest.ask("GET", "/analytics/counters", editor).data)

    (before,), totals = created(), counters()
    rest.create(RUNS, PROJECT, "counted", {"workflowRef": {"name": "build"}, "prompt": "Look."})
    assert wait_until(lambda: created() == [before + 1], timeout_seconds=20)
    after = counters()
    for name in ("totalRuns", "queuedRuns"):
        assert after[name] == totals[name] + 1
    assert after["unreadNotifications"] == rest.ask("GET", "/notifications/unread-count", editor).data["count"]
    seal = {"day": str(today), "runsCreated": 40, "totalRuns": 70, "sealTime": datetime.now(UTC).isoformat()}
    rest.create(DAILY_STATS, PROJECT, f"stats-{today}", seal)
    assert wait_until(lambda: created() == [40], timeout_seconds=20)
    assert counters()["totalRuns"] == 70
    rest.admin.fetch("DELETE", RUNS.path(PROJECT, "counted"))
    assert wait_until(lambda: counters()["queuedRuns"] == totals["queuedRuns"], timeout_seconds=20)
    assert (created(), counters()["totalRuns"]) == ([40], 70)
    rest.admin.fetch("DELETE", DAILY_STATS.path(PROJECT, f"stats-{today}"))
    assert wait_until(lambda: created() == [before], timeout_seconds=20)


@pytest.mark.both_doors
def test_all_problems_of_a_range_are_reported_at_once(rest: Rest, editor: str) -> None:
    refused = rest.ask("GET", "/analytics/usage?startDate=2024-13-01&endDate=2024-02-30&limit=0&until=now", editor)
    assert (refused.status, set(refused.fields)) == (400, {"startDate", "endDate", "limit", "until"})
    for operation in ("usage", "daily-stats"):
        refused = rest.ask("GET", f"/analytics/{operation}?startDate=2024-01-02&endDate=2024-01-01", editor)
        assert (refused.status, set(refused.fields)) == (400, {"endDate"})
        assert rest.ask("GET", f"/analytics/{operation}?cursor=nonsense", editor).status == 400
        long = rest.ask("GET", f"/analytics/{operation}?startDate=2024-01-01&endDate=2026-01-01", editor)
        assert "366 days" in long.fields["endDate"]


def test_the_counters_ask_for_the_right_to_list_runs_and_the_others_for_usage(rest: Rest) -> None:
    reader = known(rest, rest.key(PROJECT, "runs-only", ["list"]).key)
    assert rest.ask("GET", "/analytics/counters", reader).status == 200
    nobody = known(rest, rest.bare_key(PROJECT, "counts-nothing").key, 403)
    for operation, kind in (("usage", "usagerecords"), ("daily-stats", "usagerecords"), ("counters", "runs")):
        refused = rest.ask("GET", f"/analytics/{operation}", nobody)
        assert refused.status == 403
        assert f"may not list {kind}." in refused.body["error"]["message"]
