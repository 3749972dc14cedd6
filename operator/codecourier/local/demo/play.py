"""The demonstration: cluster, repository, operator, a chain of three sprints, and what to look at afterwards."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from codecourier.kinds.api_resources import NOTIFICATIONS, SANDBOXES, SPRINT_CHAINS, USAGE_RECORDS
from codecourier.kube.access import load_access
from codecourier.kube.api import PODS, KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.demo.stage import OPERATOR_NAMESPACE, Stage, ensure_namespace, set_stage
from codecourier.local.demo.view import Scene, render
from codecourier.local.forge.address import ForgeAddress
from codecourier.local.forge.control import ForgeControl
from codecourier.local.operator_process import OperatorProcess

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
    started = time.monotonic()
    cluster = LocalCluster(state_dir, report=console.print)
    cluster.up()
    console.print(f"The cluster is up after {time.monotonic() - started:.1f} s.")
    forge_dir = cluster.layout.root / "forge"
    suffix = secrets.token_hex(2)
    stage = Stage(namespace=f"demo-{suffix}", chain="changelog", repository=f"example/shop-{suffix}")
    log = cluster.layout.log("operator")
    forge = ForgeAddress.read(forge_dir)
    chain_started = time.monotonic()
    # With two demonstrations on one cluster, one operator leads and the other stands by: each has its own name.
    with OperatorProcess(cluster.kubeconfig_path, forge, log, identity=f"demo-{suffix}") as operator:
        command = None if agent is None else ["sh", "-c", agent]
        phase = asyncio.run(_perform(cluster, stage, command, console, lambda: operator.is_running))
    console.print(f"\nThe chain is {phase} after {time.monotonic() - chain_started:.1f} s. The operator was stopped.")
    _print_next(cluster, stage, console, log, forge)
    return phase == "Completed"


async def _perform(
    cluster: LocalCluster,
    stage: Stage,
    command: list[str] | None,
    console: Console,
    is_running: Callable[[], bool],
) -> str:
    forge = ForgeControl.open(cluster.layout.root / "forge")
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-demo") as api:
        await ensure_namespace(api, OPERATOR_NAMESPACE)
        await set_stage(api, forge, cluster.forge_url, stage, sprints=3, command=command)
        with Live(console=console, auto_refresh=False) as live:
            try:
                async with asyncio.timeout(_LIMIT_SECONDS):
                    return await _watch(api, stage, live, is_running)
            except TimeoutError:
                return f"left unfinished: it had {_LIMIT_SECONDS} s"


async def _watch(api: KubeApi, stage: Stage, live: Live, is_running: Callable[[], bool]) -> str:
    while True:
        scene = await _look(api, stage)
        live.update(render(scene), refresh=True)
        if scene.phase in _FINISHED:
            return scene.phase
        if not is_running():
            return "left unfinished: the operator ended"
        await asyncio.sleep(_LOOK_SECONDS)


async def _look(api: KubeApi, stage: Stage) -> Scene:
    chain = await api.get(SPRINT_CHAINS, stage.namespace, stage.chain)
    lists = [await api.list(kind, stage.namespace) for kind in (SANDBOXES, PODS, NOTIFICATIONS, USAGE_RECORDS)]
    sandboxes, pods, notifications, usage = (result.items for result in lists)
    return Scene(chain, sandboxes, pods, notifications, usage)


def _print_next(cluster: LocalCluster, stage: Stage, console: Console, log: Path, forge: ForgeAddress) -> None:
    name = stage.namespace
    variables = " ".join(f"{variable}={value}" for variable, value in forge.operator_variables.items())
    repository = cluster.layout.root / "forge" / "repositories" / f"{stage.repository}.git"
    console.print(
        f"""
Look further:
  export KUBECONFIG={cluster.kubeconfig_path}
  kubectl get sprintchain,run,sandbox,notification,usagerecord -n {name}
  kubectl describe sprintchain {stage.chain} -n {name}
  kubectl get pods -n {name}          # then: kubectl logs -n {name} POD -c agent
  kubectl explain sprintchain.spec
  git -C {repository} log --oneline --graph --all
  less {log}
Run the operator again:
  {variables} .venv/bin/codecourier operator
Stop everything:
  make down""",
        highlight=False,
        soft_wrap=True,
    )
