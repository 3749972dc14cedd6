"""Making, showing and revoking APIKeys, with the account of the user who does it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import NamedTuple

from codecourier.core.shared.api_keys import KEY_PREFIX, api_key_name, hash_key
from codecourier.kinds.api_resources import API_KEYS
from codecourier.kube.api import KubeApi
from codecourier.resources.api_key import APIKey, APIKeySpec
from codecourier.resources.meta import ObjectMeta

__all__ = ["NewKey", "create_key", "list_keys", "revoke_key"]

_RANDOM_BYTES = 32


class NewKey(NamedTuple):
    """A key that was made."""

    name: str
    """Name of its APIKey."""

    key: str
    """The key, which is kept nowhere else."""


async def create_key(
    api: KubeApi, namespace: str, owner: str, expiry_time: datetime | None, requests_per_minute: int
) -> NewKey:
    """Make a key with 256 random bits, and its APIKey.

    Raises
    ------
    ValueError
        If the owner's name or the rate is none that an APIKey may have.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    digest = hash_key(key)
    spec = APIKeySpec(owner=owner, sha256=digest, expiry_time=expiry_time, requests_per_minute=requests_per_minute)
    metadata = ObjectMeta(name=api_key_name(owner, digest), namespace=namespace)
    made = await api.create(API_KEYS, APIKey(metadata=metadata, spec=spec).to_json())
    return NewKey(made["metadata"]["name"], key)


async def list_keys(api: KubeApi, namespace: str) -> list[APIKey]:
    """Return the APIKeys of a namespace by name."""
    found = await api.list(API_KEYS, namespace)
    return sorted((APIKey.model_validate(obj) for obj in found.items), key=lambda key: key.name)


async def revoke_key(api: KubeApi, namespace: str, name: str) -> None:
    """Delete an APIKey; API servers refuse the key as soon as their watch shows that."""
    await api.delete(API_KEYS, namespace, name)
