"""What a branch asks of a merge: branch protection and rulesets together.

Rules are those of https://docs.github.com/rest/branches/branch-protection and https://docs.github.com/rest/repos/rules.
GitHub does not document the words of its refusals; those for merge methods and merge queues were reported by users in
https://github.com/akuity/kargo/pull/6490, https://github.com/anza-xyz/kit/pull/94,
https://github.com/cncf/prow-github-actions/pull/166 and https://github.com/objectstack-ai/objectstack/issues/12873.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from codecourier.local.forge.checks import app_id, outcomes
from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.git import BareRepository
from codecourier.local.forge.merge_records import Collaborator, MergeMethod, QueueEntry, RequiredCheck, Review, RuleSet
from codecourier.local.forge.records import Protection, Pull, Repository
from codecourier.local.forge.store import ForgeStore

__all__ = ["Gates", "Rules", "find_protection", "permission_of"]

_WRITERS = {"write", "admin"}

_METHOD_WORDS: dict[MergeMethod, str] = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}


@dataclass(frozen=True)
class Rules:
    """All that holds for a branch."""

    required: tuple[RequiredCheck, ...]
    strict: bool
    linear_history: bool
    approvals: int
    methods: frozenset[MergeMethod]
    """The methods that the repository and its rulesets allow."""

    queue: MergeMethod | None


def find_protection(store: ForgeStore, repository: Repository, branch: str) -> Protection | None:
    """Return a branch's protection, or None."""
    rules = store.of_repository(Protection, repository.id)
    return next((rule for rule in rules if rule.branch == branch), None)


def permission_of(store: ForgeStore, repository: Repository, login: str) -> str:
    """Return what a user may do in a repository: admin, write, read or none."""
    if login == repository.owner:
        return "admin"
    found = [user for user in store.of_repository(Collaborator, repository.id) if user.login == login]
    return found[0].permission if found else "none" if repository.private else "read"


