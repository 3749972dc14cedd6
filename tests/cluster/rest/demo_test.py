"""Every line of the contract on the project that the demonstration makes, as its reader would try them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from secrets import token_hex

import orjson
import pytest

from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS
from codecourier.kube.access import load_access
from codecourier.kube.api import NAMESPACES, Json
from codecourier.kube.client import AiohttpKube
from codecourier.local.demo.stage import Stage, set_stage
from codecourier.local.processes import wait_until
from tests.support.forge import ForgeProcess
from tests.support.rest import Rest, known, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

DATA = Path(__file__).parents[2] / "data" / "rest"
ENTITY: Json = {"kind": "Run", "name": "fix", "uid": "uid"}
NEWS: Json = {
    "type": "RunCompleted",
    "title": "t",
    "message": "m",
    "eventTime": "2026-12-01T00:00:00Z",
    "entity": ENTITY,
}
TASK: Json = {
    "title": "Look around",
    "prompt": "Look.",
    "frequency": "daily",
    "targetWorkflowId": "wf_scripted",
    "timezone": "UTC",
    "scheduledHour": 8,
    "scheduledMinute": 5,
}


def make_finished_run(rest: Rest, namespace: str, name: str, url: str) -> None:
    """Make a completed Run with an open pull request, as if an operator had played it."""
    rest.create(RUNS, namespace, name, {"workflowRef": {"name": "scripted"}, "prompt": "Look."})
    pull = {"phase": "Created", "number": 7, "url": f"{url}/pull/7"}
    body = orjson.dumps({"status": {"phase": "Completed", "attempt": 1, "pullRequest": pull}})
    rest.admin.fetch("PATCH", f"{RUNS.path(namespace, name)}/status", body, "application/merge-patch+json")


def test_every_line_of_the_contract_works_on_the_demonstrations_project(rest: Rest, forge: ForgeProcess) -> None:
    stage = Stage(f"demo-{token_hex(2)}", "changelog", f"example/shop-{token_hex(2)}")

    async def make() -> None:
        async with AiohttpKube(load_access(rest.cluster.kubeconfig_path)) as api:
            await set_stage(api, forge.control, forge.address.base_url, stage, sprints=3)

    asyncio.run(make())
    namespace = stage.namespace
    make_finished_run(rest, namespace, "fix", f"{forge.address.base_url}/{stage.repository}")
    make_finished_run(rest, namespace, "old", f"{forge.address.base_url}/{stage.repository}")
    rest.create(NOTIFICATIONS, namespace, "news", NEWS)
    rest.bind(namespace, "admin", "demo")
    key = known(rest, rest.bare_key(namespace, "demo").key)
    assert wait_until(lambda: rest.ask("GET", "/notifications", key).data != [], timeout_seconds=20)
    assert wait_until(lambda: rest.ask("DELETE", "/runs/old", key).status == 200, timeout_seconds=20)
    task = rest.ask("POST", "/recurring-tasks", key, TASK).data["id"]
    fill = {"wf_": "wf_scripted", "sc_": f"sc_{stage.chain}", "rt_": task, "notif_": "notif_news"}
    for path in sorted(DATA.glob("*.sh")):
        for line in read_lines(path):
            run = "r_old" if "/trash/" in line else "r_fix"
            answer = rest.run_line(line, key, {**fill, "r_": run})
            assert answer.status in {200, 201}, (line, answer)
            if line.endswith("/restore"):
                assert rest.ask("DELETE", "/runs/old", key).status == 200
    rest.admin.fetch("DELETE", NAMESPACES.path(name=namespace))
