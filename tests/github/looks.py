"""Pull requests at the forge, and what their CI and people say of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt
import requests

from codecourier.github.client import GitHubForge
from codecourier.github.operations.create_pull_request import CreatePullRequest
from tests.github.conftest import CHECKS, Place

__all__ = ["open_pull", "say"]


async def open_pull(forge: GitHubForge, place: Place, branch: str) -> tuple[int, str]:
    """Open a pull request; return its number and the commit at its head."""
    assert place.create_ref(place.personal(), branch) == 201
    sha = place.change(branch)
    made = await forge.do(place.by_app, CreatePullRequest(f"Change {branch}", "b", branch, "main"))
    return made.number, sha


def say(place: Place, path: str, **body: Any) -> None:
    """Say something of a commit or pull request as its CI or a person would."""
    method = "PUT" if path.endswith("/merge") else "PATCH" if path.startswith("/pulls/") else "POST"
    answer = place.ask(method, path, mint(place), body)
    assert answer.ok, answer.text


def mint(place: Place) -> str:
    """Return a token of an installation that may do everything here."""
    address, time = place.control.address, int(datetime.now(UTC).timestamp())
    claims = {"iat": time - 60, "exp": time + 300, "iss": str(address.app_id)}
    key = jwt.encode(claims, address.app_private_key_path.read_text(), algorithm="RS256")
    installation = place.control.install_app(place.name.partition("/")[0], CHECKS)  # type: ignore[arg-type]
    answer = requests.post(
        f"{address.api_url}/app/installations/{installation}/access_tokens",
        headers={"Authorization": f"Bearer {key}"},
        verify=str(address.ca_path),
        timeout=30,
    )
    return str(answer.json()["token"])
