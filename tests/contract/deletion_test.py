"""Deleting objects: finalizers, preconditions, grace, and namespaces that go away."""

from __future__ import annotations

import pytest

from codecourier.kube.api import CONFIG_MAPS, NAMESPACES, PODS, Json
from codecourier.kube.errors import Conflict, Forbidden, Invalid, NotFound
from tests.contract.server import WORKFLOWS, Server, config_map, contract, fields_of, refusal, workflow

A, B = "example.com/a", "example.com/b"


def parse_version(obj: Json) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def set_finalizers(server: Server, *names: str) -> Json:
    return await server.api.patch(WORKFLOWS, server.namespace, "a", {"metadata": {"finalizers": list(names)}})


@contract
async def test_without_finalizers_it_is_gone_at_once(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a"))
    assert await server.api.delete(WORKFLOWS, server.namespace, "a") is None
    await refusal(NotFound, server.get(WORKFLOWS, "a"))
    (event,) = await server.until(WORKFLOWS, made["metadata"]["resourceVersion"], lambda event: event.type == "DELETED")
    assert event.object["metadata"]["uid"] == made["metadata"]["uid"]
    assert parse_version(event.object) > parse_version(made)


@contract
async def test_finalizers_hold_it(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=[A, B]))
    left = await server.api.delete(WORKFLOWS, server.namespace, "a")
    assert left is not None
    assert left == await server.get(WORKFLOWS, "a")
    metadata = left["metadata"]
    assert metadata["deletionTimestamp"].endswith("Z")
    assert metadata["deletionGracePeriodSeconds"] == 0
    assert metadata["finalizers"] == [A, B]
    assert metadata["generation"] == 2
    again = await server.api.delete(WORKFLOWS, server.namespace, "a")
    assert again == left


