"""An example of each body, which the document and the reference show and the tests send."""

from __future__ import annotations

from collections.abc import Mapping

from codecourier.kube.api import Json

__all__ = ["EXAMPLES"]

EXAMPLES: Mapping[str, Json] = {
    "mark_chosen_notification_read": {"notificationId": "notif_run-failed-nightly"},
    "dismiss_chosen_notification": {"notificationId": "notif_run-failed-nightly"},
    "create_recurring_task": {
        "title": "Weekly bundle size check",
        "prompt": "Build the bundle. If it is larger than 200 KB, make it smaller.",
        "frequency": "weekly",
        "targetWorkflowId": "wf_build",
        "timezone": "Europe/Berlin",
        "scheduledHour": 6,
        "scheduledMinute": 0,
    },
    "update_recurring_task": {"frequency": "biweekly", "scheduledHour": 9},
    "update_sprint_chain": {"isPaused": True},
    "resume_sprint_chain": {"fromSprint": 0},
    "create_issue_session": {
        "issueUrl": "https://github.com/org/repo/issues/7",
        "workflowId": "wf_build",
        "commentIds": [1234567],
    },
    "follow_up_issue_session": {"instruction": "Handle an empty list, too."},
    "create_run": {"workflowId": "wf_build", "prompt": "Update the dependencies.", "title": "Dependencies"},
    "restore_trash": {"entityType": "run", "entityId": "r_example"},
    "permanently_delete_trash": {"entityType": "run", "entityId": "r_example"},
    "start_merge": {
        "pullRequests": [
            {"prUrl": "https://github.com/org/repo/pull/1", "prNumber": 1},
            {"prUrl": "https://github.com/org/repo/pull/2", "prNumber": 2},
        ],
        "baseBranch": "main",
        "config": {"workflowId": "wf_build"},
    },
    "merge_pull_request": {"mergeStrategy": "squash", "skipCiCheck": False},
    "toggle_recurring_task": {"isActive": False},
    "create_sprint_chain": {
        "workflowId": "wf_build",
        "sprintRange": [1, 5],
        "prompt": "Move all handlers to the new validation layer.",
        "githubRepoUrl": "https://github.com/org/repo",
    },
}
"""The examples by the operation's id in the document."""
