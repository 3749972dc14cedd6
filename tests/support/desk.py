"""What the parts of the controller work with, put together over the simulated API server and forge."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from random import Random
from typing import Any

from codecourier.cache.store import Store
from codecourier.controller.background import Background
from codecourier.controller.backlog import Backlog
from codecourier.controller.effects import Effects
from codecourier.controller.execute import Executor
from codecourier.controller.follower import Follower
from codecourier.controller.in_flight import InFlight
from codecourier.controller.lookups import LookUps
from codecourier.controller.observe import Observer
from codecourier.controller.recorder import Recorder
from codecourier.core.shared.facts import RepositoryAccess
from codecourier.core.shared.intents import MintTokens
from codecourier.core.shared.naming import (
    ANNOTATION_APP_REPOSITORIES,
    FINALIZER,
    LABEL_REPOSITORY_CREDENTIAL,
    LABEL_SANDBOX_UID,
)
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.github.secret import Secret
from codecourier.hosts.credentials import AppIdentity, Credentials
from codecourier.hosts.gate import Gate
from codecourier.kinds.api_resources import PROJECTS, RUNS, SANDBOXES, WORKFLOWS
from codecourier.kinds.registry import REGISTRY, Registry, WorkKey
from codecourier.kinds.relation import View
from codecourier.kinds.sources import RUN_SOURCE, SANDBOX_SOURCE
from codecourier.kube.api import NAMESPACES, PODS, SECRETS, Json, Resource
from codecourier.kube.errors import ApiError
from codecourier.kube.identity import identity_of
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox, SandboxRun, SandboxSpec
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import WallClock, pass_time
from tests.simulation.forge import URL, ForgeClient, ForgeServer
from tests.simulation.network import Call, Network
from tests.simulation.schema import definitions_of

__all__ = ["CREDENTIAL", "TOKEN", "Desk", "Wire"]

NAMESPACE = "default"
TOKEN = "cc-canary-personal"
_CLIENT = "operator"

CREDENTIAL = {LABEL_REPOSITORY_CREDENTIAL: "true"}
"""Labels of a Secret that is meant for repositories."""


class Wire(Network):
    """A network that notes the calls of the operator and refuses those that it is told to."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.calls: list[Call] = []
        self.refuse: Callable[[Call], Exception | None] = lambda _: None
        self.lose: Callable[[Call], Exception | None] = lambda _: None

    async def before(self, call: Call) -> None:
        """See `Network.before`."""
        self.calls.append(call)
        error = self.refuse(call)
        if error is not None:
            raise error
        await super().before(call)

    async def after(self, call: Call, error: ApiError | None) -> None:
        """See `Network.after`."""
        lost = self.lose(call)
        if lost is not None:
            raise lost
        await super().after(call, error)

    def done(self) -> list[tuple[str, str, str]]:
        """Return verb, kind and name of each call."""
        return [(call.verb, call.resource.kind, call.name) for call in self.calls]


