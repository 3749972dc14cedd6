"""What a plan wants done, as data. Two intents are equal only if they want exactly the same.

The executor works through a plan in this order and stops at the first thing that does not work: added finalizers,
records, the status (the claim, with the resourceVersion that was planned from), creations, deletions, effects,
released finalizers, events. So nothing happens in the world that the status does not already answer for, but for
records: they state facts that cannot change, and are as true if the status is never written.

A creation that the API server refuses is noted in `Failures`, and the rest of the plan goes on; only after a refused
record nothing else is done. The next plan decides what follows from the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from codecourier.checks import MergeStrategy
from codecourier.core.shared.facts import Ask, MissingFacts, Problem, RepositoryAccess
from codecourier.core.shared.following import Follow
from codecourier.resources.meta import CustomResource, OwnerReference, Status

__all__ = [
    "ClosePullRequest",
    "Create",
    "CreateBinding",
    "CreateBranch",
    "CreatePod",
    "CreateRevision",
    "Creation",
    "Delete",
    "Effect",
    "Event",
    "Failures",
    "Intent",
    "LeaveQueue",
    "MergePullRequest",
    "Merging",
    "MintTokens",
    "OpenPullRequest",
    "Plan",
    "ReleasePod",
    "RestoreLabels",
    "Retarget",
    "RevokeTokens",
    "WriteComment",
    "WritePolicy",
    "asking",
    "target_of",
]


@dataclass(frozen=True)
class Create:
    """Make an object of ours; that it exists already is success if it has the same origin."""

    resource: CustomResource

    def __hash__(self) -> int:
        metadata = self.resource.metadata
        return hash((self.resource.kind, metadata.namespace, metadata.name))


@dataclass(frozen=True)
class _Manifest:
    """A manifest: two are equal if they are so in everything; the hash is of what names the object."""

    manifest: dict[str, Any]

    def __hash__(self) -> int:
        metadata = self.manifest["metadata"]
        return hash((type(self).__name__, metadata["namespace"], metadata["name"]))


class CreatePod(_Manifest):
    """Make the pod of a Sandbox."""


class CreateRevision(_Manifest):
    """Make the ControllerRevision that holds a version of a Workflow."""


class CreateBinding(_Manifest):
    """Make the RoleBinding of a member."""


class WritePolicy(_Manifest):
    """Make a namespace's NetworkPolicy, or replace the version of it that the manifest's resourceVersion names."""


@dataclass(frozen=True, slots=True)
class RestoreLabels:
    """Set our labels again on an object from which users removed them: without them the caches do not hold it."""

    kind: str
    namespace: str
    name: str
    uid: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete exactly this object, not one made again under its name."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str | None = None
    """The version that the deletion was decided from, where a later one may decide otherwise; None: any."""


@dataclass(frozen=True, slots=True)
class ReleasePod:
    """Take our finalizer off a pod whose outcome is recorded."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class MintTokens:
    """Mint tokens into the Secret of an object; with `replaces`, into the Secret that is there already."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    namespace: str
    owner: OwnerReference
    """The object that the tokens are for; the Secret goes with it."""

    owner_label: str
    """Label of the Secret that holds the owner's UID."""

    secret: str
    replaces: str | None = None
    """resourceVersion of the Secret whose tokens are to be replaced before they end; None: there is none yet."""

    with_workflows: bool = False
    """Whether the token for pushes may change workflow files; the App's installation must have that permission."""


@dataclass(frozen=True, slots=True)
class RevokeTokens:
    """Revoke the tokens in a Secret, then let it go."""

    namespace: str
    secret: str
    is_forced: bool = False
    """Delete the Secret even if the tokens cannot be revoked."""


@dataclass(frozen=True, slots=True)
class OpenPullRequest:
    """Open a pull request."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    title: str
    body: str
    head: str
    base: str
    is_draft: bool


@dataclass(frozen=True, slots=True)
class CreateBranch:
    """Create a branch at a commit that the repository has. Where it is afterwards is seen at the branch."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    branch: str
    commit: str
    with_workflows: bool = False
    """Whether the App's installation may change workflow files, so that the commit may."""


