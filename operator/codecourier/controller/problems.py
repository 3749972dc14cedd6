"""Translates errors of a forge and of the API server into problems that a plan can read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    HostNotAllowed,
    RateLimited,
    Silent,
)
from codecourier.github.needs import WorkflowsForbidden
from codecourier.github.operations.create_branch import BranchExists
from codecourier.github.operations.create_pull_request import PullRequestExists, PullRequestRefused
from codecourier.github.operations.get_pull_request import PullRequestNotFound
from codecourier.github.operations.issue import IssueLocked, IssueNotFound, IssuesForbidden
from codecourier.github.operations.merge_pull_request import (
    MergeConflicts,
    MergeProgress,
    MergeRefused,
    MergeRequested,
)
from codecourier.github.operations.read_gate import ChecksForbidden
from codecourier.kube import errors as kube
from codecourier.kube.api import CONTROLLER_REVISIONS, PODS, Json, Resource
from codecourier.redaction import redact

__all__ = [
    "problem_of_forge",
    "problem_of_progress",
    "problem_of_refusal",
    "problem_of_silence",
    "problem_of_taken_name",
]

_FORGE_REASONS: Mapping[type[ForgeError], tuple[Reason, bool]] = {
    HostNotAllowed: (Reason.HOST_NOT_ALLOWED, False),
    RateLimited: (Reason.RATE_LIMITED, False),
    CredentialsRefused: (Reason.CREDENTIALS_REFUSED, False),
    ForgeNotFound: (Reason.REPOSITORY_NOT_FOUND, False),
    IssueNotFound: (Reason.ISSUE_NOT_FOUND, False),
    IssueLocked: (Reason.ISSUE_LOCKED, False),
    IssuesForbidden: (Reason.ISSUES_FORBIDDEN, False),
    BranchExists: (Reason.BRANCH_TAKEN, False),
    PullRequestExists: (Reason.PULL_REQUEST_TAKEN, False),
    PullRequestNotFound: (Reason.PULL_REQUEST_NOT_FOUND, False),
    ChecksForbidden: (Reason.CHECKS_FORBIDDEN, False),
    MergeRequested: (Reason.MERGE_REQUESTED, False),
    MergeConflicts: (Reason.MERGE_RACED, False),
    MergeRefused: (Reason.MERGE_REFUSED, False),
    PullRequestRefused: (Reason.PULL_REQUEST_REFUSED, True),
    WorkflowsForbidden: (Reason.WORKFLOW_PERMISSION, True),
    ForgeRefused: (Reason.FORGE_REFUSED, True),
    ForgeError: (Reason.FORGE_UNAVAILABLE, False),
}
"""Reason of each error, and whether it is final (a retry cannot help); other errors use the entry of their base class.

