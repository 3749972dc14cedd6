"""DailyStats: what happened in a project on one UTC day."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    CustomResource,
    Date,
    Immutable,
    KindInfo,
    Model,
    PrinterColumn,
    Time,
)

__all__ = ["MAX_COUNT", "DailyStats", "DailyStatsSpec"]

MAX_COUNT = 2**53
"""Greatest number of a day: every program that reads JSON knows it exactly."""

Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]


class DailyStatsSpec(Model):
    """The numbers of the day; immutable. Each event counts on the UTC day on which it happened."""

    day: Date
    """The UTC day, such as `2026-11-30`."""

    runs_created: Count = 0
    """Runs that were created."""

    runs_completed: Count = 0
    """Runs that ended as Completed."""

    runs_failed: Count = 0
    """Runs that ended as Failed."""

    runs_cancelled: Count = 0
    """Runs that ended as Cancelled."""

    prs_created: Count = 0
    """Pull requests that Runs opened."""

    prs_merged: Count = 0
    """Pull requests of Runs that were merged."""

    compute_seconds: Count = 0
    """Seconds of compute: how long the sandboxes ran that ended on this day, and what their agents reported."""

    tokens: Count = 0
    """Tokens that these agents reported."""

    api_calls: Count = 0
    """API calls that they reported."""

    cost_micro_usd: Annotated[Count, Field(alias="costMicroUSD")] = 0
    """What all of this cost as far as agents reported it, in millionths of a US dollar."""

    total_runs: Count = 0
    """Runs of the project that were created up to the end of this day, also those that retention has deleted since."""

    seal_time: Time
    """When the operator counted the day, RFC 3339. What becomes known later of the day is not in these numbers."""


class DailyStats(CustomResource):
    """What happened in a project on one UTC day: made before retention deletes anything of the day, then immutable.

    It is named after its day, such as `stats-2026-11-30`; one with another name counts nowhere.
    """

    info: ClassVar[KindInfo] = KindInfo(
        kind="DailyStats",
        plural="dailystats",
        short_names=("ccds",),
        columns=(
            PrinterColumn("Day", ".spec.day"),
            PrinterColumn("Created", ".spec.runsCreated", type="integer"),
            PrinterColumn("Completed", ".spec.runsCompleted", type="integer"),
            PrinterColumn("Failed", ".spec.runsFailed", type="integer"),
            PrinterColumn("Cancelled", ".spec.runsCancelled", type="integer"),
            PrinterColumn("PRs", ".spec.prsCreated", type="integer"),
            PrinterColumn("Merged", ".spec.prsMerged", type="integer", priority=1),
            PrinterColumn("Seconds", ".spec.computeSeconds", type="integer", priority=1),
            PrinterColumn("Tokens", ".spec.tokens", type="integer", priority=1),
            PrinterColumn("MicroUSD", ".spec.costMicroUSD", type="integer"),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
    )

    kind: str = "DailyStats"
    spec: Annotated[DailyStatsSpec, Immutable()]
