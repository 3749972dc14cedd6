"""A session, its issue and its host, played by hand: plans are carried out whole, and time passes as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from codecourier.core.issue_session.plan import plan_issue_session
from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.facts import (
    AgentSecretsAsk,
    AgentSecretsFact,
    Ask,
    BranchHeadAsk,
    BranchHeadFact,
    Facts,
    IssueAsk,
    IssueFact,
    OwnComment,
    OwnCommentsAsk,
    OwnCommentsFact,
    Problem,
    PullRequestFact,
    PullRequestsAsk,
    PullRequestsFact,
)
from codecourier.core.shared.intents import Create, Event, Failures, Plan, WriteComment
from codecourier.core.shared.naming import ANNOTATION_FOLLOW_UP
from codecourier.core.shared.worlds import check_world
from codecourier.issue import IssueState
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import IssueSession, IssueSessionSpec, IssueSessionStatus
from codecourier.resources.meta import LocalReference, ObjectMeta
from codecourier.resources.project import Project
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase
from codecourier.resources.workflow import Workflow
from tests.core.playing import Playing
from tests.support.worlds import BASE, NOW, URL, make_project, make_workflow

__all__ = ["ISSUE", "ISSUE_URL", "MINUTE", "Played", "begun", "finished", "make_session", "reason_of"]

MINUTE = timedelta(minutes=1)
ISSUE_URL = f"{URL}/issues/12"
HEAD = "b" * 40

ISSUE = IssueFact(
    state=IssueState.OPEN,
    url=ISSUE_URL,
    title="The total is wrong",
    author="octocat",
    body="It is off by one.",
    is_locked=False,
    is_pull_request=False,
    comments=(),
    missing_comments=(),
)


def make_session(*, annotations: dict[str, str] | None = None, **spec: Any) -> IssueSession:
    """Return a session for issue 12 of the Project's repository."""
    fields: dict[str, Any] = {"issue_url": ISSUE_URL, "workflow_ref": LocalReference(name="scripted")}
    metadata = ObjectMeta(
        name="total",
        namespace="shop",
        uid="uid-total",
        creation_timestamp=NOW,
        annotations=annotations or {},
    )
    return IssueSession(metadata=metadata, spec=IssueSessionSpec(**{**fields, **spec}))


