"""APIKeys in the REST API: who has one and until when, never the key or its hash."""

from __future__ import annotations

from datetime import datetime

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import API_KEY_ID
from codecourier.resources.api_key import APIKey

__all__ = ["ApiKeyRevoked", "ApiKeyView", "view_api_key"]


class ApiKeyView(View):
    """A key of a client. The key itself was shown once, when it was made."""

    id: str
    owner: str
    """Person or program that holds it."""

    is_expired: bool
    expires_at: Instant | None
    """From when on it is refused; null: it does not expire."""

    requests_per_minute: int
    created_at: Instant | None


class ApiKeyRevoked(View):
    """What is shown of a key that was revoked."""

    id: str
    is_deleted: bool = True


def view_api_key(key: APIKey, now: datetime) -> ApiKeyView:
    """Return what is shown of a key."""
    expiry = key.spec.expiry_time
    return ApiKeyView(
        id=API_KEY_ID + key.name,
        owner=key.spec.owner,
        is_expired=expiry is not None and expiry <= now,
        expires_at=expiry,
        requests_per_minute=key.spec.requests_per_minute,
        created_at=key.metadata.creation_timestamp,
    )
