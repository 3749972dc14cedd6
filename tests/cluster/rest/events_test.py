"""The stream of changes on a real server: it tells what happens, and ends with the server."""

from __future__ import annotations

import orjson
import pytest
import requests

from codecourier.kinds.api_resources import LEARNINGS
from tests.support.rest import PROJECT, REPOSITORY, Rest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


def test_a_change_is_told_while_the_answer_goes_on(rest: Rest, editor: str) -> None:
    headers = {"Authorization": f"Bearer {editor}"}
    with requests.get(f"{rest.address}/events", headers=headers, timeout=30, stream=True) as answer:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
        lines = answer.iter_lines(chunk_size=1)
        while next(lines) != b"event: open":
            pass
        rest.create(LEARNINGS, PROJECT, "told", {"text": "Run make.", "repositoryUrl": REPOSITORY})
        found = (orjson.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: "))
        change = next(data for data in found if data.get("id") == "ln_told")
    assert (change["kind"], change["change"]) == ("learning", "created")