@dataclass
class Played(Playing):
    """What is there; `look` plans and carries the plan out."""

    session: IssueSession = field(default_factory=make_session)
    project: Project | None = field(default_factory=make_project)
    workflow: Workflow | None = field(default_factory=make_workflow)
    issue: IssueFact | Problem = ISSUE
    now: datetime = NOW
    runs: dict[str, Run] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Names of the Runs that were ever made, in their order."""

    comments: list[OwnComment] = field(default_factory=list)
    """The comments of the session that the host has."""

    written: list[WriteComment] = field(default_factory=list)
    """The requests for comments, in their order."""

    comment_problem: Problem | None = None
    """Why the host takes no comment."""

    is_answer_lost: bool = False
    """Whether the operator stops before it reads the answer to a comment that the host takes."""

    secrets: AgentSecretsFact = field(default_factory=AgentSecretsFact)
    head_problem: Problem | None = None
    """Why branches cannot be looked at."""

    is_namespace_ending: bool = False
    refusal: Problem | None = None
    """Why Runs cannot be made now."""

    pull_request_state: PullRequestState = PullRequestState.OPEN
    """State of each pull request that `pull_request_states` does not have."""

    pull_request_states: dict[str, PullRequestState] = field(default_factory=dict)
    """States of pull requests, by their branches."""

    heads: dict[str, str | None] = field(default_factory=dict)
    """Where branches are now, if not where their Runs left them; None: the branch is gone."""

    failed: dict[Any, Problem] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """The Events of all plans that were carried out."""

    @property
    def status(self) -> IssueSessionStatus:
        """The session's status."""
        return self.session.status

    def ask_for(self, instruction: str) -> None:
        """Ask for a follow-up as a user does."""
        metadata = self.session.metadata
        annotations = {**metadata.annotations, ANNOTATION_FOLLOW_UP: instruction}
        self.session = self.session.updated(metadata=metadata.updated(annotations=annotations))

    def label(self, labels: dict[str, str]) -> None:
        """Set the session's labels as a user does."""
        self.session = self.session.updated(metadata=self.session.metadata.updated(labels=labels))

    def change_issue(self, **changes: Any) -> None:
        """Change the issue at its host."""
        assert isinstance(self.issue, IssueFact)
        self.issue = replace(self.issue, **changes)

    def end(self, name: str, phase: RunPhase = RunPhase.COMPLETED) -> None:
        """End a Run, with a pull request if it is completed."""
        run = self.runs[name]
        changes: dict[str, Any] = {"phase": phase, "finish_time": self.now, "attempt": 1, "message": "It ended."}
        if phase is RunPhase.COMPLETED:
            number = len(self.made)
            url = f"{URL}/pull/{number}"
            changes |= {
                "base_commit": BASE,
                "head_commit": HEAD,
                "branch": f"codecourier/{name}",
                "pull_request": PullRequest(phase=PullRequestPhase.CREATED, number=number, url=url),
            }
        self.runs[name] = run.updated(status=run.status.updated(**changes))

    def restart(self) -> None:
        """Forget what only the operator's process knows."""
        self.failed.clear()

    def plan(self, unanswered: type[Ask[Any]] | None = None) -> Plan:
        """Return the plan of the present world, with every question answered but those of one kind."""
        answers: dict[Ask[Any], object] = {}
        while True:
            world = IssueSessionWorld(
                session=self.session,
                project=self.project,
                workflow=self.workflow,
                runs=tuple(self.runs.values()),
                is_namespace_ending=self.is_namespace_ending,
                facts=Facts(answers),
                failures=Failures(self.failed),
            )
            check_world(world)
            plan = plan_issue_session(world, self.now)
            if not plan.asks or any(type(ask) is unanswered for ask in plan.asks):
                return plan
            assert not answers.keys() & set(plan.asks)
            answers |= {ask: self._answer(ask) for ask in plan.asks}

    def look(self, at: datetime | None = None) -> Plan:
        """Let time pass, plan once, and carry the plan out."""
        self.now = self.now if at is None else at
        plan = self.plan()
        self.events += plan.events
        if isinstance(plan.status, IssueSessionStatus):
            self.session = self.session.updated(status=plan.status)
        for create in plan.creates:
            self._create(create)
        for effect in plan.effects:
            assert isinstance(effect, WriteComment)
            self._write(effect)
        return plan

    def seen(self) -> object:
        """Return all that a plan may change."""
        return (self.session, dict(self.runs), list(self.comments))

    def _answer(self, ask: Ask[Any]) -> object:
        if isinstance(ask, AgentSecretsAsk):
            return self.secrets
        if isinstance(ask.repository, Problem):  # type: ignore[attr-defined]
            return ask.repository  # type: ignore[attr-defined]
        if isinstance(ask, IssueAsk):
            return self._answer_issue(ask)
        if isinstance(ask, OwnCommentsAsk):
            return OwnCommentsFact(tuple(c for c in self.comments if ask.comment in {None, c.id}))
        if isinstance(ask, BranchHeadAsk):
            return self.head_problem or BranchHeadFact(self.heads.get(ask.branch, HEAD))
        assert isinstance(ask, PullRequestsAsk)
        state = self.pull_request_states.get(ask.head_branch, self.pull_request_state)
        fact = PullRequestFact(1, f"{URL}/pull/1", state, is_draft=False, creation_time=NOW)
        return PullRequestsFact((fact,))

    def _answer_issue(self, ask: IssueAsk) -> IssueFact | Problem:
        """Return the issue with those comments alone that are asked for."""
        if isinstance(self.issue, Problem):
            return self.issue
        comments = tuple(comment for comment in self.issue.comments if comment.id in ask.comments)
        missing = tuple(number for number in self.issue.missing_comments if number in ask.comments)
        return replace(self.issue, comments=comments, missing_comments=missing)

    def _create(self, create: Any) -> None:
        assert isinstance(create, Create)
        run = create.resource
        assert isinstance(run, Run)
        if self.refusal is not None:
            self.failed[create] = replace(self.refusal, tried=self.now, refused_since=self.now)
        elif run.name not in self.runs:
            metadata = run.metadata.updated(uid=f"uid-{run.name}", creation_timestamp=self.now)
            self.runs[run.name] = run.updated(metadata=metadata)
            self.made.append(run.name)
            self.failed.pop(create, None)

    def _write(self, effect: WriteComment) -> None:
        self.written.append(effect)
        if self.comment_problem is not None:
            self.failed[effect] = replace(self.comment_problem, tried=self.now)
            return
        self.failed.pop(effect, None)
        if effect.comment is None:
            number = len(self.comments) + 1
            self.comments.append(OwnComment(number, f"{ISSUE_URL}#issuecomment-{number}", effect.body))
            return
        index = next(i for i, comment in enumerate(self.comments) if comment.id == effect.comment)
        self.comments[index] = replace(self.comments[index], body=effect.body)


def begun(**spec: Any) -> Played:
    """Return a session whose first Run is at work."""
    played = Played(session=make_session(**spec))
    played.rest()
    return played


def finished(phase: RunPhase = RunPhase.COMPLETED, **spec: Any) -> Played:
    """Return a session whose first Run has ended."""
    played = begun(**spec)
    played.end(played.made[-1], phase)
    played.rest()
    return played


def reason_of(played: Played, type_: str = "Succeeded") -> str:
    """Return the reason of a condition, which the session must have."""
    condition = played.status.condition(type_)
    assert condition is not None
    return condition.reason
