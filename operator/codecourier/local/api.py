"""A small client for the cluster's servers on loopback."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from codecourier.local.errors import LocalError
from codecourier.local.layout import ClusterLayout

__all__ = ["ApiAnswer", "LoopbackServer", "admin_of", "is_plain_answering"]

_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class ApiAnswer:
    """What a server answered."""

    status: int
    content: bytes

    @property
    def json(self) -> Any:
        """The answer's JSON."""
        return orjson.loads(self.content)


class LoopbackServer:
    """A server of the cluster, reached over TLS.

    Parameters
    ----------
    port
        Its port on loopback.
    authority
        The certificate file that its certificate is checked against.
    certificate
        The client's certificate file; None for a client without a name.
    key
        The file of the client certificate's key.
    timeout_seconds
        How long to wait for each answer.
    """

    def __init__(
        self,
        port: int,
        authority: Path,
        certificate: Path | None = None,
        key: Path | None = None,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._context = ssl.create_default_context(cafile=str(authority))
        if certificate is not None:
            self._context.load_cert_chain(certificate, key)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        """Ask the server.

        Raises
        ------
        OSError
            If the server cannot be reached or breaks off.
        """
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=self._timeout_seconds, context=self._context
        )
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return ApiAnswer(answer.status, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"the server on port {self._port} broke off: {error!r}") from error
        finally:
            connection.close()

    def is_answering(self, path: str) -> bool:
        """Tell whether a GET is answered with 200."""
        try:
            return self.request("GET", path).status == http.client.OK
        except OSError:
            return False

    def is_serving(self, path: str) -> bool:
        """Tell whether a GET is answered, with any status."""
        try:
            self.request("GET", path)
        except OSError:
            return False
        return True

    def fetch(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> Any:
        """Ask the server for JSON.

        Raises
        ------
        LocalError
            If the server refuses, cannot be reached or breaks off.
        """
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        return orjson.loads(self._fetch(method, path, body, headers))

    def fetch_bytes(self, path: str) -> bytes:
        """Ask the server for anything.

        Raises
        ------
        LocalError
            If the server refuses, cannot be reached or breaks off.
        """
        return self._fetch("GET", path, None, {})

    def _fetch(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        try:
            answer = self.request(method, path, body, headers)
        except OSError as error:
            raise LocalError(f"{method} {path} on port {self._port} failed: {error}") from error
        if answer.status >= http.client.BAD_REQUEST:
            raise LocalError(f"{method} {path} was answered with {answer.status}: {_words_of(answer)}")
        return answer.content


def is_plain_answering(port: int, path: str) -> bool:
    """Tell whether a server on loopback without TLS answers a GET with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _words_of(answer: ApiAnswer) -> str:
    """Return the message of a refusal: that of a Kubernetes Status, else the whole text."""
    text = answer.content.decode(errors="replace").strip()
    try:
        status = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return str(status.get("message", text)) if isinstance(status, dict) else text


def admin_of(layout: ClusterLayout, port: int) -> LoopbackServer:
    """Return the API server as its administrator sees it."""
    return LoopbackServer(port, layout.certificate("ca"), layout.certificate("admin"), layout.key("admin"))
