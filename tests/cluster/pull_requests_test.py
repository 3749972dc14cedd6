"""What becomes of a pull request at a real forge is in the status of its Run, and people are told of the merge."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

import pytest

from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS
from codecourier.local.forge.address import ForgeAddress
from tests.support.team import CHANGE, Team
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()


def tell_forge(team: Team, method: str, path: str, **body: Any) -> None:
    """Do something at the forge as a user of the repository."""
    granted = {"contents": "write", "pull_requests": "write"}
    token = team.forge.create_token(team.namespace, [team.repository], granted)  # type: ignore[arg-type]
    address = ForgeAddress.read(team.cluster.layout.forge)
    context = ssl.create_default_context(cafile=str(address.ca_path))
    connection = http.client.HTTPSConnection(address.host, context=context, timeout=20)
    headers = {"Authorization": f"token {token}"}
    connection.request(method, f"/api/v3/repos/{team.repository}{path}", json.dumps(body), headers)
    assert connection.getresponse().status < 300
    connection.close()


@CASES.case
async def a_merge_is_seen_without_the_right_to_read_checks_and_told_once(team: Team) -> None:
    await team.workflow(CHANGE)
    await team.run()
    run = await team.ended()
    made = run["status"]["pullRequest"]
    assert (made["phase"], made["state"], made["baseBranch"]) == ("Created", "Open", "main")
    tell_forge(team, "PUT", f"/pulls/{made['number']}/merge")
    merged = await team.wait(RUNS, "run", lambda run: run["status"]["pullRequest"]["phase"] == "Merged")
    seen = merged["status"]["pullRequest"]
    assert seen["state"] == "Merged"
    assert seen["mergeTime"]
    assert seen["mergeCommit"]
    assert "checks" not in seen, "the team's App may not read them"
    assert merged["status"]["phase"] == "Completed"
    assert merged["status"]["message"] == run["status"]["message"]
    told = [found["spec"]["type"] for found in (await team.api.list(NOTIFICATIONS, team.namespace)).items]
    assert sorted(told) == ["PrCreated", "PrMerged", "RunCompleted"]


@pytest.mark.parametrize("case", CASES.names)
async def test_a_pull_request_is_followed(played: Played, case: str) -> None:
    await played[case]
