"""Callers with a token of the cluster: its API server says whose it is."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from codecourier.apiserver.refusal import Refusal
from codecourier.core.shared.api_keys import Identity
from codecourier.kube.api import TOKEN_REVIEWS, Json, KubeApi
from codecourier.kube.errors import KubeError

__all__ = ["Tokens"]

_KEPT_SECONDS = 10.0
"""How long an answer counts: so long a token that was taken back still works."""

_MOST_KEPT = 10_000
_MOST_ASKING = 32
"""Most tokens that are asked about at one time: strangers may send as many as they like."""


class Tokens:
    """Asks the cluster whose a token is, and remembers the answers by the token's hash for a short time.

    Parameters
    ----------
    api
        The cluster's API server.
    clock
        The monotonic clock, in seconds.
    audience
        For whom a token must be made.
    """

    def __init__(self, api: KubeApi, clock: Callable[[], float], audience: str) -> None:
        self._api = api
        self._clock = clock
        self._audience = audience
        self._asking = 0
        self._answers: OrderedDict[bytes, tuple[Identity | None, float]] = OrderedDict()

    async def identify(self, token: str) -> Identity | None:
        """Return whose a token is; None: it is not valid here.

        Raises
        ------
        Refusal
            503 if the cluster does not say so, or is asked about too many others at the moment.
        """
        key = hashlib.sha256(token.encode()).digest()
        found, since = self._answers.get(key, (None, float("-inf")))
        if self._clock() - since < _KEPT_SECONDS:
            return found
        found = await self._ask(token)
        self._answers[key] = (found, self._clock())
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST_KEPT:
            self._answers.popitem(last=False)
        return found

    async def _ask(self, token: str) -> Identity | None:
        if self._asking >= _MOST_ASKING:
            message = "The server asks the cluster about many other tokens. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=1)
        review: Json = {
            "apiVersion": TOKEN_REVIEWS.api_version,
            "kind": TOKEN_REVIEWS.kind,
            "metadata": {},
            "spec": {"token": token, "audiences": [self._audience]},
        }
        self._asking += 1
        try:
            answer = await self._api.create(TOKEN_REVIEWS, review)
        except KubeError as error:
            message = "The cluster does not say now whose the token is. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=1) from error
        finally:
            self._asking -= 1
        return _identity_of(answer.get("status") or {}, self._audience)


def _identity_of(status: Json, audience: str) -> Identity | None:
    # A server that knows no audiences names none, and has checked none.
    if status.get("authenticated") is not True or audience not in (status.get("audiences") or ()):
        return None
    user = status.get("user") or {}
    extra = tuple((key, tuple(values)) for key, values in sorted((user.get("extra") or {}).items()))
    name = user.get("username") or ""
    return Identity(name, tuple(user.get("groups") or ()), user.get("uid") or "", extra) if name else None
