"""TLS of the API server: certificate and authorities change without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, Self

__all__ = ["ServingTls"]

_LOGGER = logging.getLogger(__name__)

_LOOK_SECONDS = 5.0
"""How often the files are read: a certificate is renewed hours before it ends."""


class _LiveContext(ssl.SSLContext):
    """Gives each new connection the context of the moment; a context cannot forget an authority that it has loaded."""

    current: ssl.SSLContext

    def __new__(cls) -> Self:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """See `SSLContext.wrap_bio`."""
        return self.current.wrap_bio(*arguments, **options)


class ServingTls:
    """What new connections are served with.

    Parameters
    ----------
    certificate_file
        The certificate and those between it and its authority, PEM.
    key_file
        The certificate's key, PEM.

    Raises
    ------
    OSError
        If a file cannot be read, or the two do not belong together.
    """

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        self._files = (certificate_file, key_file)
        self._authority: str | None = None
        self._content = self._read()
        self._live = _LiveContext()
        self._live.current = self._build()

    @property
    def context(self) -> ssl.SSLContext:
        """The context to listen with; it stays the same."""
        return self._live

    def trust(self, authority: str | None) -> None:
        """Ask clients for a certificate of an authority, which they need not have; None: do not ask.

        Parameters
        ----------
        authority
            Certificates of the authority, PEM.

        Raises
        ------
        OSError
            If it is none.
        """
        self._authority = authority
        self._live.current = self._build()

    def reload(self) -> None:
        """Take the files as they are now, if they have changed.

        Raises
        ------
        OSError
            If a file cannot be read, or the two do not belong together: the earlier ones stay in use.
        """
        content = self._read()
        if content != self._content:
            self._live.current = self._build()
            self._content = content
            _LOGGER.info("new connections are served with the certificate that was put into %s", self._files[0])

    async def run(self) -> None:
        """Follow the files until cancelled."""
        problem = ""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self.reload()
                problem = ""
            except OSError as error:
                # The two files cannot be replaced at once.
                if str(error) != problem:
                    problem = str(error)
                    _LOGGER.warning("the certificate in use stays: %s cannot be used: %s", self._files[0], error)

    def _read(self) -> tuple[bytes, ...]:
        return tuple(file.read_bytes() for file in self._files)

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(*self._files)
        if self._authority is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=self._authority)
        return context
