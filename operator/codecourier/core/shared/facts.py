"""What a plan may ask of the world outside the cache, and the facts that answer.

A plan takes a fact from `world.facts`. Where it is missing `MissingFacts` is raised, which becomes `Plan.asks`; the
shell looks it up and plans again with the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.pull_request import PullRequestState
from codecourier.resources.workflow import WorkflowSpec

__all__ = [
    "AgentSecretsAsk",
    "AgentSecretsFact",
    "Ask",
    "BranchHeadAsk",
    "BranchHeadFact",
    "Facts",
    "IssueAsk",
    "IssueComment",
    "IssueFact",
    "LogAsk",
    "LogFact",
    "MissingFacts",
    "ObjectAsk",
    "ObjectFact",
    "OwnComment",
    "OwnCommentsAsk",
    "OwnCommentsFact",
    "Problem",
    "PullRequestFact",
    "PullRequestsAsk",
    "PullRequestsFact",
    "RepositoryAccess",
    "RepositoryAsk",
    "RepositoryFact",
    "RevisionAsk",
    "RevisionFact",
    "UnreadableSecret",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a fact could not be had or an effect did not work."""

    reason: Reason
    """One of the catalogue's reasons."""

    message: str
    """The sentence of the reason."""

    retry_time: datetime | None = None
    """Not before this time; None: the usual backoff."""

    is_final: bool = False
    """Whether trying again cannot help."""

    since: datetime | None = None
    """When it first prevented an intent; None where this is not tracked."""

    is_refusal: bool = False
    """Whether it is an answer that says that nothing was done, and not silence or an error after which it may be."""

    refused_since: datetime | None = None
    """Since when every answer to the intent was a refusal; None: the last request may still be carried out."""

    tried: datetime | None = None
    """When the intent was last tried; None where this is not tracked."""


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """A repository, and the credential that lets requests in: one of the two is there."""

    namespace: str
    url: str
    secret: str | None = None
    """Name of the namespace's Secret with a personal token."""

    secret_version: str | None = None
    """Version of that Secret as a watch shows it; None: none is known. What was answered, or went wrong, with one
    version of it says nothing of the next."""

    installation_id: int | None = None
    """Installation of the operator's GitHub App."""


F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)


class Ask(Generic[F_co]):
    """A question, with the type of the fact that answers it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RepositoryFact:
    """What is known of a repository."""

    default_branch: str


@dataclass(frozen=True, slots=True)
class RepositoryAsk(Ask[RepositoryFact]):
    """Ask whether the Project's credential reaches a repository."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    age_seconds: float = 60.0
    """How old the answer may be where the repository was reached."""


@dataclass(frozen=True, slots=True)
class BranchHeadFact:
    """The commit at a branch's head; None: there is no such branch."""

    commit: str | None


@dataclass(frozen=True, slots=True)
class BranchHeadAsk(Ask[BranchHeadFact]):
    """Ask where the head of a branch is."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    branch: str


@dataclass(frozen=True, slots=True)
class PullRequestFact:
    """A pull request that carries our marker."""

    number: int
    url: str
    state: PullRequestState
    is_draft: bool
    creation_time: datetime
    title: str | None = None
    base_branch: str | None = None
    head_commit: str | None = None


@dataclass(frozen=True, slots=True)
class PullRequestsFact:
    """The pull requests that carry our marker, oldest first."""

    items: tuple[PullRequestFact, ...]


@dataclass(frozen=True, slots=True)
class PullRequestsAsk(Ask[PullRequestsFact]):
    """Ask which pull requests of a branch carry our marker, in any state."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    head_branch: str
    run_uid: str
    attempt: int


@dataclass(frozen=True, slots=True)
class IssueComment:
    """A comment of an issue, as its author wrote it."""

    id: int
    author: str
    body: str
    """Cut to 16 KiB of UTF-8."""


@dataclass(frozen=True, slots=True)
class IssueFact:
    """An issue; one that was transferred or deleted has no texts."""

    state: IssueState
    url: str | None
    """Its page now; None: the credential cannot read where it was transferred to, or it was deleted."""

    title: str
    author: str
    body: str
    """Cut to 64 KiB of UTF-8."""

    is_locked: bool
    is_pull_request: bool
    comments: tuple[IssueComment, ...]
    """Those that were asked for, in that order."""

    missing_comments: tuple[int, ...]
    """Those that were asked for and are not there, or are of another issue."""


