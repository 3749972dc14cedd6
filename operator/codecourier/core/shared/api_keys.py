"""Keys of REST clients: their form, their hash, and as whom a request with one is made."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from codecourier.resources.api_key import APIKey

__all__ = ["KEY_PREFIX", "Identity", "api_key_name", "hash_key", "identity_of"]

KEY_PREFIX = "cc_live_"
"""Beginning of each key, by which scanners for leaked secrets know one."""

HASH_DIGITS = 10
"""Hex digits of a key's hash in the name of its APIKey."""

_NO_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Identity:
    """A user as Kubernetes' authorization knows one."""

    user: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Further attributes that an authorizer may look at: names with values."""


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key as 64 lower-case hex digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def identity_of(key: APIKey) -> Identity:
    """Return as whom a request with a key is made: it follows from namespace and owner, and no key can claim another.

    An owner has no colon, and neither has a namespace, so that no two of them make the same user.
    """
    return Identity(f"codecourier:{key.namespace}:{key.spec.owner}", (f"codecourier:{key.namespace}",))


def api_key_name(owner: str, sha256: str) -> str:
    """Return the name of an APIKey: its owner's in what names may contain, and the beginning of the hash."""
    words = _NO_NAME.sub("-", owner.lower()).strip("-")[:40].strip("-")
    return f"{words or 'key'}-{sha256[:HASH_DIGITS]}"
