"""The forge's stored records: everything but Git objects and refs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

__all__ = [
    "CheckRun",
    "CheckSuite",
    "Comment",
    "CommitStatus",
    "Fault",
    "Installation",
    "Issue",
    "MergeIntent",
    "Permissions",
    "Protection",
    "Pull",
    "RateBudget",
    "Record",
    "Repository",
    "Time",
    "Token",
    "User",
    "now",
]

Time = Annotated[datetime, PlainSerializer(lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ"), return_type=str)]
"""A moment in UTC; GitHub's answers carry whole seconds."""

Permissions = dict[str, Literal["read", "write"]]
"""The level for each permission by its name in GitHub's API; absent means none."""


def now() -> datetime:
    """Return the present in UTC, in whole seconds."""
    return datetime.now(tz=UTC).replace(microsecond=0)


class Record(BaseModel):
    """One stored thing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]

    id: int
    """Unique among all records of the forge."""

    repository_id: int = 0
    """The repository it belongs to; 0 for none."""


class User(Record):
    """An account that owns repositories or acts."""

    kind: ClassVar[str] = "user"
    login: str
    is_bot: bool = False
    """Whether an App acts through it."""


class Repository(Record):
    """A repository's settings."""

    kind: ClassVar[str] = "repository"
    owner: str
    name: str
    private: bool
    """Whether only tokens for it may see it."""

    default_branch: str
    created_at: Time
    has_issues: bool = True
    former_names: tuple[str, ...] = ()
    """Names with owners that it had; requests for them are redirected."""

    allow_merge_commit: bool = True
    allow_squash_merge: bool = True
    allow_rebase_merge: bool = True
    delete_branch_on_merge: bool = False
    has_async_merges: bool = True
    """Whether pull requests can be merged in the background; GitHub Enterprise Server up to 3.19 cannot."""

    merge_polls: int = Field(default=0, ge=0)
    """How often the result of a merge in the background is asked for before the merge runs."""

    holds_merges: bool = False
    """Whether merges in the background and the merge queue wait for the control API."""

    @property
    def full_name(self) -> str:
        """The name with the owner."""
        return f"{self.owner}/{self.name}"


class Token(Record):
    """A credential; only its digest is kept."""

    kind: ClassVar[str] = "token"
    digest: str
    """SHA-256 of the token, in hexadecimal."""

    holder: Literal["personal", "installation"]
    login: str
    installation_id: int = 0
    """The installation it was minted for; 0 for a personal token."""

    permissions: Permissions
    repository_ids: frozenset[int] | None
    """The repositories it sees; None for all of the account."""

    account: str
    """Owner of the repositories it can see."""

    expires_at: Time | None
    """None: it does not expire."""

    revoked: bool = False


class Installation(Record):
    """The App, installed on an account."""

    kind: ClassVar[str] = "installation"
    account: str
    repository_ids: frozenset[int] | None
    """The selected repositories; None for all of the account."""

    permissions: Permissions
    """The most that a token of it can do."""

    created_at: Time


class MergeIntent(BaseModel):
    """A merge that was decided; written before the base branch moves, so that a crash in between cannot lose it."""

    model_config = ConfigDict(frozen=True)

    sha: str
    """The new tip of the base branch."""

    login: str


class Pull(Record):
    """A pull request within one repository."""

    kind: ClassVar[str] = "pull"
    number: int
    title: str
    body: str | None
    state: Literal["open", "closed"] = "open"
    draft: bool = False
    head_ref: str
    """Short name of the branch with the changes."""

    head_sha: str
    """Tip of the head branch while the pull request was open last."""

    base_ref: str
    """Short name of the branch to merge into."""

    base_sha: str
    """Tip of the base branch while the pull request was open last."""

    login: str
    created_at: Time
    updated_at: Time
    closed_at: Time | None = None
    """When it was closed or merged."""

    merged_at: Time | None = None
    merged_by: str | None = None
    merge_commit_sha: str | None = None
    """The commit that brought it into the base branch."""

    merge_intent: MergeIntent | None = None
    """A merge under way."""

    fork_owner: str | None = None
    """Account whose fork has the head branch; None: the branch is in this repository."""


