"""The one catalogue of condition types, reasons and the sentences that explain them.

Statuses, events and notifications take their words from here, so that one thing is called by one word and each
sentence can be read, and checked, in one place. Placeholders in braces are filled by `sentence`.
"""

from __future__ import annotations

from enum import StrEnum

from codecourier.core.shared.landing_sentences import LANDING_SENTENCES
from codecourier.core.shared.reason import Reason
from codecourier.text import one_line

__all__ = ["CREDENTIAL_REASONS", "RETRYABLE", "SENTENCES", "ConditionType", "Reason", "clean_word", "cut", "sentence"]

SENTENCE_MAX_LENGTH = 2048
"""Longest sentence in characters; what others said (git, a server, an agent) is cut to fit."""

WORD_MAX_LENGTH = 128
"""Longest reason in characters."""


class ConditionType(StrEnum):
    """Types of conditions."""

    READY = "Ready"
    SUCCEEDED = "Succeeded"
    STALLED = "Stalled"
    DETAILS_LOST = "DetailsLost"
    RECORDS_OWED = "RecordsOwed"
    UNREADABLE = "Unreadable"
    REPOSITORIES_REACHABLE = "RepositoriesReachable"
    COMMENTED = "Commented"
    MEMBERS_BOUND = "MembersBound"
    FOLLOWED_UP = "FollowedUp"


