"""Clients name a repository by an address that it had before; objects get the address that it has."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.kinds.api_resources import ISSUE_SESSIONS, MERGE_JOBS, PROJECTS, RUNS, SPRINT_CHAINS, WORKFLOWS
from codecourier.kube.api import Json, Resource
from tests.support.rest_app import NAMESPACE, RestApp, play_rest

URL, FORMER, OTHER = "https://git.example.com/new/home", "https://github.com/org/repo", "https://github.com/org/other"
REPOSITORIES: list[Json] = [
    {"url": URL, "formerUrls": [FORMER, OTHER], "isDefault": True, "credentialRef": {"name": "forge"}},
    {"url": OTHER, "credentialRef": {"name": "forge"}},
]
CHAIN: Json = {"workflowId": "build", "sprintRange": [1, 2], "prompt": "Go on.", "githubRepoUrl": FORMER}
RUN: Json = {"workflowId": "build", "prompt": "Go on.", "githubRepoUrl": f"{FORMER}.git/"}
SESSION: Json = {"workflowId": "build", "issueUrl": f"{FORMER}/issues/7"}
MERGE: Json = {"pullRequests": [{"prUrl": f"{FORMER}/pull/1"}, {"prUrl": f"{URL}/pull/2"}]}


async def prepare(rest: RestApp) -> None:
    """Make a Project whose default repository was moved, and a Workflow."""
    await rest.make(PROJECTS, "default", {"repositories": REPOSITORIES, "mergeWorkflowRef": {"name": "build"}})
    await rest.make(WORKFLOWS, "build", {"image": "busybox", "agent": {"command": ["true"]}})


@pytest.mark.parametrize(
    ("path", "body", "resource", "written"),
    [
        ("/sprint-chains", CHAIN, SPRINT_CHAINS, {"repositoryUrl": URL}),
        ("/runs", RUN, RUNS, {"repositoryUrl": URL}),
        ("/issue-sessions", SESSION, ISSUE_SESSIONS, {"issueUrl": f"{URL}/issues/7"}),
        ("/merging/start", MERGE, MERGE_JOBS, {"pullRequests": [f"{URL}/pull/1", f"{URL}/pull/2"]}),
        # A repository that has the address now comes before one that had it.
        ("/sprint-chains", {**CHAIN, "githubRepoUrl": OTHER}, SPRINT_CHAINS, {"repositoryUrl": OTHER}),
    ],
)
def test_a_former_address_names_the_repository(path: str, body: Json, resource: Resource, written: Json) -> None:
    async def scenario(rest: RestApp) -> None:
        await prepare(rest)
        made = await rest.ask("POST", path, body)
        assert made.status == 201, made
        spec = (await rest.api.get(resource, NAMESPACE, made.data["id"].partition("_")[2]))["spec"]
        assert {field: spec[field] for field in written} == written

    play_rest(scenario)


def test_one_pull_request_by_two_addresses_is_named_twice() -> None:
    async def scenario(rest: RestApp) -> None:
        await prepare(rest)
        twice: Any = {"pullRequests": [{"prUrl": f"{FORMER}/pull/1"}, {"prUrl": f"{URL}/pull/1"}]}
        refused = await rest.ask("POST", "/merging/start", twice)
        assert (refused.status, [*refused.fields]) == (400, ["pullRequests.1.prUrl"])
        foreign = {**CHAIN, "githubRepoUrl": "https://github.com/org/elsewhere"}
        assert (await rest.ask("POST", "/sprint-chains", foreign)).fields.keys() == {"githubRepoUrl"}

    play_rest(scenario)
