"""Explanations over REST and by the command, on the simulated API server."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from codecourier.apiserver.explain_command import Kind, explain_named, render
from codecourier.cli import app
from codecourier.kinds.api_resources import ISSUE_SESSIONS, MERGE_JOBS, PROJECTS, RECURRING_TASKS, RUNS, SPRINT_CHAINS
from codecourier.kube.api import Json, KubeApi, Resource
from codecourier.kube.errors import Forbidden, NotFound
from tests.simulation.clock import EPOCH
from tests.support.asgi import NAMESPACE, Api, play_api

OBJECTS: tuple[tuple[Resource, str, str, str, Json], ...] = (
    (RUNS, "runs", "r_", "Run", {"prompt": "x"}),
    (SPRINT_CHAINS, "sprint-chains", "sc_", "SprintChain", {"prompt": "x", "sprintRange": {"first": 1, "last": 2}}),
    (
        RECURRING_TASKS,
        "recurring-tasks",
        "rt_",
        "RecurringTask",
        {"prompt": "x", "frequency": "Daily", "timeZone": "UTC", "hour": 8, "minute": 0},
    ),
    (ISSUE_SESSIONS, "issue-sessions", "is_", "IssueSession", {"issueUrl": "https://github.com/org/repo/issues/1"}),
    (
        MERGE_JOBS,
        "merging",
        "mj_",
        "MergeJob",
        {"mode": "Combine", "pullRequests": ["https://github.com/org/repo/pull/1"]},
    ),
)


def make(api: Api, resource: Resource, spec: Json, status: Json | None = None) -> None:
    """Create an object named `one` that uses a Workflow which is not there."""
    spec = {**spec, "workflowRef": {"name": "none"}}
    api.server.store.create(resource, {"metadata": {"name": "one", "namespace": NAMESPACE}, "spec": spec})
    if status is not None:
        api.server.edit(resource, NAMESPACE, "one", lambda obj: obj.update(status={**obj.get("status", {}), **status}))


@pytest.mark.parametrize(("resource", "path", "prefix", "kind", "spec"), OBJECTS)
def test_each_kind_is_explained(resource: Resource, path: str, prefix: str, kind: str, spec: Json) -> None:
    async def scenario(api: Api) -> None:
        make(api, resource, spec, {"observedGeneration": 1})
        await api.settle()
        answer = await api.ask("GET", f"/{path}/{prefix}one/explain")
        message = "The namespace has no Workflow 'none'. Create it, or name another one."
        (cause,) = answer.data["causes"]
        about = cause["object"]
        assert (cause["code"], cause["sentence"], cause["nextStep"]) == ("workflow_not_found", message, None)
        # What lacks something is the task; of the others the Workflow itself is named.
        named = ("RecurringTask", "one", "rt_one") if kind == "RecurringTask" else ("Workflow", "none", "wf_none")
        assert (about["kind"], about["name"], about["id"]) == named
        assert answer.data["id"] == f"{prefix}one"
        assert answer.data["sentence"] == f"{kind} one is pending: {message}"
        # The command says the same with the caller's own account.
        found = await explain_named(api.kube, Kind(kind), NAMESPACE, "one", EPOCH)
        assert next(iter(render(found))) == answer.data["sentence"]
        assert (await api.ask("GET", f"/{path}/none/explain")).status == 404
        api.kube.denied = frozenset({("get", resource.plural)})
        assert (await api.ask("GET", f"/{path}/{prefix}other/explain")).status == 403

    play_api(scenario)


def test_the_project_has_a_name_and_no_id() -> None:
    async def scenario(api: Api) -> None:
        make(api, RUNS, {"prompt": "x"}, {"observedGeneration": 1})
        api.server.edit(PROJECTS, NAMESPACE, "default", lambda project: project["spec"].update(suspend=True))
        await api.settle()
        first = (await api.ask("GET", "/runs/one/explain")).data["causes"][0]
        assert first["object"] == {"kind": "Project", "name": "default", "id": None}

    play_api(scenario)


class Closed:
    """A client whose user may read Runs and nothing else."""

    def __init__(self, kube: KubeApi) -> None:
        self._kube = kube

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """See `KubeApi.get`."""
        if resource != RUNS:
            raise Forbidden(403, "Forbidden", "no right")
        return await self._kube.get(resource, namespace, name)


def test_nothing_is_said_of_what_the_user_may_not_read() -> None:
    async def scenario(api: Api) -> None:
        make(api, RUNS, {"prompt": "x"}, {"observedGeneration": 1, "message": "It waits."})
        closed: Any = Closed(api.kube)
        found = await explain_named(closed, Kind.RUN, NAMESPACE, "one", EPOCH)
        assert list(render(found)) == ["Run one is pending. It waits."]
        with pytest.raises(NotFound):
            await explain_named(closed, Kind.RUN, NAMESPACE, "none", EPOCH)

    play_api(scenario)


def test_a_cause_is_printed_with_its_next_step_and_its_times() -> None:
    async def scenario(api: Api) -> None:
        time = "2026-03-01T12:00:00Z"
        waiting = {
            "type": "Succeeded",
            "status": "Unknown",
            "reason": "RateLimited",
            "message": "The host asks to wait.",
        }
        status = {"phase": "Queued", "attempt": 1, "observedGeneration": 1, "retryTime": "2999-01-01T00:00:00Z"}
        make(
            api,
            RUNS,
            {"prompt": "x"},
            {**status, "conditions": [{**waiting, "message": "The host asks to wait.", "lastTransitionTime": time}]},
        )
        lines = list(render(await explain_named(api.kube, Kind.RUN, NAMESPACE, "one", EPOCH)))
        assert lines[1:6] == [
            "",
            "RateLimited: Run one",
            "  The host asks to wait.",
            "  Nothing needs to be done: it goes on by itself.",
            "  since 2026-03-01 12:00:00 UTC, until 2999-01-01 00:00:00 UTC",
        ]

    play_api(scenario)


def test_the_command_needs_a_cluster_and_a_known_kind() -> None:
    runner = CliRunner()
    arguments = ["one", "--namespace", NAMESPACE, "--kubeconfig", "/nonexistent"]
    missing = runner.invoke(app, ["explain", "run", *arguments])
    assert (missing.exit_code, missing.output[:7]) == (1, "error: ")
    assert runner.invoke(app, ["explain", "pod", *arguments]).exit_code == 2
