"""A team on the embedded cluster, for tests: a namespace, a Project and a repository that no other team uses."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES, LABEL_REPOSITORY_CREDENTIAL
from codecourier.kinds.api_resources import PROJECTS, RUNS, SANDBOXES, SPRINT_CHAINS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, PODS, SECRETS, Json, KubeApi, Resource
from codecourier.kube.errors import Conflict, NotFound
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.forge.control import ForgeControl, Permissions
from codecourier.local.operator_process import OperatorProcess
from codecourier.local.processes import wait_until
from tests.support.cluster import admin_server
from tests.support.main_job import wait_for
from tests.support.operator_access import OPERATOR, OperatorAccount

__all__ = [
    "CHANGE",
    "CREDENTIAL",
    "HELD",
    "PERMISSIONS",
    "AgentStarts",
    "Team",
    "condition",
    "make_team",
    "operator_environment",
    "operator_process",
    "reason",
]

PERMISSIONS: Permissions = {"contents": "write", "issues": "write", "metadata": "read", "pull_requests": "write"}
_UNTIL_SECONDS = 60
_FINISHED = frozenset({"Completed", "Failed", "Cancelled"})

WORKFLOW: Mapping[str, Any] = {
    "image": "docker.io/library/busybox:1.37.0",
    "stepTimeoutSeconds": 60,
    "retry": {"maxTries": 3, "backoffSeconds": 1},
    "resources": {"cpu": "100m", "memory": "64Mi", "workspace": "1Gi"},
}

CREDENTIAL: Mapping[str, str] = {LABEL_REPOSITORY_CREDENTIAL: "true"}
"""Labels of a Secret that is meant for repositories."""

HELD = 'while [ ! -e "$HOME/go" ]; do sleep 0.1; done\n'
"""Beginning of an agent's script that waits until the test lets it go on."""

CHANGE = "echo done >done.txt\n"
"""An agent's script that changes something."""


def condition(obj: Json, type_: str) -> Json:
    """Return a condition of an object; an empty one when it has none of that type."""
    found = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in found if c["type"] == type_), {})


def reason(obj: Json) -> str:
    """Return the reason of the condition Succeeded, empty before there is one."""
    return str(condition(obj, "Succeeded").get("reason", ""))


@dataclass
class AgentStarts:
    """Every start of an agent's container that the namespace's pods told of, also of pods that are gone."""

    seen: dict[str, set[str]] = field(default_factory=dict)
    """Ids of containers by the name of their pod."""

    def note(self, pods: dict[str, Json]) -> bool:
        """Take in what pods say of their agents; never satisfied, so that a watch goes on."""
        for name, pod in pods.items():
            for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
                if status["name"] == "agent" and status.get("containerID"):
                    self.seen.setdefault(name, set()).add(status["containerID"])
        return False

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(len(containers) for containers in self.seen.values())


