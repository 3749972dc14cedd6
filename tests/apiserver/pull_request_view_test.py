"""Pull requests of Runs as JSON, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.apiserver.views.pull_request import is_shown, view_pull_request
from codecourier.apiserver.words import WORDS
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.kube.api import Json
from codecourier.resources.merge import Merge, MergeSource
from codecourier.resources.run import PullRequest, PullRequestPhase, Run
from tests.support.worlds import URL, make_run

CREATED = {"phase": "Created", "number": 42, "url": f"{URL}/pull/42"}


def run_with(pull_request: Json | None, **status: Any) -> Run:
    """Return a Run with a pull request."""
    run = make_run()
    made = None if pull_request is None else PullRequest.model_validate(pull_request)
    return run.updated(status=run.status.updated(pull_request=made, **status))


def shown(run: Run) -> Json:
    """Return what is shown of the pull request of a Run."""
    assert run.status.pull_request is not None
    return view_pull_request(run, run.status.pull_request).model_dump(mode="json", by_alias=True)


def test_a_pull_request_is_shown_as_the_contract_has_it() -> None:
    assert shown(run_with({**CREATED, "state": "Open"}, title="Add dark mode toggle")) == {
        "runId": "r_fix",
        "runName": "Add dark mode toggle",
        "prUrl": f"{URL}/pull/42",
        "prNumber": 42,
        "prStatus": "created",
        "prState": "open",
        "ciChecks": {"status": "none", "checkedAt": None, "checks": []},
    }


def test_checks_are_shown_as_the_contract_has_them() -> None:
    items = [
        {"name": "test", "status": "Completed", "conclusion": "Failure", "isRequired": True},
        {"name": "lint", "status": "InProgress"},
    ]
    checks = {"status": "Failed", "checkTime": "2024-01-15T10:30:00Z", "items": items}
    json = shown(run_with({**CREATED, "phase": "BlockedOnCI", "checks": checks}))
    assert json["prStatus"] == "blocked_on_ci"
    assert json["ciChecks"] == {
        "status": "failed",
        "checkedAt": "2024-01-15T10:30:00Z",
        "checks": [
            {"name": "test", "status": "failure", "conclusion": "failure"},
            {"name": "lint", "status": "in_progress", "conclusion": None},
        ],
    }


@pytest.mark.parametrize(
    ("record", "status", "state"),
    [
        ({"phase": "Creating"}, "creating", None),
        ({"phase": "Failed", "message": "No."}, "failed", None),
        ({"phase": "Skipped"}, "skipped", None),
        (CREATED, "created", "open"),
        ({**CREATED, "state": "Closed"}, "created", "closed"),
        ({**CREATED, "state": "Merged"}, "created", "merged"),
        ({**CREATED, "phase": "Merged", "state": "Open"}, "merged", "merged"),
        ({**CREATED, "phase": "BlockedOnCI"}, "blocked_on_ci", "open"),
    ],
)
def test_the_state_is_what_the_record_says(record: Json, status: str, state: str | None) -> None:
    json = shown(run_with(record))
    assert (json["prStatus"], json["prState"]) == (status, state)
    assert (json["prNumber"], json["prUrl"]) == (record.get("number"), record.get("url"))
    assert (json["ciChecks"] is None) == (status in {"creating", "failed", "skipped"})


def test_a_list_shows_what_has_a_record_and_the_status_that_is_asked_for() -> None:
    assert not is_shown(run_with(None), None)
    for word, phase in WORDS[PullRequestPhase].items():
        run = run_with({"phase": phase.value})
        asked = [other for other in PullRequestPhase if is_shown(run, other)]
        assert asked == [phase], word
        assert is_shown(run, None)
        labels = {LABEL_TRASHED: "true"}
        assert not is_shown(run.updated(metadata=run.metadata.updated(labels=labels)), None)


def test_the_run_of_a_merges_step_is_no_pull_request() -> None:
    merge = Merge(sources=(MergeSource(number=7, head_commit="b" * 40),))
    run = run_with({"phase": "Skipped"})
    assert is_shown(run, None)
    assert not is_shown(run.updated(spec=run.spec.updated(merge=merge)), None)
