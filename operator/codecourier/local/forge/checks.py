"""Commit statuses and check runs, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, Repository, now
from codecourier.local.forge.store import Store

__all__ = ["combined_outcome", "combined_state", "latest_runs", "latest_statuses", "suite_for", "suite_outcome"]

_GREEN = {"success", "neutral", "skipped"}


def latest_statuses(store: Store, repository: Repository, sha: str) -> list[CommitStatus]:
    """Return the newest status of each context at a commit."""
    found = [status for status in store.of_repository(CommitStatus, repository.id) if status.sha == sha]
    return list({status.context: status for status in found}.values())


def latest_runs(store: Store, repository: Repository, sha: str) -> list[CheckRun]:
    """Return the newest check run of each name at a commit."""
    found = [run for run in store.of_repository(CheckRun, repository.id) if run.sha == sha]
    return list({run.name: run for run in found}.values())


def suite_for(store: Store, repository: Repository, sha: str, branch: str | None) -> tuple[CheckSuite, bool]:
    """Return the App's check suite at a commit and whether it is new (and then not stored yet)."""
    suites = store.of_repository(CheckSuite, repository.id)
    found = next((suite for suite in suites if suite.sha == sha), None)
    if found is not None:
        return found, False
    suite = CheckSuite(id=store.next_id(), repository_id=repository.id, sha=sha, head_branch=branch, created_at=now())
    return suite, True


def combined_state(states: Iterable[str]) -> str:
    """Return what statuses come to in GitHub's words."""
    found = set(states)
    if found & {"error", "failure"}:
        return "failure"
    return "success" if found == {"success"} else "pending"


def suite_outcome(runs: Sequence[CheckRun]) -> tuple[str, str | None]:
    """Return a check suite's status and conclusion."""
    if not runs or any(run.status != "completed" for run in runs):
        return "queued" if all(run.status == "queued" for run in runs) else "in_progress", None
    failed = [run.conclusion for run in runs if run.conclusion not in _GREEN]
    return "completed", failed[0] if failed else "success"


def combined_outcome(store: Store, repository: Repository, sha: str) -> dict[str, str]:
    """Return success, failure or pending for each status context and check run name at a commit."""
    outcomes = {status.context: combined_state([status.state]) for status in latest_statuses(store, repository, sha)}
    for run in latest_runs(store, repository, sha):
        if run.status != "completed":
            outcomes[run.name] = "pending"
        else:
            outcomes[run.name] = "success" if run.conclusion in _GREEN else "failure"
    return outcomes
