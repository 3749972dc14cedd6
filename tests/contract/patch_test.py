"""Merge patches."""

from __future__ import annotations

from codecourier.kube.api import CONFIG_MAPS, PODS, Json
from codecourier.kube.errors import ApiError, Conflict, Invalid
from tests.contract.server import WORKFLOWS, Server, config_map, contract, fields_of, refusal, workflow


async def patch(server: Server, body: Json, **options: str) -> Json:
    return await server.api.patch(WORKFLOWS, server.namespace, "a", body, **options)


@contract
async def test_parts_are_merged_and_null_deletes(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", labels={"a": "1", "b": "2"}))
    written = await patch(server, {"metadata": {"labels": {"a": None, "c": "3"}}, "spec": {"image": "alpine"}})
    assert written["metadata"]["labels"] == {"b": "2", "c": "3"}
    assert written["spec"]["image"] == "alpine"
    assert written["spec"]["agent"]["command"] == ["true"]
    assert written["metadata"]["generation"] == 2


@contract
async def test_lists_are_replaced(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=["example.com/a", "example.com/b"]))
    written = await patch(server, {"metadata": {"finalizers": ["example.com/b"]}})
    assert written["metadata"]["finalizers"] == ["example.com/b"]
    written = await patch(server, {"metadata": {"finalizers": []}})
    assert "finalizers" not in written["metadata"]


@contract
async def test_an_emptied_map_is_left_out_of_metadata(server: Server) -> None:
    await server.create(CONFIG_MAPS, config_map("a", labels={"a": "1"}, annotations={"b": "2"}))
    body = {"metadata": {"labels": {"a": None}, "annotations": None}}
    written = await server.api.patch(CONFIG_MAPS, server.namespace, "a", body)
    assert "labels" not in written["metadata"]
    assert "annotations" not in written["metadata"]


@contract
async def test_a_version_makes_it_conditional(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    version = made["metadata"]["resourceVersion"]
    written = await patch(server, {"metadata": {"resourceVersion": version, "labels": {"a": "1"}}})
    assert written["metadata"]["labels"] == {"a": "1"}
    late = patch(server, {"metadata": {"resourceVersion": version, "labels": {"a": "2"}}})
    error = await refusal(Conflict, late)
    assert (error.status, error.reason) == (409, "Conflict")
    assert await server.get(WORKFLOWS, "a") == written


@contract
async def test_without_a_version_it_applies_to_what_is_there(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    await patch(server, {"metadata": {"labels": {"a": "1"}}})
    written = await patch(server, {"metadata": {"labels": {"b": "2"}}})
    assert written["metadata"]["labels"] == {"a": "1", "b": "2"}


@contract
async def test_a_uid_that_is_another_is_refused(server: Server) -> None:
    old = await server.create(WORKFLOWS, workflow("a"))
    await server.api.delete(WORKFLOWS, server.namespace, "a")
    new = await server.create(WORKFLOWS, workflow("a"))
    uid, version = old["metadata"]["uid"], old["metadata"]["resourceVersion"]
    await refusal(Conflict, patch(server, {"metadata": {"uid": uid, "resourceVersion": version, "finalizers": []}}))
    error = await refusal(ApiError, patch(server, {"metadata": {"uid": uid, "labels": {"a": "1"}}}))
    assert isinstance(error, Conflict | Invalid)
    assert await server.get(WORKFLOWS, "a") == new


@contract
async def test_the_status_is_out_of_reach_and_the_other_way_round(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    body = {"spec": {"image": "alpine"}, "status": {"observedGeneration": 3}}
    written = await patch(server, body)
    assert (written["spec"]["image"], written["status"]) == ("alpine", {"observedGeneration": -1})
    body = {"spec": {"image": "other"}, "status": {"observedGeneration": 4}}
    written = await patch(server, body, subresource="status")
    assert (written["spec"]["image"], written["status"]) == ("alpine", {"observedGeneration": 4})
    assert written["metadata"]["generation"] == 2


@contract
async def test_a_pods_spec_stays_but_its_metadata_moves(server: Server) -> None:
    await server.pod("a")
    written = await server.api.patch(PODS, server.namespace, "a", {"metadata": {"labels": {"a": "1"}}})
    assert written["metadata"]["labels"] == {"a": "1"}
    body = {"spec": {"restartPolicy": "Always"}}
    error = await refusal(Invalid, server.api.patch(PODS, server.namespace, "a", body))
    assert "spec" in fields_of(error)
