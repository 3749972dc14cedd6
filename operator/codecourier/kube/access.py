"""The API server's address and credentials, from a kubeconfig file or from a pod's service account.

The `kubernetes` package reads kubeconfig files, and reruns an exec plugin when its token expires. A pod does not load
it.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from codecourier.kube import service_account
from codecourier.kube.service_account import NoServiceAccountError, ServiceAccount

__all__ = ["Access", "AccessError", "load_access"]


_HEADER_SECONDS = 1.0
"""How long a header is used: the package builds its whole configuration anew, in 0.2 ms, whenever it is asked."""


class AccessError(Exception):
    """No usable address or credentials were found; the message says what was tried."""


class Configuration(Protocol):
    """Address and credentials, under the names that the `kubernetes` package gives them."""

    host: str
    ssl_ca_cert: str | None
    cert_file: str | None
    key_file: str | None
    verify_ssl: bool
    proxy: str | None

    def auth_settings(self) -> Any:
        """Return the ways to authenticate, each with the header's `value`."""
        ...


class Access:
    """The address of an API server and the credentials for it.

    Parameters
    ----------
    configuration
        What a loader returns.
    clock
        The monotonic clock, in seconds.
    """

    def __init__(self, configuration: Configuration, clock: Callable[[], float] = time.monotonic) -> None:
        self._configuration = configuration
        self._clock = clock
        self._header: str | None = None
        self._header_end = clock()
        self.address: str = configuration.host.rstrip("/")
        """Scheme, host and port."""
        self.server_name: str | None = getattr(configuration, "tls_server_name", None)
        """The name that the server's certificate must be valid for; None: the address's host."""
        self.proxy: str | None = configuration.proxy
        """Address of an HTTP proxy, None without one."""

    def authorization(self) -> str | None:
        """Return the `Authorization` header of this second; None where a client certificate identifies us."""
        if self._clock() < self._header_end:
            return self._header
        self._header_end = self._clock() + _HEADER_SECONDS
        # The loader's key for the token differs between versions: https://github.com/kubernetes-client/python/issues/2584.
        # The package's own client also goes through `auth_settings`.
        found: str | None = self._configuration.auth_settings().get("BearerToken", {}).get("value")
        self._header = found.strip() if found else None
        return self._header

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return how to verify the server and which client certificate to present; None for plain HTTP."""
        configuration = self._configuration
        if not self.address.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
            if configuration.cert_file:
                context.load_cert_chain(configuration.cert_file, configuration.key_file)
        except OSError as error:
            files = configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file
            raise AccessError(f"cannot read a certificate or key for {self.address}, of {files}: {error}") from error
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def load_access(kubeconfig: Path | None = None, context: str | None = None) -> Access:
    """Load the API server's address and credentials.

    Parameters
    ----------
    kubeconfig
        The file to use. None: the service account in a pod, else the files that `KUBECONFIG` names, else
        `~/.kube/config`.
    context
        The context in the file; None for its current one.

    Raises
    ------
    AccessError
        None were found, or the file holds none.
    """
    tried = []
    if kubeconfig is None:
        try:
            return Access(ServiceAccount(os.environ, service_account.FOLDER))
        except NoServiceAccountError as error:
            tried.append(f"service account: {error}")
    return _load_file(kubeconfig, context, tried)


def _load_file(kubeconfig: Path | None, context: str | None, tried: list[str]) -> Access:
    from kubernetes.client import Configuration  # noqa: PLC0415
    from kubernetes.config import load_kube_config  # noqa: PLC0415

    configuration = Configuration()
    try:
        load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig) if kubeconfig else None,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:
        # On a malformed file the loader raises anything from a YAML error to a TypeError.
        tried.append(f"kubeconfig {kubeconfig or 'from KUBECONFIG or ~/.kube/config'}: {error}")
        raise AccessError("no API server configured: " + "; ".join(tried)) from error
    return Access(configuration)
