"""Sends one request and returns the JSON of its answer, or raises one of our errors."""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from github.Auth import Auth
from github.Requester import Requester

from codecourier.github.address import PUBLIC_HOST, RepositoryAddress
from codecourier.github.answers import Answer, Field, unreadable
from codecourier.github.budget import CORE, Budgets
from codecourier.github.errors import ForgeError, RateLimited
from codecourier.github.needs import OPERATOR_NEED, Need
from codecourier.github.refusals import Refusal, to_error
from codecourier.github.transport import Connection, Transport, Wait

__all__ = ["Gateway", "Login", "Request"]

_API_VERSION = "2022-11-28"
"""Asked of GitHub itself; GitHub Enterprise before 3.9 refuses to be asked for a version."""

_USER_AGENT = "codecourier"
_UNCHANGED = 304
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{1,200}"')
"""As RFC 9110 has it, and short enough to be kept and sent back."""

_MOST_HOSTS = 64
"""How many hosts keep their connections; the least recently used host loses its connections first."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Login:
    """The credential of a request, ready to be sent."""

    auth: Auth = field(repr=False)
    budget_key: str
    """Requests with the same key share a rate limit."""


@dataclass(frozen=True)
class Request:
    """A request to a forge's API."""

    method: str
    path: str
    """Below the API's root."""

    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    refusals: tuple[Refusal, ...] = ()
    """What each refusal of this request means, beyond what refusals of all requests mean; the first row that fits
    counts."""

    answers: frozenset[int] = frozenset()
    """Statuses of refusals that are answers, to be read as successes are."""

    etag: str = ""
    """Name of an earlier answer: if it still holds, the forge is asked only to say so. Empty: there is none."""

    need: Need = OPERATOR_NEED
    """Permissions of the token that an App mints for the request."""

    is_graphql: bool = False
    """Whether it goes to the GraphQL API, which has no path and a rate limit of its own."""

    is_query: bool = False
    """Whether it only asks, although its method is not GET."""

    @property
    def is_write(self) -> bool:
        """Whether it asks the forge to change something."""
        return self.method != "GET" and not self.is_query

    @property
    def resource(self) -> str:
        """The rate limit that it counts in, as GitHub calls it."""
        return "graphql" if self.is_graphql else CORE


class _Requester(Requester):
    """PyGithub's requester, silent: at debug level it would log answers, and minted tokens with them."""


_silent = logging.Logger(f"{__name__}.silent", level=logging.CRITICAL + 1)  # noqa: LOG001 - no configuration may find it
_Requester.injectLogger(_silent)


class Gateway:
    """The way to every forge, for use from any thread.

    Parameters
    ----------
    budgets
        How many requests each credential may still send.
    ca_bundle
        File with the certificates that are trusted for hosts other than github.com; None for those of the public.
    wait
        How long to wait.
    note
        Called for each request with the host, the method and the status (`none` without an answer); from any thread.
    """

    def __init__(
        self,
        budgets: Budgets,
        *,
        ca_bundle: str | None,
        wait: Wait,
        note: Callable[[str, str, str], None] = lambda _host, _method, _code: None,
    ) -> None:
        self._budgets = budgets
        self._ca_bundle = ca_bundle
        self._wait = wait
        self._note = note
        self._lock = threading.Lock()
        self._transports: OrderedDict[str, Transport] = OrderedDict()

    def send(self, address: RepositoryAddress, login: Login, request: Request, deadline: float) -> Field:
        """Send a request once.

        Parameters
        ----------
        address
            Whose host is asked.
        login
            Its credential.
        request
            What is asked.
        deadline
            When the answer must be there, on the monotonic clock, in seconds.

        Returns
        -------
        Field
            The JSON of the answer; null if it has none.

        Raises
        ------
        ForgeError
            If the forge did not do what was asked.
        """
        what = _what(address, request)
        budget_key = login.budget_key if request.resource == CORE else f"{login.budget_key}/{request.resource}"
        self._ask_budget(budget_key, request, what)
        try:
            answer = self._exchange(address, login, request, deadline)
        except ForgeError as error:
            # A redirect has a status too, although it is not followed.
            self._note(address.host, request.method, str(error.status or "none"))
            raise
        self._note(address.host, request.method, str(answer.status))
        is_limited = request.is_graphql and answer.reports_limit
        message = answer.message if answer.is_error or is_limited else ""
        status = HTTPStatus.TOO_MANY_REQUESTS.value if is_limited else answer.status
        retry_at = self._budgets.observe(budget_key, status, answer.headers, message, request.resource)
        _logger.debug("forge answered", extra={"request": what, "status": answer.status})
        if answer.status == _UNCHANGED and request.etag:
            return Field(what, None, is_unchanged=True)
        if (answer.is_error and answer.status not in request.answers) or retry_at is not None:
            raise to_error(answer, retry_at, request.refusals, is_write=request.is_write)
        etag = answer.headers.get("etag", "")
        return Field(
            what,
            answer.json() if answer.body else None,
            "body",
            etag if _ETAG.fullmatch(etag) else "",
            status=answer.status,
        )

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()

    def _exchange(self, address: RepositoryAddress, login: Login, request: Request, deadline: float) -> Answer:
        connection = Connection(self._transport(address.host), address.api_origin, deadline)
        requester, what = self._requester(address, login), _what(address, request)
        headers = {"If-None-Match": request.etag} if request.etag else {}
        try:
            status, headers, body = requester.requestJson(
                request.method, _target(address, request), dict(request.query), headers, request.body, connection
            )
        except (ValueError, OverflowError):
            pass  # PyGithub parses the rate limit's headers as numbers, and they are none
        else:
            return Answer(what, status, headers, body)
        raise unreadable(what, "its headers have no sense")

    def _ask_budget(self, budget_key: str, request: Request, what: str) -> None:
        retry_at = self._budgets.refused_until(budget_key, is_write=request.is_write)
        if retry_at is not None:
            raise RateLimited(
                f"{what}: not sent, the credential's rate limit is used up",
                retry_at=retry_at,
            )

    def _requester(self, address: RepositoryAddress, login: Login) -> Requester:
        return _Requester(
            login.auth,
            address.api_url,
            timeout=int(self._wait.operation_seconds) + 1,
            user_agent=_USER_AGENT,
            per_page=100,
            verify=True,
            retry=None,
            pool_size=1,
            seconds_between_requests=None,
            seconds_between_writes=None,
            api_version=_API_VERSION if address.host == PUBLIC_HOST else None,
        )

    def _transport(self, host: str) -> Transport:
        with self._lock:
            transport = self._transports.pop(host, None)
            if transport is None:
                transport = Transport(None if host == PUBLIC_HOST else self._ca_bundle, self._wait)
            self._transports[host] = transport
            if len(self._transports) > _MOST_HOSTS:
                self._transports.popitem(last=False)[1].close()
            return transport


def _what(address: RepositoryAddress, request: Request) -> str:
    """Return how messages name a request."""
    return f"{request.method} {address.graphql_url if request.is_graphql else address.api_url + request.path}"


def _target(address: RepositoryAddress, request: Request) -> str:
    return address.graphql_url if request.is_graphql else request.path
