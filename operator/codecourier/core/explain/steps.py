"""What a user does next about each reason that keeps an object where it is.

Every reason of the catalogue is in one of the three tables, so that a new one cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping

from codecourier.core.shared.reasons import Reason
from codecourier.resources.run import Origin

__all__ = ["GOES_ON", "NEXT_STEPS", "SAYS_IT_ITSELF", "find_next_step", "say_how_to_repeat"]

_BY_ITSELF = "Nothing needs to be done: it goes on by itself."
_RETRIED = "Nothing needs to be done: another try follows by itself, as the Workflow's retry allows."
_CREDENTIAL = (
    "Replace the key token of the Secret that Project 'default' names for the repository, or check the installation of "
    "the GitHub App; the work goes on by itself."
)
_READ_LOG = "Read the log of the try and correct the cause."
_SLOT = "The next slot is decided anew. To run it now, set the annotation codecourier.dev/run-now to a new value."
_CLUSTER = "Change what refuses it, or ask the cluster's administrator; the operator retries."

NEXT_STEPS: Mapping[Reason, str] = {
    Reason.SECRET_NOT_ALLOWED: "Correct the label and the annotation of the Secret; the work goes on by itself.",
    Reason.TEMPLATE_INVALID: "Correct spec.promptTemplate of the Workflow; the work goes on by itself.",
    Reason.TASK_TOO_LARGE: "Shorten the prompt or the steps of the Workflow.",
    Reason.REVISION_REFUSED: _CLUSTER,
    Reason.WAITING_FOR_PLACE: (
        "To start it sooner, cancel a Run that has a place, or raise spec.limits.maxConcurrentRuns of the Project."
    ),
    Reason.RETRYING: _BY_ITSELF,
    Reason.PROVIDER_LIMIT: _BY_ITSELF,
    Reason.OVERLAP: (
        "Wait for that Run or cancel it. With spec.concurrencyPolicy Allow or Replace the slot fires all the same."
    ),
    Reason.STARTING_DEADLINE_EXCEEDED: (
        "Correct what the message names. spec.startingDeadlineSeconds says how long a slot may wait for it."
    ),
    Reason.SUPERSEDED: _SLOT,
    Reason.SCHEDULE_CHANGED: _SLOT,
    Reason.ISSUE_DELETED: "Delete the IssueSession, or create one for another issue.",
    Reason.END_UNKNOWN: "Look at the Run, if it is still there.",
    Reason.COMMENT_DELETED: "Read the state in the status of the IssueSession.",
    Reason.WAITING_FOR_CHECKS: _BY_ITSELF,
    Reason.BASE_MOVED: _BY_ITSELF,
    Reason.MERGE_UNSETTLED: _BY_ITSELF,
    Reason.MERGE_PENDING: _BY_ITSELF,
    Reason.MERGE_QUEUED: _BY_ITSELF,
    Reason.MERGE_BLOCKED: "Do at the host what the protection of the branch asks for; the merge goes on by itself.",
    Reason.LANDING_UNSEEN: "Compare the commit with the verified merge, whose tree is in the status.",
    Reason.MERGE_REFUSED: "Correct at the host what the message names; then create another MergeJob.",
    Reason.CLOSED_UNMERGED: "If its work is still wanted, reopen the pull request at the host.",
    Reason.LOG_DELAYED: _BY_ITSELF,
    Reason.PROJECT_FINISHING: "Wait for these Runs or cancel them.",
    Reason.FINISHING: 'To stop the sprint at once, set the annotation codecourier.dev/stop-now to "true".',
    Reason.PROCESS_UNCONFIRMED: "Ask the cluster's administrator to look at the node of the pod.",
    Reason.AGENT_FAILED: _READ_LOG,
    Reason.AGENT_TIMEOUT: "Raise spec.agent.timeoutSeconds of the Workflow or give a smaller task.",
    Reason.SETUP_FAILED: _READ_LOG,
    Reason.VERIFY_FAILED: _READ_LOG,
    Reason.STEP_FAILED: _READ_LOG,
    Reason.RESOLUTION_REFUSED: _READ_LOG,
    Reason.PROGRESS_TAKEN: "Delete the ref that the message names, then create another MergeJob.",
    Reason.PROGRESS_MOVED: _RETRIED,
    Reason.OUT_OF_MEMORY: "Raise spec.resources.memory of the Workflow.",
    Reason.DEADLINE_EXCEEDED: "Raise the timeouts of the Workflow or give a smaller task.",
    Reason.START_TIMEOUT: ("Correct what keeps the pod from starting, such as the image or the size of the nodes."),
    Reason.POD_REFUSED: _CLUSTER,
    Reason.CREATION_REFUSED: _CLUSTER,
    Reason.RECORDS_OWED: _CLUSTER,
    Reason.RECORDS_LOST: "Nothing can be done about these records; the work itself is not affected.",
    Reason.POD_DELETED: _RETRIED,
    Reason.POD_EVICTED: _RETRIED,
    Reason.NODE_LOST: _RETRIED,
    Reason.SANDBOX_RESTARTED: _RETRIED,
    Reason.REPORT_LOST: _RETRIED,
    Reason.SECRET_IN_OUTPUT: "Change the prompt, so that the agent writes no secret into its work.",
    Reason.SECRET_NOT_READABLE: "Create or label the Secret; the work goes on by itself.",
    Reason.REPOSITORY_NOT_FOUND: (
        "Check the address in Project 'default', and that the credential may read and write the repository."
    ),
    Reason.CREDENTIALS_MISSING: _CREDENTIAL,
    Reason.CREDENTIALS_REFUSED: _CREDENTIAL,
    Reason.FORGE_UNAVAILABLE: "It goes on by itself once the repository's host answers.",
    Reason.RATE_LIMITED: _BY_ITSELF,
    Reason.PULL_REQUEST_REFUSED: "Open the pull request by hand, or correct what the host names.",
    Reason.PULL_REQUEST_UNKNOWN: "Look at the pull requests of the repository; if there is none, open it by hand.",
    Reason.LEARNINGS_LEFT_OUT: "Nothing needs to be done: the work itself is not affected.",
}
"""The next step of each reason whose message does not say it."""

SAYS_IT_ITSELF = frozenset(
    {
        Reason.BASE_MAYBE_UNDONE,
        Reason.MERGE_LEFT_QUEUE,
        Reason.STACK_BELOW,
        Reason.PROJECT_NOT_FOUND,
        Reason.PROJECT_ENDING,
        Reason.WORKFLOW_NOT_FOUND,
        Reason.WORKFLOW_NOT_NAMED,
        Reason.WORKFLOW_ENDING,
        Reason.WORKFLOW_TRASHED,
        Reason.REPOSITORY_NOT_ALLOWED,
        Reason.HOST_NOT_ALLOWED,
        Reason.APP_NOT_ALLOWED,
        Reason.NO_DEFAULT_REPOSITORY,
        Reason.PROJECT_SUSPENDED,
        Reason.NETWORK_POLICY_MISSING,
        Reason.MEMBERS_MISSING,
        Reason.SUSPENDED,
        Reason.TIME_ZONE_UNKNOWN,
        Reason.PAUSED_BY_FAILURES,
        Reason.ISSUE_CLOSED,
        Reason.ISSUE_TRANSFERRED,
        Reason.ISSUE_IS_PULL_REQUEST,
        Reason.COMMENT_NOT_FOUND,
        Reason.SESSION_TRASHED,
        Reason.FOLLOW_UP_DECLINED,
        Reason.CHECKS_FAILED,
        Reason.CHECKS_MISSING,
        Reason.CHECKS_FORBIDDEN,
        Reason.PULL_REQUEST_NOT_FOUND,
        Reason.PULL_REQUEST_CLOSED,
        Reason.BLOCKED_ON_CI,
        Reason.FOLLOW_UP_LIMIT,
        Reason.FOLLOW_UP_FAILED,
        Reason.SAME_FAILURE,
        Reason.TAKEN_OVER,
        Reason.MERGED_BEFORE,
        Reason.PULL_REQUEST_FROM_FORK,
        Reason.FORK_NOT_APPROVED,
        Reason.STRATEGY_FORBIDDEN,
        Reason.BRANCH_UNUSABLE,
        Reason.OTHER_REPOSITORY,
        Reason.OTHER_BASE,
        Reason.MERGE_CONFLICT,
        Reason.MERGE_EMPTY,
        Reason.MERGE_UNRESOLVABLE,
        Reason.MERGE_CONTAINED,
        Reason.COMMIT_MISSING,
        Reason.STEP_LIMIT,
        Reason.STEP_CANCELLED,
        Reason.STEP_UNKNOWN,
        Reason.NOTHING_MERGED,
        Reason.BRANCH_TAKEN,
        Reason.SOURCE_LEFT_OPEN,
        Reason.PULL_REQUEST_DRAFT,
        Reason.HEAD_MOVED,
        Reason.MERGE_REQUESTED,
        Reason.LANDED_DIFFERENT,
        Reason.BASE_UNDONE,
        Reason.WORKFLOW_PERMISSION,
        Reason.BASE_UNSTEADY,
        Reason.MERGE_UNDER_WAY,
        Reason.NOTHING_LEFT,
        Reason.SPRINT_FAILED,
        Reason.SPRINT_CANCELLED,
        Reason.DISK_LIMIT,
        Reason.WORKFLOW_REVISION_LOST,
        Reason.STEP_NOT_STARTED,
        Reason.QUOTA_EXCEEDED,
        Reason.WRITE_REFUSED,
        Reason.BRANCH_NOT_FOUND,
        Reason.REPOSITORY_EMPTY,
        Reason.FORGE_REFUSED,
        Reason.PULL_REQUEST_TAKEN,
        Reason.ISSUE_NOT_FOUND,
        Reason.ISSUE_LOCKED,
        Reason.ISSUES_FORBIDDEN,
        Reason.ISSUE_COMMENTS_UNCOUNTED,
        Reason.UNREADABLE,
        Reason.UNSEEN,
    }
)
"""Reasons whose message says what to do."""

GOES_ON = frozenset(
    {
        Reason.MERGED_BY_QUEUE,
        Reason.MERGE_LEAVING_QUEUE,
        Reason.MERGE_RACED,
        Reason.STACK_FREED,
        Reason.STACK_RETARGETED,
        Reason.WAITING_FOR_LANE,
        Reason.ACCEPTED,
        Reason.MEMBERS_BOUND,
        Reason.REACHABLE,
        Reason.ON_TIME,
        Reason.LATE,
        Reason.MANUAL,
        Reason.RECOVERED,
        Reason.COMMENTED,
        Reason.RUNNING,
        Reason.STARTING,
        Reason.STOPPING,
        Reason.OPENING_PULL_REQUEST,
        Reason.COMPLETED,
        Reason.PULL_REQUEST_MERGED,
        Reason.PULL_REQUEST_REOPENED,
        Reason.PULL_REQUEST_RETARGETED,
        Reason.CHECKS_RECOVERED,
        Reason.FOLLOWING_UP,
        Reason.FOLLOWED_UP,
        Reason.NOTHING_TO_CHANGE,
        Reason.CANCELLED,
        Reason.DELETED,
    }
)
"""Reasons with which all goes as users want it, so that nothing is to be done."""

_OF_POD = "Correct what keeps the pod from starting; `kubectl describe pod` shows all that the cluster says of it."
_WORDS: Mapping[str, str] = {reason.value: step for reason, step in NEXT_STEPS.items()}
_SILENT = frozenset(reason.value for reason in SAYS_IT_ITSELF | GOES_ON)


def find_next_step(reason: str) -> str | None:
    """Return what a user does next about a reason, of our catalogue or of Kubernetes; None: its message says it."""
    return None if reason in _SILENT else _WORDS.get(reason, _OF_POD)


_OF_ORIGIN = {
    "MergeJob": "Create another MergeJob for the pull requests.",
    "SprintChain": "Resume the sprint chain: raise its spec.attempt.",
    "Run": "Retry the Run whose pull request it continues: raise the spec.attempt of that Run.",
    "RecurringTask": "Let the task run now: set its annotation codecourier.dev/run-now to a new value.",
    "IssueSession": "Ask for a follow-up: set the session's annotation codecourier.dev/follow-up to a task.",
}


def say_how_to_repeat(origin: Origin | None) -> str:
    """Return how a finished Run is repeated, as a sentence; that of another object only by that one."""
    if origin is None:
        return "To start it again, raise spec.attempt."
    return _OF_ORIGIN.get(origin.kind, f"Repeat it by {origin.kind} {origin.name}, which made it.")
