"""Names of what the operator makes: functions of the origin, so that making something twice is impossible."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

from codecourier.resources.member import JoinedMember, Member, MemberRole
from codecourier.resources.meta import GROUP

__all__ = [
    "ANNOTATION_APP_REPOSITORIES",
    "ANNOTATION_FOLLOW_UP",
    "ANNOTATION_REPOSITORIES",
    "ANNOTATION_REPOSITORY",
    "ANNOTATION_REQUESTED_BY",
    "ANNOTATION_REQUEST_HASH",
    "ANNOTATION_REQUEST_KEY",
    "ANNOTATION_RUN_NOW",
    "ANNOTATION_STOP_NOW",
    "ANNOTATION_TASK",
    "ANNOTATION_TOKEN_EXPIRY",
    "ANNOTATION_TRASHED_BY",
    "ANNOTATION_TRASHED_TIME",
    "ANNOTATION_UNPAUSE",
    "BINDING_PREFIX",
    "FINALIZER",
    "FINALIZER_TOKENS",
    "LABEL_AGENT_READABLE",
    "LABEL_MANAGED",
    "LABEL_ORIGIN_UID",
    "LABEL_REPOSITORY_CREDENTIAL",
    "LABEL_RUN_UID",
    "LABEL_SANDBOX_UID",
    "LABEL_TRASHED",
    "LABEL_WORKFLOW",
    "PROJECT_NAME",
    "binding_name",
    "branch_name",
    "follow_up_run_name",
    "learning_name",
    "member_hash",
    "merge_job_name",
    "merge_run_name",
    "notification_name",
    "role_name",
    "sandbox_name",
    "sandbox_of_token_secret",
    "session_run_name",
    "split_words",
    "sprint_run_name",
    "stats_name",
    "task_run_name",
    "token_secret_name",
    "uid_hash",
]

FINALIZER = f"{GROUP}/recorded"
"""Held on an object until what became of it stands in the ledger of the object that made it."""

FINALIZER_TOKENS = f"{GROUP}/tokens"
"""Held on a Secret of the operator until the tokens in it are revoked."""

LABEL_ORIGIN_UID = f"{GROUP}/origin-uid"
"""UID of the object that a Run was made by. Labels hold UIDs: names can be longer than a label's value may be."""

LABEL_RUN_UID = f"{GROUP}/run-uid"
"""UID of the Run that a Sandbox, pod, UsageRecord or Notification belongs to, or that proposed a Learning."""

LABEL_SANDBOX_UID = f"{GROUP}/sandbox-uid"
"""UID of the Sandbox that a pod or token Secret belongs to."""

LABEL_MANAGED = f"{GROUP}/managed"
"""Set to `true` on objects of Kubernetes' own kinds that the operator made; its caches hold no others."""

LABEL_TRASHED = f"{GROUP}/trashed"
"""Set to `true` on an object that a user put into the trash: it can be restored, and nothing new uses it meanwhile."""

LABEL_WORKFLOW = f"{GROUP}/workflow"
"""Name of the Workflow that a ControllerRevision holds a version of; such names fit into a label."""

LABEL_AGENT_READABLE = f"{GROUP}/agent-readable"
"""Set to `true` by people on Secrets that agents may read."""

LABEL_REPOSITORY_CREDENTIAL = f"{GROUP}/repository-credential"
"""Set to `true` by people on Secrets whose key `token` may be sent to the hosts of repositories."""

ANNOTATION_REPOSITORIES = f"{GROUP}/repositories"
"""Set by people on such a Secret: which repositories its token is for, as URL prefixes; absent: any allowed host's."""

ANNOTATION_APP_REPOSITORIES = f"{GROUP}/app-repositories"
"""Set by administrators on a Namespace: for which repositories it may use the GitHub App, as URL prefixes."""

ANNOTATION_TASK = f"{GROUP}/task"
"""The task of a sandbox pod, as JSON."""

ANNOTATION_TOKEN_EXPIRY = f"{GROUP}/token-expiry"
"""When the tokens of a Secret expire, RFC 3339; absent for a personal token, which does not expire by itself."""

ANNOTATION_REPOSITORY = f"{GROUP}/repository-url"
"""Address of the repository that the tokens of a Secret are for: a revocation needs no Project to find it."""

ANNOTATION_STOP_NOW = f"{GROUP}/stop-now"
"""Set to `true` by people on a SprintChain that is being deleted, to stop its active sprint at once."""

ANNOTATION_RUN_NOW = f"{GROUP}/run-now"
"""Set to a new value by people on a RecurringTask, to make one Run now, whatever the schedule says."""

ANNOTATION_FOLLOW_UP = f"{GROUP}/follow-up"
"""Set by people on an IssueSession to what its next Run is to do; each new value makes one Run."""

ANNOTATION_UNPAUSE = f"{GROUP}/unpause"
"""Set to a new value by people on a RecurringTask that is paused by failures, to end the pause."""

ANNOTATION_TRASHED_TIME = f"{GROUP}/trashed-time"
"""Set by the API server on what it puts into the trash: when, RFC 3339."""

ANNOTATION_TRASHED_BY = f"{GROUP}/trashed-by"
"""Set by the API server on what it puts into the trash: the user whose request it was."""

ANNOTATION_REQUESTED_BY = f"{GROUP}/requested-by"
"""Set by the API server on what it writes: the user whose request it was."""

ANNOTATION_REQUEST_KEY = f"{GROUP}/request-key"
"""Set by the API server on a MergeJob that it creates for a request with an Idempotency-Key: a hash of the key."""

ANNOTATION_REQUEST_HASH = f"{GROUP}/request-hash"
"""Set by the API server on what it creates for a request with an Idempotency-Key: the hash of the request's body."""

