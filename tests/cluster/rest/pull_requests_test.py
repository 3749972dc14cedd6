"""Pull requests over REST, from the records of Runs on a real API server."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from codecourier.kinds.api_resources import RUNS
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, REPOSITORY, Rest, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

DATA = Path(__file__).parents[2] / "data" / "rest"


def make_run(rest: Rest, name: str, phase: str, number: int) -> None:
    """Make a Run with a pull request, as if an operator had recorded it."""
    rest.create(RUNS, PROJECT, name, {"workflowRef": {"name": "build"}, "prompt": "Look."})
    pull = {"phase": phase, "number": number, "url": f"{REPOSITORY}/pull/{number}"}
    body = orjson.dumps({"status": {"pullRequest": pull}})
    rest.admin.fetch("PATCH", RUNS.path(PROJECT, name) + "/status", body, "application/merge-patch+json")


def test_pull_requests_are_listed_from_records(rest: Rest, editor: str) -> None:
    rest.create(RUNS, PROJECT, "without", {"workflowRef": {"name": "build"}, "prompt": "Look."})
    make_run(rest, "blocked", "BlockedOnCI", 42)
    make_run(rest, "merged", "Merged", 41)

    def ids(query: str = "") -> list[str]:
        return [found["runId"] for found in rest.ask("GET", f"/pull-requests{query}", editor).data]

    assert wait_until(lambda: {"r_blocked", "r_merged"} <= set(ids()), timeout_seconds=20)
    line, merge = read_lines(DATA / "pull-requests.sh")
    listed = rest.run_line(line, editor, {}).data
    assert [found["runId"] for found in listed] == ids()
    assert {found["prStatus"] for found in listed} == {"blocked_on_ci", "merged"}
    assert ids("?status=blocked_on_ci") == ids("?runId=r_blocked") == ids("?runId=blocked&limit=1") == ["r_blocked"]
    assert ids("?status=merged&runId=r_blocked") == ids("?runId=r_none") == ids("?runId=r_%2F") == ids("?runId=") == []
    first = rest.ask("GET", "/pull-requests?limit=1", editor)
    rest_of = rest.ask("GET", f"/pull-requests?limit=1&cursor={first.body['nextCursor']}", editor)
    assert [*first.data, *rest_of.data] == listed
    assert rest_of.body["nextCursor"] is None
    made = rest.run_line(merge, editor, {"r_": "r_blocked"}).data
    assert made == {"mergeJobId": "mj_blocked-m1", "status": "pending"}, "no operator runs here"
    for id_, status in (("blocked", 409), ("merged", 409), ("none", 404)):
        assert rest.ask("POST", f"/pull-requests/{id_}/merge", editor).status == status
    refused = rest.ask("GET", "/pull-requests?status=BlockedOnCI&runId=sc_blocked&limit=0&state=x", editor)
    assert (refused.status, set(refused.fields)) == (400, {"status", "runId", "limit", "state"})
