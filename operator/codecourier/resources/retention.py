"""Retention: how long a project keeps what is over."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from codecourier.resources.meta import Model

__all__ = ["Retention"]

MaxAge = Annotated[int, Field(ge=1, le=3650)]
"""After how many days an object goes."""

MaxCount = Annotated[int, Field(ge=1, le=100_000)]
"""How many objects stay."""


class RunKeeping(Model):
    """Until when finished Runs stay: until the first of these two limits."""

    max_age_days: MaxAge = 90
    """How many days after its end a Run goes, with its Sandboxes; 1 to 3,650."""

    max_count: MaxCount = 5000
    """How many finished Runs stay, 1 to 100,000. Of more than these the oldest go. A Run with a prompt of 64 KiB takes
    about 70 KiB of the cluster's database."""


class NotificationKeeping(Model):
    """Until when Notifications stay: until the first of these two limits."""

    max_age_days: MaxAge = 90
    """How many days after its event a Notification goes, for all users; 1 to 3,650."""

    max_count: MaxCount = 5000
    """How many Notifications stay, 1 to 100,000. Of more than these the oldest go."""


class UsageKeeping(Model):
    """Until when UsageRecords stay: until the first of these two limits. Their sums stay in DailyStats."""

    max_age_days: MaxAge = 366
    """How many days after the end of its try a UsageRecord goes; 1 to 3,650."""

    max_count: MaxCount = 20_000
    """How many UsageRecords stay, 1 to 100,000. Of more than these the oldest go."""


class LearningKeeping(Model):
    """Until when Learnings stay that agents proposed and no user has accepted."""

    max_age_days: MaxAge = 90
    """How many days after it was proposed such a Learning goes; 1 to 3,650. After that it can be proposed again."""


class StatsKeeping(Model):
    """Until when DailyStats stay."""

    max_age_days: Annotated[int, Field(ge=31, le=36_500)] = 1100
    """How many days after its day a DailyStats goes, 31 to 36,500; the default is three years. One stays as long as
    a Run or UsageRecord of its day does."""


class TrashKeeping(Model):
    """Until when the trash keeps what users put into it."""

    max_age_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How many days after it was put into the trash an object is deleted for good; 1 to 365."""


class Retention(Model):
    """How long what is over stays in the cluster. Nothing goes that something unfinished needs."""

    runs: RunKeeping = Field(default_factory=RunKeeping)
    """Finished Runs. One whose pull request is open stays, whatever its age."""

    notifications: NotificationKeeping = Field(default_factory=NotificationKeeping)
    """Notifications."""

    usage_records: UsageKeeping = Field(default_factory=UsageKeeping)
    """UsageRecords."""

    proposed_learnings: LearningKeeping = Field(default_factory=LearningKeeping)
    """Learnings that agents proposed and no user has accepted."""

    daily_stats: StatsKeeping = Field(default_factory=StatsKeeping)
    """DailyStats: the sums of each day, which are there before anything of the day goes."""

    trash: TrashKeeping = Field(default_factory=TrashKeeping)
    """Runs, Sandboxes, Workflows, Learnings and IssueSessions in the trash."""
