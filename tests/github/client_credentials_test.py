"""Credentials: tokens as narrow and as short-lived as they can be, and each wrong one named."""

from __future__ import annotations

import pytest

from codecourier.github.answers import Field
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import AppInstallation, InstallationToken, RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeNotFound, Unavailable
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.get_repository import GetRepository
from codecourier.github.operations.mint_token_pair import MintTokenPair
from codecourier.github.operations.revoke_token import Revocation, RevokeToken
from codecourier.github.secret import Secret
from codecourier.github.tokens import Wish, check_minted
from tests.github.conftest import DRAFT, PERMISSIONS, Clock, Place, assert_no_credential

pytestmark = pytest.mark.forge


async def test_tokens_are_narrowed_to_repository_and_step(forge: GitHubForge, place: Place) -> None:
    other = place.control.create_repository(f"{place.name.split('/')[0]}/other", {"a": "b"})
    place.change("feature/total")
    pair = await forge.do(place.by_app, MintTokenPair())
    assert pair.expires_at is not None
    for token in (pair.read, pair.write):
        assert await forge.do(place.by_token(token), GetBranchHead("main")) == place.sha
        with pytest.raises(CredentialsRefused, match="lacks a permission"):
            await forge.do(place.by_token(token), DRAFT)
        elsewhere = RepositoryRef(
            f"{place.control.address.base_url}/{other.full_name}", place.by_token(token).credential
        )
        with pytest.raises(ForgeNotFound):
            await forge.do(elsewhere, GetRepository())
    assert place.create_ref(pair.read.reveal(), "by-read") == 403
    assert place.create_ref(pair.write.reveal(), "by-write") == 201


async def test_each_try_has_tokens_of_its_own_and_the_operator_keeps_one(forge: GitHubForge, place: Place) -> None:
    first, second = await forge.do(place.by_app, MintTokenPair()), await forge.do(place.by_app, MintTokenPair())
    assert len({token.reveal() for pair in (first, second) for token in (pair.read, pair.write)}) == 4
    await forge.do(place.by_app, GetRepository())
    assert place.control.counters().tokens_minted[str(place.installation_id)] == 5


async def test_operator_token_is_renewed_before_it_ends(forge: GitHubForge, place: Place, clock: Clock) -> None:
    await forge.do(place.by_app, GetRepository())
    clock.advance(minutes=54)
    await forge.do(place.by_app, GetRepository())
    assert place.control.counters().tokens_minted[str(place.installation_id)] == 1
    clock.advance(minutes=2)
    await forge.do(place.by_app, GetRepository())
    assert place.control.counters().tokens_minted[str(place.installation_id)] == 2


async def test_revoked_token_stops_working(forge: GitHubForge, place: Place) -> None:
    pair = await forge.do(place.by_app, MintTokenPair())
    assert (
        await forge.do(RepositoryRef(place.by_app.url, InstallationToken(pair.write)), RevokeToken())
        is Revocation.REVOKED
    )
    assert place.create_ref(pair.write.reveal(), "too-late") == 401
    assert await forge.do(place.by_token(pair.read), GetBranchHead("main")) == place.sha
    assert (
        await forge.do(RepositoryRef(place.by_app.url, InstallationToken(pair.write)), RevokeToken())
        is Revocation.ALREADY_INVALID
    )


async def test_expired_token_is_refused_and_its_revocation_is_no_error(forge: GitHubForge, place: Place) -> None:
    pair = await forge.do(place.by_app, MintTokenPair())
    place.control.expire_installation(place.installation_id)
    with pytest.raises(CredentialsRefused, match="expired") as caught:
        await forge.do(place.by_token(pair.read), GetBranchHead("main"))
    assert_no_credential(caught.value)
    assert (
        await forge.do(RepositoryRef(place.by_app.url, InstallationToken(pair.read)), RevokeToken())
        is Revocation.ALREADY_INVALID
    )
    # The operator's own token ended, too: it is replaced without anybody noticing.
    assert await forge.do(place.by_app, GetBranchHead("main")) == place.sha


async def test_personal_token_is_given_as_it_is(forge: GitHubForge, place: Place) -> None:
    token = place.personal()
    repo = place.by_token(token)
    pair = await forge.do(repo, MintTokenPair())
    assert (pair.read.reveal(), pair.write.reveal(), pair.expires_at) == (token, token, None)
    assert await forge.do(repo, GetBranchHead("main")) == place.sha


