"""Answers that no forge of good faith gives: what a proxy, a stranger's fork or a broken server may send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import InstallationToken, PersonalToken, RepositoryRef
from codecourier.github.errors import ForgeError, ForgeNotFound, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.find_pull_requests import FindPullRequests
from codecourier.github.operations.get_repository import GetRepository
from codecourier.github.operations.revoke_token import Revocation, RevokeToken
from codecourier.github.secret import Secret
from codecourier.github.transport import _ANSWER_MAX_BYTES
from codecourier.text import marker
from tests.support.odd_forge import OddForge, answer

TOKEN = Secret("a-token-of-the-app")
MARKER = marker("run", 1)
DRAFT = CreatePullRequest("Add", MARKER, "work", "main")


def pull(host: str, number: int, head_repository: int | None) -> dict[str, Any]:
    """Return a pull request with our marker in repository 1, from a branch `work` of some repository."""
    return {
        "number": number,
        "html_url": f"https://{host}/acme/shop/pull/{number}",
        "state": "open",
        "draft": False,
        "merged_at": None,
        "title": "Add",
        "body": MARKER,
        "created_at": "2026-01-01T00:00:00Z",
        "head": {"ref": "work", "sha": "a" * 40, "repo": head_repository and {"id": head_repository}},
        "base": {"ref": "main", "sha": "b" * 40, "repo": {"id": 1}},
    }


def reach(odd: OddForge) -> tuple[GitHubForge, RepositoryRef]:
    """Return a client that trusts the server, and the repository there."""
    repo = RepositoryRef(f"https://{odd.host}/acme/shop", PersonalToken(TOKEN))
    return GitHubForge(hosts=frozenset({odd.host}), ca_bundle=odd.ca_path), repo


async def test_a_pull_request_from_a_fork_is_not_ours_whatever_its_text_says(tmp_path: Path) -> None:
    async with OddForge(tmp_path, [b""]) as odd:
        odd.scripts = [answer(200, [pull(odd.host, 4, None), pull(odd.host, 3, 2), pull(odd.host, 2, 1)])]
        forge, repo = reach(odd)
        async with forge:
            assert [facts.number for facts in await forge.do(repo, FindPullRequests("work", MARKER))] == [2]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (answer(204), Revocation.REVOKED),
        (answer(401, {"message": "Bad credentials"}), Revocation.ALREADY_INVALID),
        (answer(404, {"message": "Not Found"}), Revocation.ALREADY_INVALID),
    ],
)
async def test_a_token_that_the_forge_does_not_know_has_ended(
    tmp_path: Path, script: bytes, expected: Revocation
) -> None:
    async with OddForge(tmp_path, [script]) as odd:
        forge, repo = reach(odd)
        async with forge:
            assert await forge.do(RepositoryRef(repo.url, InstallationToken(TOKEN)), RevokeToken()) is expected


@pytest.mark.parametrize(
    "script",
    [
        answer(302, location="https://status.example/maintenance"),
        answer(301, location="https://elsewhere.example/"),
        answer(403, {"message": "Blocked"}),
        answer(451, {"message": "Blocked"}),
        answer(500),
    ],
)
async def test_a_token_is_not_taken_for_ended_because_somebody_else_answered(tmp_path: Path, script: bytes) -> None:
    async with OddForge(tmp_path, [script]) as odd:
        forge, repo = reach(odd)
        async with forge:
            with pytest.raises(ForgeError):
                await forge.do(RepositoryRef(repo.url, InstallationToken(TOKEN)), RevokeToken())
            assert len(odd.seen) == 1


@pytest.mark.parametrize("operation", [GetRepository(), DRAFT])
async def test_no_credential_follows_a_redirect(tmp_path: Path, operation: Operation[object]) -> None:
    async with OddForge(tmp_path, [b""]) as odd:
        odd.scripts = [answer(307, location=f"https://{odd.host}/elsewhere"), answer(200, {})]
        forge, repo = reach(odd)
        async with forge:
            with pytest.raises(ForgeNotFound, match="renamed or moved"):
                await forge.do(repo, operation)
            assert [request.line for request in odd.seen if "elsewhere" in request.line] == []
            assert len(odd.seen) == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (answer(200, [None] * (_ANSWER_MAX_BYTES // 5)), "larger than"),
        (answer(202), "still preparing"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", "cut during|did not answer"),
        (answer(200, {"id": "no number"}), "cannot be read"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnope", "it is not JSON"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_unavailable_forge_and_asked_for_once(
    tmp_path: Path, script: bytes, words: str
) -> None:
    async def send(writer: Any) -> None:
        writer.write(script)
        await writer.drain()
        writer.transport.abort() if script.endswith(b"{") else None

    async with OddForge(tmp_path, [send]) as odd:
        forge, repo = reach(odd)
        async with forge:
            with pytest.raises(Unavailable, match=words):
                await forge.do(repo, GetRepository())
            assert len(odd.seen) == 1
