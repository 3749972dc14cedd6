"""The demonstration: cluster, repository, a chain of three sprints, a key of the REST API, and what to try next."""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from codecourier.kinds.api_resources import NOTIFICATIONS, SANDBOXES, SPRINT_CHAINS, USAGE_RECORDS
from codecourier.kube.access import load_access
from codecourier.kube.api import PODS, KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.components import OPERATOR
from codecourier.local.demo.cluster import bring_up
from codecourier.local.demo.requests import first_requests, key_member, make_key
from codecourier.local.demo.stage import DOCUMENTED_REPOSITORY, Stage, set_stage
from codecourier.local.demo.view import Scene, render
from codecourier.local.forge.control import ForgeControl

__all__ = ["play"]

_FINISHED = frozenset({"Completed", "Failed", "Cancelled"})
_LOOK_SECONDS = 0.3
_LIMIT_SECONDS = 900
"""When the demonstration gives up on a chain that does not end."""


def play(state_dir: Path, agent: str | None) -> bool:
    """Play the demonstration; return whether its chain completed.

    Parameters
    ----------
    state_dir
        State folder of the cluster.
    agent
        A shell command to use as the agent; None for the scripted one.
    """
    console = Console()
    cluster = bring_up(state_dir, console)
    suffix = secrets.token_hex(2)
    stage = Stage(namespace=f"demo-{suffix}", chain="changelog", repository=f"example/shop-{suffix}")
    chain_started = time.monotonic()
    command = None if agent is None else ["sh", "-c", agent]
    phase, key = asyncio.run(_perform(cluster, stage, command, console))
    console.print(f"\nThe chain is {phase} after {time.monotonic() - chain_started:.1f} s.")
    _print_next(cluster, stage, console, key)
    return phase == "Completed"


async def _perform(cluster: LocalCluster, stage: Stage, command: list[str] | None, console: Console) -> tuple[str, str]:
    """Play the chain; return what became of it, and the key of the REST API."""
    forge = ForgeControl.open(cluster.layout.forge)
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-demo") as api:
        members = (key_member(stage.namespace),)
        await set_stage(api, forge, cluster.forge_url, stage, sprints=3, command=command, members=members)
        key = await make_key(api, stage.namespace)
        with Live(console=console, auto_refresh=False) as live:
            try:
                async with asyncio.timeout(_LIMIT_SECONDS):
                    return await _watch(api, stage, live, cluster), key
            except TimeoutError:
                return f"left unfinished: it had {_LIMIT_SECONDS} s", key


async def _watch(api: KubeApi, stage: Stage, live: Live, cluster: LocalCluster) -> str:
    while True:
        scene = await _look(api, stage)
        live.update(render(scene), refresh=True)
        if scene.phase in _FINISHED:
            return scene.phase
        if not cluster.is_running(OPERATOR):
            return f"left unfinished: the operator ended, and {cluster.layout.log(OPERATOR)} says why"
        await asyncio.sleep(_LOOK_SECONDS)


async def _look(api: KubeApi, stage: Stage) -> Scene:
    chain = await api.get(SPRINT_CHAINS, stage.namespace, stage.chain)
    lists = [await api.list(kind, stage.namespace) for kind in (SANDBOXES, PODS, NOTIFICATIONS, USAGE_RECORDS)]
    sandboxes, pods, notifications, usage = (result.items for result in lists)
    return Scene(chain, sandboxes, pods, notifications, usage)


def _print_next(cluster: LocalCluster, stage: Stage, console: Console, key: str) -> None:
    name = stage.namespace
    repository = cluster.layout.forge / "repositories" / f"{stage.repository}.git"
    requests = "\n".join(f"  {line}" for line in first_requests())
    console.print(
        f"""
Look further:
  export KUBECONFIG={cluster.kubeconfig_path}
  kubectl get sprintchain,run,sandbox,notification,usagerecord -n {name}
  kubectl describe sprintchain {stage.chain} -n {name}
  kubectl get pods -n {name}          # then: kubectl logs -n {name} POD -c agent
  kubectl explain sprintchain.spec
  git -C {repository} log --oneline --graph --all
  less {cluster.layout.log(OPERATOR)}
Ask the REST API (the key is shown once, and kept nowhere):
  export KEY={key}
  export API={cluster.rest_url} CURL_CA_BUNDLE={cluster.rest_authority_path}
{requests}
  The examples of its reference run here: {DOCUMENTED_REPOSITORY} stands for this one; the workflow is wf_scripted.
The same with your account of the cluster:
  kubectl get --raw /apis/ops.codecourier.dev/v1/namespaces/{name}/api/v1/sprint-chains
Operator and REST API run on. Stop everything:
  make down""",
        highlight=False,
        soft_wrap=True,
    )