@dataclass(frozen=True, slots=True)
class WriteComment:
    """Write a comment on an issue."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    number: int
    body: str
    """Carries the marker by which the comment is found again."""

    comment: int | None = None
    """The comment whose text is replaced; None: a new one is made."""


@dataclass(frozen=True, slots=True)
class MergePullRequest:
    """Let the host merge a pull request at one head. What became of it is seen at the pull request."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    number: int
    head: str
    """The only commit that may be merged."""

    strategy: MergeStrategy
    has_queue: bool = False
    """Whether the base branch has a merge queue."""

    with_workflows: bool = False
    """Whether the App's installation may change workflow files, so that the merge may."""


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """Take a pull request out of the merge queue. Where it is afterwards is seen at the pull request."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    number: int


@dataclass(frozen=True, slots=True)
class Retarget:
    """Give a pull request another base branch. Which one it has afterwards is seen at the pull request."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    number: int
    base: str
    """Short name."""


@dataclass(frozen=True, slots=True)
class ClosePullRequest:
    """Close a pull request without a merge, at one head only. What became of it is seen at the pull request."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the outcome."""

    number: int
    head: str
    """The only head at which it is closed."""


_TARGETS: Mapping[type, Callable[[Any], tuple[str, ...]]] = {
    MintTokens: lambda intent: ("tokens", intent.namespace, intent.secret),
    OpenPullRequest: lambda intent: ("pull request", intent.head, intent.base),
    CreateBranch: lambda intent: ("branch", intent.branch),
    WriteComment: lambda intent: ("comment", str(intent.number)),
    MergePullRequest: lambda intent: ("merge", str(intent.number), intent.head),
    Retarget: lambda intent: ("base", str(intent.number), intent.base),
    LeaveQueue: lambda intent: ("queue", str(intent.number)),
    ClosePullRequest: lambda intent: ("closing", str(intent.number), intent.head),
}


def target_of(intent: object) -> tuple[str, ...] | None:
    """Return what an effect with a repository's credential is for, whichever credential that is; None for others."""
    target = _TARGETS.get(type(intent))
    return None if target is None else target(intent)


Merging = MergePullRequest | LeaveQueue | Retarget | ClosePullRequest
Effect = MintTokens | RevokeTokens | OpenPullRequest | CreateBranch | WriteComment | Merging
Creation = Create | CreateBinding | CreatePod | CreateRevision | RestoreLabels | WritePolicy
Intent = Creation | Effect


@dataclass(frozen=True)
class Failures:
    """What became of intents of earlier plans that did not work."""

    problems: Mapping[Any, Problem] = field(default_factory=dict)

    def get(self, intent: Intent) -> Problem | None:
        """Return why an intent did not work the last time; None if it worked or was not tried."""
        return self.problems.get(intent)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person should see in `kubectl describe`."""

    reason: str
    message: str
    is_warning: bool = False

    @classmethod
    def of(cls, problem: Problem) -> Event:
        """Return the Event that says why something waits."""
        return cls(problem.reason.value, problem.message, is_warning=True)


@dataclass(frozen=True)
class Plan:
    """What is to be done for one object now."""

    records: tuple[Create, ...] = ()
    """Objects that record facts which can no longer change, and are functions of these facts alone."""

    status: Status | None = None
    """The status to write; None or one equal to the present: nothing is written."""

    creates: tuple[Creation, ...] = ()
    deletes: tuple[Delete | ReleasePod, ...] = ()
    effects: tuple[Effect, ...] = ()
    add_finalizer: bool = False
    release_finalizer: bool = False
    events: tuple[Event, ...] = ()
    asks: tuple[Ask[Any], ...] = ()
    """Facts that the plan lacks; when there are any, everything else in the plan is void."""

    follow: Follow | None = None
    """What is followed from now on in place of what was followed so far; None: nothing is."""

    look_again: datetime | None = None
    """When to plan again if nothing changes before."""

    is_brief: bool = False
    """Whether the object only waits a few seconds for another plan, so that a status would be written twice."""


W = TypeVar("W")


def asking(plan: Callable[[W, datetime], Plan]) -> Callable[[W, datetime], Plan]:
    """Make a plan function ask for the facts that it misses."""

    @wraps(plan)
    def ask(world: W, now: datetime) -> Plan:
        try:
            return plan(world, now)
        except MissingFacts as missing:
            return Plan(asks=missing.asks)

    return ask
