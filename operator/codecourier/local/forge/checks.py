"""Statuses, check suites and check runs of commits, and what they come to.

Words and rules are those of https://docs.github.com/rest/checks/suites, https://docs.github.com/rest/checks/runs and
https://docs.github.com/rest/commits/statuses.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from codecourier.local.forge.records import CheckRun, CheckSuite, CommitStatus, Repository, now
from codecourier.local.forge.store import ForgeStore

__all__ = [
    "CheckService",
    "app_id",
    "combined_state",
    "is_success",
    "latest_runs",
    "latest_statuses",
    "outcomes",
    "suite_state",
    "suites_at",
]

_GREEN = {"success", "neutral", "skipped"}

_OWN_APP_ID = 1
_ACTIONS_APP_ID = 15368
"""Of `github-actions` at github.com."""

_WORST_FIRST = ("failure", "timed_out", "action_required", "cancelled", "success", "neutral", "skipped")


class CheckService:
    """Records check suites and check runs.

    Parameters
    ----------
    store
        The records.
    own_app
        The slug of the forge's own App.
    """

    def __init__(self, store: ForgeStore, own_app: str) -> None:
        self._store = store
        self.own_app = own_app

    def suite(self, repository: Repository, sha: str, app: str) -> CheckSuite:
        """Return an App's suite at a commit, making it when it is first named."""
        for suite in suites_at(self._store, repository, sha):
            if suite.app == app:
                return suite
        number = self._store.next_id()
        suite = CheckSuite(id=number, repository_id=repository.id, sha=sha, app=app, created_at=now())
        self._store.write(suite)
        return suite

    def create_run(self, repository: Repository, *, sha: str, name: str, app: str) -> CheckRun:
        """Return a new check run, which is not stored yet."""
        return CheckRun(
            id=self._store.next_id(),
            repository_id=repository.id,
            sha=sha,
            suite_id=self.suite(repository, sha, app).id,
            name=name,
            status="queued",
            conclusion=None,
            started_at=now(),
        )

    def report(self, repository: Repository, *, sha: str, name: str, app: str, changes: Mapping[str, Any]) -> CheckRun:
        """Make a check run, or change the newest of that name, and store it.

        Raises
        ------
        ValueError
            If a change has a value that a check run cannot have.
        """
        suite = self.suite(repository, sha, app)
        known = [
            run for run in latest_runs(self._store, repository, sha) if (run.suite_id, run.name) == (suite.id, name)
        ]
        run = known[0] if known else self.create_run(repository, sha=sha, name=name, app=app)
        completed = {"completed_at": now() if changes.get("status") == "completed" else None}
        changed = CheckRun.model_validate({**run.model_dump(), **completed, **changes})
        self._store.write(changed)
        return changed


def app_id(slug: str, own_app: str) -> int:
    """Return the id of an App by its slug."""
    if slug == own_app:
        return _OWN_APP_ID
    return _ACTIONS_APP_ID if slug == "github-actions" else _ACTIONS_APP_ID + 1 + zlib.crc32(slug.encode())


def latest_statuses(store: ForgeStore, repository: Repository, sha: str) -> list[CommitStatus]:
    """Return the newest status of each context at a commit."""
    found = [status for status in store.of_repository(CommitStatus, repository.id) if status.sha == sha]
    return list({status.context: status for status in found}.values())


def suites_at(store: ForgeStore, repository: Repository, sha: str) -> list[CheckSuite]:
    """Return the check suites at a commit."""
    return [suite for suite in store.of_repository(CheckSuite, repository.id) if suite.sha == sha]


def latest_runs(store: ForgeStore, repository: Repository, sha: str) -> list[CheckRun]:
    """Return the newest check run of each name within a suite at a commit."""
    found = [run for run in store.of_repository(CheckRun, repository.id) if run.sha == sha]
    return list({(run.suite_id, run.name): run for run in found}.values())


def combined_state(states: Iterable[str]) -> str:
    """Return the outcome of statuses together, in GitHub's words."""
    found = set(states)
    if found & {"error", "failure"}:
        return "failure"
    return "success" if found == {"success"} else "pending"


def suite_state(runs: Iterable[CheckRun]) -> tuple[str, str | None]:
    """Return status and conclusion of a suite with these check runs; one without runs is queued."""
    found = list(runs)
    if not found:
        return "queued", None
    if any(run.status != "completed" for run in found):
        is_started = any(run.status in {"in_progress", "completed"} for run in found)
        return "in_progress" if is_started else "queued", None
    conclusions = {run.conclusion for run in found}
    return "completed", next(word for word in _WORST_FIRST if word in conclusions)


def is_success(run: CheckRun) -> bool | None:
    """Return whether a check run succeeded, or None if it has not ended."""
    return None if run.status != "completed" else run.conclusion in _GREEN


def outcomes(store: ForgeStore, repository: Repository, sha: str) -> list[tuple[str, str | None, str]]:
    """Return name, App and success, failure or pending for each status (without an App) and check run at a commit."""
    suites = {suite.id: suite.app for suite in suites_at(store, repository, sha)}
    words = {None: "pending", True: "success", False: "failure"}
    found: list[tuple[str, str | None, str]] = [
        (status.context, None, combined_state([status.state])) for status in latest_statuses(store, repository, sha)
    ]
    runs = latest_runs(store, repository, sha)
    return [*found, *((run.name, suites[run.suite_id], words[is_success(run)]) for run in runs)]
