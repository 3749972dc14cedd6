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
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import requests

from codecourier.apiserver.doors import AGGREGATED
from codecourier.apiserver.keys import NewKey, create_key, revoke_key
from codecourier.apiserver.refusal import code_of
from codecourier.apiserver.served import RULES
from codecourier.apiserver.trust import CONFIG_NAMESPACE, CONFIG_RULES
from codecourier.kinds.access import EVERY_NAMESPACE
from codecourier.kinds.api_resources import PROJECTS, WORKFLOWS
from codecourier.kinds.roles import GRANTS, OPERATIONS_GROUP
from codecourier.kube.access import load_access
from codecourier.kube.api import NAMESPACES, Json, Resource
from codecourier.kube.client import AiohttpKube
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import REST_USER
from codecourier.local.processes import wait_until
from tests.support.cluster import admin_server, api_server_port
from tests.support.kubeconfig import kubeconfig
from tests.support.observed import DIRECT, PASSED_ON, observe
from tests.support.operator_access import OperatorAccount
from tests.support.team import WORKFLOW

__all__ = [
    "ACCOUNT",
    "CLOSED_PORT",
    "EDITOR",
    "OTHER",
    "PATH_OF_PROJECT",
    "PROJECT",
    "REPOSITORY",
    "VIEWER",
    "Answer",
    "PassedOn",
    "Rest",
    "ask_through",
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

PATH_OF_PROJECT = f"{AGGREGATED}/namespaces/{{}}"
"""Where a project is at kube-apiserver."""

_CONTRACT_HOST = "https://<deployment>.convex.site/api/v1"
_ADDRESS = re.compile(rb"the REST API is on https?://127\.0\.0\.1:(\d+)/")
_RBAC = "rbac.authorization.k8s.io"
_LET_PASS = {
    "apiGroups": [OPERATIONS_GROUP],
    "resources": ["events", *(grant.resource for grant in GRANTS if grant.resource.startswith("api/"))],
    "verbs": ["*"],
}
"""A rule of a Role: kube-apiserver passes requests on, and each operation asks for its own right."""

_SECONDS = 30
CLOSED_PORT = 1


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
        self.namespace(name)
        repository = {"url": url, "isDefault": True, "credentialRef": {"name": "forge"}}
        self.create(PROJECTS, name, "default", {"repositories": [repository]})
        self.create(WORKFLOWS, name, "build", {**WORKFLOW, "agent": {"command": ["true"]}})

    def namespace(self, name: str) -> None:
        """Make a namespace, once an earlier one of the same name is gone."""
        body, headers = orjson.dumps({"metadata": {"name": name}}), {"Content-Type": "application/json"}

        def make() -> bool:
            return self.admin.request("POST", NAMESPACES.path(), body, headers).status == HTTPStatus.CREATED

        assert wait_until(make, timeout_seconds=60)

    def create(self, resource: Resource, namespace: str, name: str, spec: Json) -> None:
        """Create an object as a user of the cluster does, and wait until the REST API may know it."""
        obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "spec": spec}
        self.admin.fetch("POST", resource.path(namespace), orjson.dumps(obj))

    def key(self, namespace: str, owner: str, verbs: list[str], expiry: datetime | None = None) -> NewKey:
        """Make a key whose owner has a Role with these verbs; return it once the REST API knows it."""
        rules = [{"apiGroups": ["codecourier.dev"], "resources": ["*"], "verbs": verbs}, _LET_PASS]
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
        return self._ask(method, path, key, sent, data)

    def _ask(self, method: str, path: str, key: str | None, headers: Mapping[str, str], data: Any) -> Answer:
        return _answer(self.open(method, f"/api/v1{path}", key, headers, data), DIRECT)

    def open(
        self, method: str, path: str, key: str | None = None, headers: Mapping[str, str] | None = None, data: Any = None
    ) -> requests.Response:
        """Ask for a path below that of the project; return the answer, whose content is still to be read."""
        bearer = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self._send(method, f"{self.address.removesuffix('/api/v1')}{path}", {**(headers or {}), **bearer}, data)

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
        for prefix, value in fill.items():
            line = line.replace(f"{prefix}...", value)
        method, path, headers, data = "GET", "", {}, None
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
                    path = word.replace(_CONTRACT_HOST, "", 1).replace(self.address, "", 1)
        shown = headers.pop("Authorization")
        assert shown in {f"Bearer {key}", "Bearer cc_live_..."}
        return self._ask(method, path, key, headers, data)


@dataclass(frozen=True)
class PassedOn(Rest):
    """A REST API as kube-apiserver passes requests on to it, for the owners of keys by their names.

    Its refusals are shown as the direct door shows them, so that the same tests read both.
    """

    owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Namespace and owner of each key."""

    def bare_key(self, namespace: str, owner: str, expiry: datetime | None = None, rate: int = 10_000) -> NewKey:
        """See `Rest.bare_key`."""
        made = super().bare_key(namespace, owner, expiry, rate)
        self.owners[made.key] = (namespace, owner)
        return made

    def open(
        self, method: str, path: str, key: str | None = None, headers: Mapping[str, str] | None = None, data: Any = None
    ) -> requests.Response:
        """See `Rest.open`."""
        layout, port = self.cluster.layout, api_server_port(self.cluster)
        namespace, owner = self.owners.get(key or "", (PROJECT, ""))
        who, certificate = {"Authorization": "Bearer unknown"}, None
        if owner:
            who = {"Impersonate-User": f"codecourier:{namespace}:{owner}"}
            certificate = (str(layout.certificate("admin")), str(layout.key("admin")))
        return requests.request(
            method,
            f"https://127.0.0.1:{port}{PATH_OF_PROJECT.format(namespace)}{path}",
            headers={**(headers or {}), **who},
            data=data,
            timeout=_SECONDS,
            verify=str(layout.certificate("ca")),
            cert=certificate,
            stream=True,
        )

    def _ask(self, method: str, path: str, key: str | None, headers: Mapping[str, str], data: Any) -> Answer:
        found = _answer(self.open(method, f"/api/v1{path}", key, headers, data), PASSED_ON)
        if found.status < HTTPStatus.BAD_REQUEST:
            return found
        status = found.body
        if found.headers["Content-Type"].startswith("text/plain"):  # from kube-apiserver itself
            status = {"kind": "Status", "code": found.status, "message": found.body["data"]}
        assert (status["kind"], status["code"]) == ("Status", found.status), status
        causes = status.get("details", {}).get("causes", [])
        details = [{"field": cause.get("field", ""), "message": cause["message"]} for cause in causes]
        error = {"code": code_of(found.status), "message": status["message"], "details": details}
        return Answer(found.status, {"error": error}, found.headers)


def ask_through(rest: Rest, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask the cluster's API server as a user, whom its administrator impersonates; empty: as the administrator."""
    headers = {"Content-Type": "application/json"} | ({"Impersonate-User": user} if user else {})
    answer = rest.admin.request(method, path, None if body is None else orjson.dumps(body), headers)
    observe(method, path, PASSED_ON, answer.status)
    return answer.status, answer.json


def known(rest: Rest, key: str, status: int = 200) -> str:
    """Return a key once it is answered with a status."""
    assert wait_until(lambda: rest.ask("GET", "/recurring-tasks", key).status == status, timeout_seconds=20)
    return key


def _answer(answer: requests.Response, door: str) -> Answer:
    observe(str(answer.request.method), str(answer.request.url), door, answer.status_code)
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
    with _running(cluster, folder, kubeconfig(folder, CLOSED_PORT), {}) as rest:
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