Each operation decides which error a refusal is, in its module of `codecourier.github.operations`.
"""


def problem_of_forge(error: ForgeError, url: str, branch: str = "", number: int = 0) -> Problem:
    """Return the problem that a plan reads for a forge's error.

    Parameters
    ----------
    error
        The error.
    url
        The repository's address.
    branch
        The head of the pull request that was to be opened, if one was.
    number
        The issue or the pull request that was asked for, if one was.
    """
    reason, is_final = next(_FORGE_REASONS[kind] for kind in type(error).__mro__ if kind in _FORGE_REASONS)
    host = url.removeprefix("https://").partition("/")[0]
    values = {"issue": f"{url}/issues/{number}", "pull_request": f"{url}/pull/{number}", "detail": error.message}
    text = sentence(reason, repository=url, host=host, branch=branch, **values)
    retry_time = error.retry_at if isinstance(error, RateLimited | Silent) else None
    return Problem(reason, text, retry_time, is_final)


_PROGRESS: Mapping[MergeProgress, Reason] = {
    MergeProgress.PENDING: Reason.MERGE_PENDING,
    MergeProgress.QUEUED: Reason.MERGE_QUEUED,
}


def problem_of_progress(progress: MergeProgress, url: str, number: int) -> Problem | None:
    """Return the problem while a host has not finished a merge; None: it says that it has.

    Parameters
    ----------
    progress
        What the host says.
    url
        The repository's address.
    number
        The pull request.
    """
    reason = _PROGRESS.get(progress)
    return None if reason is None else Problem(reason, sentence(reason, pull_request=f"{url}/pull/{number}", detail=""))


@dataclass(frozen=True)
class _Refusal:
    """One way in which the API server refuses a creation."""

    fits: Callable[[kube.ApiError], bool]
    """Whether an error is of this way."""

    advice: str
    """What people can do, as a sentence."""

    reason: Reason | None = None
    """Its reason; None: that of what was refused."""

    is_final: bool = False
    """Whether the same request would be refused again until people change something."""

    is_certain: bool = True
    """Whether nothing was made; False: it may have been."""


def _forbids(*words: str) -> Callable[[kube.ApiError], bool]:
    return lambda error: isinstance(error, kube.Forbidden) and any(word in error.message for word in words)


def _is(*kinds: type[kube.ApiError]) -> Callable[[kube.ApiError], bool]:
    return lambda error: isinstance(error, kinds)


def _is_denied(error: kube.ApiError) -> bool:
    # A webhook chooses the code of its refusal, and a policy one of four: some are those of conflicts and lost objects.
    return _DENIAL.search(error.message) is not None and not isinstance(error, kube.ServerError | kube.TooManyRequests)


def _is_unserved(error: kube.ApiError) -> bool:
    return isinstance(error, kube.NotFound) and "could not find the requested resource" in error.message


def _is_broken_webhook(error: kube.ApiError) -> bool:
    return any(words in error.message for words in ("denied the request", "failed calling webhook"))


_QUOTA_WORDS = ("exceeded quota:", "failed quota:", "unknown for quota:", "insufficient quota")
"""Whole phrases: the word alone can be in the name of a Run or namespace."""

_VERBS = ("get", "create", "update", "patch", "delete")

_REPAIR_WEBHOOK = "Repair the webhook, or exempt the operator's objects from it; the operator retries."
_RETRIED = "The operator retries."

_DENIAL = re.compile("denied (the )?request")
"""How webhooks and policies refuse."""

_NO_REFUSAL = _Refusal(
    _is(kube.Conflict, kube.AlreadyExists, kube.NotFound, kube.Unauthorized, kube.Gone), "", is_certain=False
)

_REFUSALS = (
    _Refusal(_is_denied, "Change the policy of the webhook, or what it refuses.", is_final=True),
    _Refusal(_is_unserved, "Apply the CustomResourceDefinitions of this version of the operator; it retries."),
    # No refusal of this object: the plan is made again from what is there then, or the operator cannot write anything.
    _NO_REFUSAL,
    _Refusal(lambda error: error.has_cause("NamespaceTerminating"), "The namespace is being deleted."),
    _Refusal(_is_broken_webhook, _REPAIR_WEBHOOK),
    _Refusal(_is(kube.TooManyRequests), _RETRIED),
    _Refusal(_is(kube.ServerError), _RETRIED, is_certain=False),
    _Refusal(_forbids(*_QUOTA_WORDS), "", Reason.QUOTA_EXCEEDED),
    _Refusal(
        _forbids("error looking up service account"),
        "Kubernetes makes it for each new namespace; create it if this lasts.",
    ),
    _Refusal(
        _forbids(*(f"cannot {verb} resource" for verb in _VERBS), "cannot set blockOwnerDeletion"),
        "Give the operator's account the permissions that its documentation lists; the operator retries.",
    ),
    _Refusal(_forbids("not yet ready to handle request"), _RETRIED),
    _Refusal(lambda _: True, "Change the policy that refuses it, or what it refuses.", is_final=True),
)
"""How the API server refuses creations; the first that fits counts."""

_REASONS = {PODS: Reason.POD_REFUSED, CONTROLLER_REVISIONS: Reason.REVISION_REFUSED}
"""Reasons of kinds that have one of their own."""

_DETAIL_LENGTH = 1024
"""Longest part of the API server's own words in a sentence, in characters; what people can do comes after it."""


def problem_of_refusal(error: kube.ApiError, resource: Resource, body: Json) -> Problem | None:
    """Return the problem when the API server refuses to make an object; None for errors that the queue retries.

    Parameters
    ----------
    error
        The error.
    resource
        The kind of the object.
    body
        The object; its name and namespace are read.
    """
    found = next(refusal for refusal in _REFUSALS if refusal.fits(error))
    if found is _NO_REFUSAL:
        return None
    detail = redact(error.message or str(error)).strip()[:_DETAIL_LENGTH]
    return _refusal(found, detail, resource, body)


def problem_of_silence(resource: Resource, body: Json) -> Problem:
    """Return the problem when the API server does not answer; it can make the object nevertheless."""
    refusal = _Refusal(lambda _: True, _REPAIR_WEBHOOK, is_certain=False)
    return _refusal(refusal, "the API server does not answer, as when an admission webhook hangs.", resource, body)


def problem_of_taken_name(resource: Resource, body: Json) -> Problem:
    """Return the problem when another object has the name that ours needs; its deletion ends it."""
    refusal = _Refusal(lambda _: True, "Delete that object; the operator retries.")
    return _refusal(refusal, "an object that is not the operator's has this name.", resource, body)


def _refusal(refusal: _Refusal, detail: str, resource: Resource, body: Json) -> Problem:
    reason = refusal.reason or _REASONS.get(resource, Reason.CREATION_REFUSED)
    metadata = body["metadata"]
    if not detail.endswith((".", "!", "?")):
        detail += "."
    text = sentence(
        reason,
        what=f"{resource.kind} {metadata['name']}",
        namespace=metadata["namespace"],
        detail=f"{detail} {refusal.advice}".strip(),
    )
    return Problem(reason, text, is_final=refusal.is_final, is_refusal=refusal.is_certain)