SENTENCES: dict[Reason, str] = {
    Reason.ACCEPTED: "The declaration is valid and everything that it names exists.",
    Reason.MEMBERS_BOUND: "Every member has a RoleBinding with its role.",
    Reason.MEMBERS_MISSING: (
        "These members have no RoleBinding with their role yet: {members}. The operator makes it. {detail}"
    ),
    Reason.REACHABLE: "The hosts of all repositories answer and let the Project's credentials in.",
    Reason.PROJECT_NOT_FOUND: "The namespace has no Project. Create one named 'default' that lists the repository.",
    Reason.PROJECT_ENDING: "The Project is being deleted, so nothing starts. Create it again once it is gone.",
    Reason.WORKFLOW_NOT_FOUND: "The namespace has no Workflow '{workflow}'. Create it, or name another one.",
    Reason.WORKFLOW_NOT_NAMED: (
        "Neither the MergeJob nor the Project names a Workflow. Set spec.mergeWorkflowRef of Project 'default', or "
        "create the MergeJob again with spec.workflowRef."
    ),
    Reason.WORKFLOW_ENDING: (
        "Workflow '{workflow}' is being deleted. Create it again once it is gone, or name another one in "
        "spec.workflowRef."
    ),
    Reason.WORKFLOW_TRASHED: (
        "Workflow '{workflow}' is in the trash. Restore it: remove its label codecourier.dev/trashed. Or name another "
        "one in spec.workflowRef."
    ),
    Reason.REPOSITORY_NOT_ALLOWED: (
        "Repository {repository} is not one of the Project's. Add it to spec.repositories of Project 'default', "
        "or name one of those."
    ),
    Reason.HOST_NOT_ALLOWED: (
        "The operator sends nothing to {host}, the host of {repository}. Name a repository of an allowed host, or ask "
        "the cluster's administrator to add {host} to the operator's setting CODECOURIER_FORGE_HOSTS."
    ),
    Reason.SECRET_NOT_ALLOWED: "Secret '{secret}' is not used for {repository}: {detail}",
    Reason.APP_NOT_ALLOWED: (
        "Namespace {namespace} may not use the GitHub App for {repository}: {detail} Only the cluster's administrator "
        "can change that."
    ),
    Reason.NO_DEFAULT_REPOSITORY: (
        "No repository is named and the Project has no default one. Set isDefault on one of the Project's "
        "repositories, or name one in spec.repositoryUrl."
    ),
    Reason.TEMPLATE_INVALID: "The Workflow's promptTemplate cannot be used: {detail}",
    Reason.TASK_TOO_LARGE: "Prompt, context and steps together are too large for a pod: {detail}",
    Reason.REVISION_REFUSED: ("The cluster refuses {what}, which keeps the Workflow of this attempt: {detail}"),
    Reason.WAITING_FOR_PLACE: "All {limit} places of the project are taken; the Run starts when one is free.",
    Reason.PROJECT_SUSPENDED: "The Project is suspended; {what} once its spec.suspend is false again.",
    Reason.RETRYING: "Try {number} of {limit} ended: {detail} The next one starts at {time}.",
    Reason.PROVIDER_LIMIT: "{detail} The work goes on from its branch at {time}.",
    Reason.NETWORK_POLICY_MISSING: (
        "NetworkPolicy '{policy}' of namespace {namespace} is missing or is not what the Project asks for, so no pod "
        "starts. The operator writes it; if this lasts, its log says what refuses the write."
    ),
    Reason.SUSPENDED: "The {kind} is suspended; {what} once spec.suspend is false again.",
    Reason.TIME_ZONE_UNKNOWN: (
        "Release {version} of the tz database, which the operator uses, has no time zone '{zone}', so nothing fires. "
        "Name another one in spec.timeZone."
    ),
    Reason.ON_TIME: "Slot {slot} fires Run {run}.",
    Reason.LATE: "Slot {slot} fires Run {run}, {seconds} seconds late.",
    Reason.MANUAL: "A user asked for Run {run}.",
    Reason.OVERLAP: "Slot {slot} does not fire because {what}.",
    Reason.PAUSED_BY_FAILURES: (
        "The task is paused because {runs} failed. Fix the cause, then change the spec or set the "
        "annotation codecourier.dev/unpause to a new value."
    ),
    Reason.STARTING_DEADLINE_EXCEEDED: "Slot {slot} did not fire within {seconds} seconds: {detail}",
    Reason.SUPERSEDED: "Slot {slot} did not fire because the operator came after slot {newer}, which replaces it.",
    Reason.SCHEDULE_CHANGED: "Slot {slot} did not fire: the schedule was changed before the operator came to it.",
    Reason.RECOVERED: "Slot {slot}: {what}.",
    Reason.ISSUE_CLOSED: (
        "The issue {url} is closed, so no Run works on it. Reopen it, then set the annotation "
        "codecourier.dev/follow-up to a new value."
    ),
    Reason.ISSUE_TRANSFERRED: (
        "The issue {url} belongs to another repository{where}, so no Run works on it. Create an IssueSession for it "
        "there, in a namespace whose Project lists that repository."
    ),
    Reason.ISSUE_DELETED: "The issue {url} was deleted, so no Run works on it.",
    Reason.ISSUE_IS_PULL_REQUEST: (
        "{url} is a pull request. Create an IssueSession with the address of an issue in spec.issueUrl."
    ),
    Reason.COMMENT_NOT_FOUND: (
        "The issue {url} has no comment {comment}. Take it out of spec.commentIds, or name another one."
    ),
    Reason.SESSION_TRASHED: (
        "The session is in the trash, so it makes no Run. Restore it: remove its label codecourier.dev/trashed."
    ),
    Reason.END_UNKNOWN: (
        "How Run {run} ended is not known any more, because the status of its session was lost or restored."
    ),
    Reason.COMMENTED: "The comment {url} says what the session does.",
    Reason.COMMENT_DELETED: "A user deleted the session's comment on the issue, so the session writes no other.",
    Reason.FOLLOW_UP_DECLINED: (
        "The follow-up makes no Run: {detail}. Correct that, then set the annotation codecourier.dev/follow-up to a "
        "new value."
    ),
    Reason.WAITING_FOR_CHECKS: "{detail} The merge waits for them until {time}.",
    Reason.WAITING_FOR_LANE: (
        "Merges into branch {branch} of {repository} land one after the other. These come first: {ahead}."
    ),
    Reason.CHECKS_FAILED: (
        "These checks failed: {checks}. Fix the cause and push it, or run them again at the host; then create another "
        "MergeJob."
    ),
    Reason.CHECKS_MISSING: (
        "The checks did not pass within {minutes} minutes. {detail} Look at the checks at the host, then create "
        "another MergeJob."
    ),
    Reason.CHECKS_FORBIDDEN: (
        "The credential for {repository} may not read checks, so nothing is merged or followed up. Give it the "
        "permissions 'Checks: read' and 'Commit statuses: read': {detail}"
    ),
    Reason.PULL_REQUEST_NOT_FOUND: (
        "The Project's credential sees no pull request {pull_request}. Check the number, and that the credential has "
        "the permission 'Pull requests: read': {detail}"
    ),
    Reason.PULL_REQUEST_CLOSED: "{url} is closed without a merge. Reopen it, then create another MergeJob.",
    Reason.MERGED_BEFORE: "{url} was merged before this merge began.",
    Reason.PULL_REQUEST_FROM_FORK: (
        "{url} comes from a fork. Its code would run in the repository's CI with the repository's secrets, so it is "
        "left out. Push its branch to the repository and open a pull request there, or set spec.merges.allowForks of "
        "Project 'default' and have a user who may write to the repository approve commit {commit}."
    ),
    Reason.FORK_NOT_APPROVED: (
        "{url} comes from a fork, and {detail} Have a user who may write to the repository approve commit {commit}, "
        "then create another MergeJob."
    ),
    Reason.STRATEGY_FORBIDDEN: (
        "The repository does not let pull requests for branch {branch} be merged by {strategy}. Create the MergeJob "
        "again with another spec.mergeStrategy: {allowed}."
    ),
    Reason.OTHER_REPOSITORY: (
        "{url} is not of repository {repository}. Create a MergeJob for the pull requests of each repository."
    ),
    Reason.BRANCH_UNUSABLE: (
        "{url} is for branch '{branch}', whose name no status can hold: it has characters that cannot be seen, looks "
        "like a credential, or begins with refs/. Rename the branch at the host."
    ),
    Reason.OTHER_BASE: "{url} is for branch {branch}, and this merge is for {base}. Change its base at the host.",
    Reason.MERGE_CONFLICT: (
        "It conflicts with what is merged before it, and {count} of {limit} attempts to resolve that did not succeed. "
        "{detail}"
    ),
    Reason.MERGE_EMPTY: "Merging it changes no file.",
    Reason.MERGE_UNRESOLVABLE: (
        "It conflicts with what is merged before it, and no agent was asked to resolve that: {detail}. Merge or rebase "
        "it by hand."
    ),
    Reason.MERGE_CONTAINED: "What is merged before it contains it already.",
    Reason.COMMIT_MISSING: "The repository does not have its commit {commit} any more.",
    Reason.STEP_LIMIT: "The merge has made {limit} Runs, which is the limit. Merge it on its own.",
    Reason.STEP_CANCELLED: "Run {run}, a step of the merge, was cancelled. Create another MergeJob to merge.",
    Reason.STEP_UNKNOWN: (
        "Run {run} is not the step that the MergeJob decided on, because its status was lost or restored. Create "
        "another MergeJob under another name."
    ),
    Reason.NOTHING_MERGED: "None of the {count} pull requests was merged, and nothing was pushed. {detail}",
    Reason.BRANCH_TAKEN: (
        "Repository {repository} has a branch '{branch}' with another commit. Delete it, or create the MergeJob again "
        "with another spec.branchName."
    ),
    Reason.SOURCE_LEFT_OPEN: "{url} is merged but not closed: {detail} Close it at the host.",
    Reason.PULL_REQUEST_DRAFT: "{url} is a draft. Mark it as ready for review, then create another MergeJob.",
    Reason.HEAD_MOVED: (
        "The head of {url} was {old} and is {new} now, which was not verified. Create another MergeJob for the new one."
    ),
    Reason.BASE_MOVED: "The merge is made and verified again, because branch {branch} is another base. {detail}",
    **LANDING_SENTENCES,
    Reason.RUNNING: "{detail}",
    Reason.STARTING: "{detail}",
    Reason.LOG_DELAYED: (
        "Pod {pod} has ended, but the API server cannot read the log of step {step} from its node. It is asked again "
        "for a minute; then the outcome is reported without summary and usage."
    ),
    Reason.STOPPING: "The sandbox is being stopped.",
    Reason.OPENING_PULL_REQUEST: "The work is pushed to {branch}; its pull request is being opened.",
    Reason.COMPLETED: "{detail}",
    Reason.NOTHING_TO_CHANGE: "The agent ended well and changed nothing, so there is no pull request.",
    Reason.NOTHING_LEFT: (
        "All {count} sprints were finished before this attempt, so nothing was left to do. To do sprints again, set "
        "spec.resumeFromSprint to the first of them together with a greater spec.attempt."
    ),
    Reason.CANCELLED: "Stopped because spec.cancelled was set.",
    Reason.DELETED: "Stopped because it was deleted.",
    Reason.PROJECT_FINISHING: (
        "The Project is being deleted. It starts no Run, and stays until those that have started are over, because "
        "their pull requests are opened with its credentials: {runs}."
    ),
    Reason.FINISHING: "The chain is being deleted; sprint {number} may finish first. {detail}",
    Reason.PROCESS_UNCONFIRMED: (
        "The node of pod {pod} does not answer, so it is unknown whether its processes still run. {tokens}"
    ),
    Reason.SPRINT_FAILED: "Sprint {number} failed: {detail} Raise spec.attempt to resume from it.",
    Reason.SPRINT_CANCELLED: "Sprint {number} was cancelled: {detail} Raise spec.attempt to resume from it.",
    Reason.AGENT_FAILED: "The agent failed: {detail}",
    Reason.AGENT_TIMEOUT: "The agent was stopped at its timeout: {detail}",
    Reason.SETUP_FAILED: "A setup step failed: {detail}",
    Reason.VERIFY_FAILED: "A verify step failed: {detail}",
    Reason.STEP_FAILED: "Step {step} failed: {detail}",
    Reason.OUT_OF_MEMORY: (
        "Step {step} needed more memory than its limit, so the kernel killed a process of it; nothing was pushed. "
        "{advice}"
    ),
    Reason.DISK_LIMIT: (
        "The pod needed more disk than its limit and was evicted; nothing was pushed: {detail} Raise "
        "resources.workspace of the Workflow."
    ),
    Reason.DEADLINE_EXCEEDED: "The pod was ended at its deadline of {seconds} seconds; nothing was pushed.",
    Reason.START_TIMEOUT: "Step {step} did not start within {seconds} seconds: {detail}",
    Reason.STEP_NOT_STARTED: (
        "Step {step} could not be started: {detail} Check that the Workflow's image has `sh` and fits the nodes."
    ),
    Reason.WORKFLOW_REVISION_LOST: (
        "ControllerRevision '{revision}', which keeps the Workflow of this attempt, was deleted or replaced. Raise "
        "spec.attempt to start again with Workflow '{workflow}' as it is now."
    ),
    Reason.POD_REFUSED: "The cluster refuses the pod: {detail}",
    Reason.CREATION_REFUSED: "The cluster refuses {what}: {detail}",
    Reason.QUOTA_EXCEEDED: (
        "The quota of namespace {namespace} refuses {what}: {detail} Raise the quota, or delete what is no longer "
        "needed; the operator retries."
    ),
    Reason.POD_DELETED: "Pod {pod} was deleted before it had ended.",
    Reason.POD_EVICTED: "Pod {pod} was evicted by the cluster: {detail}",
    Reason.NODE_LOST: "The node of pod {pod} stopped answering. {tokens}",
    Reason.RESOLUTION_REFUSED: "The agent's resolution of a conflict is refused, and nothing was pushed: {detail}",
    Reason.PROGRESS_TAKEN: "The merges cannot go on from where they are: {detail}",
    Reason.PROGRESS_MOVED: "Another try pushed its merges first: {detail}",
    Reason.WORKFLOW_PERMISSION: (
        "The repository's credential may not change files below .github/workflows. Give it the permission 'Workflows: "
        "write', or leave the pull request out: {detail}"
    ),
    Reason.SECRET_IN_OUTPUT: "A secret value was found in the agent's output; nothing was pushed: {detail}",
    Reason.SECRET_NOT_READABLE: (
        "Secret '{secret}' must exist, have the key '{key}' and carry the label "
        'codecourier.dev/agent-readable: "true" before an agent may read it, but {detail}'
    ),
    Reason.BRANCH_NOT_FOUND: (
        "Repository {repository} has no branch '{branch}'; its default branch is '{default}'. Push the branch, and the "
        "work starts by itself, or create the object again with another spec.baseBranch."
    ),
    Reason.REPOSITORY_EMPTY: (
        "Repository {repository} is empty: its default branch '{branch}' has no commit. Push a first commit, and the "
        "work starts by itself."
    ),
    Reason.REPOSITORY_NOT_FOUND: "The Project's credential sees no repository {repository}: {detail}",
    Reason.CREDENTIALS_MISSING: "No usable credential for {repository}: {detail}",
    Reason.CREDENTIALS_REFUSED: "The credential for {repository} was refused: {detail}",
    Reason.FORGE_UNAVAILABLE: "{repository} does not answer as it should: {detail}",
    Reason.FORGE_REFUSED: (
        "A request for {repository} was refused and would be refused again. Check the repository's address in the "
        "Project and the settings of its host: {detail}"
    ),
    Reason.RATE_LIMITED: "The host of {repository} asks to wait: {detail}",
    Reason.PULL_REQUEST_REFUSED: "The work is on branch {branch}, but its pull request was refused: {detail}",
    Reason.PULL_REQUEST_TAKEN: (
        "The work is on branch {branch}, which has a pull request that this Run did not open. Close that one and the "
        "Run opens its own: {detail}"
    ),
    Reason.PULL_REQUEST_UNKNOWN: (
        "The work is on branch {branch}. Its host was asked for a pull request and did not answer as it should; its "
        "pull request may still appear: {detail}"
    ),
    Reason.PULL_REQUEST_MERGED: "Pull request {url} was merged into branch {branch}.",
    Reason.CLOSED_UNMERGED: "Pull request {url} was closed without a merge. Its work is still on branch {branch}.",
    Reason.PULL_REQUEST_REOPENED: "Pull request {url} was opened again.",
    Reason.PULL_REQUEST_RETARGETED: "Pull request {url} is to be merged into branch {branch} now, not into {old}.",
    Reason.BLOCKED_ON_CI: "Checks of pull request {url} have failed: {checks}. Open it to see why.",
    Reason.CHECKS_RECOVERED: "No check of pull request {url} is failed any more.",
    Reason.FOLLOWING_UP: "Checks of pull request {url} have failed. Run {run}, follow-up {number}, works on them.",
    Reason.FOLLOWED_UP: "Run {run} continued the pull request with commit {commit}.",
    Reason.FOLLOW_UP_LIMIT: (
        "Checks of pull request {url} have failed again after {count} follow-ups, which is the limit. Look at the "
        "checks at the host and push a fix, or raise spec.followUp.limit of the Project."
    ),
    Reason.FOLLOW_UP_FAILED: (
        "Checks of pull request {url} have failed, and Run {run} did not fix them. {detail} Look at the checks at the "
        "host and push a fix."
    ),
    Reason.SAME_FAILURE: (
        "The checks of pull request {url} have failed as before Run {run}, which was to fix them, so no other Run "
        "follows. Look at the checks at the host and push a fix."
    ),
    Reason.TAKEN_OVER: (
        "Checks of pull request {url} have failed at commit {commit}, which a user has pushed, so no Run follows. The "
        "branch is left to that user."
    ),
    Reason.ISSUE_NOT_FOUND: (
        "The Project's credential sees no issue {issue}. Check the number, that the repository has issues, and that "
        "the credential has the permission 'Issues: read' for it: {detail}"
    ),
    Reason.ISSUE_LOCKED: (
        "Issue {issue} is locked, so its host takes no comment. Unlock the conversation, and the comment is written "
        "by itself: {detail}"
    ),
    Reason.ISSUES_FORBIDDEN: (
        "The credential for {repository} lacks a permission for its issues. Grant the permission in the settings of "
        "the token or the GitHub App: {detail}"
    ),
    Reason.ISSUE_COMMENTS_UNCOUNTED: (
        "Issue {issue} has too many new comments to find the operator's own among them, so no comment is written. "
        "The state is shown in the status: {detail}"
    ),
    Reason.RECORDS_OWED: "{owed} could not be made yet; the operator tries until {time}: {detail}",
    Reason.WRITE_REFUSED: (
        "The cluster refuses a change that the operator has to make, so nothing goes on here: {detail} Change what "
        "refuses it, or give the operator's account the permissions that its documentation lists; the operator retries."
    ),
    Reason.RECORDS_LOST: "{owed} could not be made in time and will not be tried again: {detail}",
    Reason.SANDBOX_RESTARTED: "The node stopped or recreated the pod's containers, and their data is lost: {detail}",
    Reason.UNREADABLE: (
        "This version of the operator cannot read the object and leaves it as it is: {detail} Run the version that "
        "wrote it, or a newer one."
    ),
    Reason.UNSEEN: (
        "The operator has not acted on {what} yet. If this lasts, check that an operator runs and leads, and what its "
        "log says."
    ),
    Reason.LEARNINGS_LEFT_OUT: "{what} left out: {detail}",
    Reason.REPORT_LOST: "Step {step} ended without a readable report: {detail}",
}
"""The sentence of each reason."""

