"""Client of the control API for checks, rules and merges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["ForgeRate", "MergeControl", "QueuedPull"]

Method = Literal["merge", "squash", "rebase"]

Conclusion = Literal["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"]


@dataclass(frozen=True)
class ForgeRate:
    """What a credential has spent of an hour's budget."""

    login: str
    installation_id: int
    """The App's installation, whose tokens have one budget together; 0 for a personal token."""

    resource: str
    """`core` for the REST API, `graphql` for the other."""

    limit: int
    used: int
    unchanged: int
    """Requests that were answered with 304, which cost nothing."""


@dataclass(frozen=True)
class QueuedPull:
    """A pull request in a merge queue."""

    number: int
    state: str
    """In GitHub's words."""

    sha: str
    """The commit whose checks are awaited; empty while queued."""


class MergeControl(ABC):
    """What CI and users do that matters for merges, at any time."""

    def set_merging(
        self,
        full_name: str,
        *,
        allow_merge_commit: bool | None = None,
        allow_squash_merge: bool | None = None,
        allow_rebase_merge: bool | None = None,
        delete_branch_on_merge: bool | None = None,
        has_async_merges: bool | None = None,
        merge_polls: int | None = None,
        holds_merges: bool | None = None,
    ) -> None:
        """Change how a repository merges; None leaves a setting as it is.

        Parameters
        ----------
        full_name
            The repository.
        allow_merge_commit, allow_squash_merge, allow_rebase_merge
            Which methods it allows.
        delete_branch_on_merge
            Whether a merge deletes the head branch.
        has_async_merges
            Whether merges in the background exist; GitHub Enterprise Server up to 3.19 has none.
        merge_polls
            How often a merge in the background is answered as pending before it runs; 0 lets it run with the next
            request for the repository.
        holds_merges
            Whether merges in the background and the merge queue wait for `run_merges`.
        """
        settings = {
            "allow_merge_commit": allow_merge_commit,
            "allow_squash_merge": allow_squash_merge,
            "allow_rebase_merge": allow_rebase_merge,
            "delete_branch_on_merge": delete_branch_on_merge,
            "has_async_merges": has_async_merges,
            "merge_polls": merge_polls,
            "holds_merges": holds_merges,
        }
        self._post("set-merging", repository=full_name, **settings)

    def add_rules(
        self,
        full_name: str,
        branch: str,
        *,
        required_checks: Sequence[str | tuple[str, int]] = (),
        strict: bool = False,
        linear_history: bool = False,
        required_approvals: int = 0,
        merge_methods: Sequence[Method] = ("merge", "squash", "rebase"),
        merge_queue: Method | None = None,
    ) -> int:
        """Add a ruleset for a branch and return its id; a required check may name the id of its App."""
        named = [(check, None) if isinstance(check, str) else check for check in required_checks]
        made = self._post(
            "add-rules",
            repository=full_name,
            branch=branch,
            required_checks=[{"context": context, "integration_id": number} for context, number in named],
            strict=strict,
            linear_history=linear_history,
            required_approvals=required_approvals,
            merge_methods=list(merge_methods),
            merge_queue=merge_queue,
        )
        return int(made["id"])

    def remove_rules(self, rules_id: int) -> None:
        """Remove a ruleset."""
        self._post("remove-rules", id=rules_id)

    def set_status(
        self,
        full_name: str,
        sha: str,
        state: Literal["error", "failure", "pending", "success"],
        *,
        context: str = "build",
        description: str | None = None,
        target_url: str | None = None,
        login: str = "ci",
    ) -> None:
        """Set a commit status."""
        texts = {"context": context, "description": description, "target_url": target_url, "login": login}
        self._post("set-status", repository=full_name, sha=sha, state=state, **texts)

    def set_check(
        self,
        full_name: str,
        sha: str,
        *,
        name: str = "build",
        app: str = "github-actions",
        status: Literal["queued", "in_progress", "completed"] = "queued",
        conclusion: Conclusion | None = None,
        title: str | None = None,
        summary: str | None = None,
        text: str | None = None,
        details_url: str | None = None,
    ) -> int:
        """Make a check run of an App at a commit, or change it, and return its id; a conclusion completes it."""
        texts = {"title": title, "summary": summary, "text": text, "details_url": details_url}
        changes = {"status": status, "conclusion": conclusion, **texts}
        return int(self._post("set-check", repository=full_name, sha=sha, name=name, app=app, **changes)["id"])

    def create_suite(self, full_name: str, sha: str, *, app: str = "github-actions") -> int:
        """Make a check suite without runs, as for an App that has not begun, and return its id."""
        return int(self._post("create-suite", repository=full_name, sha=sha, app=app)["id"])

    def run_merges(self, full_name: str) -> int:
        """Run the merges in the background that are pending, and advance the queues; returns how many were pending."""
        return int(self._post("run-merges", repository=full_name)["ran"])

    def age_merges(self, full_name: str, *, seconds: float) -> None:
        """Let time pass for the results of merges in the background, which are kept for 24 hours."""
        self._post("age-merges", repository=full_name, seconds=seconds)

    def queue(self, full_name: str, branch: str = "main") -> list[QueuedPull]:
        """Return the entries of a branch's merge queue in their order."""
        return [
            QueuedPull(**entry) for entry in self._post("list-queue", repository=full_name, branch=branch)["entries"]
        ]

    def set_collaborator(
        self, full_name: str, login: str, permission: Literal["admin", "write", "read", "none"]
    ) -> None:
        """Say what a user may do in a repository; its owner may do everything."""
        self._post("set-collaborator", repository=full_name, login=login, permission=permission)

    def review(
        self,
        full_name: str,
        number: int,
        *,
        login: str,
        state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"] = "COMMENTED",
        body: str = "",
        comments: Sequence[Mapping[str, Any]] = (),
    ) -> int:
        """Review a pull request's head and return the review's id; comments have `path`, `line` and `body`."""
        said = {"login": login, "state": state, "body": body, "comments": [dict(comment) for comment in comments]}
        return int(self._post("review", repository=full_name, number=number, **said)["id"])

    def move_to_fork(self, full_name: str, number: int, owner: str) -> None:
        """Let the head branch of a pull request be in a fork, so that the repository has it no more."""
        self._post("move-to-fork", repository=full_name, number=number, owner=owner)

    def rates(self) -> list[ForgeRate]:
        """Return what each credential has spent of the budgets that it used."""
        return [ForgeRate(**rate) for rate in self._post("list-rates")["rates"]]

    @abstractmethod
    def _post(self, operation: str, **body: Any) -> dict[str, Any]: ...
