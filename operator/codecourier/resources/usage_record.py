"""UsageRecord: what one try of a Run consumed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    CustomResource,
    Immutable,
    KindInfo,
    Model,
    ObjectName,
    PrinterColumn,
    Time,
    Uid,
)

__all__ = ["UsageItem", "UsageKind", "UsageRecord", "UsageRecordSpec", "UsageUnit"]


class UsageKind(StrEnum):
    """What was consumed."""

    COMPUTE = "Compute"
    TOKENS = "Tokens"
    API_CALLS = "ApiCalls"


class UsageUnit(StrEnum):
    """What a quantity counts."""

    SECOND = "Second"
    TOKEN = "Token"  # noqa: S105  a unit, no credential
    CALL = "Call"


class UsageItem(Model):
    """Consumption of one service."""

    service: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """The paid provider: `kubernetes` for the sandbox itself, else a name such as `anthropic`; `other` sums up what
    exceeds eight items."""

    kind: UsageKind
    """What was consumed: Compute, Tokens or ApiCalls."""

    quantity: Annotated[int, Field(ge=0, le=2**53)]
    """How much, in `unit`."""

    unit: UsageUnit
    """What `quantity` counts: Second, Token or Call."""

    cost_micro_usd: Annotated[int, Field(ge=0, le=2**53, alias="costMicroUSD")] = 0
    """Its price in millionths of a US dollar; 0 when the agent reported none."""

    model: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The provider's model; absent when there is none or several."""


class UsageRecordSpec(Model):
    """What one try consumed; immutable."""

    run: ObjectName
    """Name of the Run."""

    run_uid: Uid
    """UID of the Run."""

    attempt: Annotated[int, Field(ge=1, le=1000)]
    """The Run's attempt, 1 to 1,000."""

    try_number: Annotated[int, Field(ge=1, le=100)]
    """Number of the try within the attempt, 1 to 100."""

    workflow: ObjectName
    """Name of the Workflow."""

    sprint_chain: ObjectName | None = None
    """Name of the SprintChain that the Run belongs to; absent outside chains."""

    recurring_task: ObjectName | None = None
    """Name of the RecurringTask that made the Run; absent for others."""

    start_time: Time
    """When the try started to run."""

    finish_time: Time
    """When the try ended."""

    items: Annotated[tuple[UsageItem, ...], Field(max_length=8)] = ()
    """What was consumed, up to eight items: the sandbox's seconds and what the agent reported."""


class UsageRecord(CustomResource):
    """What one try of a Run consumed: immutable, without an owner, kept after the Run is deleted."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="UsageRecord",
        plural="usagerecords",
        short_names=("ccu",),
        columns=(
            PrinterColumn("Run", ".spec.run"),
            PrinterColumn("Try", ".spec.tryNumber", type="integer"),
            PrinterColumn("Seconds", ".spec.items[?(@.kind=='Compute')].quantity", type="integer"),
            # A column shows only the first match; an agent mostly reports one item.
            PrinterColumn("Service", ".spec.items[?(@.kind!='Compute')].service"),
            PrinterColumn("Quantity", ".spec.items[?(@.kind!='Compute')].quantity", type="integer"),
            PrinterColumn("MicroUSD", ".spec.items[?(@.kind!='Compute')].costMicroUSD", type="integer"),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".spec.run",),
    )

    kind: str = "UsageRecord"
    spec: Annotated[UsageRecordSpec, Immutable()]
