"""What users ask of sprint chains and of the project, on a real API server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from codecourier.core.shared.api_keys import hash_key
from codecourier.kinds.api_resources import PROJECTS, SPRINT_CHAINS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.rest import EDITOR, PROJECT, REPOSITORY, Rest, known

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

CHAIN: Json = {"workflowId": "wf_build", "sprintRange": [1, 3], "prompt": "Go on.", "githubRepoUrl": REPOSITORY}
EMPTY = "rest-empty"


@pytest.mark.both_doors
def test_a_chain_is_paused_unpaused_and_resumed(rest: Rest, editor: str) -> None:
    chain = rest.ask("POST", "/sprint-chains", editor, CHAIN).data["id"]
    one, path = f"/sprint-chains/{chain}", SPRINT_CHAINS.path(PROJECT, chain.removeprefix("sc_"))
    assert rest.ask("POST", f"{one}/pause", editor).data["isPaused"] is True
    assert rest.ask("POST", f"{one}/unpause", editor).data["isPaused"] is False
    assert rest.ask("PATCH", one, editor, {"isPaused": True}).data["isPaused"] is True
    assert rest.ask("PATCH", one, editor, {"prompt": "Else."}).fields.keys() == {"prompt"}
    assert rest.ask("PATCH", "/sprint-chains/sc_none", editor, {"isPaused": True}).status == 404
    assert rest.ask("POST", f"{one}/resume", editor).status == 409
    assert [rest.ask("POST", f"{one}/cancel", editor).data["isCancelRequested"] for _ in range(2)] == [True, True]
    status = orjson.dumps({"status": {"phase": "Failed", "attempt": 1}})
    rest.admin.fetch("PATCH", f"{path}/status", status, "application/merge-patch+json")
    assert wait_until(
        lambda: rest.ask("POST", f"{one}/resume", editor, {"fromSprint": 1}).status == 200, timeout_seconds=9
    )
    assert rest.ask("POST", f"{one}/unpause", editor).status == 200
    spec = rest.admin.fetch("GET", path)["spec"]
    assert (spec["attempt"], spec["resumeFromSprint"], spec["suspend"], spec["cancelled"]) == (2, 1, False, False)
    hold = orjson.dumps({"metadata": {"finalizers": ["codecourier.dev/recorded"]}})
    rest.admin.fetch("PATCH", path, hold, "application/merge-patch+json")
    assert rest.ask("DELETE", one, editor).status == 200
    assert [rest.ask("POST", f"{one}/{verb}", editor).status for verb in ("pause", "unpause", "cancel")] == [409] * 3
    assert rest.ask("PATCH", one, editor, {"isPaused": True}).status == 409
    rest.admin.fetch("PATCH", path, b'{"metadata":{"finalizers":null}}', "application/merge-patch+json")


@pytest.mark.both_doors
def test_the_project_is_paused_by_several_clients_at_once(rest: Rest, editor: str) -> None:
    shown = rest.ask("GET", "/project", editor).data
    assert (shown["id"], shown["isPaused"]) == (PROJECT, False)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rest.ask("POST", "/project/pause", editor).data["isPaused"], range(8)))
    assert answers == [True] * 8
    assert rest.admin.fetch("GET", PROJECTS.path(PROJECT, "default"))["spec"]["suspend"] is True
    assert rest.ask("POST", "/project/resume", editor).data["isPaused"] is False


@pytest.mark.both_doors
def test_a_namespace_without_a_project_has_none_to_pause(rest: Rest) -> None:
    rest.namespace(EMPTY)
    key = known(rest, rest.key(EMPTY, "editor", EDITOR).key)
    operations = [("GET", "/project"), ("POST", "/project/pause"), ("POST", "/project/resume")]
    assert [rest.ask(method, path, key).status for method, path in operations] == [404] * 3
    rest.admin.fetch("DELETE", f"/api/v1/namespaces/{EMPTY}")


def test_keys_are_listed_and_revoked(rest: Rest, editor: str) -> None:
    key = rest.bare_key(PROJECT, "short-lived")
    known(rest, key.key, 403)
    shown = rest.ask("GET", "/api-keys", editor)
    assert f"ak_{key.name}" in [found["id"] for found in shown.data]
    assert hash_key(key.key) not in str(shown.body)
    other = rest.bare_key(PROJECT, "short-lived")
    known(rest, other.key, 403)
    # It has no right, and revokes itself all the same.
    assert rest.ask("DELETE", f"/api-keys/{key.name}", other.key).status == 403
    assert rest.ask("DELETE", f"/api-keys/{other.name}", other.key).status == 200
    assert rest.ask("DELETE", f"/api-keys/{key.name}", editor).data["isDeleted"] is True
    assert [rest.ask("GET", "/runs", revoked.key).status for revoked in (key, other)] == [401, 401]
