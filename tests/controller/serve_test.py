"""The operator as a process, as far as it gets without an API server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from codecourier.controller.serve import serve
from codecourier.errors import SettingsError
from codecourier.kube.access import load_access
from codecourier.settings import load_settings
from tests.support.kubeconfig import kubeconfig


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = load_settings({"CODECOURIER_LISTEN_PORT": str(port)})
        with pytest.raises(SettingsError, match=f"CODECOURIER_LISTEN_PORT.*127.0.0.1:{port}"):
            await serve(settings, load_access(kubeconfig(tmp_path, port)))
