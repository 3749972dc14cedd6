"""Who asks: users that the cluster names; keys of clients, found by their hash, and how much each may ask."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from starlette.requests import HTTPConnection

from codecourier.apiserver.doors import PEER, project_in_path
from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.apiserver.served import BY_HASH, KeyCache
from codecourier.apiserver.tokens import Tokens
from codecourier.apiserver.trust import Trust
from codecourier.core.shared.api_keys import KEY_PREFIX, Identity, hash_key, identity_of
from codecourier.kinds.sources import API_KEY_SOURCE
from codecourier.resources.api_key import APIKey

__all__ = ["Caller", "Callers", "RateLimit"]

_LOGGER = logging.getLogger(__name__)

_KEY_MAX_LENGTH = 128
_MOST_BUCKETS = 10_000

_PROJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_REFUSED = (
    "The API key or token is missing, unknown, revoked or expired. Send a valid one: Authorization: Bearer cc_live_…, "
    "or a token of the cluster that is made for this server."
)
"""One sentence for all reasons, so that a refusal does not show which part of a guess was right."""

_NOT_VOUCHED = "Kubernetes does not say who asks: paths below /apis are for requests that come through kube-apiserver."


@dataclass(frozen=True)
class Caller:
    """Who asks, in which project."""

    identity: Identity
    namespace: str
    key: str = ""
    """Name of the APIKey that the request was made with; empty: it was made with something else."""


class RateLimit:
    """So many requests a minute for each key, spent in any rhythm.

    Parameters
    ----------
    clock
        The monotonic clock, in seconds.
    note_refused
        Called for each request that is refused.
    """

    def __init__(self, clock: Callable[[], float], note_refused: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._note_refused = note_refused
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, uid: str, per_minute: int) -> float:
        """Take one request of a key; return 0, or the seconds until one is left."""
        now = self._clock()
        left, since = self._buckets.pop(uid, (float(per_minute), now))
        left = min(float(per_minute), left + (now - since) * per_minute / 60)
        is_granted = left >= 1
        self._buckets[uid] = (left - 1 if is_granted else left, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if is_granted:
            return 0.0
        self._note_refused()
        return (1 - left) * 60 / per_minute


class Callers:
    """Finds who makes a request, by its connection and headers.

    Parameters
    ----------
    keys
        The known APIKeys.
    trust
        The front proxy that is believed.
    tokens
        Says whose a token of the cluster is.
    now
        The wall clock.
    rate
        What each key has left.
    """

    def __init__(
        self, keys: KeyCache, trust: Trust, tokens: Tokens, now: Callable[[], datetime], rate: RateLimit
    ) -> None:
        self._keys = keys
        self._trust = trust
        self._tokens = tokens
        self._now = now
        self._rate = rate

    async def authenticate(self, request: HTTPConnection, *, is_new: bool = True) -> Caller:
        """Return who asks.

        Parameters
        ----------
        request
            The request.
        is_new
            Whether it counts towards what the key may ask; not where an answer that goes on is looked at again.

        Raises
        ------
        Refusal
            400 for a token without a project, 401 where nothing valid says who asks, 403 for a key of another project,
            429 for one that has asked too often, 503 while nothing is known of revocations or whose a token is.
        """
        named, project = request.headers.get("x-codecourier-project"), project_in_path(request)
        if project is None:
            text = _bearer(request.headers.get("authorization") or "")
            if not text.startswith(KEY_PREFIX):
                return await self._by_token(text, named)
            key = self._find_key(text, named)
            if is_new:
                self._take(key)
            return Caller(identity_of(key), key.namespace, key.name)
        identity = self.vouched_for(request)
        if named not in (None, project):
            raise Refusal(HTTPStatus.FORBIDDEN, "The path is of another project than X-CodeCourier-Project says.")
        return Caller(identity, project)

    def vouched_for(self, request: HTTPConnection) -> Identity:
        """Return the user that kube-apiserver vouches for.

        Raises
        ------
        Refusal
            401 if it names no user.
        """
        proxy = self._trust.front_proxy
        peer = request.scope.get("extensions", {}).get(PEER, {}).get("name")
        identity = None if proxy is None else proxy.identify(peer, request.scope["headers"])
        if identity is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, _NOT_VOUCHED)
        return identity

    async def _by_token(self, token: str, project: str | None) -> Caller:
        identity = await self._tokens.identify(token) if token else None
        if identity is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, _REFUSED)
        if not _PROJECT.fullmatch(project or ""):
            message = "A token is of no project: the header names it, by its namespace."
            raise bad_request(Detail(field="X-CodeCourier-Project", message=message))
        return Caller(identity, project or "")

    def _find_key(self, text: str, project: str | None) -> APIKey:
        if not self._keys.is_fresh:
            message = "The server does not know which keys are revoked now. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=2)
        key = self._find(text)
        if key is None:
            raise Refusal(HTTPStatus.UNAUTHORIZED, _REFUSED)
        if project is not None and project != key.namespace:
            raise Refusal(
                HTTPStatus.FORBIDDEN, "The API key is one of another project than X-CodeCourier-Project says."
            )
        return key

    def _take(self, key: APIKey) -> None:
        if wait := self._rate.take(key.uid, key.spec.requests_per_minute):
            message = f"The API key may make {key.spec.requests_per_minute} requests a minute. Try again later."
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=wait)

    def _find(self, text: str) -> APIKey | None:
        if len(text) > _KEY_MAX_LENGTH:
            return None
        digest = hash_key(text)
        for key in self._keys.store.by_index(API_KEY_SOURCE, BY_HASH, digest):
            # The time of a look-up by hash shows nothing of any key.
            expiry = key.spec.expiry_time
            if not key.is_deleting and (expiry is None or expiry > self._now()):
                return key
        return None


def _bearer(authorization: str) -> str:
    """Return the key or token of a header; empty: it has none."""
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""