@dataclass(frozen=True)
class Team:
    """A namespace with its repository."""

    api: KubeApi
    forge: ForgeControl
    cluster: LocalCluster
    namespace: str
    repository: str
    """Full name at the forge, `owner/name`; no other team has the owner."""

    installation: int
    """The App's installation on the owner."""

    agents: AgentStarts = field(default_factory=AgentStarts)

    @property
    def url(self) -> str:
        """The repository's address."""
        return f"{self.cluster.forge_url}/{self.repository}"

    async def create(self, resource: Resource, name: str, **fields: Any) -> Json:
        """Create an object of the namespace."""
        metadata = {"name": name, "namespace": self.namespace, **fields.pop("metadata", {})}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}
        return await self.api.create(resource, body)

    async def create_credential(self, name: str, **values: str) -> None:
        """Create a Secret that is meant for repositories."""
        await self.create_secret(name, CREDENTIAL, **values)

    async def create_secret(self, name: str, labels: Mapping[str, str] | None = None, **values: str) -> None:
        """Create a Secret."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        await self.create(SECRETS, name, metadata={"labels": dict(labels or {})}, data=data)

    async def workflow(self, script: str, name: str = "work", **spec: Any) -> None:
        """Create a Workflow whose agent is a shell script."""
        command = ["sh", "-c", script]
        agent = {"command": command, "timeoutSeconds": 60, "gracePeriodSeconds": 2, **spec.pop("agent", {})}
        await self.create(WORKFLOWS, name, spec={**WORKFLOW, "agent": agent, **spec})

    async def run(self, name: str = "run", **spec: Any) -> Json:
        """Create a Run of the Workflow `work`."""
        body = {"workflowRef": {"name": "work"}, "prompt": "Do it.", **spec}
        return await self.create(RUNS, name, spec=body)

    async def sprint_chain(self, last: int = 1, name: str = "chain", **spec: Any) -> Json:
        """Create a SprintChain of the sprints 1 to `last`."""
        body = {"workflowRef": {"name": "work"}, "prompt": "Do it.", "sprintRange": {"first": 1, "last": last}, **spec}
        return await self.create(SPRINT_CHAINS, name, spec=body)

    async def get(self, resource: Resource, name: str) -> Json:
        """Return an object as it is now."""
        return await self.api.get(resource, self.namespace, name)

    async def patch(self, resource: Resource, name: str, body: Json) -> None:
        """Merge into an object."""
        await self.api.patch(resource, self.namespace, name, body)

    async def delete(self, resource: Resource, name: str, **options: Any) -> None:
        """Ask for an object's deletion."""
        await self.api.delete(resource, self.namespace, name, **options)

    async def wait(self, resource: Resource, name: str, holds: Callable[[Json], bool]) -> Json:
        """Wait until an object is there and meets a condition; return it."""

        def is_met(known: dict[str, Json]) -> bool:
            return name in known and holds(known[name])

        return (await wait_for(self.api, resource, self.namespace, is_met))[name]

    async def until_written(self, resource: Resource, name: str, change: Callable[[Json], None]) -> None:
        """Change the status of an object as the operator does, again where another client was faster."""
        while True:
            obj = await self.get(resource, name)
            change(obj)
            with suppress(Conflict):
                await self.api.replace_status(resource, obj)
                return

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds that nothing tells the beginning of."""
        assert await asyncio.to_thread(wait_until, holds, timeout_seconds=_UNTIL_SECONDS)

    async def wait_gone(self, resource: Resource, name: str) -> None:
        """Wait until there is no object of the name."""
        await wait_for(self.api, resource, self.namespace, lambda known: name not in known)

    async def wait_namespace_gone(self) -> None:
        """Wait until the namespace is gone."""
        await wait_for(self.api, NAMESPACES, "", lambda known: self.namespace not in known)

    async def ended(self, name: str = "run", resource: Resource = RUNS) -> Json:
        """Wait until a Run or chain has ended and all that its end calls for was made; return it."""

        def is_settled(obj: Json) -> bool:
            status = obj.get("status") or {}
            return status.get("phase") in _FINISHED and not status.get("unnotified")

        return await self.wait(resource, name, is_settled)

    async def seen(self, reason_: str, name: str = "run") -> str:
        """Wait until a Run gives a reason for what it waits for, or for its end; return its message.

        To be called before the reason may have passed again.
        """
        run = await self.wait(RUNS, name, lambda run: reason(run) == reason_)
        assert condition(run, "Succeeded")["message"] == run["status"]["message"]
        return str(run["status"]["message"])

    async def sandbox_says(self, reason_: str) -> str:
        """Wait until a Sandbox gives a reason for what it waits for; return its message."""

        def says(sandbox: Json) -> bool:
            return reason(sandbox) == reason_

        known = await wait_for(self.api, SANDBOXES, self.namespace, lambda found: any(map(says, found.values())))
        return next(str(sandbox["status"]["message"]) for sandbox in known.values() if says(sandbox))

    def release(self, pod: Json) -> None:
        """Let an agent go on whose script begins with `HELD`."""
        (self.cluster.layout.node / "pods" / pod["metadata"]["uid"] / "volumes" / "home" / "go").touch()

    async def running_pod(self, step: str, *, number: int = 1) -> Json:
        """Wait until the pod of a try runs a step; return it."""

        def runs(pod: Json) -> bool:
            return pod["metadata"]["name"].endswith(f"-{number}") and _runs(pod, step)

        known = await wait_for(self.api, PODS, self.namespace, lambda pods: any(map(runs, pods.values())))
        return next(pod for pod in known.values() if runs(pod))

    async def new_pod(self, *, number: int) -> Json:
        """Wait until the pod of a try is there; return it."""
        known = await wait_for(self.api, PODS, self.namespace, lambda pods: any(n.endswith(f"-{number}") for n in pods))
        return next(pod for name, pod in known.items() if name.endswith(f"-{number}"))

    @property
    def admin(self) -> LoopbackServer:
        """The API server, as its administrator sees it."""
        return admin_server(self.cluster)

    def bind(self, pod: Json, node: str) -> None:
        """Put a pod on a node, as the scheduler does."""
        metadata = {"name": pod["metadata"]["name"], "namespace": self.namespace}
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{metadata['name']}/binding"
        self.admin.fetch("POST", path, orjson.dumps(body))

    async def names(self, resource: Resource) -> list[str]:
        """Return the sorted names of the namespace's objects of a kind."""
        return sorted(obj["metadata"]["name"] for obj in (await self.api.list(resource, self.namespace)).items)

    async def tries(self, name: str = "run") -> list[tuple[str, str]]:
        """Return phase and reason of each try of a Run."""
        run = await self.get(RUNS, name)
        return [(entry["phase"], entry.get("reason", "")) for entry in run["status"].get("tries", ())]

    @property
    def git_path(self) -> str:
        """Pattern of the beginning of the paths at which git reaches the repository."""
        return rf"^/{self.repository}(\.git)?/"

    def pushes(self) -> list[str]:
        """Return the ref of each push that the forge took, oldest first."""
        return [push.ref for push in self.forge.pushes(self.repository)]

    def pulls(self) -> int:
        """Return how many pull requests the forge made."""
        return self.forge.counters().pulls_created.get(self.repository, 0)

    async def assert_done_once(self, *, agents: int = 1) -> None:
        """Check that one branch got one push and one pull request, by so many agents, and that no token is left."""
        assert len(self.pushes()) == 1, self.pushes()
        assert self.pulls() == 1
        assert self.agents.count == agents, self.agents.seen
        await self.assert_tokens_ended()

    async def assert_tokens_ended(self) -> None:
        """Check that no Secret with tokens is left and that no Sandbox is unfinished."""
        assert [name for name in await self.names(SECRETS) if name.endswith("-token")] == []
        phases = [s["status"]["phase"] for s in (await self.api.list(SANDBOXES, self.namespace)).items]
        assert not {"Pending", "Running"} & set(phases)


