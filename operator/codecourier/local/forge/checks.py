"""Commit statuses and check runs, and their outcome together."""

from __future__ import annotations

from collections.abc import Iterable

from codecourier.local.forge.records import CheckRun, CommitStatus, Repository
from codecourier.local.forge.store import ForgeStore

__all__ = ["combined_outcome", "combined_state", "latest_runs", "latest_statuses"]

_GREEN = {"success", "neutral", "skipped"}


def latest_statuses(store: ForgeStore, repository: Repository, sha: str) -> list[CommitStatus]:
    """Return the newest status of each context at a commit."""
    found = [status for status in store.of_repository(CommitStatus, repository.id) if status.sha == sha]
    return list({status.context: status for status in found}.values())


def latest_runs(store: ForgeStore, repository: Repository, sha: str) -> list[CheckRun]:
    """Return the newest check run of each name at a commit."""
    found = [run for run in store.of_repository(CheckRun, repository.id) if run.sha == sha]
    return list({run.name: run for run in found}.values())


def combined_state(states: Iterable[str]) -> str:
    """Return the outcome of statuses together, in GitHub's words."""
    found = set(states)
    if found & {"error", "failure"}:
        return "failure"
    return "success" if found == {"success"} else "pending"


def combined_outcome(store: ForgeStore, repository: Repository, sha: str) -> dict[str, str]:
    """Return success, failure or pending for each status context and check run name at a commit."""
    outcomes = {status.context: combined_state([status.state]) for status in latest_statuses(store, repository, sha)}
    for run in latest_runs(store, repository, sha):
        if run.status != "completed":
            outcomes[run.name] = "pending"
        else:
            outcomes[run.name] = "success" if run.conclusion in _GREEN else "failure"
    return outcomes
