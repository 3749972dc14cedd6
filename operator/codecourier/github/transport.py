"""The HTTP under PyGithub, with the bounds that PyGithub lacks.

PyGithub sleeps and asks again after a 202, follows a 301 with the credential without a bound, reads an
answer of any size, and its timeout starts again with every byte. The connection here is passed to it for each call: no
redirect, no retry, no cookie, one deadline (`timed.py`), one bound on the size.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
import urllib3
from github.Requester import HTTPSRequestsConnectionClass, RequestsResponse
from requests.models import PreparedRequest

from codecourier.github.errors import Moved, Silent, Unavailable
from codecourier.github.timed import TimedAdapter, deadline

__all__ = ["Connection", "Transport", "Wait"]

_ANSWER_MAX_BYTES = 16 * 1024 * 1024
"""Largest answer that is read, in bytes; a page of 100 pull requests with full bodies is below 8 MiB."""

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Wait:
    """How long a call waits for the forge, in seconds."""

    connect_seconds: float = 5
    """For the connection, and for TLS."""

    read_seconds: float = 10
    """For each next piece of the answer; GitHub itself gives up after ten seconds."""

    operation_seconds: float = 30
    """For an operation with all its requests, from the call of `Forge.do`."""


class _NoCookies(requests.cookies.RequestsCookieJar):
    """Keeps no cookie: several credentials share a connection and must not share a session."""

    def set_cookie(self, cookie: object, *_args: object, **_kwargs: object) -> None:
        """Drop a cookie."""


class Transport:
    """Kept connections to one host, without any credential, for use from several threads.

    Parameters
    ----------
    ca_bundle
        File with the certificates that are trusted for the host; None for those of the public.
    wait
        How long to wait.
    """

    def __init__(self, ca_bundle: str | None, wait: Wait) -> None:
        self.wait = wait
        self.verify: bool | str = ca_bundle or True
        self.session = requests.Session()
        self.session.auth = _no_auth
        self.session.cookies = _NoCookies()
        self.session.headers.clear()
        self.session.mount("https://", TimedAdapter(max_retries=0, pool_connections=1, pool_maxsize=8))

    def close(self) -> None:
        """Close the kept connections."""
        self.session.close()


def _no_auth(request: PreparedRequest) -> PreparedRequest:
    """Keep requests from looking for a password in a .netrc file."""
    return request


class _Answer(RequestsResponse):
    """An answer whose body has been read."""

    def __init__(self, response: requests.Response, text: str) -> None:
        super().__init__(response)
        self._text = text

    def read(self) -> str:
        """Return the body."""
        return self._text


class Connection(HTTPSRequestsConnectionClass):
    """One call's connection, with the interface that PyGithub expects.

    Parameters
    ----------
    transport
        The kept connections.
    base_url
        Scheme, host and port.
    deadline
        When the call must be over, on the monotonic clock, in seconds.
    """

    def __init__(self, transport: Transport, base_url: str, deadline: float) -> None:
        self._transport = transport
        self._base_url = base_url
        self._deadline = deadline

    def getresponse(self) -> RequestsResponse:
        """Send what `request` was given and read the whole answer.

        Raises
        ------
        Unavailable
            If no answer arrives in time, it cannot be read, or it says to ask again later.
        Moved
            If the forge redirects the request.
        """
        try:
            with deadline(self._deadline, self._transport.wait.read_seconds):
                return self._exchange()
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' own errors are OSErrors
            problem = self._problem(error)
        # Raised here, outside the except clause: the library's error holds the request and its credential.
        raise problem

    def close(self) -> None:
        """Keep the connection: it belongs to the transport."""

    def _exchange(self) -> RequestsResponse:
        wait, remaining = self._transport.wait, self._remaining(is_sent=False)
        response = self._transport.session.request(
            self.verb,
            self._base_url + self.url,
            headers={**self.headers, "Accept-Encoding": "identity"},
            data=self.input,
            timeout=(min(wait.connect_seconds, remaining), min(wait.read_seconds, remaining)),
            verify=self._transport.verify,
            allow_redirects=False,
            stream=True,
        )
        with response:
            body = self._body(response)
        self._refuse_detours(response.status_code, response.headers)
        return _Answer(response, body.decode(errors="replace"))

    def _body(self, response: requests.Response) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := response.raw.read1(_CHUNK_BYTES, decode_content=False):
            size += len(piece)
            if size > _ANSWER_MAX_BYTES:
                raise self._unavailable(
                    f"the forge's answer to {self._what} is larger than {_ANSWER_MAX_BYTES} bytes", is_sent=True
                )
            pieces.append(piece)
            self._remaining(is_sent=True)
        return b"".join(pieces)

    def _refuse_detours(self, status: int, headers: Mapping[str, str]) -> None:
        if status == requests.codes.accepted and self.verb == "GET":
            raise Unavailable(
                f"the forge is still preparing its answer to {self._what}", may_have_happened=False, status=status
            )
        if status in {301, 302, 303, 307, 308}:
            target = headers.get("location", "")
            raise Moved(
                f"{self._what} moved to {target or 'another address'}: the repository was renamed or moved; "
                "give its present address",
                location=target,
                status=status,
            )

    def _remaining(self, *, is_sent: bool) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise self._silent(f"there was no time left for {self._what}", is_sent=is_sent)
        return remaining

    @property
    def _what(self) -> str:
        return f"{self.verb} {self._base_url}{self.url.partition('?')[0]}"

    def _unavailable(self, message: str, *, is_sent: bool) -> Unavailable:
        return Unavailable(message, may_have_happened=is_sent and self.verb != "GET")

    def _silent(self, message: str, *, is_sent: bool) -> Silent:
        return Silent(message, may_have_happened=is_sent and self.verb != "GET")

    def _problem(self, error: Exception) -> Unavailable:
        """Return what a library's error means, and whether the request was sent."""
        if isinstance(error, OSError) and not isinstance(error, requests.exceptions.RequestException):
            return self._unavailable(f"no trusted connection to {self._base_url}: {error}", is_sent=False)
        if isinstance(error, requests.exceptions.SSLError):
            advice = "its certificate is not trusted or TLS failed; name its CA bundle in the settings"
            return self._unavailable(f"no trusted connection to {self._base_url}: {advice}", is_sent=False)
        if isinstance(error, requests.exceptions.ConnectTimeout) or _is_unconnected(error):
            advice = "check the address, the network policy and that the forge runs"
            report = self._unavailable if _is_unconnected(error) else self._silent
            return report(f"no connection to {self._base_url}: {advice}", is_sent=False)
        if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
            return self._silent(f"the forge did not answer {self._what} in time", is_sent=True)
        return self._unavailable(f"the connection was cut during {self._what}", is_sent=True)


def _is_unconnected(error: Exception) -> bool:
    """Return whether there was never a connection (refused, no such host)."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), urllib3.exceptions.NewConnectionError)
