"""The REST API on the embedded cluster, for tests: the server, projects, keys, the contract's lines."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from codecourier.apiserver.keys import NewKey, create_key, revoke_key
from codecourier.apiserver.served import RULES
from codecourier.apiserver.trust import CONFIG_NAMESPACE, CONFIG_RULES
from codecourier.kinds.access import EVERY_NAMESPACE
from codecourier.kinds.api_resources import PROJECTS, WORKFLOWS
from codecourier.kube.access import load_access
from codecourier.kube.api import Json, Resource
from codecourier.kube.client import AiohttpKube
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import REST_USER
from codecourier.local.processes import wait_until
from tests.support.cluster import admin_server
from tests.support.kubeconfig import kubeconfig
from tests.support.operator_access import OperatorAccount
from tests.support.team import WORKFLOW

__all__ = [
    "ACCOUNT",
    "EDITOR",
    "OBSERVED",
    "OTHER",
    "PROJECT",
    "REPOSITORY",
    "VIEWER",
    "Answer",
    "Rest",
    "ask_through",
    "find_unobserved",
    "known",
    "read_lines",
    "rest_server",
    "unready_server",
]

ACCOUNT = OperatorAccount(REST_USER.rpartition(":")[2], {EVERY_NAMESPACE: RULES, CONFIG_NAMESPACE: CONFIG_RULES})
"""The account of the API servers of the cluster tests: it has the documented rules, and no other."""

REPOSITORY = "https://github.com/org/repo"
PROJECT = "rest-shop"
OTHER = "rest-other"
EDITOR = ["create", "delete", "get", "list", "update"]
VIEWER = ["get", "list"]

OBSERVED: set[tuple[str, str, int]] = set()
"""Method, path and status of each answer that a test has got from a REST API."""

_ADDRESS = re.compile(rb"the REST API is on https?://127\.0\.0\.1:(\d+)/")
_RBAC = "rbac.authorization.k8s.io"
_SECONDS = 30
_CLOSED_PORT = 1


@dataclass(frozen=True)
class Answer:
    """What the REST API answered."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def data(self) -> Any:
        """What a success shows."""
        assert self.status in {200, 201}, self
        return self.body["data"]

    @property
    def code(self) -> str:
        """The word for programs of a refusal."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """The sentence of a refusal."""
        return str(self.body["error"]["message"])

    @property
    def fields(self) -> dict[str, str]:
        """The problems of a refusal by their field."""
        return {detail["field"]: detail["message"] for detail in self.body["error"]["details"]}


@dataclass(frozen=True)
class Rest:
    """A running REST API."""

    cluster: LocalCluster
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    authority: Path | None = None
    """Certificate of the authority of its own; None: it serves plain HTTP."""

    @property
    def admin(self) -> LoopbackServer:
        """The cluster's API server, as its administrator sees it."""
        return admin_server(self.cluster)

    def project(self, name: str, url: str) -> None:
        """Make a namespace with a Project of one repository and the Workflow `build`."""
        self.admin.fetch("POST", "/api/v1/namespaces", orjson.dumps({"metadata": {"name": name}}))
        repository = {"url": url, "isDefault": True, "credentialRef": {"name": "forge"}}
        self.create(PROJECTS, name, "default", {"repositories": [repository]})
        self.create(WORKFLOWS, name, "build", {**WORKFLOW, "agent": {"command": ["true"]}})

    def create(self, resource: Resource, namespace: str, name: str, spec: Json) -> None:
        """Create an object as a user of the cluster does, and wait until the REST API may know it."""
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "spec": spec}
        self.admin.fetch("POST", resource.path(namespace), orjson.dumps(obj))

    def key(self, namespace: str, owner: str, verbs: list[str], expiry: datetime | None = None) -> NewKey:
        """Make a key whose owner has a Role with these verbs; return it once the REST API knows it."""
        rules = [{"apiGroups": ["codecourier.dev"], "resources": ["*"], "verbs": verbs}]
        folder = f"/apis/{_RBAC}/v1/namespaces/{namespace}"
        role = {"metadata": {"name": owner}, "rules": rules}
        self.admin.fetch("POST", f"{folder}/roles", orjson.dumps(role))
        subject = {"kind": "User", "apiGroup": _RBAC, "name": f"codecourier:{namespace}:{owner}"}
        reference = {"apiGroup": _RBAC, "kind": "Role", "name": owner}
        binding = {"metadata": {"name": owner}, "roleRef": reference, "subjects": [subject]}
        self.admin.fetch("POST", f"{folder}/rolebindings", orjson.dumps(binding))
        return self.bare_key(namespace, owner, expiry)

    def bare_key(self, namespace: str, owner: str, expiry: datetime | None = None, rate: int = 10_000) -> NewKey:
        """Make a key whose owner may do nothing."""

        async def make() -> NewKey:
            async with AiohttpKube(load_access(self.cluster.kubeconfig_path)) as api:
                return await create_key(api, namespace, owner, expiry, rate)

        return asyncio.run(make())

    def bind(self, namespace: str, role: str, owner: str) -> None:
        """Give the owner of keys of a namespace one of the roles of members."""
        subject = {"kind": "User", "apiGroup": _RBAC, "name": f"codecourier:{namespace}:{owner}"}
        reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"codecourier-{role}"}
        binding = {"metadata": {"name": owner}, "roleRef": reference, "subjects": [subject]}
        path = f"/apis/{_RBAC}/v1/namespaces/{namespace}/rolebindings"
        self.admin.fetch("POST", path, orjson.dumps(binding))

    def revoke(self, namespace: str, name: str) -> None:
        """Revoke a key."""

        async def revoke() -> None:
            async with AiohttpKube(load_access(self.cluster.kubeconfig_path)) as api:
                await revoke_key(api, namespace, name)

        asyncio.run(revoke())

    def ask(self, method: str, path: str, key: str | None = None, body: Any = None, **headers: str) -> Answer:
        """Ask for a path below `/api/v1`, with a body in JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else orjson.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        return _answer(self._send(method, f"{self.address}{path}", sent, data))

    def _send(self, method: str, url: str, headers: Mapping[str, str], data: Any = None) -> requests.Response:
        is_verified = True if self.authority is None else str(self.authority)
        return requests.request(
            method, url, headers=headers, data=data, timeout=_SECONDS, verify=is_verified, stream=True
        )

    def is_ready(self) -> bool:
        """Tell whether it is ready."""
        with self._send("GET", f"{self.address.removesuffix('/api/v1')}/readyz", {}) as answer:
            return answer.status_code == requests.codes.ok

    def document(self) -> Json:
        """Return the OpenAPI document."""
        found: Json = self._send("GET", f"{self.address}/openapi.json", {}).json()
        return found

    @property
    def address(self) -> str:
        """The address of the API."""
        scheme = "http" if self.authority is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}/api/v1"

    def run_line(self, line: str, key: str, fill: Mapping[str, str]) -> Answer:
        """Run a line of the contract with only host, key and the dots behind prefixes of ids replaced."""
        line = line.replace("https://<deployment>.convex.site/api/v1", self.address).replace("cc_live_...", key)
        for prefix, value in fill.items():
            line = line.replace(f"{prefix}...", value)
        method, url, headers, data = "GET", "", {}, None
        words = iter(shlex.split(line.replace("\\\n", " "))[1:])
        for word in words:
            match word:
                case "-X":
                    method = next(words)
                case "-H":
                    name, _, value = next(words).partition(": ")
                    headers[name] = value
                case "-d":
                    data = next(words)
                case _:
                    url = word
        return _answer(self._send(method, url, headers, data))


def find_unobserved(document: Json) -> list[str]:
    """Return each answer that the OpenAPI document lists and that no test has got: method, path and status."""
    missing = []
    for template, methods in document["paths"].items():
        pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)))
        for method, operation in methods.items():
            seen = {status for verb, path, status in OBSERVED if verb.lower() == method and pattern.fullmatch(path)}
            listed = {int(status) for status in operation["responses"] if status != "default"}
            missing += [f"{method.upper()} {template}: {status}" for status in sorted(listed - seen)]
    return missing


def ask_through(rest: Rest, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask the cluster's API server as a user, whom its administrator impersonates; empty: as the administrator."""
    headers = {"Content-Type": "application/json"} | ({"Impersonate-User": user} if user else {})
    answer = rest.admin.request(method, path, None if body is None else orjson.dumps(body), headers)
    return answer.status, answer.json