CREDENTIAL_REASONS = frozenset(
    {Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_REFUSED, Reason.SECRET_NOT_ALLOWED, Reason.APP_NOT_ALLOWED}
)
"""Reasons that a repository's credential does not work, or must not be used, until people act."""

RETRYABLE = frozenset(
    {
        Reason.POD_DELETED,
        Reason.POD_EVICTED,
        Reason.NODE_LOST,
        Reason.FORGE_UNAVAILABLE,
        Reason.RATE_LIMITED,
        Reason.CREDENTIALS_REFUSED,
        Reason.CREDENTIALS_MISSING,
        Reason.HOST_NOT_ALLOWED,
        Reason.SECRET_NOT_ALLOWED,
        Reason.APP_NOT_ALLOWED,
        Reason.NETWORK_POLICY_MISSING,
        Reason.PROJECT_NOT_FOUND,
        Reason.QUOTA_EXCEEDED,
        Reason.PROVIDER_LIMIT,
        Reason.PROGRESS_MOVED,
        Reason.REPORT_LOST,
        Reason.SANDBOX_RESTARTED,
        Reason.WORKFLOW_REVISION_LOST,
        Reason.DELETED,
    }
)
"""Reasons of a failed try that lie outside the agent and its task: another try may go better."""


def sentence(reason: Reason, **values: object) -> str:
    """Return the sentence of a reason with its placeholders filled, cut to 2,048 characters."""
    return cut(SENTENCES[reason].format(**values).strip())


def cut(text: str, length: int = SENTENCE_MAX_LENGTH) -> str:
    """Return a sentence as one line, without what cannot be seen, cut to so many characters."""
    return one_line(text, length)


def clean_word(text: str) -> str:
    """Return a word of another program as a reason may be spelt: what no reason may hold is left out."""
    kept = "".join(c for c in text if c.isascii() and (c.isalnum() or c in "_,:"))
    return kept.lstrip("0123456789_,:")[:WORD_MAX_LENGTH].rstrip("_,:")
