"""How the errors of a forge and of the API server become problems that a plan can read."""

from __future__ import annotations

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github import errors as forge
from codecourier.github.operations.create_pull_request import PullRequestExists
from codecourier.kube import errors as kube

__all__ = ["problem_of_create", "problem_of_forge"]

_PASSING = ("quota", "error looking up service account")
"""What Kubernetes says of a pod that it may take a moment later."""


def problem_of_forge(error: forge.ForgeError, url: str, branch: str = "") -> Problem:
    """Return what a plan is told of a forge's error; `branch` is the one whose pull request was to be opened."""
    detail = error.message
    match error:
        case forge.RateLimited():
            text = sentence(Reason.RATE_LIMITED, repository=url, detail=detail)
            return Problem(Reason.RATE_LIMITED, text, retry_time=error.retry_at)
        case forge.CredentialsRefused():
            return _problem(Reason.CREDENTIALS_REFUSED, url, detail)
        case forge.ForgeNotFound():
            return _problem(Reason.REPOSITORY_NOT_FOUND, url, detail)
        case PullRequestExists():
            text = sentence(Reason.PULL_REQUEST_TAKEN, branch=branch, detail=detail)
            return Problem(Reason.PULL_REQUEST_TAKEN, text)
        case forge.ForgeRefused():
            text = sentence(Reason.PULL_REQUEST_REFUSED, branch=branch, detail=detail)
            return Problem(Reason.PULL_REQUEST_REFUSED, text, is_final=True)
        case _:
            return _problem(Reason.FORGE_UNAVAILABLE, url, detail)


def _problem(reason: Reason, url: str, detail: str) -> Problem:
    return Problem(reason, sentence(reason, repository=url, detail=detail))


def problem_of_create(error: kube.ApiError) -> Problem | None:
    """Return what a plan is told when the API server refuses a pod; None for errors that a retry settles.

    A quota's refusal (403) may end by itself, and so does that of a new namespace whose service account Kubernetes has
    still to make; what admission or validation refuses (other 4xx) does not.
    """
    if isinstance(error, kube.Forbidden) and any(words in error.message for words in _PASSING):
        return Problem(Reason.POD_REFUSED, sentence(Reason.POD_REFUSED, detail=error.message))
    if isinstance(error, kube.Forbidden | kube.Invalid):
        return Problem(Reason.POD_REFUSED, sentence(Reason.POD_REFUSED, detail=error.message), is_final=True)
    return None
