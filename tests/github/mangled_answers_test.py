"""Every place in every answer about merges may hold anything: the outcome is a result or one of our errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from codecourier.checks import MergeStrategy
from codecourier.github.address import RepositoryAddress
from codecourier.github.answers import Answer, Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.operations.find_pull_requests import FindPullRequests
from codecourier.github.operations.get_commit import GetCommit
from codecourier.github.operations.get_pull_request import GetPullRequest
from codecourier.github.operations.look_at_each_pull_request import LookAtEachPullRequest
from codecourier.github.operations.look_at_pull_requests import LookAtPullRequests
from codecourier.github.operations.merge_pull_request import MergePullRequest
from codecourier.github.operations.merge_queue import LookAtQueue
from codecourier.github.operations.read_failed_checks import FailedCheckView, ReadFailedChecks
from codecourier.github.operations.read_gate import ReadGate
from codecourier.github.operations.stacked_pulls import FindDependants
from codecourier.text import marker

ADDRESS = RepositoryAddress.parse("https://localhost/acme/shop")
OLD, NEW, TIME = "a" * 40, "b" * 40, "2026-01-01T00:00:00Z"
MARKER = marker("run", 1)

ODD: Sequence[Any] = (
    None,
    True,
    -1,
    1.5,
    2**80,
    -(2**80),
    "",
    "\x00\x1b]0;x\n",
    "x" * 5000,
    [],
    [[]],
    [None],
    {},
    {"a": {}},
)
"""What a place may hold that should hold something else."""


@dataclass
class Answers:
    """A way to a forge that answers what a test chooses, through JSON as the client reads it."""

    bodies: Mapping[str, Any]
    """By a part of the request's method and path."""

    status: int = 200
    asked: list[str] = field(default_factory=list)
    address: RepositoryAddress = ADDRESS

    def send(self, request: Request) -> Field:
        """See `Session.send`."""
        what = f"{request.method} {request.path}"
        self.asked.append(what)
        body = next(body for part, body in self.bodies.items() if part in what)
        return Field(what, Answer(what, self.status, {}, json.dumps(body)).json(), status=self.status)


PULL: Mapping[str, Any] = {
    "number": 1,
    "node_id": "PR_1",
    "html_url": "https://localhost/acme/shop/pull/1",
    "state": "closed",
    "draft": False,
    "merged_at": TIME,
    "merge_commit_sha": NEW,
    "mergeable_state": "clean",
    "title": "Add",
    "body": MARKER,
    "created_at": TIME,
    "head": {"ref": "work", "sha": OLD, "repo": {"id": 1}},
    "base": {"ref": "main", "sha": NEW, "repo": {"id": 1}},
}
STACKED = {**PULL, "state": "open", "merged_at": None, "stack": {"position": 2, "number": 3}}
PLACE = {
    "id": "PR_1",
    "state": "OPEN",
    "isInMergeQueue": True,
    "mergeQueueEntry": {"position": 1},
    "timelineItems": {"nodes": [{"id": "E_1", "reason": "failed checks"}]},
}
RUN = {"name": "a", "app": {"id": 7}, "status": "completed", "conclusion": "success", "completed_at": TIME}
STATUS = {"context": "b", "state": "success", "updated_at": TIME}
RULE = {
    "type": "required_status_checks",
    "parameters": {"required_status_checks": [{"context": "a", "integration_id": 7}]},
}
NAMED = [
    {"name": "a", "status": "COMPLETED", "conclusion": "SUCCESS", "isRequired": True},
    {"context": "b", "state": "SUCCESS", "isRequired": False},
]
ROLLUP = {"state": "SUCCESS", "contexts": {"totalCount": 2, "nodes": NAMED}}
LOOK = {
    "state": "MERGED",
    "isDraft": False,
    "title": "Add",
    "headRefName": "work",
    "headRefOid": OLD,
    "baseRefName": "main",
    "isCrossRepository": False,
    "mergedAt": TIME,
    "closedAt": TIME,
    "mergeCommit": {"oid": NEW},
    "commits": {"nodes": [{"commit": {"oid": OLD, "statusCheckRollup": ROLLUP}}]},
}
FAILED = {
    "id": 5,
    "name": "test",
    "status": "completed",
    "conclusion": "failure",
    "output": {"title": "1 failed", "summary": "See below.", "text": "log", "annotations_count": 1},
}
FAILED_CHECKS: Mapping[str, Any] = {
    "/annotations": [{"path": "total.py", "start_line": 7, "message": "got 3, want 4"}],
    "/check-runs": {"check_runs": [FAILED]},
    "/status": {"statuses": [{"context": "ci/old", "state": "error", "description": "It broke."}]},
}
REST_RATE = {"limit": 5000, "remaining": 4000, "reset": 1_800_000_000}
RATE = {"limit": 5000, "remaining": 4000, "resetAt": TIME}
PENDING = {
    "status": "pending",
    "details": {
        "uuid": "u",
        "merge_method": "squash",
        "merge_action": "default",
        "expected_head_sha": OLD,
        "message": "No.",
    },
}
CASES: Sequence[tuple[Operation[Any], int, Mapping[str, Any]]] = (
    (GetPullRequest(1, MARKER), 200, {"": PULL}),
    (
        GetPullRequest(1, MARKER, with_place=True),
        200,
        {
            "/stacks/": {"pull_requests": [{"number": 2, "merged_at": None, "state": "open"}, {"number": 1}]},
            "": STACKED,
        },
    ),
    (FindDependants("main", MARKER), 200, {"": [PULL]}),
    (LookAtQueue(1), 200, {"": {"data": {"repository": {"pullRequest": PLACE}}, "errors": None}}),
    (FindPullRequests("work", MARKER), 200, {"": [PULL]}),
    (GetCommit(OLD), 200, {"": {"tree": {"sha": NEW}, "parents": [{"sha": OLD}]}}),
    (
        ReadGate("main", OLD),
        200,
        {
            "/rules/": [RULE, {"type": "merge_queue"}],
            "/branches/": {
                "name": "main",
                "protection": {
                    "required_status_checks": {"contexts": ["a"], "checks": [{"context": "a", "app_id": 7}]},
                },
            },
            "check-runs": {"check_runs": [RUN]},
            "/status": {"statuses": [STATUS]},
            "check-suites": {"check_suites": [{"latest_check_runs_count": 1, "status": "completed"}]},
        },
    ),
    (
        LookAtEachPullRequest((1,)),
        200,
        {
            "rate_limit": {"resources": {"core": REST_RATE}, "rate": REST_RATE},
            "check-runs": {"check_runs": [RUN], "total_count": 1},
            "/status": {"statuses": [STATUS], "total_count": 1},
            "/rules/": [RULE],
            "/branches/": {"name": "main", "protection": {"required_status_checks": {"contexts": ["a"]}}},
            "": STACKED,
        },
    ),
    (
        LookAtPullRequests((1, 2)),
        200,
        {"": {"data": {"rateLimit": RATE, "repository": {"p1": LOOK, "p2": LOOK}}, "errors": None}},
    ),
    (ReadFailedChecks(OLD), 200, FAILED_CHECKS),
    (MergePullRequest(1, OLD, MergeStrategy.SQUASH), 200, {"GET": {"status": "merged"}, "PUT": PENDING}),
    (MergePullRequest(1, OLD, MergeStrategy.SQUASH), 409, {"GET": {"status": "merged"}, "PUT": PENDING}),
)


