"""Creating and writing objects."""

from __future__ import annotations

import pytest

from codecourier.kube.api import CONFIG_MAPS, CONTROLLER_REVISIONS, NAMESPACES, Json, Resource
from codecourier.kube.errors import AlreadyExists, Conflict, Invalid, NotFound, ServerError
from tests.contract.server import WORKFLOWS, Server, config_map, contract, fields_of, refusal, workflow

UNKNOWN = Resource("codecourier.dev", "v1alpha1", "teapots", "Teapot")


@contract
async def test_what_is_created_can_be_read(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    assert made == await server.get(WORKFLOWS, "a")
    metadata = made["metadata"]
    assert (metadata["namespace"], metadata["name"], metadata["generation"]) == (server.namespace, "a", 1)
    assert metadata["uid"]
    assert int(metadata["resourceVersion"]) > 0
    assert metadata["creationTimestamp"].endswith("Z")


@contract
async def test_a_name_that_is_taken_is_refused(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    error = await refusal(AlreadyExists, server.create(WORKFLOWS, workflow("a")))
    assert (error.status, error.reason) == (409, "AlreadyExists")
    assert not isinstance(error, Conflict)


@contract
async def test_an_object_that_exists_already_with_faults_is_refused_for_its_faults(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    await refusal(Invalid, server.create(WORKFLOWS, workflow("a") | {"spec": {"image": "busybox"}}))


@contract
async def test_a_version_is_refused_on_creation(server: Server) -> None:
    error = await refusal(ServerError, server.create(WORKFLOWS, workflow("a"), resourceVersion="5"))
    assert (error.status, error.reason) == (500, "")
    assert await server.names(WORKFLOWS) == []


@contract
async def test_the_server_chooses_what_is_its_own(server: Server) -> None:
    chosen = {
        "uid": "mine",
        "generation": 7,
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "deletionTimestamp": "2001-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 5,
    }
    metadata = (await server.create(WORKFLOWS, workflow("a"), **chosen))["metadata"]
    assert metadata["uid"] != "mine"
    assert metadata["generation"] == 1
    assert not metadata["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in metadata
    assert "deletionGracePeriodSeconds" not in metadata


@contract
async def test_what_the_server_chose_cannot_be_replaced(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    body = changed(made, generation=7, creationTimestamp="2001-01-01T00:00:00Z", labels={"a": "b"})
    metadata = (await server.api.replace(WORKFLOWS, body))["metadata"]
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert metadata["labels"] == {"a": "b"}


@pytest.mark.parametrize("resource", [WORKFLOWS, CONFIG_MAPS], ids=["workflows", "configmaps"])
@contract
async def test_what_is_not_there_is_not_found(server: Server, resource: Resource) -> None:
    api = server.api
    for call in (  # created only where they are awaited
        api.get(resource, server.namespace, "none"),
        api.patch(resource, server.namespace, "none", {"metadata": {"labels": {"a": "b"}}}),
        api.delete(resource, server.namespace, "none"),
        api.delete(resource, server.namespace, "none", uid="other"),
    ):
        error = await refusal(NotFound, call)
        assert (error.status, error.reason) == (404, "NotFound")


@contract
async def test_a_replacement_of_what_is_not_there_is_refused(server: Server) -> None:
    body = workflow("none", namespace=server.namespace, resourceVersion="1", uid="none")
    await refusal(NotFound, server.api.replace(WORKFLOWS, body))
    await refusal(NotFound, server.api.replace_status(WORKFLOWS, body))


@contract
async def test_a_namespace_that_is_not_there_is_not_found(server: Server) -> None:
    error = await refusal(NotFound, server.create(CONFIG_MAPS, config_map("a"), namespace="none-such"))
    assert error.details["name"] == "none-such"
    assert error.details["kind"] == NAMESPACES.plural
    assert list((await server.api.list(CONFIG_MAPS, "none-such")).items) == []


@contract
async def test_a_kind_that_is_not_served_is_not_found(server: Server) -> None:
    await refusal(NotFound, server.api.list(UNKNOWN, server.namespace))
    await refusal(NotFound, server.api.get(UNKNOWN, server.namespace, "a"))
    await refusal(NotFound, server.create(UNKNOWN, workflow("a") | {"kind": UNKNOWN.kind}))
    watch = server.api.watch(UNKNOWN, resource_version="1", timeout_seconds=1)
    await refusal(NotFound, anext(watch))


@contract
async def test_an_old_version_is_a_conflict(server: Server) -> None:
    old = await server.create(WORKFLOWS, workflow("a"))
    await server.api.patch(WORKFLOWS, server.namespace, "a", {"metadata": {"labels": {"a": "b"}}})
    for call in (server.api.replace(WORKFLOWS, old), server.api.replace_status(WORKFLOWS, old)):
        error = await refusal(Conflict, call)
        assert (error.status, error.reason) == (409, "Conflict")
    assert (await server.get(WORKFLOWS, "a"))["metadata"]["labels"] == {"a": "b"}


@contract
async def test_a_custom_resource_needs_a_version_to_be_replaced(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    del made["metadata"]["resourceVersion"]
    for call in (server.api.replace(WORKFLOWS, made), server.api.replace_status(WORKFLOWS, made)):
        error = await refusal(Invalid, call)
        assert fields_of(error) == {"metadata.resourceVersion"}


@contract
async def test_a_config_map_may_be_replaced_without_a_version(server: Server) -> None:
    made = await server.create(CONFIG_MAPS, config_map("a"))
    body = config_map("a", namespace=server.namespace) | {"data": {"other": "1"}}
    written = await server.api.replace(CONFIG_MAPS, body)
    assert written["data"] == {"other": "1"}
    assert written["metadata"]["uid"] == made["metadata"]["uid"]


@contract
async def test_an_object_made_again_takes_no_write_of_the_old_one(server: Server) -> None:
    old = await server.create(WORKFLOWS, workflow("a"))
    await server.api.delete(WORKFLOWS, server.namespace, "a")
    new = await server.create(WORKFLOWS, workflow("a"))
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    stale = old | {"metadata": old["metadata"] | {"resourceVersion": new["metadata"]["resourceVersion"]}}
    for body in (old, stale):
        for call in (server.api.replace(WORKFLOWS, body), server.api.replace_status(WORKFLOWS, body)):
            await refusal(Conflict, call)
    assert await server.get(WORKFLOWS, "a") == new


@contract
async def test_only_the_spec_moves_the_generation(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    labelled = await server.api.replace(WORKFLOWS, changed(made, labels={"a": "b"}))
    body = labelled | {"status": {"observedGeneration": 1}}
    reported = await server.api.replace_status(WORKFLOWS, body)
    assert reported["metadata"]["generation"] == 1
    assert int(reported["metadata"]["resourceVersion"]) > int(labelled["metadata"]["resourceVersion"])
    respecified = await server.api.replace(WORKFLOWS, reported | {"spec": reported["spec"] | {"image": "alpine"}})
    assert respecified["metadata"]["generation"] == 2


@contract
async def test_a_write_that_changes_nothing_makes_no_version(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    # The real server stores the defaults of a status only with the first write.
    made = await server.api.replace_status(WORKFLOWS, made | {"status": {"observedGeneration": 1}})
    assert await server.api.replace(WORKFLOWS, made) == made
    assert await server.api.replace_status(WORKFLOWS, made) == made
    assert await server.api.patch(WORKFLOWS, server.namespace, "a", {"metadata": {"labels": None}}) == made
    assert await server.get(WORKFLOWS, "a") == made


@contract
async def test_the_status_is_written_by_itself(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a") | {"status": {"observedGeneration": 5}})
    assert made["status"] == {"observedGeneration": -1}
    body = made | {"status": {"observedGeneration": 6}, "spec": made["spec"] | {"image": "alpine"}}
    replaced = await server.api.replace(WORKFLOWS, body)
    assert (replaced["status"], replaced["spec"]["image"]) == ({"observedGeneration": -1}, "alpine")
    body = changed(replaced, labels={"a": "b"}, finalizers=["example.com/a"]) | {
        "status": {"observedGeneration": 2},
        "spec": made["spec"],
    }
    reported = await server.api.replace_status(WORKFLOWS, body)
    assert (reported["status"], reported["spec"]["image"]) == ({"observedGeneration": 2}, "alpine")
    assert "labels" not in reported["metadata"]
    assert "finalizers" not in reported["metadata"]


@contract
async def test_a_status_is_replaced_whole(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    made = await server.api.replace_status(WORKFLOWS, made | {"status": {"observedGeneration": 1, "conditions": []}})
    assert made["status"] == {"observedGeneration": 1, "conditions": []}
    made = await server.api.replace_status(WORKFLOWS, {key: part for key, part in made.items() if key != "status"})
    assert made["status"] == {"observedGeneration": -1}


def changed(obj: Json, **metadata: object) -> Json:
    return obj | {"metadata": obj["metadata"] | metadata}


def revision(**changes: object) -> Json:
    """Return a ControllerRevision whose data has what JSON can hold, and is large."""
    data = {"text": "ä\u0000\U0001f680" * 50_000, "numbers": [0, -1, 2**53], "nothing": {"deep": [[], {}, None]}}
    return {"metadata": {"name": "a-1"}, "data": data, "revision": 3, **changes}


@contract
async def test_a_revision_keeps_its_data_as_it_was_given(server: Server) -> None:
    made = await server.create(CONTROLLER_REVISIONS, revision())
    assert (made["data"], made["revision"]) == (revision()["data"], 3)
    assert await server.get(CONTROLLER_REVISIONS, "a-1") == made
    assert "generation" not in made["metadata"]


@contract
async def test_the_data_of_a_revision_cannot_be_changed(server: Server) -> None:
    made = await server.create(CONTROLLER_REVISIONS, revision())
    for data in ({"text": "other"}, None):
        await refusal(Invalid, server.api.replace(CONTROLLER_REVISIONS, made | {"data": data}))
    made["metadata"]["labels"] = {"app": "a"}
    written = await server.api.replace(CONTROLLER_REVISIONS, made | {"revision": 4})
    assert (written["data"], written["revision"]) == (revision()["data"], 4)


@pytest.mark.parametrize("changes", [{"data": None}, {"revision": -1}], ids=["no data", "negative"])
@contract
async def test_a_revision_that_cannot_be_is_refused(server: Server, changes: Json) -> None:
    await refusal(Invalid, server.create(CONTROLLER_REVISIONS, revision(**changes)))