class Issue(Record):
    """An issue."""

    kind: ClassVar[str] = "issue"
    number: int
    """One sequence for issues and pull requests."""

    title: str
    body: str | None
    login: str | None
    """None: its author has deleted the account."""

    state: Literal["open", "closed"] = "open"
    locked: bool = False
    created_at: Time
    updated_at: Time
    closed_at: Time | None = None
    transferred_to: int = 0
    """Id of what it is in another repository; 0: it was not transferred."""

    is_deleted: bool = False


class Comment(Record):
    """A comment on an issue or a pull request."""

    kind: ClassVar[str] = "comment"
    number: int
    """The issue or pull request."""

    body: str
    login: str | None
    """None: its author has deleted the account."""

    created_at: Time
    updated_at: Time


class CommitStatus(Record):
    """A commit status; the newest of a context counts."""

    kind: ClassVar[str] = "status"
    sha: str
    state: Literal["error", "failure", "pending", "success"]
    context: str
    description: str | None
    target_url: str | None
    login: str
    created_at: Time


class CheckSuite(Record):
    """The check runs of one App at one commit; it may have none yet."""

    kind: ClassVar[str] = "check_suite"
    sha: str
    app: str
    """The slug of the App."""

    created_at: Time


class CheckRun(Record):
    """A check run; the newest of a name within a suite counts."""

    kind: ClassVar[str] = "check_run"
    sha: str
    suite_id: int
    name: str
    status: Literal["queued", "in_progress", "completed", "waiting", "requested", "pending"]
    conclusion: Literal["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"] | None
    """The outcome; None until completed."""

    external_id: str = ""
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    started_at: Time | None = None
    completed_at: Time | None = None


class Protection(Record):
    """Which changes a branch takes."""

    kind: ClassVar[str] = "protection"
    branch: str
    required_checks: tuple[str, ...] = ()
    """Contexts of statuses and names of check runs that must succeed before a merge."""

    strict: bool = False
    """Whether a head must contain the base's tip before a merge."""

    allow_pushes: bool = False
    """Whether pushes are taken; otherwise the branch changes by pull requests only."""

    allow_force_pushes: bool = False
    allow_deletions: bool = False
    linear_history: bool = False
    required_approvals: int = Field(default=0, ge=0, le=6)
    """How many users with write access must approve; 0 for none."""


class Fault(Record):
    """A fault for the next matching requests."""

    kind: ClassVar[str] = "fault"
    method: str
    """Regular expression that a request's method matches as a whole."""

    path: str
    """Regular expression that is found in a request's path."""

    body: str = ""
    """Regular expression that is found in a request's body; empty for any body."""

    action: Literal["answer", "answer-after", "delay", "lose-answer", "lose-request", "refuse-push"]
    """An error instead of the work, an error after the work, only the delay, the work without an answer, neither of the
    two, or a push refused by a hook."""

    passes: int = Field(default=0, ge=0)
    """How many matching requests are let through before the first fault."""

    times: int = Field(default=1, ge=0)
    """How many requests are still to be hit."""

    delay_seconds: float = Field(default=0, ge=0)
    """How long a request that is hit waits first, in seconds."""

    status: int = Field(default=500, ge=200, le=599)
    message: str = "Server Error"
    """The message of an answer or of a refused push."""

    headers: dict[str, str] = {}


class RateBudget(Record):
    """The requests that a token may still send in this hour."""

    kind: ClassVar[str] = "rate_budget"
    limit: int
    used: int
    unchanged: int = 0
    """Requests that cost nothing, since their answer was that nothing has changed."""

    reset_at: Time
