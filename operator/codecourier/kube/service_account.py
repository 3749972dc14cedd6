"""A pod's service account, as Kubernetes mounts it into the pod.

Reading three files needs no library: the `kubernetes` package would take 9 MiB and 0.2 s of every start for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "NoServiceAccountError", "ServiceAccount"]

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts it."""

_REREAD_SECONDS = 60.0
"""The kubelet replaces the token long before it expires."""


class NoServiceAccountError(Exception):
    """The process has no service account; the message says what is missing."""


class ServiceAccount:
    """The address of the API server and the token for it, under the names that the `kubernetes` package gives them.

    Parameters
    ----------
    environment
        The process's environment, with `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    folder
        Where the files are.
    clock
        The monotonic clock, in seconds.

    Raises
    ------
    NoServiceAccountError
        If a variable or a file is missing or empty.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
        if not host or not port:
            raise NoServiceAccountError("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
        self.host = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        self.ssl_ca_cert: str | None = str(folder / "ca.crt")
        self.cert_file: str | None = None
        self.key_file: str | None = None
        self.verify_ssl = True
        self.proxy: str | None = None
        self._clock = clock
        self._token_file = folder / "token"
        self._token = _read(self._token_file)
        self._read_time = clock()
        _read(folder / "ca.crt")

    def auth_settings(self) -> dict[str, dict[str, Any]]:
        """Return the token, read anew once a minute; while its file cannot be read, the last one."""
        if self._clock() >= self._read_time + _REREAD_SECONDS:
            self._read_time = self._clock()
            with suppress(NoServiceAccountError):
                self._token = _read(self._token_file)
        return {"BearerToken": {"value": f"Bearer {self._token}"}}


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoServiceAccountError(f"{path} cannot be read: {type(error).__name__}") from error
    if not text:
        raise NoServiceAccountError(f"{path} is empty")
    return text
