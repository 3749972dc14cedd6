"""An operator that lives again and again, each time until a write.

It is called as `python -m tests.support.killed_operator NAMESPACE [KIND…]`: with kinds, writes to others are survived.

Each life is a process of its own, forked from this one only to spare it the imports, that serves as the real operator
does but for its two clients. With SIGKILL it ends itself before the first write to the namespace, or to its repository,
that no life has ended before; or else after the first one that no life has ended after. Each death is one line of JSON
on standard output. SIGTERM ends the present life in good order, and the whole with it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never, TypeVar

from codecourier.controller.serve import TRIMS, serve_with
from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import InstallationToken, RepositoryRef
from codecourier.kube.access import load_access
from codecourier.kube.api import EVENTS, LEASES, Json, Resource
from codecourier.kube.client import AiohttpKube
from codecourier.metrics import Metrics
from codecourier.settings import Settings, load_settings

__all__ = ["main"]

R = TypeVar("R")
_T = TypeVar("_T")

_PASSED_OVER = frozenset({LEASES, EVENTS})
"""Leadership is no work, and an event is told once or never."""


@dataclass
class Death:
    """When this life ends."""

    namespace: str
    """The only one whose writes are deadly; the owner of its repository has the same name."""

    died: frozenset[tuple[str, bool]]
    """Each write that a life has ended at, and whether after it."""

    kinds: frozenset[str]
    """Kinds whose writes are deadly; empty: all are, each one. With kinds, writes to the first of them are each one,
    and writes to the others once for each sort."""

    whole: str
    """The first of the kinds."""

    report: int
    """Descriptor that the death is told to."""

    lease_looks: int = 0
    """How often this life looked at the Lease."""

    async def around(self, what: str, write: Coroutine[Any, Any, _T]) -> _T:
        """Do a write, unless this life ends before it."""
        self._pass(what, is_after=False)
        done = await write
        self._pass(what, is_after=True)
        return done

    def _pass(self, what: str, *, is_after: bool) -> None:
        if (what, is_after) in self.died:
            return
        line = json.dumps({"write": what, "is_after": is_after, "lease_looks": self.lease_looks})
        os.write(self.report, line.encode())
        os.kill(os.getpid(), signal.SIGKILL)


class MortalKube(AiohttpKube):
    """The API server, whose writes are deadly."""

    death: Death

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """See `KubeApi.get`."""
        self.death.lease_looks += resource == LEASES
        return await super().get(resource, namespace, name)

    async def create(self, resource: Resource, obj: Json, *, is_dry_run: bool = False) -> Json:
        """See `KubeApi.create`."""
        call = super().create(resource, obj, is_dry_run=is_dry_run)
        return await self._write("create", resource, obj, call)

    async def replace(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace`."""
        return await self._write("replace", resource, obj, super().replace(resource, obj))

    async def replace_status(self, resource: Resource, obj: Json) -> Json:
        """See `KubeApi.replace_status`."""
        return await self._write("replace status of", resource, obj, super().replace_status(resource, obj))

    async def patch(self, resource: Resource, namespace: str | None, name: str, body: Json, **options: Any) -> Json:
        """See `KubeApi.patch`."""
        obj = {"metadata": {"namespace": namespace, "name": name, **body["metadata"]}}
        return await self._write("patch", resource, obj, super().patch(resource, namespace, name, body, **options))

    async def delete(self, resource: Resource, namespace: str | None, name: str, **options: Any) -> Json | None:
        """See `KubeApi.delete`."""
        obj = {"metadata": {"namespace": namespace, "name": name}}
        return await self._write("delete", resource, obj, super().delete(resource, namespace, name, **options))

    async def _write(self, verb: str, resource: Resource, obj: Json, call: Coroutine[Any, Any, _T]) -> _T:
        death, metadata = self.death, obj["metadata"]
        if resource in _PASSED_OVER or metadata["namespace"] != death.namespace:
            return await call
        if death.kinds and resource.kind not in death.kinds:
            return await call
        # The version tells the writes to one object apart.
        which = f"{metadata['name']} {metadata.get('resourceVersion', '')}"
        if death.kinds and resource.kind != death.whole and verb != "create":
            which = _sort_of(obj)
        return await death.around(f"{verb} {resource.kind} {which}".strip(), call)


def _sort_of(obj: Json) -> str:
    """Return what a status says in two words: writes of one sort are alike for every object."""
    status = obj.get("status") or {}
    reasons = [found["reason"] for found in status.get("conditions") or () if found["type"] == "Succeeded"]
    return " ".join([status.get("phase", ""), *reasons])


class MortalForge(GitHubForge):
    """The forge, whose writes are deadly."""

    death: Death

    async def do(self, repo: RepositoryRef, operation: Operation[R]) -> R:
        """See `Forge.do`."""
        call = super().do(repo, operation)
        if not operation.is_write or f"/{self.death.namespace}/" not in repo.url:
            return await call
        what = type(operation).__name__
        if isinstance(repo.credential, InstallationToken) and not self.death.kinds:
            what += f" of {repo.credential.secret.fingerprint}"  # tells the revocations of two tokens apart
        return await self.death.around(what, call)


async def _live(settings: Settings, kubeconfig: Path, death: Death) -> bool:
    async with (
        MortalKube(load_access(kubeconfig), trims=TRIMS) as api,
        MortalForge(hosts=settings.allowed_hosts, ca_bundle=settings.forge_ca_file) as forge,
    ):
        api.death = forge.death = death
        return await serve_with(settings, Metrics(), api, forge)


def main() -> None:
    """Live until a life ends in good order."""
    namespace, *kinds = sys.argv[1:]
    kubeconfig = Path(os.environ["KUBECONFIG"])
    settings = load_settings(os.environ, listen_port=0, identity="operator")
    lives = _Lives()
    signal.signal(signal.SIGTERM, lives.stop)
    died: set[tuple[str, bool]] = set()
    deadly = frozenset(kinds), next(iter(kinds), "")
    while line := lives.live(
        lambda report: _live(settings, kubeconfig, Death(namespace, frozenset(died), *deadly, report))
    ):
        death = json.loads(line)
        died.add((death["write"], death["is_after"]))
        print(line, flush=True)  # noqa: T201  this is its answer


class _Lives:
    """One life after the other."""

    def __init__(self) -> None:
        self._pid = 0
        self._is_stopped = False

    def stop(self, number: int, _frame: object) -> None:
        """Handle SIGTERM: no life follows the present one, which is asked to end."""
        self._is_stopped = True
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def live(self, life: Callable[[int], Coroutine[Any, Any, bool]]) -> str:
        """Live once in a process of its own; return what is told of its death, empty when it ended in good order."""
        told, report = os.pipe()
        # A signal that comes in between is neither lost nor for the wrong process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = 0 if self._is_stopped else os.fork()
        if pid == 0 and not self._is_stopped:
            self._be_born(life, report)
        self._pid = pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.close(report)
        with os.fdopen(told) as file:
            line = file.read()
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else 0
        self._pid = 0
        if ended not in {0, -signal.SIGKILL, -signal.SIGTERM}:
            sys.exit(f"a life ended by itself with {ended}")
        return line

    def _be_born(self, life: Callable[[int], Coroutine[Any, Any, bool]], report: int) -> Never:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        os._exit(0 if asyncio.run(life(report)) else 1)


if __name__ == "__main__":
    main()
