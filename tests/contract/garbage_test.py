"""What becomes of the objects that a deleted object owned."""

from __future__ import annotations

import pytest

from codecourier.kube.api import CONFIG_MAPS, PODS, Json, Propagation
from codecourier.kube.errors import NotFound
from tests.contract.server import WORKFLOWS, Server, config_map, contract, owner, refusal, workflow

HELD = "example.com/held"


async def delete(server: Server, name: str, propagation: Propagation | None = None) -> Json | None:
    return await server.api.delete(WORKFLOWS, server.namespace, name, propagation=propagation)


async def release(server: Server, name: str) -> None:
    await server.api.patch(CONFIG_MAPS, server.namespace, name, {"metadata": {"finalizers": None}})


def is_marked(obj: Json) -> bool:
    return "deletionTimestamp" in obj["metadata"]


@pytest.mark.parametrize("propagation", ["Background", None])
@contract
async def test_what_it_owned_goes_after_it(server: Server, propagation: Propagation | None) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    child = await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(root)]))
    grandchild = await server.create(CONFIG_MAPS, config_map("grandchild", ownerReferences=[owner(child)]))
    await server.create(CONFIG_MAPS, config_map("other"))
    assert await delete(server, "root", propagation) is None
    await refusal(NotFound, server.get(WORKFLOWS, "root"))
    await server.until_gone(CONFIG_MAPS, child)
    await server.until_gone(CONFIG_MAPS, grandchild)
    assert "other" in await server.names(CONFIG_MAPS)


@contract
async def test_what_has_finalizers_is_marked_and_stays(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    child = await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(root)], finalizers=[HELD]))
    await delete(server, "root")
    marked = await server.until_changed(CONFIG_MAPS, "child", is_marked)
    assert marked["metadata"]["finalizers"] == [HELD]
    assert marked["metadata"]["ownerReferences"] == child["metadata"]["ownerReferences"]
    await release(server, "child")
    await server.until_gone(CONFIG_MAPS, child)


@contract
async def test_one_owner_that_stays_is_enough(server: Server) -> None:
    first = await server.create(WORKFLOWS, workflow("first"))
    second = await server.create(WORKFLOWS, workflow("second"))
    child = await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(first), owner(second)]))
    await delete(server, "first")
    left = await server.until_changed(CONFIG_MAPS, "child", lambda obj: len(obj["metadata"]["ownerReferences"]) == 1)
    assert left["metadata"]["ownerReferences"] == [owner(second)]
    assert not is_marked(left)
    await delete(server, "second")
    await server.until_gone(CONFIG_MAPS, child)


@contract
async def test_what_is_made_for_an_owner_that_is_gone_goes_too(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    await delete(server, "root")
    child = await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(root)]))
    await server.until_gone(CONFIG_MAPS, child)


@contract
async def test_an_owner_made_again_is_another_owner(server: Server) -> None:
    old = await server.create(WORKFLOWS, workflow("root"))
    child = await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(old)]))
    await delete(server, "root")
    await server.create(WORKFLOWS, workflow("root"))
    await server.until_gone(CONFIG_MAPS, child)


@contract
async def test_in_the_foreground_it_waits_for_what_it_owned(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    child = await server.create(
        CONFIG_MAPS,
        config_map("child", ownerReferences=[owner(root, blockOwnerDeletion=True)], finalizers=[HELD]),
    )
    left = await delete(server, "root", "Foreground")
    assert left is not None
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert is_marked(left)
    await server.until_changed(CONFIG_MAPS, "child", is_marked)
    assert is_marked(await server.get(WORKFLOWS, "root"))
    await release(server, "child")
    await server.until_gone(CONFIG_MAPS, child)
    await server.until_gone(WORKFLOWS, root)


@contract
async def test_in_the_foreground_it_waits_for_grandchildren_too(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    child = await server.create(
        CONFIG_MAPS, config_map("child", ownerReferences=[owner(root, blockOwnerDeletion=True)])
    )
    grandchild = await server.create(
        CONFIG_MAPS,
        config_map("grandchild", ownerReferences=[owner(child, blockOwnerDeletion=True)], finalizers=[HELD]),
    )
    await delete(server, "root", "Foreground")
    await server.until_changed(CONFIG_MAPS, "grandchild", is_marked)
    waiting = await server.get(CONFIG_MAPS, "child")
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert is_marked(await server.get(WORKFLOWS, "root"))
    await release(server, "grandchild")
    for resource, obj in ((CONFIG_MAPS, grandchild), (CONFIG_MAPS, child), (WORKFLOWS, root)):
        await server.until_gone(resource, obj)


@contract
async def test_in_the_foreground_it_does_not_wait_for_what_does_not_block(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(root)], finalizers=[HELD]))
    await delete(server, "root", "Foreground")
    await server.until_gone(WORKFLOWS, root)
    await server.until_changed(CONFIG_MAPS, "child", is_marked)