class Desk:
    """The parts, with caches that `refresh` fills. Make it inside the running loop.

    Parameters
    ----------
    is_app
        Whether repositories are reached by a GitHub App instead of a personal token.
    registry
        The kinds that plans may be of.
    """

    def __init__(self, *, is_app: bool = False, registry: Registry = REGISTRY) -> None:
        self.clock = WallClock(asyncio.get_running_loop())
        now = self.clock.now
        self.wire = Wire()
        self.server = ApiServer(now=now, random=Random(1), definitions=definitions_of(REGISTRY))
        self.forge = ForgeServer(now, "" if is_app else TOKEN)
        self.api = self.server.client(_CLIENT, self.wire)
        self.store = Store(REGISTRY.cached)
        self.view = View(self.store, REGISTRY.origins, PodSettings("courier:1", has_ca=False))
        app = AppIdentity(1, Secret("cc-canary-key"), "forge.test") if is_app else None
        self.credentials = Credentials(self.api, self.store, frozenset({"forge.test"}), app)
        gate = Gate(ForgeClient(self.forge, _CLIENT, self.wire), now, lambda: True)
        self.observer = Observer(self.api, gate, self.credentials, registry)
        self.effects = Effects(self.api, self.store, gate, self.credentials, None)
        self.backlog = Backlog(now, Random(1))
        self.recorder = Recorder(self.api, "operator", now, lambda: False)
        self.background = Background()
        self.woken: list[WorkKey] = []
        in_flight = InFlight(self.background, self.woken.append)
        self.look_ups = LookUps(self.observer, self.background, self.woken.append)
        self.follower = Follower(self.observer.ask_host, self.background, self.woken.append, now)
        self.executor = Executor(registry, self.api, self.store, self.effects, self.recorder, self.backlog, in_flight)
        self._is_app = is_app
        self.allow_app("https://forge.test")

    async def settle(self) -> None:
        """Wait until the effects and look-ups that were begun have ended, and the Events are posted."""
        while len(self.background) or len(self.recorder.postbox):
            await pass_time(0.01)

    @property
    def access(self) -> RepositoryAccess:
        """How the repository of `make_project` is reached."""
        credential: Any = {"installation_id": 1} if self._is_app else {"secret": "token"}
        return RepositoryAccess(NAMESPACE, URL, **credential)

    def mint(self, uid: str, name: str = "fix-1", replaces: str | None = None) -> MintTokens:
        """Return the effect that mints the tokens of a Sandbox."""
        run = SandboxRun(name="fix", uid="uid-fix")
        spec = SandboxSpec(run_ref=run, attempt=1, try_number=1)
        owner = Sandbox(metadata=ObjectMeta(name=name, uid=uid), spec=spec).as_owner
        return MintTokens(self.access, NAMESPACE, owner, LABEL_SANDBOX_UID, f"{name}-token", replaces)

    def make(self, resource: Resource, name: str, spec: Json, **metadata: Any) -> Json:
        """Make an object, past network and caches."""
        body = {"metadata": {"name": name, "namespace": NAMESPACE, **metadata}, "spec": spec}
        return self.server.store.create(resource, body).copy()

    def allow_app(self, repositories: str | None) -> None:
        """Let the namespace use the App for repositories, given as URL prefixes; None: for none."""
        metadata = {"annotations": {ANNOTATION_APP_REPOSITORIES: repositories}}
        self.server.store.patch(NAMESPACES, None, NAMESPACE, {"metadata": metadata})

    def make_project(self, **repository: Any) -> Json:
        """Make the Project, with the forge's only repository."""
        access: Json = {"app": {"installationId": 1}} if self._is_app else {"credentialRef": {"name": "token"}}
        entry = {"url": URL, "isDefault": True, **(repository or access)}
        return self.make(PROJECTS, "default", {"repositories": [entry]}, finalizers=[FINALIZER])

    def make_secret(self, name: str = "token", labels: dict[str, str] | None = None, **data: str) -> Json:
        """Make a Secret, meant for repositories unless it has other labels."""
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in (data or {"token": TOKEN}).items()}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": CREDENTIAL if labels is None else labels}
        return self.server.store.create(SECRETS, {"metadata": metadata, "data": encoded}).copy()

    def make_workflow(self, name: str = "scripted") -> Json:
        """Make a Workflow."""
        return self.make(WORKFLOWS, name, {"image": "busybox", "agent": {"command": ["true"]}})

    def make_run(self, name: str = "fix", **spec: Any) -> Json:
        """Make a Run."""
        return self.make(RUNS, name, {"workflowRef": {"name": "scripted"}, "prompt": "Fix it.", **spec})

    def make_sandbox(self, run: Json, name: str = "fix-1", **metadata: Any) -> Json:
        """Make a Sandbox of a Run."""
        spec = {
            "runRef": {"name": run["metadata"]["name"], "uid": run["metadata"]["uid"]},
            "attempt": 1,
            "tryNumber": 1,
        }
        return self.make(SANDBOXES, name, spec, **metadata)

    def make_pod(self, name: str, owner: Json | None = None, *, node: str | None = None, **metadata: Any) -> Json:
        """Make a pod."""
        spec: Json = {"containers": [{"name": "agent", "image": "busybox"}]}
        if node is not None:
            spec["nodeName"] = node
        if owner is not None:
            metadata["ownerReferences"] = [self.reference(owner)]
        return self.make(PODS, name, spec, **metadata)

    @staticmethod
    def reference(obj: Json) -> Json:
        """Return a reference to an owner."""
        metadata = obj["metadata"]
        return {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def refresh(self) -> None:
        """Make the caches equal to the server."""
        for source in (kind.source for kind in REGISTRY.cached):
            resource = source.resource
            selector = source.label_selector or resource.identity_selector
            items = [stored.copy() for stored in self.server.store.list(resource.whole, None, selector)]
            if resource.identity_selector:
                items = [identity_of(resource, item) for item in items]
            self.store.cache(resource).replace_all(items, str(self.server.store.version))

    def has(self, resource: Resource, name: str) -> bool:
        """Tell whether an object is there."""
        return self.server.store.find((resource, NAMESPACE, name)) is not None

    def run(self, name: str = "fix") -> tuple[Json, Run]:
        """Return a Run as the caches have it."""
        obj = self.store.raw(RUNS, NAMESPACE, name)
        assert obj is not None
        return obj, self.store.read(RUN_SOURCE, obj)

    def sandbox(self, name: str = "fix-1") -> tuple[Json, Sandbox]:
        """Return a Sandbox as the caches have it."""
        obj = self.store.raw(SANDBOXES, NAMESPACE, name)
        assert obj is not None
        return obj, self.store.read(SANDBOX_SOURCE, obj)
