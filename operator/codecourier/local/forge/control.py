"""Client of the forge's control API, for the demo and the tests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from codecourier.local.api import LoopbackServer
from codecourier.local.forge.address import ForgeAddress
from codecourier.local.forge.merge_control import MergeControl

__all__ = [
    "CreatedRepository",
    "ForgeControl",
    "ForgeControlError",
    "ForgeCounters",
    "ForgePush",
    "Permissions",
]

_TIMEOUT_SECONDS = 30
"""Longer than any operation of the control API takes."""

Permissions = Mapping[str, Literal["read", "write"]]
"""The level for each permission by its name in GitHub's API."""


class ForgeControlError(Exception):
    """The forge refused an operation of its control API."""


@dataclass(frozen=True)
class CreatedRepository:
    """A new repository."""

    full_name: str
    """`owner/name`."""

    id: int
    """As the API gives it; tokens are narrowed by it."""

    sha: str
    """The tip of its default branch."""

    clone_url: str


@dataclass(frozen=True)
class ForgePush:
    """A ref that was changed by a push."""

    ref: str
    old: str
    """Forty zeros for a new ref."""

    new: str
    """Forty zeros for a deleted ref."""

    login: str


@dataclass(frozen=True)
class ForgeCounters:
    """What the forge did since its state folder was made.

    Each counter is raised in the same transaction as what it counts; a request that was refused, or hit by a fault
    before the work, appears in `requests` and `faults` only.
    """

    pushes: dict[str, int]
    """Ref changes by a push, by `owner/name ref`."""

    comments_created: dict[str, int]
    """Comments on issues and pull requests, by `owner/name#number`."""

    pulls_created: dict[str, int]
    """By `owner/name`."""

    merge_requests: dict[str, int]
    """Merges in the background that were asked for, by `owner/name#number`."""

    enqueues: dict[str, int]
    """Pull requests taken into a merge queue, by `owner/name#number`."""

    dequeues: dict[str, int]
    """Pull requests that left a merge queue without being merged, by `owner/name#number`."""

    merges: dict[str, int]
    """Merges through the API, by `owner/name#number`."""

    merges_by_push: dict[str, int]
    """Pull requests whose commits a push brought into the base branch, by `owner/name#number`."""

    tokens_minted: dict[str, int]
    """By installation id."""

    tokens_revoked: dict[str, int]
    """Tokens that their holder revoked, by installation id."""

    clones: dict[str, int]
    """Fetches by a client that had nothing, by `owner/name`."""

    fetches: dict[str, int]
    """Fetches by a client that had something, by `owner/name`."""

    ref_writes: dict[str, int]
    """Refs changed through the API, by `owner/name create|update|delete ref`."""

    requests: dict[str, int] = field(repr=False)
    """Requests that reached a route, by `METHOD route status`; git's name their service too."""

    faults: dict[str, int]
    """Faults that hit, by `action METHOD path`."""


