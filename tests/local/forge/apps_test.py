"""The App: its assertion, its installations, and tokens that are narrowed, expire and are revoked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from codecourier.local.forge.control import Permissions
from tests.support.forge import ForgeRepository, GitFailedError, assertion, new_repository

pytestmark = pytest.mark.forge

GRANTED: Permissions = {"contents": "write", "pull_requests": "write", "checks": "write"}


@pytest.fixture
def installation(repository: ForgeRepository) -> int:
    return repository.control.install_app(repository.owner, GRANTED)


def test_the_app_finds_its_installation_and_mints(repository: ForgeRepository, installation: int) -> None:
    found = repository.api("GET", "/installation", assertion(repository.forge))
    assert (found.body["id"], found.body["app_slug"]) == (installation, "codecourier-local")
    minted = repository.mint(installation).body
    assert minted["permissions"] == {**GRANTED, "metadata": "read"}
    expires_at = datetime.fromisoformat(minted["expires_at"])
    assert 3590 < (expires_at - datetime.now(tz=UTC)).total_seconds() <= 3600
    assert repository.api("GET", "", minted["token"]).body["full_name"] == repository.full_name
    assert repository.control.counters().tokens_minted[str(installation)] == 1


def test_token_is_narrowed(repository: ForgeRepository, installation: int) -> None:
    other = new_repository(repository.forge, repository.folder, owner=repository.owner)
    answer = repository.mint(installation, repository_ids=[repository.id], permissions={"contents": "read"})
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
    answer = repository.mint(installation, repositories=[name])
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
        answer = repository.mint(installation, **body)
        assert answer.status == 422
        assert message in answer.body["message"]
    assert str(installation) not in repository.control.counters().tokens_minted


def test_selected_installation_sees_its_repositories_only(repository: ForgeRepository) -> None:
    other = new_repository(repository.forge, repository.folder, owner=repository.owner)
    number = repository.control.install_app(repository.owner, GRANTED, repositories=[repository.full_name])
    token = repository.app_token(number)
    assert repository.api("GET", "", token).status == 200
    assert other.api("GET", "", token).status == 404
    answer = other.api("GET", "/installation", assertion(repository.forge))
    assert answer.status == 404


def test_revoked_token_ends_at_once(repository: ForgeRepository, installation: int) -> None:
    token = repository.app_token(installation)
    request = repository.forge.request
    assert request("DELETE", "/api/v3/installation/token", authorization=f"Bearer {token}").status == 204
    again = request("DELETE", "/api/v3/installation/token", authorization=f"Bearer {token}")
    assert (again.status, again.body["message"]) == (401, "Bad credentials")
    with pytest.raises(GitFailedError, match="could not read Username"):
        repository.clone(token)
    assert repository.control.counters().tokens_revoked[str(installation)] == 1


def test_expired_token_is_refused(repository: ForgeRepository, installation: int) -> None:
    token = repository.app_token(installation)
    assert repository.control.expire_installation(installation) == 1
    answer = repository.api("GET", "", token)
    assert (answer.status, answer.body["message"]) == (401, "Bad credentials")


def test_installation_acts_as_a_bot(repository: ForgeRepository, installation: int) -> None:
    repository.branch("work")
    token = repository.app_token(installation)
    pull = repository.github(token).create_pull(base="main", head="work", title="Title")
    assert (pull.user.login, pull.user.type) == ("codecourier-local[bot]", "Bot")


def test_broken_assertions_are_refused(repository: ForgeRepository, installation: int) -> None:
    forge = repository.forge
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
        answer = repository.api("GET", "/installation", token)
        assert answer.status == 401
        assert message in answer.body["message"]


def test_client_id_is_an_issuer(repository: ForgeRepository, installation: int) -> None:
    token = assertion(repository.forge, iss=repository.forge.address.app_client_id)
    assert repository.api("GET", "/installation", token).body["id"] == installation


def test_tokens_are_not_kept(repository: ForgeRepository, installation: int) -> None:
    tokens = [repository.token(), repository.app_token(installation)]
    kept = b"".join(path.read_bytes() for path in repository.forge.state_dir.glob("forge.sqlite*"))
    assert [token for token in tokens if token.encode() in kept] == []