class Gates:
    """Says whether pull requests may be merged.

    Parameters
    ----------
    store
        The records.
    own_app
        The slug of the forge's own App.
    """

    def __init__(self, store: ForgeStore, own_app: str) -> None:
        self._store = store
        self._own_app = own_app

    def rule_sets(self, repository: Repository, branch: str) -> list[RuleSet]:
        """Return the rulesets of a branch, oldest first."""
        return [rules for rules in self._store.of_repository(RuleSet, repository.id) if rules.branch == branch]

    def rules(self, repository: Repository, branch: str) -> Rules:
        """Return what holds for a branch."""
        protection, sets = find_protection(self._store, repository, branch), self.rule_sets(repository, branch)
        required = [RequiredCheck(context=context) for context in protection.required_checks] if protection else []
        allowed = {method for method in get_args(MergeMethod) if _is_allowed(repository, method)}
        for rules in sets:
            required += rules.required_checks
            allowed &= set(rules.merge_methods)
        each: list[Protection | RuleSet] = [*([protection] if protection else []), *sets]
        is_linear = any(rules.linear_history for rules in each)
        return Rules(
            required=tuple(dict.fromkeys(required)),
            strict=any(rules.strict for rules in each),
            linear_history=is_linear,
            approvals=max((rules.required_approvals for rules in each), default=0),
            methods=frozenset(allowed - {"merge"} if is_linear else allowed),
            queue=next((rules.merge_queue for rules in sets if rules.merge_queue), None),
        )

    def missing_checks(self, repository: Repository, branch: str, sha: str) -> list[tuple[str, str]]:
        """Return each required check that has not succeeded at a commit, with `expected`, `pending` or `failing`."""
        found = outcomes(self._store, repository, sha)
        missing = []
        for check in self.rules(repository, branch).required:
            fitting = {
                word
                for name, app, word in found
                if name == check.context and (check.integration_id is None or self._id(app) == check.integration_id)
            }
            if fitting != {"success"}:
                missing.append(
                    (check.context, "failing" if "failure" in fitting else "pending" if fitting else "expected")
                )
        return missing

    def state(self, git: BareRepository, repository: Repository, pull: Pull, *, mergeable: bool) -> str:
        """Return a pull request's `mergeable_state` in GitHub's words."""
        if pull.state == "closed":
            return "unknown"
        if not mergeable:
            return "dirty"
        if pull.draft:
            return "draft"
        rules = self.rules(repository, pull.base_ref)
        if self._missing(repository, pull):
            return "blocked"
        if rules.strict and not git.is_ancestor(pull.base_sha, pull.head_sha):
            return "behind"
        words = {word for _, _, word in outcomes(self._store, repository, pull.head_sha)}
        return "clean" if words <= {"success"} else "unstable"

    def decision(self, repository: Repository, pull: Pull) -> str | None:
        """Return the reviews' verdict as `PullRequestReviewDecision`; None if no approval is needed."""
        wanted, states = self.rules(repository, pull.base_ref).approvals, self._verdicts(repository, pull)
        if "CHANGES_REQUESTED" in states:
            return "CHANGES_REQUESTED"
        if not wanted:
            return None
        return "APPROVED" if states.count("APPROVED") >= wanted else "REVIEW_REQUIRED"

    def check_method(self, repository: Repository, pull: Pull, method: MergeMethod) -> None:
        """Refuse a method that the repository or the base branch does not allow.

        Raises
        ------
        RefusedError
            405 naming the method.
        """
        if not _is_allowed(repository, method):
            raise RefusedError(405, f"{_METHOD_WORDS[method]} are not allowed on this repository.")
        rules = self.rules(repository, pull.base_ref)
        if method not in rules.methods:
            reason = "This branch must not contain merge commits." if rules.linear_history else (
                f"{_METHOD_WORDS[method]} are not allowed for this branch."
            )  # fmt: skip
            raise RefusedError(405, f"Repository rule violations found\n\n{reason}\n\n")

    def queue_entry(self, repository: Repository, pull: Pull) -> QueueEntry | None:
        """Return a pull request's entry in the merge queue, or None."""
        entries = self._store.of_repository(QueueEntry, repository.id)
        return next((entry for entry in entries if entry.number == pull.number), None)

    def check_queue(self, repository: Repository, pull: Pull) -> None:
        """Refuse to merge past a merge queue.

        Raises
        ------
        RefusedError
            405 saying so.
        """
        if self.queue_entry(repository, pull) is not None:
            raise RefusedError(405, "Pull request is in the merge queue")
        if self.rules(repository, pull.base_ref).queue:
            violation = "Changes must be made through the merge queue"
            raise RefusedError(405, f"Repository rule violations found\n\n{violation}\n\n")

    def check(self, git: BareRepository, repository: Repository, pull: Pull) -> None:
        """Refuse to merge an open pull request that conflicts, or does not have what its base branch asks.

        Raises
        ------
        RefusedError
            405 saying what is missing.
        """
        if git.merge_tree(pull.base_sha, pull.head_sha) is None:
            raise RefusedError(405, "Pull Request is not mergeable")
        missing = self._missing(repository, pull)
        if missing:
            raise RefusedError(405, missing)
        if self.rules(repository, pull.base_ref).strict and not git.is_ancestor(pull.base_sha, pull.head_sha):
            raise RefusedError(405, "Head branch is out of date. Review and try the merge again.")

    def _missing(self, repository: Repository, pull: Pull) -> str:
        """Return the sentence about checks and approvals that are missing; empty for none."""
        missing = self.missing_checks(repository, pull.base_ref, pull.head_sha)
        if missing:
            return f'Required status check "{missing[0][0]}" is {missing[0][1]}.'
        wanted = self.rules(repository, pull.base_ref).approvals
        if not wanted:
            return ""
        states = self._verdicts(repository, pull)
        if "CHANGES_REQUESTED" in states:
            return "Changes have been requested by reviewers with write access."
        if states.count("APPROVED") < wanted:
            return f"At least {wanted} approving review is required by reviewers with write access."
        return ""

    def _verdicts(self, repository: Repository, pull: Pull) -> list[str]:
        """Return the newest verdict of each reviewer with write access."""
        newest = {
            review.login: review.state
            for review in self._store.of_repository(Review, repository.id)
            if review.number == pull.number and review.state != "COMMENTED"
        }
        return [state for login, state in newest.items() if permission_of(self._store, repository, login) in _WRITERS]

    def _id(self, app: str | None) -> int | None:
        return None if app is None else app_id(app, self._own_app)


def _is_allowed(repository: Repository, method: MergeMethod) -> bool:
    allowed = {
        "merge": repository.allow_merge_commit,
        "squash": repository.allow_squash_merge,
        "rebase": repository.allow_rebase_merge,
    }
    return allowed[method]
