"""What the forge remembers, apart from Git objects and refs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

__all__ = [
    "CheckRun",
    "CommitStatus",
    "Fault",
    "Installation",
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

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: ClassVar[str]

    id: int
    """Unique among all records of the forge."""

    repository_id: int = 0
    """The repository it belongs to; 0 for none."""


class User(Record):
    """An account that owns repositories or acts."""

    kind: ClassVar[str] = "user"

    login: str
    """The account's name."""

    is_bot: bool = False
    """Whether it is the face of an App."""


class Repository(Record):
    """A repository's settings."""

    kind: ClassVar[str] = "repository"

    owner: str
    """Login of the owner."""

    name: str
    """Name without the owner."""

    private: bool
    """Whether only tokens for it may see it."""

    default_branch: str
    """Short name of the default branch."""

    description: str | None
    """A sentence about it."""

    created_at: Time
    """When it was made."""

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
    """Whether a person or an installation of the App acts with it."""

    login: str
    """Who acts."""

    installation_id: int = 0
    """The installation it was minted for; 0 for a personal token."""

    permissions: Permissions
    """What it may do in its repositories."""

    repository_ids: frozenset[int] | None
    """The repositories it sees; None for all of the account."""

    account: str
    """Owner of the repositories it can see."""

    expires_at: Time | None
    """When it ends; None for never."""

    revoked: bool = False
    """Whether it was ended before."""


class Installation(Record):
    """The App, installed on an account."""

    kind: ClassVar[str] = "installation"

    account: str
    """Login of the account."""

    repository_ids: frozenset[int] | None
    """The selected repositories; None for all of the account."""

    permissions: Permissions
    """The most that a token of it can do."""

    created_at: Time
    """When it was made."""


class MergeIntent(BaseModel):
    """A merge that was decided; written before the base branch moves, so that a crash between cannot lose it."""

    model_config = ConfigDict(frozen=True)

    sha: str
    """What the base branch becomes."""

    login: str
    """Who asked for it."""


class Pull(Record):
    """A pull request within one repository."""

    kind: ClassVar[str] = "pull"

    number: int
    """Number within the repository, from 1."""

    title: str
    """Its title."""

    body: str | None
    """Its text."""

    state: Literal["open", "closed"] = "open"
    """Whether it is open."""

    draft: bool = False
    """Whether it may not be merged yet."""

    head_ref: str
    """Short name of the branch with the changes."""

    head_sha: str
    """Tip of the head branch while it was open last."""

    base_ref: str
    """Short name of the branch to merge into."""

    base_sha: str
    """Tip of the base branch while it was open last."""

    login: str
    """Who opened it."""

    created_at: Time
    """When it was opened."""

    updated_at: Time
    """When it changed last."""

    closed_at: Time | None = None
    """When it was closed or merged."""

    merged_at: Time | None = None
    """When it was merged; None unless it was."""

    merged_by: str | None = None
    """Who merged it."""

    merge_commit_sha: str | None = None
    """The commit that brought it into the base branch."""

    maintainer_can_modify: bool = False
    """As given by the client."""

    merge_intent: MergeIntent | None = None
    """A merge under way."""


class CommitStatus(Record):
    """A commit status; the newest of a context counts."""

    kind: ClassVar[str] = "status"

    sha: str
    """The commit."""

    state: Literal["error", "failure", "pending", "success"]
    """The outcome."""

    context: str
    """What it is the status of."""

    description: str | None
    """A sentence about it."""

    target_url: str | None
    """Where to read more."""

    login: str
    """Who set it."""

    created_at: Time
    """When it was set."""


class CheckRun(Record):
    """A check run; the newest of a name counts."""

    kind: ClassVar[str] = "check_run"

    sha: str
    """The commit."""

    name: str
    """What is checked."""

    status: Literal["queued", "in_progress", "completed", "waiting", "requested", "pending"]
    """How far it is."""

    conclusion: Literal["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"] | None
    """The outcome; None until completed."""

    external_id: str = ""
    """As given by the client."""

    details_url: str | None = None
    """Where to read more."""

    title: str | None = None
    """Title of the output."""

    summary: str | None = None
    """Text of the output."""

    started_at: Time | None = None
    """When it began."""

    completed_at: Time | None = None
    """When it ended."""


class Protection(Record):
    """What is asked of those who change a branch."""

    kind: ClassVar[str] = "protection"

    branch: str
    """Short name of the branch."""

    required_checks: tuple[str, ...] = ()
    """Contexts of statuses and names of check runs that must be green before a merge."""

    strict: bool = False
    """Whether a head must contain the base's tip before a merge."""

    allow_pushes: bool = False
    """Whether pushes are taken; otherwise the branch changes by pull requests only."""

    allow_force_pushes: bool = False
    """Whether history may be rewritten."""

    allow_deletions: bool = False
    """Whether the branch may be deleted."""


class Fault(Record):
    """A fault that is put on the next matching requests."""

    kind: ClassVar[str] = "fault"

    method: str
    """Regular expression that a request's method matches as a whole."""

    path: str
    """Regular expression that is found in a request's path."""

    action: Literal["answer", "delay", "lose-answer", "lose-request", "refuse-push"]
    """What happens: an error instead of the work, only the delay, the work without an answer, neither of the two, or a
    push refused by a hook."""

    passes: int = Field(default=0, ge=0)
    """How many matching requests are let through before the first fault."""

    times: int = Field(default=1, ge=0)
    """How many requests are still to be hit."""

    delay_seconds: float = Field(default=0, ge=0)
    """How long a request that is hit waits first, in seconds; with times it can be the whole fault."""

    status: int = Field(default=500, ge=200, le=599)
    """The status of an answer."""

    message: str = "Server Error"
    """The message of an answer or of a refused push."""

    headers: dict[str, str] = {}
    """Further headers of an answer."""


class RateBudget(Record):
    """What a token may still ask in this hour."""

    kind: ClassVar[str] = "rate_budget"

    limit: int
    """Requests in an hour."""

    used: int
    """Requests so far."""

    reset_at: Time
    """When it starts again."""