PROJECT_NAME = "default"
"""Name of a namespace's one Project."""

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")

_NO_NAME = re.compile(r"[^a-z0-9]+")

BINDING_PREFIX = "codecourier-member-"
"""How the names of RoleBindings begin that give members their roles."""

MEMBER_DIGITS = 16
"""Hex digits of a member's hash in a name."""

HASH_DIGITS = 8
"""Hex digits of a UID hash."""

MERGED_LENGTH = 34
"""Most characters of what precedes the number in the name of a MergeJob that merges one pull request."""

RUN_NAME_LENGTH = 120
"""Most characters of the name of a Run."""

LESSON_DIGITS = 16
"""Hex digits of a lesson's hash in a name."""


def split_words(name: str, separator: str) -> str:
    """Return a name in PascalCase in lower case, with a separator between its words."""
    return _WORD_START.sub(separator, name).lower()


def uid_hash(uid: str) -> str:
    """Return the first 8 hex digits of the SHA-256 of a UID."""
    return hashlib.sha256(uid.encode()).hexdigest()[:HASH_DIGITS]


def sprint_run_name(chain_name: str, chain_uid: str, index: int, attempt: int) -> str:
    """Return the name of the Run of a chain's sprint (zero-based index) in an attempt of the chain."""
    return f"{chain_name}-{uid_hash(chain_uid)}-s{index}-a{attempt}"


def task_run_name(task_name: str, task_uid: str, slot: datetime, *, is_manual: bool) -> str:
    """Return the name of the Run of a task's slot, or of one that a user asked for then."""
    prefix = "now-" if is_manual else ""
    return f"{task_name}-{uid_hash(task_uid)}-{prefix}{slot.astimezone(UTC):%Y%m%dt%H%M%S}"


def session_run_name(session_name: str, session_uid: str, index: int) -> str:
    """Return the name of a Run (zero-based index) of an IssueSession."""
    return f"{session_name}-{uid_hash(session_uid)}-r{index}"


def follow_up_run_name(run_name: str, run_uid: str, attempt: int, number: int) -> str:
    """Return the name of a Run (from 1) that continues the pull request of an attempt of another Run.

    Names of Runs have at most 120 characters: of a longer name the beginning stays, and the hash tells it apart.
    """
    ending = f"-{uid_hash(run_uid)}-a{attempt}-f{number}"
    return f"{run_name[: RUN_NAME_LENGTH - len(ending)].rstrip('-.')}{ending}"


def merge_run_name(job_name: str, job_uid: str, index: int) -> str:
    """Return the name of the Run of a MergeJob's step (zero-based index)."""
    return f"{job_name}-{uid_hash(job_uid)}-m{index}"


def merge_job_name(maker: str, number: int) -> str:
    """Return the name of a MergeJob (from 1) that merges the pull request of a Run, or of another MergeJob.

    Such names may have 40 characters and no dots: of a longer name the beginning stays, and a hash stands for the rest.
    """
    words = _NO_NAME.sub("-", maker)[:MERGED_LENGTH].strip("-")
    if words != maker:
        words = f"{words[: MERGED_LENGTH - HASH_DIGITS - 1].strip('-')}-{uid_hash(maker)}"
    return f"{words}-m{number}"


def sandbox_name(run_name: str, run_uid: str, attempt: int, try_number: int) -> str:
    """Return the name of the Sandbox, and of its pod and UsageRecord, of a try."""
    return f"{run_name}-{uid_hash(run_uid)}-{attempt}-{try_number}"


def token_secret_name(sandbox: str) -> str:
    """Return the name of the Secret that holds the tokens of a Sandbox."""
    return f"{sandbox}-token"


def sandbox_of_token_secret(secret: str) -> str:
    """Return the name of the Sandbox whose tokens a Secret of this name holds."""
    return secret.removesuffix("-token")


def branch_name(run_name: str, run_uid: str, attempt: int) -> str:
    """Return the branch that an attempt of a Run pushes to."""
    suffix = "" if attempt == 1 else f"-a{attempt}"
    return f"codecourier/{run_name}-{uid_hash(run_uid)}{suffix}"


def learning_name(repository: Sequence[str], lesson: str) -> str:
    """Return the name of the Learning that an agent proposes about a repository, given by its parts.

    The same lesson has the same name whichever Run proposes it, so that it is proposed once.
    """
    digest = hashlib.sha256("\0".join((*repository, lesson)).encode()).hexdigest()[:LESSON_DIGITS]
    words = _NO_NAME.sub("-", repository[-1].lower()).strip("-")[:40].strip("-")
    return f"{words or 'repository'}-{digest}"


def stats_name(day: date) -> str:
    """Return the name of the DailyStats of a day."""
    return f"stats-{day.isoformat()}"


def notification_name(event: str, name: str, uid: str, discriminator: str) -> str:
    """Return the name of the Notification of an event (kebab-case) of an object.

    The discriminator distinguishes the events of one object, such as `a2` for its second attempt.
    """
    return f"{event}-{name}-{uid_hash(uid)}-{discriminator}"


def member_hash(member: Member | JoinedMember) -> str:
    """Return what stands for a member in names: its own name may hold what no name of an object may."""
    return hashlib.sha256(f"{member.kind}\0{member.name}".encode()).hexdigest()[:MEMBER_DIGITS]


def binding_name(member: Member) -> str:
    """Return the name of the RoleBinding that gives a member its role; roles of RoleBindings cannot be changed."""
    return f"{BINDING_PREFIX}{member_hash(member)}-{member.role.value.lower()}"


def role_name(role: MemberRole) -> str:
    """Return the name of the ClusterRole of members with a role."""
    return f"codecourier-{role.value.lower()}"
