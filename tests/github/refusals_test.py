"""What a refusal means depends on the operation: the same status is a different error of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import InstallationToken, PersonalToken, RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeNotFound, ForgeRefused, Unavailable
from codecourier.github.operations.create_pull_request import CreatePullRequest, PullRequestExists, PullRequestRefused
from codecourier.github.operations.find_pull_requests import FindPullRequests
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.get_repository import GetRepository
from codecourier.github.operations.revoke_token import RevokeToken
from codecourier.github.secret import Secret
from tests.support.odd_forge import OddForge, answer

CREATE = CreatePullRequest("Add", "Adds it.", "work", "main")
FIND = FindPullRequests("work", "a marker")
EXISTS = {"message": "Validation Failed", "errors": [{"message": "A pull request already exists for a:work."}]}
REPOSITORY = {"id": 1, "default_branch": "main", "clone_url": "https://elsewhere.example/acme/shop.git"}


async def outcome(folder: Path, operation: Operation[Any], script: bytes) -> tuple[object, OddForge]:
    """Return what an operation gives, or its error, where the forge answers everything alike."""
    is_revocation = isinstance(operation, RevokeToken)
    async with (
        OddForge(folder, [script]) as odd,
        GitHubForge(hosts=frozenset({odd.host}), ca_bundle=odd.ca_path) as forge,
    ):
        token = Secret("a-token")
        credential = InstallationToken(token) if is_revocation else PersonalToken(token)
        try:
            return await forge.do(RepositoryRef(f"https://{odd.host}/acme/shop", credential), operation), odd
        except ForgeError as error:
            return error, odd


@pytest.mark.parametrize(
    ("operation", "status", "body", "expected"),
    [
        (CREATE, 422, EXISTS, PullRequestExists),
        (CREATE, 422, {"message": "No commits between main and work"}, PullRequestRefused),
        (CREATE, 400, {}, ForgeRefused),
        (CREATE, 404, {}, ForgeNotFound),
        (CREATE, 403, {}, CredentialsRefused),
        (GetRepository(), 422, EXISTS, ForgeRefused),
        (GetRepository(), 409, {}, ForgeRefused),
        (GetRepository(), 451, {}, ForgeNotFound),
        (GetBranchHead("main"), 422, EXISTS, ForgeRefused),
        (GetBranchHead("main"), 404, {}, ForgeNotFound),
        (FIND, 422, EXISTS, ForgeRefused),
        (FIND, 401, {}, CredentialsRefused),
        (FIND, 503, {}, Unavailable),
        (RevokeToken(), 403, {}, CredentialsRefused),
    ],
)
async def test_a_status_means_what_the_operation_says(
    tmp_path: Path, operation: Operation[Any], status: int, body: object, expected: type[ForgeError]
) -> None:
    error, odd = await outcome(tmp_path, operation, answer(status, body))
    assert type(error) is expected
    assert f"{odd.seen[0].line.split()[0]} https://{odd.host}/api/v3/" in str(error), "it says which request"


@pytest.mark.parametrize("status", [400, 405, 418, 422])
async def test_a_token_that_was_not_revoked_is_tried_again(tmp_path: Path, status: int) -> None:
    error, _ = await outcome(tmp_path, RevokeToken(), answer(status))
    assert isinstance(error, ForgeError)
    assert not isinstance(error, ForgeRefused), "which would be final, and the token would be left to work"


async def test_an_empty_repository_has_no_branch(tmp_path: Path) -> None:
    script = answer(409, {"message": "Git Repository is empty."})
    assert (await outcome(tmp_path, GetBranchHead("main"), script))[0] is None


async def test_a_clone_address_on_another_host_is_a_refusal_that_names_it(tmp_path: Path) -> None:
    error, _ = await outcome(tmp_path, GetRepository(), answer(200, REPOSITORY))
    assert type(error) is ForgeRefused
    assert "https://elsewhere.example/acme/shop.git" in error.message


def test_pull_requests_are_not_looked_for_without_a_marker() -> None:
    with pytest.raises(ValueError, match="marker"):
        FindPullRequests("work", "")
