"""All kinds, in the order in which people meet them."""

from __future__ import annotations

from codecourier.resources.api_key import APIKey
from codecourier.resources.daily_stats import DailyStats
from codecourier.resources.inbox import Inbox
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.learning import Learning
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.meta import CustomResource
from codecourier.resources.notification import Notification
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.usage_record import UsageRecord
from codecourier.resources.workflow import Workflow

__all__ = ["KINDS"]

KINDS: tuple[type[CustomResource], ...] = (
    Project,
    Workflow,
    Run,
    SprintChain,
    RecurringTask,
    IssueSession,
    MergeJob,
    Sandbox,
    Notification,
    Inbox,
    UsageRecord,
    DailyStats,
    Learning,
    APIKey,
)
"""Every kind of the API group, for the CRD generator and the tests."""
