"""The demonstration of merges: three pull requests become one, and a result that loses one side is refused."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from codecourier.kinds.api_resources import MERGE_JOBS, NOTIFICATIONS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.access import load_access
from codecourier.kube.api import PODS, KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import KubeError
from codecourier.local.cluster import LocalCluster
from codecourier.local.components import OPERATOR
from codecourier.local.demo.cluster import bring_up
from codecourier.local.demo.forge_user import ForgeUser
from codecourier.local.demo.merge_stage import CAREFUL, LAZY, MergeStage, set_merge_stage
from codecourier.local.demo.merge_view import MergeScene, render_merges
from codecourier.local.demo.pieces import find_pod
from codecourier.local.demo.requests import first_merge_requests, key_member, make_key
from codecourier.local.forge.control import ForgeControl
from codecourier.task import CONTAINER_AGENT, CONTAINER_VERIFY

__all__ = ["find_disappointment", "play_merges", "watch_merges"]

_LOOK_SECONDS = 0.3
_LIMIT_SECONDS = 900
"""When the demonstration gives up on merges that do not end."""

_LOG_BYTES = 4096


def play_merges(state_dir: Path, agent: str | None) -> bool:
    """Play the demonstration; return whether both merges ended as they should.

    Parameters
    ----------
    state_dir
        State folder of the cluster.
    agent
        A shell command to use as the agent of the first merge; None for the one of the example.
    """
    console = Console()
    cluster = bring_up(state_dir, console)
    suffix = secrets.token_hex(2)
    stage = MergeStage(namespace=f"merge-{suffix}", repository=f"example/shop-{suffix}")
    command = None if agent is None else ["sh", "-c", agent]
    started = time.monotonic()
    scene, words, user, key = asyncio.run(_perform(cluster, stage, command, console))
    console.print(f"\nThe merges took {time.monotonic() - started:.1f} s.")
    problem = find_disappointment(scene)
    for name, said in words.items():
        console.print(Panel(Text(said.rstrip()), title=name, title_align="left"))
    _print_results(scene, user, cluster, console)
    _print_next(cluster, stage, scene, console, key)
    if problem is not None:
        console.print(f"\n{problem}", style="bold red")
    return problem is None


async def _perform(
    cluster: LocalCluster, stage: MergeStage, command: list[str] | None, console: Console
) -> tuple[MergeScene, dict[str, str], ForgeUser, str]:
    """Play the merges; return their end, what containers said, the owner, and a key of the REST API."""
    forge = ForgeControl.open(cluster.layout.forge)
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-demo") as api:
        members = (key_member(stage.namespace),)
        user = await set_merge_stage(api, forge, cluster.forge_url, stage, command=command, members=members)
        key = await make_key(api, stage.namespace)
        with Live(console=console, auto_refresh=False) as live:
            scene = await watch_merges(
                api,
                stage.namespace,
                lambda scene: live.update(render_merges(scene), refresh=True),
                lambda: cluster.is_running(OPERATOR),
            )
        words = {
            f"the agent of MergeJob {CAREFUL}": await _read_words(api, scene, CAREFUL, CONTAINER_AGENT),
            f"the verify step of MergeJob {LAZY}": await _read_words(api, scene, LAZY, CONTAINER_VERIFY),
        }
        return scene, words, user, key


async def watch_merges(
    api: KubeApi, namespace: str, show: Callable[[MergeScene], None], is_operated: Callable[[], bool]
) -> MergeScene:
    """Show merges until all are over, the time is up or the operator has ended; return the last look."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while True:
        scene = await _look(api, namespace)
        show(scene)
        if scene.is_over or time.monotonic() > deadline or not is_operated():
            return scene
        await asyncio.sleep(_LOOK_SECONDS)


async def _look(api: KubeApi, namespace: str) -> MergeScene:
    kinds = (MERGE_JOBS, SANDBOXES, PODS, NOTIFICATIONS, USAGE_RECORDS)
    return MergeScene(*[(await api.list(kind, namespace)).items for kind in kinds])


async def _read_words(api: KubeApi, scene: MergeScene, name: str, container: str) -> str:
    """Return what a container of the first step of a MergeJob wrote; empty where its pod is gone."""
    steps = (scene.job(name).get("status") or {}).get("steps") or [{}]
    pod = find_pod(steps[0].get("run"), scene.sandboxes, scene.pods)
    if pod is None:
        return ""
    metadata = pod["metadata"]
    try:
        return await api.read_log(metadata["namespace"], metadata["name"], container, limit_bytes=_LOG_BYTES)
    except KubeError:
        return ""


def find_disappointment(scene: MergeScene) -> str | None:
    """Return what is not as it should be; None: one agent resolved the conflict, and the other's result was refused."""
    if not scene.is_over:
        return "The merges are left unfinished; the log of the operator says why."
    for name, last in ((CAREFUL, "Resolved"), (LAZY, "Excluded")):
        phase = scene.job(name)["status"]["phase"]
        if (phase, scene.results(name)) != ("Completed", ["Clean", "Clean", last]):
            return (
                f"MergeJob {name} is {phase} with {scene.results(name)}; `kubectl describe mergejob {name}` says why."
            )
    return None


def _print_results(scene: MergeScene, user: ForgeUser, cluster: LocalCluster, console: Console) -> None:
    """Print the new pull requests, and what the conflict became."""
    for name in (CAREFUL, LAZY):
        result = (scene.job(name).get("status") or {}).get("result") or {}
        if "number" not in result:
            continue
        pull = user.read_pull(result["number"])
        title = f"#{pull['number']} {pull['title']}: {pull['head']['ref']} onto {pull['base']['ref']}"
        console.print(Panel(Text(pull["body"]), title=Text(title), title_align="left"))
        bare = cluster.layout.forge / "repositories" / f"{user.repository}.git"
        command = ["git", "--git-dir", str(bare), "show", f"{result['branch']}:price.sh"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        console.print(Panel(Text(shown.rstrip()), title=f"its price.sh (MergeJob {name})", title_align="left"))


def _print_next(cluster: LocalCluster, stage: MergeStage, scene: MergeScene, console: Console, key: str) -> None:
    name = stage.namespace
    repository = cluster.layout.forge / "repositories" / f"{stage.repository}.git"
    requests = "\n".join(f"  {line}" for line in first_merge_requests(CAREFUL))
    steps = (scene.job(LAZY).get("status") or {}).get("steps") or [{"run": "RUN"}]
    console.print(
        f"""
Look further:
  export KUBECONFIG={cluster.kubeconfig_path}
  kubectl get mergejob,run,sandbox,notification,usagerecord -n {name}
  kubectl describe mergejob {LAZY} -n {name}     # each pull request, and why one was left out
  kubectl describe run {steps[0]["run"]} -n {name}     # the one whose result was refused
  kubectl get pods -n {name}          # then: kubectl logs -n {name} POD -c agent, or -c verify
  kubectl explain mergejob.spec
  git -C {repository} log --oneline --graph --all
  less {cluster.layout.log(OPERATOR)}
Ask the REST API (the key is shown once, and kept nowhere):
  export KEY={key}
  export API={cluster.rest_url} CURL_CA_BUNDLE={cluster.rest_authority_path}
{requests}
The same with your account of the cluster:
  kubectl get --raw /apis/ops.codecourier.dev/v1/namespaces/{name}/api/v1/merging/list
Operator and REST API run on. Stop everything:
  make down""",
        highlight=False,
        soft_wrap=True,
    )