def _runs(pod: Json, step: str) -> bool:
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return any(s["name"] == step and "running" in s["state"] for s in statuses)


@asynccontextmanager
async def make_team(api: KubeApi, cluster: LocalCluster, files: Mapping[str, str] | None = None) -> AsyncIterator[Team]:
    """Make a team whose Project reaches its repository by the forge's App; delete its namespace at the end."""
    forge = ForgeControl.open(cluster.layout.root / "forge")
    owner = f"team-{secrets.token_hex(4)}"
    repository = f"{owner}/shop"
    forge.create_repository(repository, files or {"README.md": "# shop\n"})
    team = Team(api, forge, cluster, owner, repository, forge.install_app(owner, PERMISSIONS))
    metadata = {"name": owner, "annotations": {ANNOTATION_APP_REPOSITORIES: f"{cluster.forge_url}/{owner}"}}
    await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    entry = {"url": team.url, "isDefault": True, "app": {"installationId": team.installation}}
    await team.create(PROJECTS, "default", spec={"repositories": [entry]})
    watch = asyncio.create_task(wait_for(api, PODS, owner, team.agents.note, seconds=None))
    try:
        yield team
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        with suppress(NotFound):
            await api.delete(NAMESPACES, None, owner)


def operator_environment(forge: ForgeControl) -> dict[str, str]:
    """Return the variables of an operator that knows the forge's App."""
    address = forge.address
    return {
        **address.operator_variables,
        "CODECOURIER_APP_ID": str(address.app_id),
        "CODECOURIER_APP_PRIVATE_KEY_FILE": str(address.app_private_key_path),
        "CODECOURIER_APP_HOST": address.host,
    }


def operator_process(
    cluster: LocalCluster, log: Path, identity: str | None = "operator", account: OperatorAccount = OPERATOR
) -> OperatorProcess:
    """Return an operator of an account that knows the forge's App and was not started yet."""
    forge = ForgeControl.open(cluster.layout.root / "forge")
    kubeconfig = account.write_kubeconfig(cluster, log.with_suffix(".kubeconfig"))
    return OperatorProcess(kubeconfig, forge.address, log, identity=identity, environment=operator_environment(forge))
