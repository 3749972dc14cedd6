"""APIKey: a client of the REST API."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import CustomResource, Immutable, KindInfo, Model, PrinterColumn, Time

__all__ = ["APIKey", "APIKeySpec"]


class APIKeySpec(Model):
    """Who the client is and until when. The key itself is kept nowhere."""

    owner: Annotated[
        Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")], Immutable()
    ]
    """Person or program that holds the key. Requests with it are those of user `codecourier:<namespace>:<owner>`, of
    group `codecourier:<namespace>`; what these may do is for RBAC to say."""

    sha256: Annotated[
        Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")],
        Immutable(),
    ]
    """SHA-256 of the key, 64 lower-case hex digits. A key has 256 random bits, so no search
    finds it by its hash."""

    expiry_time: Time | None = None
    """From when on the key is refused, RFC 3339; absent: it does not expire."""

    requests_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 600
    """How many requests each replica of the API server accepts with the key, 1 to 100,000 a minute."""


class APIKey(CustomResource):
    """A client of the REST API. Delete it to revoke the key."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="APIKey",
        plural="apikeys",
        short_names=("ccak",),
        columns=(
            PrinterColumn("Owner", ".spec.owner"),
            PrinterColumn("Expires", ".spec.expiryTime"),
            PrinterColumn("Rate", ".spec.requestsPerMinute", type="integer"),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".spec.owner",),
    )

    kind: str = "APIKey"
    spec: APIKeySpec
