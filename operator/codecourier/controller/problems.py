"""Translates errors of a forge and of the API server into problems that a plan can read."""

from __future__ import annotations

from collections.abc import Mapping

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    HostNotAllowed,
    RateLimited,
)
from codecourier.github.operations.create_pull_request import PullRequestExists, PullRequestRefused
from codecourier.kube import errors as kube

__all__ = ["problem_of_create", "problem_of_forge"]

_PASSING = ("quota", "error looking up service account")
"""Words in refusals of pods that a retry may settle."""


_FORGE_REASONS: Mapping[type[ForgeError], tuple[Reason, bool]] = {
    HostNotAllowed: (Reason.HOST_NOT_ALLOWED, False),
    RateLimited: (Reason.RATE_LIMITED, False),
    CredentialsRefused: (Reason.CREDENTIALS_REFUSED, False),
    ForgeNotFound: (Reason.REPOSITORY_NOT_FOUND, False),
    PullRequestExists: (Reason.PULL_REQUEST_TAKEN, False),
    PullRequestRefused: (Reason.PULL_REQUEST_REFUSED, True),
    ForgeRefused: (Reason.FORGE_REFUSED, True),
    ForgeError: (Reason.FORGE_UNAVAILABLE, False),
}
"""Reason of each error, and whether it is final (a retry cannot help); other errors use the entry of their base class.

Each operation decides which error a refusal is, in its module of `codecourier.github.operations`.
"""


def problem_of_forge(error: ForgeError, url: str, branch: str = "") -> Problem:
    """Return the problem that a plan reads for a forge's error.

    Parameters
    ----------
    error
        The error.
    url
        The repository's address.
    branch
        The head of the pull request that was to be opened, if one was.
    """
    reason, is_final = next(_FORGE_REASONS[kind] for kind in type(error).__mro__ if kind in _FORGE_REASONS)
    host = url.removeprefix("https://").partition("/")[0]
    text = sentence(reason, repository=url, host=host, branch=branch, detail=error.message)
    retry_time = error.retry_at if isinstance(error, RateLimited) else None
    return Problem(reason, text, retry_time, is_final)


def problem_of_create(error: kube.ApiError, reason: Reason) -> Problem | None:
    """Return the problem when the API server refuses an object; None for errors that the queue retries.

    A refusal by quota (403) may end by itself, and so does that in a new namespace whose service account Kubernetes has
    not created yet; a refusal by admission or validation (other 4xx) is final.
    """
    if isinstance(error, kube.Forbidden) and any(words in error.message for words in _PASSING):
        return Problem(reason, sentence(reason, detail=error.message))
    if isinstance(error, kube.Forbidden | kube.Invalid):
        return Problem(reason, sentence(reason, detail=error.message), is_final=True)
    return None