def known(rest: Rest, key: str, status: int = 200) -> str:
    """Return a key once it is answered with a status."""
    assert wait_until(lambda: rest.ask("GET", "/recurring-tasks", key).status == status, timeout_seconds=20)
    return key


def _answer(answer: requests.Response) -> Answer:
    path = urlsplit(answer.request.url or "").path
    OBSERVED.add((str(answer.request.method), str(path), answer.status_code))
    with answer:
        if answer.headers["Content-Type"].startswith("text/event-stream"):
            # It has no end: its beginning is what there is to see.
            return Answer(answer.status_code, {"data": next(answer.iter_lines())}, answer.headers)
        if answer.headers["Content-Type"].startswith("text/plain"):
            return Answer(answer.status_code, {"data": answer.text}, answer.headers)
        return Answer(answer.status_code, orjson.loads(answer.content), answer.headers)


def read_lines(path: Path) -> list[str]:
    """Return the curl lines of a section of the contract."""
    return [line.strip() for line in path.read_text(encoding="utf-8").split("\n\n") if line.strip()]


@contextmanager
def rest_server(cluster: LocalCluster, folder: Path, **environment: str) -> Iterator[Rest]:
    """Run a REST API server on a cluster, with an account that has the documented rules only."""
    access = ACCOUNT.write_kubeconfig(cluster, folder / "apiserver.kubeconfig")
    with _running(cluster, folder, access, environment) as rest:
        assert wait_until(rest.is_ready, timeout_seconds=_SECONDS), rest.log.read_text()
        yield rest


@contextmanager
def unready_server(cluster: LocalCluster, folder: Path) -> Iterator[Rest]:
    """Run a REST API server whose cluster does not answer."""
    with _running(cluster, folder, kubeconfig(folder, _CLOSED_PORT), {}) as rest:
        yield rest


@contextmanager
def _running(cluster: LocalCluster, folder: Path, access: Path, environment: Mapping[str, str]) -> Iterator[Rest]:
    log = folder / "apiserver.log"
    command = [sys.executable, "-m", "codecourier.cli", "apiserver", "--kubeconfig", str(access), "--listen-port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        assert wait_until(lambda: bool(_ADDRESS.search(log.read_bytes())), timeout_seconds=_SECONDS), log.read_text()
        found = _ADDRESS.search(log.read_bytes())
        assert found is not None
        is_secure = found[0].startswith(b"the REST API is on https")
        yield Rest(
            cluster, int(found[1]), process, log, cluster.layout.certificate("rest-api-ca") if is_secure else None
        )
    finally:
        process.terminate()
        process.wait(_SECONDS)
