"""Each request that is to change something leaves one line in the log: method, path, user and status."""

from __future__ import annotations

import logging

import pytest

from codecourier.kinds.api_resources import PROJECTS, WORKFLOWS
from codecourier.kube.api import Json
from tests.support.rest_app import RestApp, play_rest

REPOSITORY: Json = {"url": "https://github.com/org/repo", "isDefault": True, "credentialRef": {"name": "forge"}}
SECRET_WORDS = "Nothing of the body is logged."


def test_a_change_leaves_one_line_and_a_read_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "codecourier.apiserver.route")

    async def scenario(rest: RestApp) -> None:
        await rest.make(PROJECTS, "default", {"repositories": [REPOSITORY]})
        await rest.make(WORKFLOWS, "build", {"image": "busybox", "agent": {"command": ["true"]}})
        body = {"workflowId": "build", "prompt": SECRET_WORDS}
        made = (await rest.ask("POST", "/runs", body)).data["id"]
        await rest.ask("GET", f"/runs/{made}")
        await rest.ask("POST", "/runs", {"prompt": SECRET_WORDS})
        rest.denied.add(("delete", "runs"))
        await rest.ask("DELETE", f"/runs/{made}")
        user = "codecourier:shop:ci"
        assert [record.getMessage() for record in caplog.records] == [
            f"POST '/api/v1/runs' by {user}: 201",
            f"POST '/api/v1/runs' by {user}: 400",
            f"DELETE '/api/v1/runs/{made}' by {user}: 403",
        ]
        assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING"]
        assert rest.key not in caplog.text
        assert SECRET_WORDS not in caplog.text

    play_rest(scenario)
