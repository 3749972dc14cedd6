"""What the demonstration starts from: a repository, a namespace, a Project, a Workflow, a chain."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from codecourier.core.shared.naming import ANNOTATION_REPOSITORIES, LABEL_REPOSITORY_CREDENTIAL
from codecourier.kinds.api_resources import PROJECTS, SPRINT_CHAINS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, SECRETS, Json, KubeApi, Resource
from codecourier.kube.errors import AlreadyExists
from codecourier.local.errors import LocalError
from codecourier.local.forge.control import ForgeControl, Permissions
from codecourier.resources.member import Member
from codecourier.resources.meta import API_VERSION

__all__ = [
    "DOCUMENTED_REPOSITORY",
    "Stage",
    "build_credential",
    "build_object",
    "create_placed",
    "ensure_namespace",
    "example_workflow",
    "open_project",
    "read_example",
    "set_stage",
]

_EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
_FILES = {
    "README.md": "# shop\n\nA small shop.\n",
    "shop.py": 'def total(prices):\n    """Return the sum of prices, in cents."""\n    return sum(prices)\n',
    "shop_test.py": "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}


DOCUMENTED_REPOSITORY = "https://github.com/org/repo"
"""The repository in the examples of the REST API. In the Project it stands for the one at the forge: so they run."""

_DOCUMENTED_BRANCHES = {
    "feature/dark-mode": {"theme.css": "body { background: black; }\n"},
    "feature/validation-migration": {"validation.py": "def check(price):\n    return price >= 0\n"},
}
"""Files of the branches in those examples."""


@dataclass(frozen=True)
class Stage:
    """Where the demonstration plays."""

    namespace: str
    chain: str
    repository: str
    """Full name at the forge, `owner/name`."""


def read_example(file: str) -> Json:
    """Return the object of a file of `examples/`.

    Raises
    ------
    LocalError
        If the examples are not there: they are part of a checkout, not of the installed package.
    """
    path = _EXAMPLES / file
    try:
        example: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LocalError(f"{path} is missing: run the demonstration from a checkout") from error
    return example


def example_workflow(command: list[str] | None = None) -> Json:
    """Return the scripted Workflow of `examples/`, with another agent where one is given; see `read_example`."""
    workflow = read_example("workflow-scripted.yaml")
    if command is not None:
        workflow["spec"]["agent"]["command"] = command
        workflow["spec"].pop("verify", None)
    return workflow


async def ensure_namespace(api: KubeApi, name: str) -> None:
    """Make a namespace unless it is there."""
    await create_placed(api, NAMESPACES, {"metadata": {"name": name}})


async def set_stage(
    api: KubeApi,
    forge: ForgeControl,
    forge_url: str,
    stage: Stage,
    *,
    sprints: int,
    command: list[str] | None = None,
    members: Sequence[Member] = (),
) -> None:
    """Make all that the chain needs, then the chain itself."""
    repository = stage.repository
    await open_project(
        api,
        forge,
        forge_url,
        stage.namespace,
        repository,
        files=_FILES,
        members=members,
        former_urls=(DOCUMENTED_REPOSITORY,),
        merge_workflow="scripted",
    )
    for branch, files in _DOCUMENTED_BRANCHES.items():
        forge.commit(repository, branch, {**_FILES, **files}, message=f"Begin {branch}")
    await create_placed(api, WORKFLOWS, example_workflow(command), stage.namespace)
    spec = {
        "workflowRef": {"name": "scripted"},
        "sprintRange": {"first": 1, "last": sprints},
        "prompt": "Keep a changelog: in each sprint write the sprint's page and add a line to CHANGELOG.md.",
    }
    await api.create(SPRINT_CHAINS, _placed(build_object("SprintChain", stage.chain, spec), stage.namespace))


async def open_project(
    api: KubeApi,
    forge: ForgeControl,
    forge_url: str,
    namespace: str,
    repository: str,
    *,
    files: Mapping[str, str],
    members: Sequence[Member] = (),
    former_urls: Sequence[str] = (),
    merge_workflow: str | None = None,
) -> str:
    """Make a repository at the forge, and a namespace with a Project for it; return the token of its owner."""
    owner = repository.partition("/")[0]
    forge.create_repository(repository, files=files)
    permissions: Permissions = {"contents": "write", "pull_requests": "write", "metadata": "read"}
    token = forge.create_token(owner, [repository], permissions)
    await ensure_namespace(api, namespace)
    url = f"{forge_url}/{repository}"
    await create_placed(api, SECRETS, build_credential("repository-token", token, url), namespace)
    entry = {"url": url, "isDefault": True, "credentialRef": {"name": "repository-token"}}
    project: Json = {"repositories": [{**entry, "formerUrls": list(former_urls)}]}
    project["members"] = [member.to_json() for member in members]
    if merge_workflow is not None:
        project["mergeWorkflowRef"] = {"name": merge_workflow}
    await create_placed(api, PROJECTS, build_object("Project", "default", project), namespace)
    return token


def build_credential(name: str, token: str, repositories: str) -> Json:
    """Return a Secret with a token that may be sent to repositories.

    Parameters
    ----------
    name
        The Secret's name.
    token
        The token.
    repositories
        URL prefixes of the repositories that the token is for.
    """
    metadata = {
        "name": name,
        "labels": {LABEL_REPOSITORY_CREDENTIAL: "true"},
        "annotations": {ANNOTATION_REPOSITORIES: repositories},
    }
    return {"metadata": metadata, "type": "Opaque", "data": {"token": base64.b64encode(token.encode()).decode()}}


def build_object(kind: str, name: str, spec: Json) -> Json:
    """Return an object of ours without a namespace."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _placed(obj: Json, namespace: str) -> Json:
    metadata: dict[str, Any] = {**obj["metadata"], "namespace": namespace}
    return {**obj, "metadata": metadata}


async def create_placed(api: KubeApi, resource: Resource, obj: Json, namespace: str | None = None) -> None:
    """Create an object in a namespace, if there is none of its name; None: its kind has no namespace."""
    body = {"apiVersion": resource.api_version, "kind": resource.kind, **obj}
    try:
        await api.create(resource, body if namespace is None else _placed(body, namespace))
    except AlreadyExists:
        return
