"""What the API server says of the kinds: explanations, names, and the state of a new object."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.resources.api import Api, connect, resources_path
from tests.resources.kstatus import kstatus
from tests.resources.samples import Json, crds, manifest, schema_of

pytestmark = pytest.mark.cluster

CRDS = crds()
GROUP = "codecourier.dev"
OTHERS = {
    "Kubernetes": "cm cs csr csinodes cj crd deploy ds ep ev hpa ing limits lr netpol no ns pc pdb po psp pv pvc quota"
    " rc rs sa sc sts svc va",
    "Argo": "app apps appset appsets appproj appprojs wf wftmpl cwf cwft cronwf wfeb wftr wfat ro rollouts ar aet",
    "Flux": "gitrepo gitrepos hr hrs ks kss helmrepo hc ocirepo imgpol imgrepo imgupd iua",
    "others": "pr prs tr trs cert certs cr crs issuer iss ma md ms cl ksvc rt rev so sj smon pmon prom promrule am gw"
    " gtw httproute vs dr se we kc issue proj project run runs",
}
"""Short names that people have at their fingers already; no complete list exists."""


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[Api]:
    async with connect(kubeconfig) as connected:
        yield connected


def undocumented(schema: Json, components: Json, path: str) -> Iterator[str]:
    """Yield the fields below a schema of the OpenAPI document that have no text."""
    for name, part in schema.get("properties", {}).items():
        if not part.get("description"):
            yield f"{path}.{name}"
        yield from undocumented(part.get("items", part), components, f"{path}.{name}")


async def test_every_field_is_explained(api: Api) -> None:
    document = (await api.ask("GET", f"/openapi/v3/apis/{GROUP}/v1alpha1")).body
    schemas = document["components"]["schemas"]
    for kind in CRDS:
        schema = schemas[f"dev.codecourier.v1alpha1.{kind}"]
        assert schema["description"], kind
        assert list(undocumented(schema, schemas, kind)) == []
        own = set(schema_of(CRDS[kind])["properties"]) - {"metadata"}
        assert own <= set(schema["properties"])


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("kind", CRDS)
def test_kubectl_explains(kind: str, kubeconfig: Path, tmp_path: Path) -> None:
    command = ["kubectl", "explain", "--kubeconfig", str(kubeconfig), f"{CRDS[kind]['spec']['names']['plural']}.spec"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    spec = schema_of(CRDS[kind])["properties"]["spec"]
    words = " ".join(result.stdout.split())
    for part in (spec, *spec["properties"].values()):
        assert " ".join(part["description"].split()) in words


async def other_names(api: Api) -> set[str]:
    """Return every name by which `kubectl` finds resources of other groups."""
    groups = (await api.ask("GET", "/apis")).body["groups"]
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    found: set[str] = set()
    for path in paths:
        if GROUP not in path:
            for resource in (await api.ask("GET", path)).body["resources"]:
                found |= {resource["name"], resource["singularName"], *resource.get("shortNames", ())}
    return found


async def test_no_name_is_taken(api: Api) -> None:
    taken = await other_names(api)
    assert {"sc", "po", "storageclass", "events"} <= taken
    known = {name for names in OTHERS.values() for name in names.split()}
    short = [name for crd in CRDS.values() for name in crd["spec"]["names"]["shortNames"]]
    assert len(short) == len(set(short))
    assert set(short) & (taken | known) == set()
    full = {crd["spec"]["names"][part] for crd in CRDS.values() for part in ("plural", "singular")}
    assert full & taken == set()
    assert full & set(short) == set()


@pytest.mark.parametrize("kind", CRDS)
async def test_a_fresh_object_is_in_progress_and_a_record_is_current(api: Api, kind: str) -> None:
    body: dict[str, Any] = {key: part for key, part in manifest(CRDS[kind]).items() if key != "status"}
    has_status = "status" in schema_of(CRDS[kind])["properties"]
    async with api.namespace() as namespace:
        path = resources_path(CRDS[kind], namespace)
        created = await api.ask("POST", path, body)
        assert created.code == 201, created.body
        for answer in (created, await api.ask("GET", f"{path}/{body['metadata']['name']}")):
            assert kstatus(answer.body) == ("InProgress" if has_status else "Current")
            assert answer.body.get("status", {}).get("observedGeneration") == (-1 if has_status else None)


async def test_status_cannot_be_written_with_the_object(api: Api) -> None:
    body = manifest(CRDS["Run"])
    async with api.namespace() as namespace:
        created = await api.ask("POST", resources_path(CRDS["Run"], namespace), body)
    assert created.body["status"]["observedGeneration"] == -1
    assert "branch" not in created.body["status"]


async def test_defaults_of_nested_parts_are_filled_in(api: Api) -> None:
    body = manifest(CRDS["Workflow"])
    body["spec"] = {"image": "example", "agent": {"command": ["true"]}}
    async with api.namespace() as namespace:
        created = await api.ask("POST", resources_path(CRDS["Workflow"], namespace), body)
    assert created.body["spec"]["agent"]["timeoutSeconds"] == 3600
    assert created.body["spec"]["retry"] == {"backoffSeconds": 10, "maxTries": 3}
    assert created.body["spec"]["resources"] == {"cpu": "1", "memory": "1Gi", "workspace": "4Gi"}


async def test_an_unknown_field_is_refused_by_name_where_validation_is_strict(api: Api) -> None:
    body = manifest(CRDS["Run"])
    body["spec"]["promptt"] = "x"
    async with api.namespace() as namespace:
        answer = await api.ask("POST", resources_path(CRDS["Run"], namespace), body, fieldValidation="Strict")
    assert answer.code == 400
    assert 'unknown field "spec.promptt"' in answer.body["message"]


async def columns(api: Api, path: str) -> dict[str, Any]:
    """Return what `kubectl get -o wide` shows of the one object below a path, by the columns' names."""
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    async with api.session.get(api.server + path, headers=accept) as response:
        table = await response.json()
    names = [column["name"] for column in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize("kind", ["Project", "Workflow"])
async def test_the_columns_of_what_runs_are_made_from_say_what_is_wrong_with_it(api: Api, kind: str) -> None:
    ready = {"type": "Ready", "status": "False", "reason": "Odd", "message": "It is odd.", "observedGeneration": 1}
    condition = {**ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    async with api.namespace() as namespace:
        path = resources_path(CRDS[kind], namespace)
        made = (await api.ask("POST", path, manifest(CRDS[kind]))).body
        made["status"] = {"observedGeneration": 1, "conditions": [condition]}
        assert (await api.ask("PUT", f"{path}/{made['metadata']['name']}/status", made)).code == 200
        cells = await columns(api, path)
    assert [cells[name] for name in ("Ready", "Reason", "Message")] == ["False", "Odd", "It is odd."]


async def test_the_columns_of_a_usage_record_tell_the_sandbox_from_what_the_agent_reported(api: Api) -> None:
    body = manifest(CRDS["UsageRecord"])
    reported = {"service": "anthropic", "kind": "Tokens", "unit": "Token", "quantity": 1200, "costMicroUSD": 3600}
    compute = {"service": "kubernetes", "kind": "Compute", "unit": "Second", "quantity": 7}
    body["spec"]["items"] = [compute, reported]
    async with api.namespace() as namespace:
        path = resources_path(CRDS["UsageRecord"], namespace)
        assert (await api.ask("POST", path, body)).code == 201
        cells = await columns(api, path)
    shown = [cells[name] for name in ("Seconds", "Service", "Quantity", "MicroUSD")]
    assert shown == [7, "anthropic", 1200, 3600]