@dataclass(frozen=True, slots=True)
class IssueAsk(Ask[IssueFact]):
    """Ask for an issue and some of its comments."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    number: int
    comments: tuple[int, ...] = ()
    """At most 10."""

    age_seconds: float = 60.0
    """How old the answer may be."""


@dataclass(frozen=True, slots=True)
class OwnComment:
    """A comment that carries our marker."""

    id: int
    url: str
    body: str


@dataclass(frozen=True, slots=True)
class OwnCommentsFact:
    """The comments that carry our marker, oldest first."""

    items: tuple[OwnComment, ...]


@dataclass(frozen=True, slots=True)
class OwnCommentsAsk(Ask[OwnCommentsFact]):
    """Ask which comments of an issue carry our marker."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    number: int
    marker: str
    since: datetime
    """Comments that were last changed before this time cannot be ours."""

    comment: int | None = None
    """The comment that is known to be ours: only this one is looked at; None: all are."""


@dataclass(frozen=True, slots=True)
class ObjectFact:
    """The object that is there now; UID and version are None when there is none of that name."""

    uid: str | None
    resource_version: str | None
    owners: tuple[str, ...] = ()
    """UIDs of its owners."""


@dataclass(frozen=True, slots=True)
class ObjectAsk(Ask[ObjectFact]):
    """Ask the API server itself, not a cache, which version of an object is there now."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class RevisionFact:
    """The Workflow that a revision holds; None: there is no such revision, or it holds another content."""

    spec: WorkflowSpec | None


@dataclass(frozen=True, slots=True)
class RevisionAsk(Ask[RevisionFact]):
    """Ask the API server itself, not a cache, for the revision of a Workflow."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class LogFact:
    """A container's log; None: it is lost."""

    text: str | None


@dataclass(frozen=True, slots=True)
class LogAsk(Ask[LogFact]):
    """Ask what a container of a pod printed."""

    namespace: str
    pod: str
    pod_uid: str
    container: str


@dataclass(frozen=True, slots=True)
class UnreadableSecret:
    """A key of a Secret that agents cannot read."""

    secret: str
    key: str
    detail: str
    """What is missing, as the end of a sentence: `it is not there.`"""


@dataclass(frozen=True, slots=True)
class AgentSecretsFact:
    """The keys that may not be read, or are not there."""

    unreadable: tuple[UnreadableSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentSecretsAsk(Ask[AgentSecretsFact]):
    """Ask whether agents may read keys of Secrets, given as pairs of Secret name and key."""

    namespace: str
    keys: tuple[tuple[str, str], ...]
    versions: tuple[str, ...] = ()
    """For each key the version of its Secret as a watch shows it, for which an earlier answer will do; an empty text,
    or no versions at all: look."""


class MissingFacts(Exception):  # noqa: N818  no error: the plan is made once they are known
    """Facts that a plan needs and that were not looked up yet.

    Attributes
    ----------
    asks
        The questions.
    """

    def __init__(self, asks: tuple[Ask[Any], ...]) -> None:
        super().__init__(", ".join(map(repr, asks)))
        self.asks = asks


@dataclass(frozen=True)
class Facts:
    """The answers that are known, each a fact or the problem that prevents it."""

    answers: Mapping[Any, object] = field(default_factory=dict)

    def get(self, ask: Ask[F]) -> F | Problem:
        """Return the answer to a question.

        Raises
        ------
        MissingFacts
            If it is not known.
        """
        if ask not in self.answers:
            raise MissingFacts((ask,))
        return cast("F | Problem", self.answers[ask])

    def find(self, ask: Ask[F]) -> F | None:
        """Return the answer to a question that is followed; None: there is none yet."""
        return cast("F | None", self.answers.get(ask))

    def get_all(self, asks: Iterable[Ask[F]]) -> tuple[F | Problem, ...]:
        """Return the answers to questions, in their order.

        Raises
        ------
        MissingFacts
            If some are not known; it has all of these.
        """
        wanted = tuple(asks)
        if missing := tuple(ask for ask in wanted if ask not in self.answers):
            raise MissingFacts(missing)
        return tuple(self.get(ask) for ask in wanted)