class ForgeControl(MergeControl):
    """Runs the operations that GitHub's API does not have."""

    def __init__(self, address: ForgeAddress) -> None:
        self.address = address
        self._server = LoopbackServer(address.port, address.ca_path, timeout_seconds=_TIMEOUT_SECONDS)
        self._token = address.control_token_path.read_text(encoding="ascii").strip()

    @classmethod
    def open(cls, state_dir: Path) -> ForgeControl:
        """Return the client of the forge with a state folder.

        Raises
        ------
        NoForgeError
            If it was never ready.
        """
        return cls(ForgeAddress.read(state_dir))

    def create_repository(
        self, full_name: str, files: Mapping[str, str | bytes] | Path, *, private: bool = True
    ) -> CreatedRepository:
        """Make a repository whose first commit, on `main`, has the given files, or those of a folder."""
        contents = _read_folder(files) if isinstance(files, Path) else files
        made = self._post("create-repository", repository=full_name, files=_encode(contents), private=private)
        return CreatedRepository(full_name=full_name, **made)

    def commit(
        self, full_name: str, branch: str, files: Mapping[str, str | bytes | None], *, message: str = "Change files"
    ) -> str:
        """Put a commit on a branch, new or not, and return its SHA; None deletes a file. It is no push."""
        made = self._post("commit", repository=full_name, branch=branch, files=_encode(files), message=message)
        return str(made["sha"])

    def create_issue(
        self, full_name: str, *, title: str = "Title", body: str | None = "Text", login: str | None = "alice"
    ) -> int:
        """Make an issue and return its number; without a login its author has deleted the account."""
        return int(self._post("create-issue", repository=full_name, title=title, body=body, login=login)["number"])

    def comment_issue(self, full_name: str, number: int, body: str, *, login: str | None = "alice") -> int:
        """Write a comment on an issue or a pull request and return its id."""
        made = self._post("comment-issue", repository=full_name, number=number, body=body, login=login)
        return int(made["id"])

    def change_issue(
        self,
        full_name: str,
        number: int,
        *,
        state: Literal["open", "closed"] | None = None,
        locked: bool | None = None,
        title: str | None = None,
        body: str | None = None,
    ) -> None:
        """Close, reopen, lock, unlock or edit an issue; None leaves a field as it is."""
        changes = {"state": state, "locked": locked, "title": title, "body": body}
        self._post("change-issue", repository=full_name, number=number, **changes)

    def transfer_issue(self, full_name: str, number: int, target: str) -> int:
        """Move an issue to another repository and return its number there."""
        return int(self._post("transfer-issue", repository=full_name, number=number, target=target)["number"])

    def delete_issue(self, full_name: str, number: int) -> None:
        """Delete an issue with its comments."""
        self._post("delete-issue", repository=full_name, number=number)

    def set_issues(self, full_name: str, *, enabled: bool) -> None:
        """Say whether a repository has issues."""
        self._post("set-issues", repository=full_name, enabled=enabled)

    def rename_repository(self, full_name: str, name: str) -> str:
        """Give a repository another name and return it with the owner; its REST API redirects from the old one."""
        return str(self._post("rename-repository", repository=full_name, name=name)["full_name"])

    def create_token(self, login: str, repositories: Sequence[str], permissions: Permissions) -> str:
        """Make a fine-grained personal token for repositories of one account."""
        made = self._post("create-token", login=login, repositories=list(repositories), permissions=dict(permissions))
        return str(made["token"])

    def install_app(self, account: str, permissions: Permissions, *, repositories: Sequence[str] | None = None) -> int:
        """Install the App on an account, for all or some of its repositories; returns the installation's id."""
        names = None if repositories is None else list(repositories)
        made = self._post("install-app", account=account, permissions=dict(permissions), repositories=names)
        return int(made["id"])

    def revoke_token(self, token: str) -> None:
        """Revoke a token, as its owner would on the web."""
        self._post("revoke-token", token=token)

    def expire_installation(self, installation_id: int) -> int:
        """Let all tokens of an installation expire; returns how many there were."""
        return int(self._post("expire-installation", installation_id=installation_id)["expired"])

    def set_rate(
        self,
        token: str,
        *,
        limit: int,
        remaining: int,
        reset_seconds: int,
        resource: Literal["core", "graphql"] = "core",
    ) -> None:
        """Set how many requests to an API a token has left, and in how many seconds its hour is over."""
        figures = {"limit": limit, "remaining": remaining, "reset_seconds": reset_seconds}
        self._post("set-rate", token=token, resource=resource, **figures)

    def protect(
        self,
        full_name: str,
        branch: str,
        *,
        required_checks: Sequence[str] = (),
        strict: bool = False,
        allow_pushes: bool = False,
        allow_force_pushes: bool = False,
        allow_deletions: bool = False,
        linear_history: bool = False,
        required_approvals: int = 0,
    ) -> None:
        """Protect a branch, as a `Protection` says; without exceptions it changes by pull requests only."""
        self._post(
            "protect",
            repository=full_name,
            branch=branch,
            required_checks=list(required_checks),
            strict=strict,
            allow_pushes=allow_pushes,
            allow_force_pushes=allow_force_pushes,
            allow_deletions=allow_deletions,
            linear_history=linear_history,
            required_approvals=required_approvals,
        )

    def answer_with(
        self,
        status: int,
        *,
        method: str,
        path: str,
        times: int = 1,
        passes: int = 0,
        message: str = "Server Error",
        retry_after_seconds: int | None = None,
        body: str = "",
    ) -> int:
        """Answer requests with an error instead of doing what they ask.

        Parameters
        ----------
        status
            The HTTP status.
        method
            Regular expression for the whole method.
        path
            Regular expression to be found in the path; REST paths begin with `/api/v3/`, git's with the owner.
        times
            How many requests are hit.
        passes
            How many matching requests are let through before.
        message
            The answer's message.
        retry_after_seconds
            Value of the Retry-After header; None for no header.
        body
            Regular expression to be found in the request's body, such as the name of a GraphQL mutation; empty for any.

        Returns
        -------
        int
            The fault's id.
        """
        headers = {} if retry_after_seconds is None else {"retry-after": str(retry_after_seconds)}
        rest = {"status": status, "message": message, "headers": headers, "body": body}
        return self._fault("answer", method=method, path=path, times=times, passes=passes, **rest)

    def limit_secondary(
        self, *, method: str, path: str, times: int = 1, passes: int = 0, retry_after_seconds: int | None = 60
    ) -> int:
        """Answer requests with GitHub's secondary rate limit; parameters as `answer_with`."""
        return self.answer_with(
            403,
            method=method,
            path=path,
            times=times,
            passes=passes,
            message="You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            retry_after_seconds=retry_after_seconds,
        )

    def answer_after(
        self, status: int, *, method: str, path: str, times: int = 1, passes: int = 0, body: str = ""
    ) -> int:
        """Do what requests ask and answer with an error all the same; parameters as `answer_with`."""
        rest = {"status": status, "body": body}
        return self._fault("answer-after", method=method, path=path, times=times, passes=passes, **rest)

    def lose_answer(self, *, method: str, path: str, times: int = 1, passes: int = 0, body: str = "") -> int:
        """Do what requests ask and cut their connection without an answer; parameters as `answer_with`."""
        return self._fault("lose-answer", method=method, path=path, times=times, passes=passes, body=body)

    def lose_request(self, *, method: str, path: str, times: int = 1, passes: int = 0, body: str = "") -> int:
        """Cut the connection of requests without doing anything; parameters as `answer_with`."""
        return self._fault("lose-request", method=method, path=path, times=times, passes=passes, body=body)

    def delay(self, seconds: float, *, method: str, path: str, times: int = 1, passes: int = 0) -> int:
        """Let requests wait before anything is done; parameters as `answer_with`."""
        return self._fault("delay", method=method, path=path, times=times, passes=passes, delay_seconds=seconds)

    def refuse_pushes(self, full_name: str, message: str, *, times: int = 1, passes: int = 0) -> int:
        """Let a hook refuse pushes to a repository with a message."""
        path = f"^/{full_name}(\\.git)?/git-receive-pack$"
        return self._fault("refuse-push", method="POST", path=path, times=times, passes=passes, message=message)

    def clear_faults(self, fault_id: int | None = None) -> int:
        """Forget one fault, or all; returns how many were left."""
        return int(self._post("clear-faults", id=fault_id)["cleared"])

    def pending_faults(self) -> list[dict[str, Any]]:
        """Return the faults that have not hit as often as asked yet."""
        return list(self._post("list-faults")["faults"])

    def counters(self) -> ForgeCounters:
        """Return the counters as they are now."""
        return ForgeCounters(**self._post("counters"))

    def pushes(self, full_name: str) -> list[ForgePush]:
        """Return every ref change by a push to a repository, oldest first."""
        return [ForgePush(**push) for push in self._post("pushes", repository=full_name)["pushes"]]

    def _fault(self, action: str, **fields: Any) -> int:
        return int(self._post("add-fault", action=action, **fields)["id"])

    def _post(self, operation: str, **body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        answer = self._server.request("POST", f"/_control/{operation}", json.dumps(body).encode(), headers)
        if answer.status != HTTPStatus.OK:
            raise ForgeControlError(f"the forge refused {operation}: {answer.json.get('message')}")
        return dict(answer.json)


def _encode(files: Mapping[str, str | bytes | None] | Mapping[str, str | bytes]) -> dict[str, str | None]:
    return {path: None if content is None else _base64(content) for path, content in files.items()}


def _base64(content: str | bytes) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode("ascii")


def _read_folder(folder: Path) -> dict[str, str | bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
