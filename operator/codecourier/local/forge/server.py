"""Serves a forge over https on loopback until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import socket
from pathlib import Path
from typing import IO

import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from uvicorn.protocols.http.h11_impl import H11Protocol

from codecourier.local.certificates import create_authority, write_key_pair
from codecourier.local.errors import LocalError, PortTakenError
from codecourier.local.forge.accounts import App
from codecourier.local.forge.address import ForgeAddress, NoForgeError
from codecourier.local.forge.application import CONNECTION_STATE, build_application
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.settings import ForgeSettings
from codecourier.trees import remove_tree

__all__ = ["ForgeServer"]

_APP_ID = 1

_APP_SLUG = "codecourier-local"

_KEY_BITS = 2048

_LONGEST_SHUTDOWN_SECONDS = 3
"""How long requests in progress may take at the end."""


class _Connection(H11Protocol):
    """Lets the application cut a connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the transport where each request of the connection finds it."""
        self.app_state = {**self.app_state, CONNECTION_STATE: transport}
        super().connection_made(transport)


class ForgeServer:
    """One forge with its socket.

    Raises
    ------
    LocalError
        If the port that was asked for belongs to another program, or the state folder to another forge.
    """

    def __init__(self, settings: ForgeSettings) -> None:
        self._settings = settings
        settings.repositories.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(settings.state_dir / "lock")
        remove_tree(settings.spool)
        settings.spool.mkdir()
        self._socket = _listen(settings)
        _ensure_certificate(settings)
        self._forge = Forge(
            settings,
            base_url=f"https://localhost:{self._socket.getsockname()[1]}",
            control_token=_ensure_control_token(settings.control_token_file),
            app=_ensure_app(settings.app_key_file),
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        configuration = uvicorn.Config(
            build_application(self._forge),
            http=_Connection,
            loop="asyncio",
            lifespan="off",
            ws="none",
            ssl_certfile=self._settings.certificate_file,
            ssl_keyfile=self._settings.certificate_key_file,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_LONGEST_SHUTDOWN_SECONDS,
        )
        server = _Server(configuration, self._forge)
        server.run(sockets=[self._socket])
        self._forge.store.close()


class _Server(uvicorn.Server):
    """Writes the ready file once the forge listens."""

    def __init__(self, configuration: uvicorn.Config, forge: Forge) -> None:
        super().__init__(configuration)
        self._forge = forge

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then write the ready file."""
        await super().startup(sockets)
        _address(self._forge).write(self._forge.settings.state_dir)


def _lock(path: Path) -> IO[bytes]:
    """Keep a second forge away from the state folder for as long as this process lives."""
    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise LocalError(f"another forge runs with the state folder {path.parent}: end it, or use it") from error
    return lock


def _listen(settings: ForgeSettings) -> socket.socket:
    remembered = _remembered_port(settings.state_dir)
    for port in (settings.port,) if settings.port else (remembered, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener
    raise PortTakenError(f"port {settings.port} on 127.0.0.1 belongs to another program: choose another, or 0")


def _remembered_port(state_dir: Path) -> int:
    try:
        return ForgeAddress.read(state_dir).port
    except (NoForgeError, OSError, ValueError, KeyError, TypeError):
        return 0


def _ensure_certificate(settings: ForgeSettings) -> None:
    if settings.certificate_file.exists() and settings.authority_file.exists():
        return
    # The authority signs once, so that its key need not be kept.
    authority = create_authority("codecourier-forge-ca")
    pair = authority.issue("localhost", hosts=["localhost", "127.0.0.1"])
    settings.authority_file.write_bytes(authority.pair.certificate)
    write_key_pair(pair, settings.certificate_file, settings.certificate_key_file)


def _ensure_control_token(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_hex(32).encode())
    return path.read_text(encoding="ascii").strip()


def _ensure_app(key_file: Path) -> App:
    if not key_file.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        _write_private(key_file, key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    public_key = load_pem_private_key(key_file.read_bytes(), password=None).public_key()
    public_pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return App(id=_APP_ID, client_id="Iv1.local", slug=_APP_SLUG, owner="codecourier", public_key=public_pem)


def _write_private(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def _address(forge: Forge) -> ForgeAddress:
    settings = forge.settings
    return ForgeAddress(
        pid=os.getpid(),
        port=int(forge.base_url.rpartition(":")[2]),
        base_url=forge.base_url,
        api_url=forge.api_url,
        ca_path=settings.authority_file,
        control_token_path=settings.control_token_file,
        app_id=forge.app.id,
        app_client_id=forge.app.client_id,
        app_private_key_path=settings.app_key_file,
    )
