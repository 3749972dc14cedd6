"""A pod is lost in each of its steps, or with its node: the next try does the work, once, and the ledger says why."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from codecourier.kube.api import NODES, PODS, SECRETS, Json, Resource
from codecourier.kube.errors import NotFound
from codecourier.local.material import NODE_NAME
from codecourier.local.processnode.container import Container
from tests.support.processnode import OwnNode, running_node
from tests.support.team import Team
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

HOLD_SECONDS = 60
"""Longer than a loss takes; only what is lost waits for it."""

SCRIPT = """
case $HOLD in
hold-agent*) sleep 60 ;;
hold-collect*) for number in 1 2 3 4 5 6 7 8 9; do head -c 20000000 /dev/zero >"big$number"; done ;;
esac
echo done >done.txt
"""
VERIFY = "case $HOLD in hold-verify*) sleep 60 ;; esac"
STEPS = ("checkout", "agent", "verify", "collect", "publish")

RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False)

CASES = Together()


async def hold(team: Team, step: str, *, bind_to: str | None = None, **workflow: Any) -> Json:
    """Start a Run whose first try stays in a step; return its pod once it is there."""
    delay = None
    if step in {"checkout", "publish"}:
        # checkout asks twice what is there, each time first without its token.
        passes = 0 if step == "checkout" else 4
        delay = team.forge.delay(HOLD_SECONDS, method="GET", path=f"{team.git_path}info/refs$", passes=passes)
    await team.create_secret("hold", {"codecourier.dev/agent-readable": "true"}, step=f"hold-{step}-now")
    variable = {"name": "HOLD", "secretKeyRef": {"name": "hold", "key": "step"}}
    await team.workflow(SCRIPT, verify=[VERIFY], secretEnv=[variable], **workflow)
    await team.run()
    if bind_to is not None:
        team.bind(await team.new_pod(number=1), bind_to)
    pod = await team.running_pod(step)
    await team.until(lambda: delay not in {fault["id"] for fault in team.forge.pending_faults()})
    await team.patch(SECRETS, "hold", {"stringData": {"step": "hold-nothing-more"}})
    return pod


async def delete(team: Team, pod: Json, _step: str) -> None:
    """Delete a pod as `kubectl delete pod` does."""
    await team.delete(PODS, pod["metadata"]["name"])


async def force(team: Team, pod: Json, _step: str) -> None:
    """Delete a pod as `kubectl delete pod --force` does."""
    await team.delete(PODS, pod["metadata"]["name"], grace_seconds=0)


async def kill(team: Team, pod: Json, step: str) -> None:
    """Kill all processes of a step with SIGKILL."""
    folder = team.cluster.layout.node / "pods" / pod["metadata"]["uid"] / "containers" / step
    Container(folder).kill()


async def lose(team: Team, *, step: str, way: Callable[[Team, Json, str], Awaitable[None]]) -> None:
    """Lose the pod of the first try in a step, and see that the second does the work."""
    pod = await hold(team, step)
    await way(team, pod, step)
    run = await team.ended()
    name = pod["metadata"]["name"]
    expected = ("ReportLost", f"Step {step} ended without a readable report: exit code 137")
    if way is not kill:
        expected = ("PodDeleted", f"Pod {name} was deleted before it had ended.")
    assert len(run["status"]["tries"]) == 2, run["status"]
    first, second = run["status"]["tries"]
    assert (first["phase"], first["reason"]) == ("Failed", expected[0]), first
    assert first["message"].startswith(expected[1])
    assert second["phase"] == run["status"]["phase"] == "Completed", run["status"]
    await team.assert_done_once(agents=1 if step == "checkout" else 2)


@CASES.case
async def lost_node_comes_back(team: Team) -> None:
    """A node dies while its pod is about to push; the pod goes on after the next try is done, then the node is back."""
    async with own_node(team) as node:
        selector = {"scheduling": {"nodeSelector": {"kubernetes.io/hostname": node.name}}}
        await team.api.create(RUNTIME_CLASSES, {"metadata": {"name": node.name}, "handler": "none", **selector})
        pod = await hold(team, "publish", runtimeClassName=node.name, bind_to=node.name)
        name = pod["metadata"]["name"]
        publish = Container(node.state_dir / "pods" / pod["metadata"]["uid"] / "containers" / "publish")
        cut_off = frozen(publish)
        await asyncio.to_thread(node.kill)
        await evict(team, pod)
        team.bind(await team.new_pod(number=2), NODE_NAME)
        run = await team.ended()
        first, second = run["status"]["tries"]
        assert (first["phase"], first["reason"]) == ("Failed", "NodeLost")
        words = "stopped answering. Its tokens were revoked, so it cannot push."
        assert first["message"] == f"The node of pod {name} {words}"
        assert second["phase"] == run["status"]["phase"] == "Completed", run["status"]
        for pid in cut_off:
            os.kill(pid, signal.SIGCONT)
        await team.until(lambda: not publish.is_running())
        assert "CredentialsRefused" in publish.termination_path.read_text(encoding="utf-8")
        await asyncio.to_thread(node.start)
        await team.wait_gone(PODS, name)
        await team.assert_done_once(agents=2)


@asynccontextmanager
async def own_node(team: Team) -> AsyncIterator[OwnNode]:
    """Run a node beside the cluster's that gets only the pods that are bound to it."""
    context = running_node(team.cluster, team.admin)
    node = await asyncio.to_thread(context.__enter__)
    try:
        yield node
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)
        with suppress(NotFound):
            await team.api.delete(RUNTIME_CLASSES, None, node.name)


def frozen(container: Container) -> list[int]:
    """Stop all processes of a container; return their ids."""
    pids = [container.first_process()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
    return pids


async def evict(team: Team, pod: Json) -> None:
    """Say at once what the control plane finds out after a while: the pod's node is silent, and for long enough."""
    tolerations = [{**item, "tolerationSeconds": 1} for item in pod["spec"]["tolerations"]]
    await team.patch(PODS, pod["metadata"]["name"], {"spec": {"tolerations": tolerations}})
    unknown = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "It is silent."}
    node = await team.api.get(NODES, None, pod["spec"]["nodeName"])
    others = [item for item in node["status"]["conditions"] if item["type"] != "Ready"]
    body = {"status": {"conditions": [*others, unknown]}}
    await team.api.patch(NODES, None, node["metadata"]["name"], body, subresource="status")


for lost_step in STEPS:
    for lost_way in (delete, force, kill) if lost_step in {"agent", "publish"} else (delete, kill):
        CASES.add(f"{lost_way.__name__}-{lost_step}", partial(lose, step=lost_step, way=lost_way))


@pytest.mark.parametrize("case", CASES.names)
async def test_next_try_does_the_work(played: Played, case: str) -> None:
    await played[case]
