"""Pull requests in the GraphQL API, with their checks.

Names and shapes are those of https://docs.github.com/graphql/reference/pulls (`PullRequest`) and
https://docs.github.com/graphql/reference/checks (`StatusCheckRollup`). That a token without access to checks sees the
rollup's state, but an error for each of its check runs, was reported in https://github.com/cli/cli/issues/12597.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from codecourier.local.forge.accounts import Principal
from codecourier.local.forge.checks import is_success, latest_runs, latest_statuses
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.gates import find_protection
from codecourier.local.forge.git import BareRepository
from codecourier.local.forge.graph_language import GraphError
from codecourier.local.forge.graph_pages import connection
from codecourier.local.forge.graphql import Node
from codecourier.local.forge.merge_records import QueueExit
from codecourier.local.forge.pulls import is_mergeable
from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, Pull, Repository
from codecourier.local.forge.shapes import node_id, stamp

__all__ = ["PullGraph", "actor"]

_ORDERS: dict[str, Callable[[Pull], datetime]] = {
    "CREATED_AT": lambda pull: pull.created_at,
    "UPDATED_AT": lambda pull: pull.updated_at,
}


def actor(login: str | None) -> Node | None:
    """Return an account as `Actor`."""
    return None if login is None else Node("Bot" if login.endswith("[bot]") else "User", {"login": login})


@dataclass(frozen=True)
class PullGraph:
    """The pull requests of one repository as one token sees them."""

    forge: Forge
    principal: Principal
    repository: Repository
    commit: Callable[[BareRepository, str], Node]
    """Makes a commit's node."""

    @property
    def _git(self) -> BareRepository:
        return self.forge.repositories.git(self.repository)

    def one(self, number: int) -> Node:
        """Return one pull request.

        Raises
        ------
        GraphError
            If there is none.
        """
        self.check("pull_requests")
        pull = self.forge.pulls.find(self.repository, number)
        if pull is None:
            raise GraphError(f"Could not resolve to a PullRequest with the number of {number}.", "NOT_FOUND")
        return self.node(pull)

    def many(
        self,
        states: list[str] | None = None,
        headRefName: str | None = None,  # noqa: N803 - an argument's name in the API
        baseRefName: str | None = None,  # noqa: N803 - an argument's name in the API
        orderBy: dict[str, str] | None = None,  # noqa: N803 - an argument's name in the API
        **page: Any,
    ) -> Node:
        """Return a page of the pull requests that fit."""
        self.check("pull_requests")
        pulls = [
            pull
            for pull in self.forge.store.of_repository(Pull, self.repository.id)
            if (not states or _state(pull) in states)
            and headRefName in {None, pull.head_ref}
            and baseRefName in {None, pull.base_ref}
        ]
        order = orderBy or {"field": "CREATED_AT", "direction": "ASC"}
        pulls.sort(key=_ORDERS[order["field"]])
        ordered = pulls[::-1] if order["direction"] == "DESC" else pulls
        return connection(
            "PullRequestConnection", "pullRequests", ordered, lambda pull: f"{pull.id:020}", self.node, **page
        )

    def node(self, pull: Pull) -> Node:
        """Return a pull request as `PullRequest`."""
        url = f"{self.forge.base_url}/{self.repository.full_name}/pull/{pull.number}"
        fields = {
            "id": node_id("PullRequest", pull.id),
            "number": pull.number,
            "url": url,
            "title": pull.title,
            "body": pull.body or "",
            "state": _state(pull),
            "closed": pull.state == "closed",
            "isDraft": pull.draft,
            "isCrossRepository": False,
            "author": actor(pull.login),
            "createdAt": stamp(pull.created_at),
            "updatedAt": stamp(pull.updated_at),
            "closedAt": stamp(pull.closed_at),
            "headRefName": pull.head_ref,
            "headRefOid": pull.head_sha,
            "baseRefName": pull.base_ref,
            "baseRefOid": pull.base_sha,
        }
        return Node("PullRequest", {**fields, **self._merge_fields(pull), **self._check_fields(pull)})

    def entry(self, pull: Pull) -> Node | None:
        """Return a pull request's place in the queue as `MergeQueueEntry`, or None."""
        entry = self.forge.queues.find(self.repository, pull)
        if entry is None:
            return None
        numbers = [queued.number for queued in self.forge.queues.entries(self.repository, entry.branch)]
        fields = {
            "id": node_id("MergeQueueEntry", entry.id),
            "state": entry.state,
            "position": numbers.index(pull.number) + 1,
            "enqueuedAt": stamp(entry.enqueued_at),
            "enqueuer": actor(entry.order.login),
            "baseCommit": lambda: self.commit(self._git, entry.base_sha) if entry.sha else None,
            "headCommit": lambda: self.commit(self._git, entry.sha) if entry.sha else None,
            "pullRequest": lambda: self.node(pull),
            "jump": False,
            "solo": False,
        }
        return Node("MergeQueueEntry", fields)

    def check(self, permission: str) -> None:
        """Refuse what the token may not read.

        Raises
        ------
        GraphError
            If it lacks the permission.
        """
        if not self.principal.may(self.repository, permission, "read"):
            holder = "integration" if self.principal.holder == "installation" else "personal access token"
            raise GraphError(f"Resource not accessible by {holder}", "FORBIDDEN")

    def _merge_fields(self, pull: Pull) -> dict[str, Any]:
        def is_clean() -> bool:
            return pull.state == "open" and is_mergeable(self._git, pull)

        def mergeable() -> str:
            return "UNKNOWN" if pull.state == "closed" else "MERGEABLE" if is_clean() else "CONFLICTING"

        def merge_state() -> str:
            return self.forge.gates.state(self._git, self.repository, pull, mergeable=is_clean()).upper()

        def merge_commit() -> Node | None:
            return None if pull.merge_commit_sha is None else self.commit(self._git, pull.merge_commit_sha)

        return {
            "merged": pull.merged_at is not None,
            "mergedAt": stamp(pull.merged_at),
            "mergedBy": actor(pull.merged_by),
            "mergeCommit": merge_commit,
            "mergeable": mergeable,
            "mergeStateStatus": merge_state,
            "isMergeQueueEnabled": self.forge.gates.rules(self.repository, pull.base_ref).queue is not None,
            "isInMergeQueue": lambda: self.forge.queues.find(self.repository, pull) is not None,
            "mergeQueueEntry": lambda: self.entry(pull),
            "timelineItems": partial(self._timeline, pull),
            "reviewDecision": lambda: self.forge.gates.decision(self.repository, pull),
        }

    def _timeline(self, pull: Pull, itemTypes: list[str] | None = None, **page: Any) -> Node:  # noqa: N803 - as in the API
        """Return what happened to a pull request, as far as it concerns merge queues."""
        if itemTypes != ["REMOVED_FROM_MERGE_QUEUE_EVENT"]:
            raise GraphError(
                "the local forge records exits from merge queues only", code="argumentLiteralsIncompatible"
            )
        exits = self.forge.store.of_repository(QueueExit, self.repository.id)
        own = [found for found in exits if found.number == pull.number]
        return connection(
            "PullRequestTimelineItemsConnection", "timelineItems", own, lambda one: str(one.id), _exit, **page
        )

    def _check_fields(self, pull: Pull) -> dict[str, Any]:
        def commits(**page: Any) -> Node:
            git = self._git
            made = git.commits("--reverse", f"{pull.base_sha}..{pull.head_sha}")
            shas = [commit.sha for commit in made] or [pull.head_sha]
            return connection("PullRequestCommitConnection", "commits", shas, str, self._pull_commit, **page)

        return {"commits": commits, "statusCheckRollup": lambda: self.rollup(pull.head_sha)}

    def _pull_commit(self, sha: str) -> Node:
        commit = self.commit(self._git, sha)
        return Node("PullRequestCommit", {"commit": commit})

    def rollup(self, sha: str) -> Node | None:
        """Return the checks of a commit as `StatusCheckRollup`, or None if it has none."""
        store = self.forge.store
        statuses, runs = latest_statuses(store, self.repository, sha), latest_runs(store, self.repository, sha)
        found: list[CheckRun | CommitStatus] = [*runs, *statuses]
        if not found:
            return None

        def contexts(**page: Any) -> Node:
            return connection(
                "StatusCheckRollupContextConnection", "contexts", found, lambda one: str(one.id), self._context, **page
            )

        fields = {"id": node_id("StatusCheckRollup", sha), "state": _rollup_state(statuses, runs), "contexts": contexts}
        return Node("StatusCheckRollup", fields)

    def _context(self, context: CheckRun | CommitStatus) -> Node:
        if isinstance(context, CheckRun):
            self.check("checks")
            return self._run(context)
        self.check("statuses")
        fields = {
            "id": node_id("StatusContext", context.id),
            "context": context.context,
            "isRequired": partial(self._is_required, context.context),
            "state": context.state.upper(),
            "description": context.description,
            "targetUrl": context.target_url,
            "createdAt": stamp(context.created_at),
        }
        return Node("StatusContext", fields)

    def _is_required(self, name: str, pullRequestNumber: int) -> bool:  # noqa: N803 - an argument's name in the API
        pull = self.forge.pulls.find(self.repository, pullRequestNumber)
        rules = None if pull is None else find_protection(self.forge.store, self.repository, pull.base_ref)
        return rules is not None and name in rules.required_checks

    def _run(self, run: CheckRun) -> Node:
        suite = self.forge.store.get(CheckSuite, run.suite_id)
        slug = suite.app if suite else self.forge.app.slug
        app = Node("App", {"slug": slug, "name": slug})
        fields = {
            "id": node_id("CheckRun", run.id),
            "databaseId": run.id,
            "name": run.name,
            "isRequired": partial(self._is_required, run.name),
            "status": run.status.upper(),
            "conclusion": run.conclusion.upper() if run.conclusion else None,
            "detailsUrl": run.details_url,
            "title": run.title,
            "summary": run.summary,
            "text": run.text,
            "startedAt": stamp(run.started_at),
            "completedAt": stamp(run.completed_at),
            "checkSuite": Node("CheckSuite", {"databaseId": run.suite_id, "app": app}),
        }
        return Node("CheckRun", fields)


def _exit(found: QueueExit) -> Node:
    fields = {"id": node_id("RemovedFromMergeQueueEvent", found.id), "reason": found.reason}
    return Node("RemovedFromMergeQueueEvent", {**fields, "createdAt": stamp(found.left_at)})


def _state(pull: Pull) -> str:
    return "MERGED" if pull.merged_at is not None else pull.state.upper()


def _rollup_state(statuses: list[CommitStatus], runs: list[CheckRun]) -> str:
    """Return a commit's state as `StatusState`: the worst of all that it has."""
    words: set[str] = {status.state for status in statuses}
    words |= {{None: "pending", True: "success", False: "failure"}[is_success(run)] for run in runs}
    return next(word for word in ("failure", "error", "pending", "success") if word in words).upper()
