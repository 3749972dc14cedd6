"""What the server does with a custom resource by its CRD."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.kube.errors import Invalid
from tests.contract.server import WORKFLOWS, Server, contract, fields_of, refusal, workflow


@contract
async def test_defaults_are_filled_in(server: Server) -> None:
    spec = (await server.create(WORKFLOWS, workflow("a")))["spec"]
    assert spec["agent"] == {"command": ["true"], "gracePeriodSeconds": 15, "timeoutSeconds": 3600}
    assert spec["retry"] == {"backoffSeconds": 10, "maxTries": 3}
    assert spec["image"] == "busybox"


@contract
async def test_a_default_replaces_a_null_and_a_null_without_one_is_dropped(server: Server) -> None:
    body = workflow("a")
    body["spec"] |= {"retry": None, "setup": None}
    body["spec"]["agent"] |= {"timeoutSeconds": None}
    spec = (await server.create(WORKFLOWS, body))["spec"]
    assert spec["retry"] == {"backoffSeconds": 10, "maxTries": 3}
    assert spec["agent"]["timeoutSeconds"] == 3600
    assert "setup" not in spec


@contract
async def test_a_deleted_default_comes_back(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    patched = await server.api.patch(WORKFLOWS, server.namespace, "a", {"spec": {"retry": None}})
    assert patched["spec"] == made["spec"]
    assert patched["metadata"]["generation"] == 1


@contract
async def test_what_the_schema_does_not_know_is_pruned(server: Server) -> None:
    body = workflow("a") | {"extra": 1}
    body["spec"] |= {"extra": {"a": 1}}
    body["spec"]["agent"] |= {"extra": [1]}
    made = await server.create(WORKFLOWS, body)
    assert "extra" not in made
    assert "extra" not in made["spec"]
    assert "extra" not in made["spec"]["agent"]
    assert "extra" not in (await server.get(WORKFLOWS, "a"))["spec"]


@contract
async def test_a_change_that_is_pruned_is_no_change(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    made = await server.api.replace_status(WORKFLOWS, made | {"status": {"observedGeneration": 1}})
    written = await server.api.replace(WORKFLOWS, made | {"spec": made["spec"] | {"extra": 1}})
    assert written["metadata"]["generation"] == 1
    assert written["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"image": "busybox"}, ["spec.agent"]),
        ({"image": "busybox", "agent": {}}, ["spec.agent.command"]),
        ({"image": "busybox", "agent": {"command": []}}, ["spec.agent.command"]),
        ({"image": "busybox", "agent": {"command": "true"}}, ["spec.agent.command"]),
        ({"image": "busybox", "agent": {"command": [7]}}, ["spec.agent.command[0]"]),
        ({"image": "", "agent": {"command": ["true"]}}, ["spec.image", "spec.image"]),
        ({"image": "busybox", "agent": {"command": ["true"], "timeoutSeconds": 0}}, ["spec.agent.timeoutSeconds"]),
        ({"image": "busybox", "agent": {"command": ["true"], "timeoutSeconds": 86_401}}, ["spec.agent.timeoutSeconds"]),
        ({"image": "busybox", "agent": {"command": ["true"], "timeoutSeconds": 1.5}}, ["spec.agent.timeoutSeconds"]),
        ({"image": "busybox", "agent": {"command": ["true"], "timeoutSeconds": True}}, ["spec.agent.timeoutSeconds"]),
        ({"image": "-busybox", "agent": {"command": ["true"]}}, ["spec.image"]),
        ({"image": "busybox", "agent": {"command": ["x" * 4097]}}, ["spec.agent.command[0]"]),
        ({"image": "busybox", "agent": {"command": ["true"] * 65}}, ["spec.agent.command"]),
        ({"image": "busybox", "agent": {"command": [None]}}, ["spec.agent.command[0]"]),
        (
            {"image": "busybox", "agent": {"command": ["true"]}, "env": [{"name": "1"}]},
            ["spec.env[0].name", "spec.env[0].value"],
        ),
        ([], ["spec"]),
        ("x", ["spec"]),
    ],
    ids=lambda value: None if isinstance(value, list) and value else str(value)[:60],
)
@contract
async def test_an_error_names_the_field(server: Server, spec: Any, fields: list[str]) -> None:
    error = await refusal(Invalid, server.create(WORKFLOWS, workflow("a") | {"spec": spec}))
    assert (error.status, error.reason) == (422, "Invalid")
    assert fields_of(error) == set(fields)
    assert all(field in error.message for field in fields)
    assert error.details["name"] == "a"


@contract
async def test_a_missing_spec_is_named(server: Server) -> None:
    body = {key: part for key, part in workflow("a").items() if key != "spec"}
    error = await refusal(Invalid, server.create(WORKFLOWS, body))
    assert "spec" in fields_of(error)


@contract
async def test_a_status_is_checked_too(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    body = made | {"status": {"observedGeneration": "many"}}
    error = await refusal(Invalid, server.api.replace_status(WORKFLOWS, body))
    assert "status.observedGeneration" in fields_of(error)
    written = await server.api.replace_status(WORKFLOWS, made | {"status": {"observedGeneration": 1, "extra": 1}})
    assert written["status"] == {"observedGeneration": 1}


@contract
async def test_a_patch_is_checked_too(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    patch = server.api.patch(WORKFLOWS, server.namespace, "a", {"spec": {"agent": None}})
    error = await refusal(Invalid, patch)
    assert fields_of(error) == {"spec.agent"}