async def test_second_mint_that_fails_takes_the_first_token_back(forge: GitHubForge, place: Place) -> None:
    await forge.do(place.by_app, GetRepository())
    place.control.answer_with(500, method="POST", path="/access_tokens$", passes=1)
    with pytest.raises(Unavailable):
        await forge.do(place.by_app, MintTokenPair())
    counters = place.control.counters()
    assert counters.tokens_minted[str(place.installation_id)] == 2
    assert counters.tokens_revoked[str(place.installation_id)] == 1


async def test_installation_without_a_permission(forge: GitHubForge, place: Place) -> None:
    account = place.name.split("/")[0]
    poor = place.control.install_app(account, {"contents": "read", "pull_requests": "write"})
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, poor, app.host))
    with pytest.raises(CredentialsRefused, match="contents: write"):
        await forge.do(repo, MintTokenPair())
    assert await forge.do(repo, GetBranchHead("main")) == place.sha


async def test_installation_without_the_repository(forge: GitHubForge, place: Place) -> None:
    account = place.name.split("/")[0]
    other = place.control.create_repository(f"{account}/other", {"a": "b"})
    elsewhere = place.control.install_app(account, PERMISSIONS, repositories=[other.full_name])  # type: ignore[arg-type]
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, elsewhere, app.host))
    with pytest.raises(
        ForgeNotFound, match=f"installation {elsewhere} of the GitHub App 1 does not include {place.name}"
    ):
        await forge.do(repo, MintTokenPair())


async def test_unknown_installation(forge: GitHubForge, place: Place) -> None:
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, 999999, app.host))
    with pytest.raises(CredentialsRefused, match="there is no installation 999999"):
        await forge.do(repo, GetRepository())


async def test_key_of_another_app(forge: GitHubForge, place: Place) -> None:
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(77, app.private_key, app.installation_id, app.host))
    with pytest.raises(CredentialsRefused) as caught:
        await forge.do(repo, GetRepository())
    assert caught.value.status == 401
    assert_no_credential(caught.value)


@pytest.mark.parametrize(
    "key", ["", "not a key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
async def test_unusable_key_is_said_without_quoting_it(forge: GitHubForge, place: Place, key: str) -> None:
    repo = RepositoryRef(place.url, AppInstallation(1, Secret(key), place.installation_id, place.host))
    with pytest.raises(CredentialsRefused, match="must be the RSA key in PEM") as caught:
        await forge.do(repo, GetRepository())
    assert_no_credential(caught.value)


async def test_app_signs_for_its_own_host_only(forge: GitHubForge, place: Place) -> None:
    before = place.control.counters().requests
    app = AppInstallation(place.app.app_id, place.app.private_key, place.installation_id)
    with pytest.raises(CredentialsRefused, match=r"registered at github\.com and its key signs for no other host"):
        await forge.do(RepositoryRef(place.url, app), GetRepository())
    assert place.control.counters().requests == before


async def test_personal_token_that_is_wrong(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(CredentialsRefused, match="wrong, expired or revoked") as caught:
        await forge.do(place.by_token("github_pat_11AAAAAAA0_nobodyknowsthis"), GetRepository())
    assert caught.value.status == 401
    assert_no_credential(caught.value)


@pytest.mark.parametrize("token", ["", "github_pat_11AAAAAAA0\n", "with space", "ünïcode"])
async def test_personal_token_that_no_header_can_carry(forge: GitHubForge, place: Place, token: str) -> None:
    with pytest.raises(CredentialsRefused, match="store it again") as caught:
        await forge.do(place.by_token(token), GetRepository())
    assert_no_credential(caught.value)


async def test_personal_token_without_the_permission(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    with pytest.raises(CredentialsRefused, match="lacks a permission") as caught:
        await forge.do(place.by_token(place.personal(contents="read")), DRAFT)
    assert caught.value.status == 403


def test_a_token_for_another_accounts_repository_of_the_name_is_refused_without_naming_it() -> None:
    """A member may name the number of any installation: what it is on is not shown to them."""
    token = {
        "token": "ghs_canary",
        "expires_at": "2026-11-30T12:00:00Z",
        "permissions": {"contents": "read", "metadata": "read"},
        "repositories": [{"id": 7, "full_name": "secret-team/shop"}],
    }
    with pytest.raises(CredentialsRefused, match="another repository") as caught:
        check_minted(Field("POST /x", token), Wish({"contents": "read"}), "acme/shop")
    assert "secret-team" not in str(caught.value)