@contract
async def test_in_the_foreground_it_goes_though_it_owned_nothing(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    await delete(server, "root", "Foreground")
    await server.until_gone(WORKFLOWS, root)


@contract
async def test_its_own_finalizers_hold_it_in_the_foreground_too(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root", finalizers=[HELD]))
    child = await server.create(
        CONFIG_MAPS, config_map("child", ownerReferences=[owner(root, blockOwnerDeletion=True)])
    )
    left = await delete(server, "root", "Foreground")
    assert left is not None
    assert sorted(left["metadata"]["finalizers"]) == [HELD, "foregroundDeletion"]
    await server.until_gone(CONFIG_MAPS, child)
    waiting = await server.until_changed(WORKFLOWS, "root", lambda obj: obj["metadata"]["finalizers"] == [HELD])
    assert is_marked(waiting)


@contract
async def test_what_is_held_in_the_background_keeps_what_it_owns(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root", finalizers=[HELD]))
    child = await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(root)]))
    left = await delete(server, "root", "Background")
    assert left is not None
    assert left["metadata"]["finalizers"] == [HELD]
    # Whatever the collector does about a child of a child's own it does in this time too.
    other = await server.create(WORKFLOWS, workflow("other"))
    witness = await server.create(CONFIG_MAPS, config_map("witness", ownerReferences=[owner(other)]))
    await delete(server, "other", "Background")
    await server.until_gone(CONFIG_MAPS, witness)
    assert not is_marked(await server.get(CONFIG_MAPS, "child"))
    await server.api.patch(WORKFLOWS, server.namespace, "root", {"metadata": {"finalizers": None}})
    await server.until_gone(CONFIG_MAPS, child)


@contract
async def test_orphans_lose_their_owner_and_stay(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    await server.create(CONFIG_MAPS, config_map("child", ownerReferences=[owner(root)]))
    left = await delete(server, "root", "Orphan")
    assert left is not None
    assert left["metadata"]["finalizers"] == ["orphan"]
    await server.until_gone(WORKFLOWS, root)
    child = await server.get(CONFIG_MAPS, "child")
    assert "ownerReferences" not in child["metadata"]
    assert not is_marked(child)


@contract
async def test_a_pod_that_is_owned_is_asked_to_end(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root"))
    references = [owner(root, blockOwnerDeletion=True)]
    await server.pod("child", grace_seconds=40, ownerReferences=references)
    await delete(server, "root", "Foreground")
    marked = await server.until_changed(PODS, "child", is_marked)
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 40
    assert is_marked(await server.get(WORKFLOWS, "root"))
    await server.api.delete(PODS, server.namespace, "child", grace_seconds=0)
    await server.until_gone(WORKFLOWS, root)


@contract
async def test_a_deletion_in_the_background_becomes_one_in_the_foreground(server: Server) -> None:
    root = await server.create(WORKFLOWS, workflow("root", finalizers=[HELD]))
    await server.create(
        CONFIG_MAPS, config_map("child", ownerReferences=[owner(root, blockOwnerDeletion=True)], finalizers=[HELD])
    )
    await delete(server, "root", "Background")
    left = await delete(server, "root", "Foreground")
    assert left is not None
    assert sorted(left["metadata"]["finalizers"]) == [HELD, "foregroundDeletion"]
    await server.until_changed(CONFIG_MAPS, "child", is_marked)