def places(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place of an answer."""
    yield path
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of an answer with another value at a place."""
    if not path:
        return value
    changed = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def outcome(operation: Operation[Any], status: int, bodies: Mapping[str, Any]) -> Any:
    """Return the result or our error."""
    session: Any = Answers(bodies, status)
    try:
        return operation.run(session)
    except ForgeError as error:
        return error


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case[0]).__name__}-{case[1]}")
def test_whatever_a_place_holds_the_outcome_is_known(case: tuple[Operation[Any], int, Mapping[str, Any]]) -> None:
    operation, status, bodies = case
    assert not isinstance(outcome(operation, status, bodies), ForgeError)
    for part, body in bodies.items():
        for path in places(body):
            for odd in ODD:
                outcome(operation, status, {**bodies, part: put(body, path, odd)})


def test_a_failed_check_says_what_its_annotations_say() -> None:
    status = FailedCheckView("ci/old", "It broke.")
    said = "1 failed\nSee below.\ntotal.py:7: got 3, want 4\nlog"
    assert outcome(ReadFailedChecks(OLD), 200, FAILED_CHECKS) == (status, FailedCheckView("test", said))


def test_a_pull_request_that_cannot_be_read_hides_no_other() -> None:
    broken = put(LOOK, ("baseRefName",), "x" * 300)
    data = {"rateLimit": RATE, "repository": {"p1": broken, "p2": LOOK}}
    found = outcome(LookAtPullRequests((1, 2)), 200, {"": {"data": data, "errors": None}})
    assert set(found.found) == {2}


def test_the_rules_of_a_branch_are_read_to_their_end() -> None:
    gate = next(bodies for operation, _, bodies in CASES if isinstance(operation, ReadGate))

    @dataclass
    class Paged(Answers):
        """Answers full pages of rules, and then a last one that requires a check."""

        full_pages: int = 1

        def send(self, request: Request) -> Field:
            if "/rules/" not in request.path:
                return super().send(request)
            rules = [{"type": "deletion"}] * 100 if request.query["page"] <= self.full_pages else [RULE]
            return Field("rules", rules)

    session: Any = Paged({part: body for part, body in gate.items() if part != "/branches/"} | {"/branches/": BRANCH})
    assert [required.name for required in ReadGate("main", OLD).run(session).required] == ["a"]
    session.full_pages = 100
    with pytest.raises(ForgeRefused, match="too many"):
        ReadGate("main", OLD).run(session)


BRANCH = {"name": "main", "protection": {}}
