"""The App: its assertion, its installations, and tokens that are narrowed, expire and are revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from github import Auth, GithubIntegration

from codecourier.local.forge.control import Permissions
from tests.support.forge import Answer, ForgeProcess, ForgeRepository, GitFailedError, new_repository

pytestmark = pytest.mark.forge

GRANTED: Permissions = {"contents": "write", "pull_requests": "write", "checks": "write"}


def assertion(forge: ForgeProcess, *, key: str | None = None, **claims: Any) -> str:
    address = forge.address
    now = int(datetime.now(tz=UTC).timestamp())
    sent = {"iat": now - 60, "exp": now + 300, "iss": str(address.app_id)} | claims
    return jwt.encode(sent, key or address.app_private_key_path.read_text(), algorithm="RS256")


def mint(repository: ForgeRepository, installation: int, body: dict[str, Any] | None = None) -> Answer:
    return repository.forge.request(
        "POST",
        f"/api/v3/app/installations/{installation}/access_tokens",
        authorization=f"Bearer {assertion(repository.forge)}",
        body=body,
    )


@pytest.fixture
def installation(repository: ForgeRepository) -> int:
    return repository.control.install_app(repository.owner, GRANTED)


def test_pygithub_finds_the_installation_and_mints(repository: ForgeRepository, installation: int) -> None:
    address = repository.forge.address
    integration = GithubIntegration(
        auth=Auth.AppAuth(address.app_id, address.app_private_key_path.read_text()),
        base_url=address.api_url,
        verify=str(address.ca_path),
    )
    assert integration.get_app().slug == "codecourier-local"
    assert integration.get_repo_installation(*repository.full_name.split("/")).id == installation
    token = integration.get_access_token(installation)
    assert token.permissions == {**GRANTED, "metadata": "read"}
    assert 3590 < (token.expires_at - datetime.now(tz=UTC)).total_seconds() <= 3600
    found = repository.forge.github(token.token).get_repo(repository.full_name)
    assert found.full_name == repository.full_name
    assert repository.control.counters().tokens_minted[str(installation)] == 1


def test_token_is_narrowed(repository: ForgeRepository, installation: int) -> None:
    other = new_repository(repository.forge, repository.folder, owner=repository.owner)
    body = {"repository_ids": [repository.id], "permissions": {"contents": "read"}}
    answer = mint(repository, installation, body)
    assert answer.status == 201
    assert answer.body["repository_selection"] == "selected"
    assert [found["full_name"] for found in answer.body["repositories"]] == [repository.full_name]
    assert answer.body["permissions"] == {"contents": "read", "metadata": "read"}
    token = answer.body["token"]
    clone = repository.clone(token)
    repository.commit(clone, {"new.txt": "new\n"})
    with pytest.raises(GitFailedError, match="Write access to repository not granted"):
        repository.git("push", "origin", "HEAD:refs/heads/x", token=token, folder=clone)
    with pytest.raises(GitFailedError, match="not found"):
        other.clone(token)
    assert other.api("GET", "", token).status == 404
    refused = repository.api("GET", "/pulls", token)
    assert (refused.status, refused.body["message"]) == (403, "Resource not accessible by integration")


def test_token_is_narrowed_by_name(repository: ForgeRepository, installation: int) -> None:
    name = repository.full_name.partition("/")[2]
    answer = mint(repository, installation, {"repositories": [name]})
    assert [found["name"] for found in answer.body["repositories"]] == [name]
    assert answer.body["permissions"] == {**GRANTED, "metadata": "read"}


def test_token_for_too_much_is_refused(repository: ForgeRepository, installation: int) -> None:
    stranger = new_repository(repository.forge, repository.folder)
    not_accessible = "does not exist or is not accessible to the parent installation"
    for body, message in (
        ({"repository_ids": [repository.id, stranger.id]}, not_accessible),
        ({"repositories": ["nothing"]}, not_accessible),
        ({"permissions": {"administration": "write"}}, "permissions requested are not granted"),
    ):
        answer = mint(repository, installation, body)
        assert answer.status == 422
        assert message in answer.body["message"]
    assert str(installation) not in repository.control.counters().tokens_minted


def test_selected_installation_sees_its_repositories_only(repository: ForgeRepository) -> None:
    other = new_repository(repository.forge, repository.folder, owner=repository.owner)
    number = repository.control.install_app(repository.owner, GRANTED, repositories=[repository.full_name])
    token = repository.control.mint_token(number)
    own = repository.forge.request("GET", "/api/v3/installation/repositories", authorization=f"Bearer {token}")
    assert [found["full_name"] for found in own.body["repositories"]] == [repository.full_name]
    assert other.api("GET", "", token).status == 404
    answer = other.api("GET", "/installation", assertion(repository.forge))
    assert answer.status == 404


def test_revoked_token_ends_at_once(repository: ForgeRepository, installation: int) -> None:
    token = repository.control.mint_token(installation)
    request = repository.forge.request
    assert request("DELETE", "/api/v3/installation/token", authorization=f"Bearer {token}").status == 204
    again = request("DELETE", "/api/v3/installation/token", authorization=f"Bearer {token}")
    assert (again.status, again.body["message"]) == (401, "Bad credentials")
    with pytest.raises(GitFailedError, match="could not read Username"):
        repository.clone(token)
    assert repository.control.counters().tokens_revoked[str(installation)] == 1


def test_expired_token_is_refused(repository: ForgeRepository, installation: int) -> None:
    token = repository.control.mint_token(installation)
    assert repository.control.expire_installation(installation) == 1
    answer = repository.api("GET", "", token)
    assert (answer.status, answer.body["message"]) == (401, "Bad credentials")


def test_installation_acts_as_a_bot(repository: ForgeRepository, installation: int) -> None:
    repository.branch("work")
    token = repository.control.mint_token(installation)
    pull = repository.github(token).create_pull(base="main", head="work", title="Title")
    assert (pull.user.login, pull.user.type) == ("codecourier-local[bot]", "Bot")
    answer = repository.forge.request("GET", "/api/v3/user", authorization=f"Bearer {token}")
    assert (answer.status, answer.body["message"]) == (403, "Resource not accessible by integration")


def test_broken_assertions_are_refused(forge: ForgeProcess) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = stranger.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    now = int(datetime.now(tz=UTC).timestamp())
    for token, message in (
        (assertion(forge, key=pem), "could not be decoded"),
        (assertion(forge, iss="9999"), "'Issuer' claim"),
        (assertion(forge, exp=now + 3600), "too far in the future"),
        (assertion(forge, iat=now - 900, exp=now - 300), "future time at which the assertion expires"),
        ("ghs_something", "Bad credentials"),
    ):
        answer = forge.request("GET", "/api/v3/app", authorization=f"Bearer {token}")
        assert answer.status == 401
        assert message in answer.body["message"]


def test_client_id_is_an_issuer(forge: ForgeProcess) -> None:
    token = assertion(forge, iss=forge.address.app_client_id)
    assert forge.request("GET", "/api/v3/app", authorization=f"Bearer {token}").status == 200


def test_tokens_are_not_kept(repository: ForgeRepository, installation: int) -> None:
    tokens = [repository.token(), repository.control.mint_token(installation)]
    kept = b"".join(path.read_bytes() for path in repository.forge.state_dir.glob("forge.sqlite*"))
    assert [token for token in tokens if token.encode() in kept] == []
