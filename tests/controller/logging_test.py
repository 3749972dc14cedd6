"""What is logged while a key is worked on carries the key."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from codecourier.kinds.api_resources import PROJECTS
from codecourier.kube.api import NAMESPACES
from codecourier.logs import JsonFormatter
from tests.simulation.clock import run_virtual
from tests.support.simulated import make_operator, make_server, until


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return where our own records go."""
    stream, logger = io.StringIO(), logging.getLogger("codecourier")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.setLevel(level)
    logger.removeHandler(handler)


def test_lines_about_a_project_carry_its_key_and_reason(log: io.StringIO) -> None:
    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.getvalue().splitlines()]

    async def main() -> None:
        server, stop = make_server(), asyncio.Event()
        server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
        repository = {"url": "https://forge.test/example/shop", "credentialRef": {"name": "token"}}
        body = {"metadata": {"name": "default", "namespace": "shop"}, "spec": {"repositories": [repository]}}
        uid = server.store.create(PROJECTS, body).metadata["uid"]
        running = asyncio.create_task(make_operator(server).run(stop, drain_seconds=1))
        await until(server, lambda: any("reason" in line for line in lines()))
        stop.set()
        await running
        (line,) = [line for line in lines() if "reason" in line]
        wanted = {"kind": "Project", "namespace": "shop", "name": "default", "uid": uid, "level": "warning"}
        assert {key: line.get(key) for key in wanted} == wanted
        assert line["reason"] == "CredentialsMissing"
        assert all("name" not in line for line in lines() if line["logger"] == "codecourier.kube.lease")

    run_virtual(main)
