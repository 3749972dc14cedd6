"""Keys are random, their objects hold a hash only, and as whom a key asks cannot be forged."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from random import Random

import pytest
from pydantic import ValidationError

from codecourier.apiserver.keys import create_key, list_keys, revoke_key
from codecourier.core.shared.api_keys import KEY_PREFIX, Identity, api_key_name, hash_key, identity_of
from codecourier.kube.api import NAMESPACES, KubeApi
from codecourier.resources.api_key import APIKey, APIKeySpec
from codecourier.resources.meta import ObjectMeta
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import EPOCH, run_virtual
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of
from tests.support.kinds import EVERY_KIND

EXPIRY = datetime(2027, 1, 1, tzinfo=UTC)


def simulated() -> KubeApi:
    """Return a server with APIKeys and namespace `shop`."""
    definitions = definitions_of(EVERY_KIND)
    server = ApiServer(now=lambda: EPOCH, random=Random(1), definitions=definitions)
    server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
    return server.client("test", Network(Random(2)))


def owned_by(namespace: str, owner: str) -> Identity:
    """Return as whom a key of an owner asks."""
    spec = APIKeySpec(owner=owner, sha256="0" * 64)
    return identity_of(APIKey(metadata=ObjectMeta(namespace=namespace), spec=spec))


def test_a_key_is_made_listed_and_revoked() -> None:
    async def main() -> None:
        api = simulated()
        first = await create_key(api, "shop", "Alice@example.com", EXPIRY, 5)
        second = await create_key(api, "shop", "Alice@example.com", None, 5)
        # 43 letters of 6 bits hold 256.
        assert re.fullmatch(rf"{KEY_PREFIX}[A-Za-z0-9_-]{{43}}", first.key)
        assert first.key != second.key
        keys = {key.name: key for key in await list_keys(api, "shop")}
        spec = keys[first.name].spec
        assert (spec.owner, spec.sha256, spec.expiry_time) == ("Alice@example.com", hash_key(first.key), EXPIRY)
        assert first.key not in keys[first.name].model_dump_json()
        await revoke_key(api, "shop", first.name)
        assert [key.name for key in await list_keys(api, "shop")] == [second.name]

    run_virtual(main)


@pytest.mark.parametrize("owner", ["", "a:b", "system:admin", "a b", "ä", "a" * 129])
def test_an_owner_that_could_be_read_as_another_user_is_refused(owner: str) -> None:
    async def main() -> None:
        with pytest.raises(ValidationError):
            await create_key(simulated(), "shop", owner, None, 5)

    run_virtual(main)


def test_as_whom_a_key_asks_follows_from_namespace_and_owner() -> None:
    assert owned_by("shop", "ci") == Identity("codecourier:shop:ci", ("codecourier:shop",))
    assert owned_by("shop", "ci") != owned_by("other", "ci")


@pytest.mark.parametrize("owner", ["ci", "Alice@Example.com", "___", "a" * 128])
def test_an_owner_makes_a_name_that_objects_may_have(owner: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", api_key_name(owner, hash_key("x")))
