"""SprintChains as JSON and back, without a server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from codecourier.apiserver.views.sprint_chain import (
    ChainCreation,
    build_chain_spec,
    view_chain,
    view_chain_detail,
    view_created_chain,
    view_deleted_chain,
)
from codecourier.kube.api import Json
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.sprint_chain import SprintChain

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://github.com/org/repo"
BODY: Json = {"workflowId": "wf_build", "sprintRange": [1, 3], "prompt": "Migrate.", "githubRepoUrl": URL}


def chain_of(status: Json | None = None, *, body: Json | None = None, **spec: Any) -> SprintChain:
    """Return an object that was created over REST, with another status and spec than it got then."""
    built = build_chain_spec(ChainCreation.model_validate({**BODY, **(body or {})}), URL)
    found = SprintChain.model_validate({"spec": {**built, **spec}, "status": status or {}})
    return found.updated(metadata=ObjectMeta(name="nightly", namespace="shop", uid="uid", creation_timestamp=NOW))


def detail(chain: SprintChain) -> Json:
    """Return all that is shown of a chain, as JSON."""
    return view_chain_detail(chain).model_dump(mode="json", by_alias=True)


def test_a_new_chain_has_every_field_of_the_contract() -> None:
    assert view_chain(chain_of()).model_dump(mode="json", by_alias=True) == {
        "id": "sc_nightly",
        "status": "pending",
        "sprintRange": [1, 3],
        "currentSprintIndex": 0,
        "resumeFromSprint": None,
        "sprintPrUrls": [],
        "workflowId": "wf_build",
        "createdAt": "2026-03-01T12:00:00Z",
        "isPaused": False,
        "isCancelRequested": False,
    }
    more = {"prompt": "Migrate.", "githubRepoUrl": URL, "branchName": None, "attempt": 1, "deletionRequestedAt": None}
    assert {name: detail(chain_of())[name] for name in more} == more


bodies = st.integers(0, 1_000_000 - 99).flatmap(
    lambda first: st.integers(0, 99).flatmap(
        lambda length: st.fixed_dictionaries(
            {
                "workflowId": st.sampled_from(["wf_build", "build"]),
                "sprintRange": st.just([first, first + length]),
                "prompt": st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=50),
                "githubRepoUrl": st.just(URL),
                "branchName": st.none() | st.just("feature/x"),
                "resumeFromSprint": st.none() | st.integers(0, length),
            }
        )
    )
)


@given(bodies)
def test_what_was_written_is_shown(body: Json) -> None:
    json = detail(chain_of(body=body))
    same = body.keys() - {"workflowId"}
    assert {name: json[name] for name in same} == {name: body[name] for name in same}
    assert json["workflowId"] == "wf_build"


RUNNING: Json = {
    "phase": "Running",
    "attempt": 1,
    "currentSprintIndex": 2,
    "repositoryUrl": URL,
    "baseBranch": "main",
    "sprints": [
        {
            "index": 0,
            "number": 1,
            "phase": "Completed",
            "run": "nightly-s0",
            "pullRequest": "Created",
            "pullRequestUrl": f"{URL}/pull/10",
            "baseCommit": "a" * 40,
            "headCommit": "b" * 40,
            "startTime": "2026-03-01T12:00:00Z",
            "finishTime": "2026-03-01T12:30:00Z",
            "message": "Done.",
        },
        {"index": 1, "number": 2, "phase": "Completed", "run": "nightly-s1", "pullRequest": "Skipped"},
        {"index": 2, "number": 3, "phase": "Running", "run": "nightly-s2", "pullRequestUrl": f"{URL}/pull/12"},
    ],
}


def test_a_running_chain_shows_its_sprints() -> None:
    json = detail(chain_of(RUNNING, resumeFromSprint=0, suspend=True))
    assert (json["status"], json["currentSprintIndex"], json["branchName"]) == ("running", 2, "main")
    assert (json["resumeFromSprint"], json["isPaused"]) == (None, True), "the attempt has begun"
    assert json["sprintPrUrls"] == [f"{URL}/pull/10"], "only completed sprints have made theirs"
    assert json["sprints"][0] == {
        "index": 0,
        "number": 1,
        "status": "completed",
        "runId": "r_nightly-s0",
        "prUrl": f"{URL}/pull/10",
        "prStatus": "created",
        "baseCommit": "a" * 40,
        "headCommit": "b" * 40,
        "startedAt": "2026-03-01T12:00:00Z",
        "finishedAt": "2026-03-01T12:30:00Z",
        "message": "Done.",
    }
    assert [sprint["prStatus"] for sprint in json["sprints"]] == ["created", "skipped", None]


def test_a_chain_that_is_resumed_says_from_where_until_it_begins() -> None:
    ended = {**RUNNING, "phase": "Failed"}
    assert detail(chain_of(ended, attempt=2, resumeFromSprint=1))["resumeFromSprint"] == 1
    assert detail(chain_of({**ended, "attempt": 2}, attempt=2, resumeFromSprint=1))["resumeFromSprint"] is None


READY = {"type": "Ready", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": NOW.isoformat()}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({}, "pending"),
        ({"conditions": [{**READY, "status": "False"}]}, "pending"),
        ({"conditions": [READY]}, "running"),
        ({"phase": "Running"}, "running"),
        ({"phase": "Failed"}, "failed"),
    ],
)
def test_a_new_chain_runs_once_it_is_accepted(status: Json, word: str) -> None:
    assert view_created_chain(chain_of(status)).status == word


def test_a_chain_that_is_gone_is_cancelled_and_one_that_waits_is_what_it_is() -> None:
    assert view_deleted_chain("nightly", None).status == "cancelled"
    assert view_deleted_chain("nightly", chain_of(RUNNING)).status == "running"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"sprintRange": [5, 1]}, {"sprintRange"}),
        ({"sprintRange": [0, 100]}, {"sprintRange"}),
        ({"sprintRange": [1]}, {"sprintRange"}),
        ({"sprintRange": [1, 2, 3]}, {"sprintRange"}),
        ({"sprintRange": {"first": 1, "last": 2}}, {"sprintRange"}),
        ({"sprintRange": [-1, True]}, {"sprintRange.0", "sprintRange.1"}),
        ({"sprintRange": [0.0, 1]}, {"sprintRange.0"}),
        ({"resumeFromSprint": 3}, {"resumeFromSprint"}),
        ({"resumeFromSprint": -1}, {"resumeFromSprint"}),
        ({"sprintRange": [5, 1], "resumeFromSprint": 100, "workflowId": 1}, None),
        ({"branchName": "a b"}, {"branchName"}),
        ({"branchName": ""}, {"branchName"}),
        ({"status": "running"}, {"status"}),
        ({"githubRepoUrl": None}, {"githubRepoUrl"}),
    ],
)
def test_each_problem_of_a_body_has_its_field(body: Json, fields: set[str] | None) -> None:
    with pytest.raises(ValidationError) as refused:
        ChainCreation.model_validate({**BODY, **body})
    found = {".".join(map(str, problem["loc"])) for problem in refused.value.errors()}
    assert found == (fields or set(body))