@contract
async def test_the_last_finalizer_lets_it_go(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a", finalizers=[A, B]))
    await server.api.delete(WORKFLOWS, server.namespace, "a")
    left = await set_finalizers(server, B)
    assert left["metadata"]["finalizers"] == [B]
    last = await set_finalizers(server)
    assert "finalizers" not in last["metadata"]
    assert last["metadata"]["deletionTimestamp"]
    assert last["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
    await refusal(NotFound, server.get(WORKFLOWS, "a"))
    events = await server.until(WORKFLOWS, made["metadata"]["resourceVersion"], lambda event: event.type == "DELETED")
    assert [event.type for event in events] == ["MODIFIED", "MODIFIED", "DELETED"]
    assert parse_version(events[-1].object) > parse_version(left)
    assert events[-1].object["metadata"]["finalizers"] == [B]


@contract
async def test_the_last_finalizer_lets_it_go_by_a_replacement_too(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    left = await server.api.delete(WORKFLOWS, server.namespace, "a")
    assert left is not None
    del left["metadata"]["finalizers"]
    await server.api.replace(WORKFLOWS, left)
    await refusal(NotFound, server.get(WORKFLOWS, "a"))


@contract
async def test_no_finalizer_comes_while_it_goes(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    left = await server.api.delete(WORKFLOWS, server.namespace, "a")
    error = await refusal(Invalid, set_finalizers(server, A, B))
    assert fields_of(error) == {"metadata.finalizers"}
    assert await server.get(WORKFLOWS, "a") == left


@contract
async def test_what_goes_can_still_be_written(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    left = await server.api.delete(WORKFLOWS, server.namespace, "a")
    assert left is not None
    left = await server.api.replace_status(WORKFLOWS, left | {"status": {"observedGeneration": 2}})
    assert left["status"] == {"observedGeneration": 2}
    left = await server.api.replace(WORKFLOWS, left | {"spec": left["spec"] | {"image": "alpine"}})
    assert left["metadata"]["generation"] == 3
    assert left["metadata"]["deletionTimestamp"]


@contract
async def test_a_deletion_cannot_be_taken_back(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    left = await server.api.delete(WORKFLOWS, server.namespace, "a")
    assert left is not None
    body = left | {"metadata": {k: v for k, v in left["metadata"].items() if not k.startswith("deletion")}}
    written = await server.api.replace(WORKFLOWS, body)
    assert written["metadata"]["deletionTimestamp"] == left["metadata"]["deletionTimestamp"]


@contract
async def test_a_deletion_cannot_be_made_up(server: Server) -> None:
    made = await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    body = made | {"metadata": made["metadata"] | {"deletionTimestamp": "2001-01-01T00:00:00Z"}}
    error = await refusal(Invalid, server.api.replace(WORKFLOWS, body))
    assert fields_of(error) == {"metadata.deletionTimestamp"}


@pytest.mark.parametrize("finalizers", [[], [A]], ids=["free", "held"])
@contract
async def test_preconditions_have_to_hold(server: Server, finalizers: list[str]) -> None:
    old = await server.create(WORKFLOWS, workflow("a", finalizers=finalizers))
    made = await server.api.patch(WORKFLOWS, server.namespace, "a", {"metadata": {"labels": {"a": "b"}}})
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    api, where = server.api, (WORKFLOWS, server.namespace, "a")
    for call in (
        api.delete(*where, uid="other"),
        api.delete(*where, resource_version=old["metadata"]["resourceVersion"]),
        api.delete(*where, uid=uid, resource_version=old["metadata"]["resourceVersion"]),
        api.delete(*where, uid="other", resource_version=version),
    ):
        error = await refusal(Conflict, call)
        assert (error.status, error.reason) == (409, "Conflict")
    assert await server.get(WORKFLOWS, "a") == made
    left = await api.delete(*where, uid=uid, resource_version=version)
    assert (left is None) == (not finalizers)


@contract
async def test_preconditions_have_to_hold_while_it_goes(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    await server.api.delete(WORKFLOWS, server.namespace, "a")
    await refusal(Conflict, server.api.delete(WORKFLOWS, server.namespace, "a", uid="other"))


@contract
async def test_a_name_is_free_only_when_the_finalizers_are_off(server: Server) -> None:
    old = await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    await server.api.delete(WORKFLOWS, server.namespace, "a")
    with pytest.raises(Exception, match="already exists"):
        await server.create(WORKFLOWS, workflow("a"))
    await set_finalizers(server)
    new = await server.create(WORKFLOWS, workflow("a"))
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["metadata"]["generation"] == 1


@contract
async def test_a_pod_that_has_no_node_is_gone_at_once(server: Server) -> None:
    await server.pod("a", node=None)
    assert await server.api.delete(PODS, server.namespace, "a") is None
    await refusal(NotFound, server.get(PODS, "a"))


@contract
async def test_a_pod_on_a_node_waits_for_the_node(server: Server) -> None:
    made = await server.pod("a", grace_seconds=40)
    left = await server.api.delete(PODS, server.namespace, "a")
    assert left is not None
    assert left["metadata"]["deletionGracePeriodSeconds"] == 40
    assert left["metadata"]["deletionTimestamp"] > made["metadata"]["creationTimestamp"]
    assert left["metadata"]["generation"] == 2
    assert await server.get(PODS, "a") == left
    assert await server.api.delete(PODS, server.namespace, "a", grace_seconds=0) is None
    await refusal(NotFound, server.get(PODS, "a"))


@contract
async def test_a_pods_grace_can_only_be_shortened(server: Server) -> None:
    await server.pod("a", grace_seconds=40)
    first = await server.api.delete(PODS, server.namespace, "a", grace_seconds=30)
    assert first is not None
    assert first["metadata"]["deletionGracePeriodSeconds"] == 30
    longer = await server.api.delete(PODS, server.namespace, "a", grace_seconds=50)
    assert longer == first
    as_it_was = await server.api.delete(PODS, server.namespace, "a")
    assert as_it_was == first
    shorter = await server.api.delete(PODS, server.namespace, "a", grace_seconds=10)
    assert shorter is not None
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 10
    assert shorter["metadata"]["deletionTimestamp"] < first["metadata"]["deletionTimestamp"]
    assert shorter["metadata"]["generation"] == first["metadata"]["generation"]


@contract
async def test_a_pods_longer_grace_stays_where_none_is_asked_for(server: Server) -> None:
    await server.pod("a", grace_seconds=30)
    first = await server.api.delete(PODS, server.namespace, "a", grace_seconds=50)
    assert await server.api.delete(PODS, server.namespace, "a") == first


@contract
async def test_a_pod_that_ends_while_it_goes_still_waits_for_its_node(server: Server) -> None:
    await server.pod("a", grace_seconds=40)
    left = await server.api.delete(PODS, server.namespace, "a")
    assert left is not None
    ended = left | {"status": left["status"] | {"phase": "Succeeded"}}
    ended = await server.api.replace_status(PODS, ended)
    assert await server.api.delete(PODS, server.namespace, "a") == ended
    assert await server.api.delete(PODS, server.namespace, "a", grace_seconds=0) is None


@contract
async def test_a_pods_node_lets_it_go_though_it_wanted_more_grace(server: Server) -> None:
    await server.pod("a", grace_seconds=40, finalizers=[A])
    left = await server.api.delete(PODS, server.namespace, "a", grace_seconds=0)
    assert left is not None
    assert left["metadata"]["deletionGracePeriodSeconds"] == 0
    assert left["metadata"]["finalizers"] == [A]
    body = {"metadata": {"finalizers": None}}
    await server.api.patch(PODS, server.namespace, "a", body)
    await refusal(NotFound, server.get(PODS, "a"))


@contract
async def test_a_pod_without_finalizers_still_waits_for_its_node(server: Server) -> None:
    await server.pod("a", grace_seconds=40, finalizers=[A])
    await server.api.delete(PODS, server.namespace, "a")
    body = {"metadata": {"finalizers": None}}
    left = await server.api.patch(PODS, server.namespace, "a", body)
    assert await server.get(PODS, "a") == left
    assert left["metadata"]["deletionGracePeriodSeconds"] == 40


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@contract
async def test_a_pod_that_has_ended_waits_for_nobody(server: Server, phase: str) -> None:
    made = await server.pod("a", grace_seconds=40)
    await server.api.replace_status(PODS, made | {"status": made["status"] | {"phase": phase}})
    assert await server.api.delete(PODS, server.namespace, "a") is None
    await refusal(NotFound, server.get(PODS, "a"))


@contract
async def test_a_namespace_that_goes_away_takes_nothing_new_but_what_is_there_can_be_written(server: Server) -> None:
    held = await server.create(WORKFLOWS, workflow("a", finalizers=[A]))
    free = await server.create(CONFIG_MAPS, config_map("a"))
    await server.api.delete(NAMESPACES, None, server.namespace)
    namespace = await server.api.get(NAMESPACES, None, server.namespace)
    assert namespace["metadata"]["deletionTimestamp"]
    assert namespace["status"]["phase"] == "Terminating"
    for resource, body in ((WORKFLOWS, workflow("b")), (CONFIG_MAPS, config_map("b")), (WORKFLOWS, workflow("a"))):
        error = await refusal(Forbidden, server.create(resource, body))
        assert (error.status, error.reason) == (403, "Forbidden")
        assert error.has_cause("NamespaceTerminating")
    await server.until_changed(WORKFLOWS, "a", lambda obj: "deletionTimestamp" in obj["metadata"])
    await server.until_gone(CONFIG_MAPS, free)
    written = await server.get(WORKFLOWS, "a")
    await server.api.replace_status(WORKFLOWS, written | {"status": {"observedGeneration": 1}})
    assert await server.api.get(NAMESPACES, None, server.namespace), "it waits for what is held"
    await set_finalizers(server)
    await server.until_gone(WORKFLOWS, held)


@contract
async def test_a_namespace_ends_when_it_is_empty(server: Server) -> None:
    await server.create(WORKFLOWS, workflow("a"))
    await server.create(CONFIG_MAPS, config_map("a"))
    version = (await server.api.list(NAMESPACES)).resource_version
    await server.api.delete(NAMESPACES, None, server.namespace)
    await server.until_namespace_gone(version)
    await refusal(NotFound, server.api.get(NAMESPACES, None, server.namespace))
    assert await server.names(WORKFLOWS) == []
