"""What the forge's GraphQL API has: branches and pull requests, and changes of refs that say where a ref has to be.

Names and shapes are those of https://docs.github.com/graphql/reference/git (`Ref`, `updateRefs`) and
https://docs.github.com/graphql/reference/repos. GitHub does not document the words of its refusals.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codecourier.local.forge.accounts import Principal
from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.gates import find_protection
from codecourier.local.forge.git import BareRepository, RefMovedError, Signature
from codecourier.local.forge.graph_language import GraphError, parse
from codecourier.local.forge.graph_pages import connection
from codecourier.local.forge.graph_pulls import PullGraph
from codecourier.local.forge.graphql import Node, cost_of, execute
from codecourier.local.forge.limits import GRAPHQL, budget_of
from codecourier.local.forge.merge_records import MergeOrder
from codecourier.local.forge.records import Pull, Repository
from codecourier.local.forge.shapes import node_id, stamp

__all__ = ["GRAPHQL_PATH", "graph_routes"]

GRAPHQL_PATH = "/api/graphql"
"""Where GitHub Enterprise has it."""

_HEADS = "refs/heads/"


def graph_routes(forge: Forge) -> list[Route]:
    """Return the route of the GraphQL API."""

    async def serve(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_serve, forge, request.headers.get("authorization"), body)

    return [Route(GRAPHQL_PATH, serve, methods=["POST"])]


def _serve(forge: Forge, authorization: str | None, body: bytes) -> Response:
    with forge.store.lock:
        try:
            principal, budget_id = _holder(forge, authorization)
        except RefusedError as error:
            return JSONResponse(error.body(), error.status)
        answer = _answer(forge, principal, budget_id, body)
        forge.store.write(counts=[("requests", f"POST {GRAPHQL_PATH} {'errors' if 'errors' in answer else 200}")])
        return JSONResponse(answer, headers=forge.limits.headers(budget_id, GRAPHQL))


def _holder(forge: Forge, authorization: str | None) -> tuple[Principal, int]:
    """Return who asks, and the number of the budget."""
    principal = forge.tokens.principal(authorization)
    if principal is None or principal.token is None:
        raise RefusedError(401, "This endpoint requires you to be authenticated.")
    return principal, budget_of(principal.token)


def _answer(forge: Forge, principal: Principal, budget_id: int, body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
        document, variables = parse(str(asked["query"])), asked.get("variables") or {}
        points = cost_of(document, variables)
        forge.limits.spend(budget_id, GRAPHQL, points=points)
    except RefusedError as error:
        return {"errors": [{"type": "RATE_LIMITED", "message": error.message}]}
    except GraphError as error:
        return {"errors": [error.body(())]}
    except (ValueError, KeyError, TypeError):
        return {"errors": [{"message": "A query attribute must be specified and must be a string."}]}
    graph = _Graph(forge, principal, {"cost": points, **forge.limits.figures(budget_id, GRAPHQL)})
    return execute(document, variables, graph.mutation if document.kind == "mutation" else graph.query)


@dataclass(frozen=True)
class _Graph:
    """The graph as one token sees it."""

    forge: Forge
    principal: Principal
    figures: Mapping[str, int]
    """What the operation cost, and the rest of the budget."""

    @property
    def query(self) -> Node:
        fields = {
            "repository": self._find,
            "node": self._node,
            "nodes": lambda ids: [partial(self._node, number) for number in ids],
            "rateLimit": self._rate_limit,
        }
        return Node("Query", fields)

    @property
    def mutation(self) -> Node:
        fields = {
            "updateRefs": self._update_refs,
            "enqueuePullRequest": self._enqueue,
            "dequeuePullRequest": self._dequeue,
        }
        return Node("Mutation", fields)

    def _find(self, owner: str, name: str) -> Node:
        repositories = self.forge.repositories
        found = repositories.find(owner, name) or repositories.find_former(owner, name)
        if found is None or not self.principal.sees(found):
            raise GraphError(f"Could not resolve to a Repository with the name '{owner}/{name}'.", "NOT_FOUND")
        self.forge.follow(found)
        return self._repository(self.forge.store.get(Repository, found.id) or found)

    def _node(self, id: str) -> Node:  # noqa: A002 - an argument's name in the API
        kind, number = _named(id)
        if kind == "Repository":
            return self._repository(self._by_id(id))
        pull = self.forge.store.get(Pull, number) if kind == "PullRequest" else None
        repository = None if pull is None else self.forge.store.get(Repository, pull.repository_id)
        if pull is None or repository is None or not self.principal.sees(repository):
            raise _no_node(id)
        self.forge.follow(repository)
        return self._pulls(repository).one(pull.number)

    def _rate_limit(self) -> Node:
        reset_at = datetime.fromtimestamp(self.figures["reset"], UTC)
        return Node("RateLimit", {**self.figures, "resetAt": stamp(reset_at)})

    def _pulls(self, repository: Repository) -> PullGraph:
        return PullGraph(self.forge, self.principal, repository, partial(self._commit, repository))

    def _repository(self, repository: Repository) -> Node:
        git = self.forge.repositories.git(repository)

        def find_ref(qualifiedName: str) -> Node | None:  # noqa: N803 - an argument's name in the API
            self._check(repository, "read")
            sha = git.ref(qualifiedName)
            return None if sha is None else self._ref(repository, git, qualifiedName, sha)

        def list_refs(**arguments: Any) -> Node:
            self._check(repository, "read")
            return self._refs(repository, git, **arguments)

        fields = {
            "id": node_id("Repository", repository.id),
            "nameWithOwner": repository.full_name,
            "defaultBranchRef": lambda: find_ref(_HEADS + repository.default_branch),
            "ref": find_ref,
            "refs": list_refs,
            "object": lambda oid: self._commit(repository, git, oid) if git.object_type(oid) == "commit" else None,
            "pullRequest": self._pulls(repository).one,
            "pullRequests": self._pulls(repository).many,
        }
        return Node("Repository", fields)

    def _refs(
        self,
        repository: Repository,
        git: BareRepository,
        refPrefix: str,  # noqa: N803 - an argument's name in the API
        query: str | None = None,
        orderBy: dict[str, str] | None = None,  # noqa: N803 - an argument's name in the API
        **page: Any,
    ) -> Node:
        if orderBy not in (None, {"field": "ALPHABETICAL", "direction": "ASC"}):
            raise GraphError("the local forge sorts by name only", code="argumentLiteralsIncompatible")
        tips = [
            (name, sha)
            for name, sha in sorted(git.refs(refPrefix).items())
            if not query or query.lower() in name.removeprefix(refPrefix).lower()
        ]
        return connection(
            "RefConnection", "refs", tips, itemgetter(0), lambda tip: self._ref(repository, git, *tip), **page
        )

    def _ref(self, repository: Repository, git: BareRepository, ref: str, sha: str) -> Node:
        rules = find_protection(self.forge.store, repository, ref.removeprefix(_HEADS))
        rule = None if rules is None else Node("RefUpdateRule", {"allowsDeletions": rules.allow_deletions})
        fields = {
            "id": node_id("Ref", f"{repository.id}:{ref}"),
            "name": ref.removeprefix(_HEADS),
            "prefix": _HEADS,
            "target": lambda: self._commit(repository, git, sha),
            "refUpdateRule": rule,
            # The local forge has no rulesets.
            "rules": lambda first: Node("RepositoryRuleConnection", {"nodes": [], "totalCount": 0}),  # noqa: ARG005
        }
        return Node("Ref", fields)

    def _commit(self, repository: Repository, git: BareRepository, sha: str) -> Node:
        commit = git.commit(sha)
        parents = [Node("Commit", {"oid": parent}) for parent in commit.parents]
        fields = {
            "id": node_id("Commit", sha),
            "oid": sha,
            "message": commit.message,
            "committedDate": commit.committer.date,
            "author": self._actor(commit.author),
            "tree": Node("Tree", {"oid": commit.tree}),
            "parents": lambda first: Node("CommitConnection", {"nodes": parents[:first], "totalCount": len(parents)}),
            "statusCheckRollup": lambda: self._pulls(repository).rollup(sha),
        }
        return Node("Commit", fields)

    def _actor(self, author: Signature) -> Node:
        """Return an author, who is an account if the address is that of one."""
        login = author.email.removesuffix("@users.noreply.forge.example")
        user = Node("User", {"login": login}) if login != author.email else None
        return Node("GitActor", {"name": author.name, "email": author.email, "date": author.date, "user": user})

    def _enqueue(self, input: dict[str, Any]) -> Node:  # noqa: A002 - an argument's name in the API
        repository, pull = self._pull_to_change(str(input["pullRequestId"]))
        order = MergeOrder(
            expected_sha=input.get("expectedHeadOid"),
            login=self.principal.login,
            may_change_workflows=self.principal.may(repository, "workflows", "write"),
        )
        try:
            self.forge.queues.enqueue(repository, pull, order)
        except RefusedError as error:
            raise GraphError(error.message, "UNPROCESSABLE") from error
        entry = self._pulls(repository).entry(pull)
        return Node("EnqueuePullRequestPayload", {"mergeQueueEntry": entry, **_mutation_id(input)})

    def _dequeue(self, input: dict[str, Any]) -> Node:  # noqa: A002 - an argument's name in the API
        repository, pull = self._pull_to_change(str(input["id"]))
        entry, shown = self.forge.queues.find(repository, pull), self._pulls(repository).entry(pull)
        if entry is None:
            raise GraphError("Pull request is not in the queue", "UNPROCESSABLE")
        self.forge.queues.dequeue(repository, entry, "manual")
        return Node("DequeuePullRequestPayload", {"mergeQueueEntry": shown, **_mutation_id(input)})

    def _pull_to_change(self, global_id: str) -> tuple[Repository, Pull]:
        kind, number = _named(global_id)
        pull = self.forge.store.get(Pull, number) if kind == "PullRequest" else None
        repository = None if pull is None else self.forge.store.get(Repository, pull.repository_id)
        if pull is None or repository is None or not self.principal.sees(repository):
            raise _no_node(global_id)
        self._check(repository, "write")
        self.forge.follow(repository)
        return repository, self.forge.store.get(Pull, number) or pull

    def _update_refs(self, input: dict[str, Any]) -> Node:  # noqa: A002 - an argument's name in the API
        repository = self._by_id(str(input["repositoryId"]))
        self._check(repository, "write")
        updates = input["refUpdates"]
        if len(updates) != 1 or updates[0]["afterOid"].strip("0"):
            raise GraphError("the local forge only deletes refs, one at a time", "UNPROCESSABLE")
        self._delete(repository, updates[0]["name"], updates[0].get("beforeOid"))
        return Node("UpdateRefsPayload", _mutation_id(input))

    def _delete(self, repository: Repository, ref: str, before: str | None) -> None:
        git, branch = self.forge.repositories.git(repository), ref.removeprefix(_HEADS)
        old = git.ref(ref)
        rules = find_protection(self.forge.store, repository, branch)
        if old is None or before not in {None, old}:
            raise GraphError(f"{ref} is not at {before}", "UNPROCESSABLE")
        if branch == repository.default_branch or (rules is not None and not rules.allow_deletions):
            raise GraphError(f"Cannot delete {ref}: it is protected", "UNPROCESSABLE")
        try:
            git.update_ref(ref, None, old=old)
        except RefMovedError as error:
            raise GraphError(f"{ref} is not at {old}", "UNPROCESSABLE") from error
        self.forge.store.write(counts=[("ref_writes", f"{repository.full_name} delete {ref}")])
        self.forge.follow(repository)

    def _by_id(self, global_id: str) -> Repository:
        kind, number = _named(global_id)
        found = self.forge.store.get(Repository, number) if kind == "Repository" else None
        if found is None or not self.principal.sees(found):
            raise _no_node(global_id)
        return found

    def _check(self, repository: Repository, level: str) -> None:
        if not self.principal.may(repository, "contents", level):
            holder = "integration" if self.principal.holder == "installation" else "personal access token"
            raise GraphError(f"Resource not accessible by {holder}", "FORBIDDEN")


def _mutation_id(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"clientMutationId": given.get("clientMutationId")}


def _named(global_id: str) -> tuple[str, int]:
    """Return kind and number of what a global id stands for; an empty kind for none."""
    try:
        kind, _, number = base64.urlsafe_b64decode(global_id).decode().partition(":")
        return kind, int(number)
    except (binascii.Error, ValueError):
        return "", 0


def _no_node(global_id: str) -> GraphError:
    return GraphError(f"Could not resolve to a node with the global id of '{global_id}'.", "NOT_FOUND")
