"""How the API server serves our kinds, for callers that name one of them."""

from __future__ import annotations

from codecourier.kube.api import custom_resource
from codecourier.resources.api_key import APIKey
from codecourier.resources.daily_stats import DailyStats
from codecourier.resources.inbox import Inbox
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.learning import Learning
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.notification import Notification
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.usage_record import UsageRecord
from codecourier.resources.workflow import Workflow

__all__ = [
    "API_KEYS",
    "DAILY_STATS",
    "INBOXES",
    "ISSUE_SESSIONS",
    "LEARNINGS",
    "MERGE_JOBS",
    "NOTIFICATIONS",
    "PROJECTS",
    "RECURRING_TASKS",
    "RUNS",
    "SANDBOXES",
    "SPRINT_CHAINS",
    "USAGE_RECORDS",
    "WORKFLOWS",
]

PROJECTS = custom_resource(Project.info)
WORKFLOWS = custom_resource(Workflow.info)
RUNS = custom_resource(Run.info)
RECURRING_TASKS = custom_resource(RecurringTask.info)
ISSUE_SESSIONS = custom_resource(IssueSession.info)
MERGE_JOBS = custom_resource(MergeJob.info)
SPRINT_CHAINS = custom_resource(SprintChain.info)
SANDBOXES = custom_resource(Sandbox.info)
NOTIFICATIONS = custom_resource(Notification.info)
USAGE_RECORDS = custom_resource(UsageRecord.info)
DAILY_STATS = custom_resource(DailyStats.info)
LEARNINGS = custom_resource(Learning.info)
INBOXES = custom_resource(Inbox.info)
API_KEYS = custom_resource(APIKey.info)
