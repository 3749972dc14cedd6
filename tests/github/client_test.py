"""The forge's client: repositories, branches, links that fail, and what an error may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    HostNotAllowed,
    Unavailable,
)
from codecourier.github.operations.get_branch_head import GetBranchHead
from codecourier.github.operations.get_repository import GetRepository, RepositoryFacts
from codecourier.github.secret import Secret
from codecourier.redaction import HIDDEN
from tests.github.conftest import DRAFT, PULLS, Clock, Place, assert_no_credential
from tests.support.odd_forge import OddForge, answer

pytestmark = pytest.mark.forge


async def test_repository(forge: GitHubForge, place: Place) -> None:
    expected = RepositoryFacts(place.id, "main", f"{place.url}.git")
    assert await forge.do(place.by_app, GetRepository()) == expected
    assert await forge.do(place.by_token(place.personal()), GetRepository()) == expected
    assert await forge.do(RepositoryRef(f"{place.url}.git", place.app), GetRepository()) == expected


async def test_branch_head(forge: GitHubForge, place: Place) -> None:
    sha = place.change("feature/total")
    assert await forge.do(place.by_app, GetBranchHead("main")) == place.sha
    assert await forge.do(place.by_app, GetBranchHead("feature/total")) == sha
    assert await forge.do(place.by_app, GetBranchHead("feature")) is None
    assert await forge.do(place.by_app, GetBranchHead("a b?x=1#y%2f")) is None


@pytest.mark.parametrize("branch", ["", "../../user", "a//b", "./a"])
async def test_branch_that_would_leave_its_place_is_refused(forge: GitHubForge, place: Place, branch: str) -> None:
    with pytest.raises(ForgeRefused, match="is not a branch name"):
        await forge.do(place.by_app, GetBranchHead(branch))


async def test_missing_branch_of_a_missing_repository_is_not_a_missing_branch(forge: GitHubForge, place: Place) -> None:
    gone = RepositoryRef(f"{place.url}-gone", place.by_token(place.personal()).credential)
    with pytest.raises(ForgeNotFound, match="check the address"):
        await forge.do(gone, GetBranchHead("main"))


async def test_reads_are_not_repeated(forge: GitHubForge, place: Place) -> None:
    place.control.answer_with(500, method="GET", path=r"/git/ref/", times=20)
    with pytest.raises(Unavailable) as caught:
        await forge.do(place.by_app, GetBranchHead("main"))
    assert not caught.value.may_have_happened
    assert [fault["times"] for fault in place.control.pending_faults()] == [19]


@pytest.mark.parametrize("path", ["", "/only-owner", "/a/b/c", "/a/..", "/a/b?x=1"])
async def test_address_that_is_no_repository(forge: GitHubForge, place: Place, path: str) -> None:
    repo = RepositoryRef(place.control.address.base_url + path, place.app)
    with pytest.raises(ForgeRefused, match=r"must be https://HOST"):
        await forge.do(repo, GetRepository())


async def test_forge_whose_certificate_is_not_trusted(place: Place) -> None:
    async with GitHubForge(hosts=frozenset({place.host})) as forge:
        with pytest.raises(Unavailable, match="CA bundle") as caught:
            await forge.do(place.by_token(place.personal()), GetRepository())
    assert not caught.value.may_have_happened
    assert_no_credential(caught.value)


async def test_a_host_that_is_not_allowed_is_sent_nothing(tmp_path: Path) -> None:
    credential = PersonalToken(Secret("a-token"))
    async with OddForge(tmp_path, [answer(200, {})]) as odd:
        others = (odd.host.partition(":")[0], f"{odd.host}.evil", "github.com")
        async with GitHubForge(hosts=frozenset(others), ca_bundle=odd.ca_path) as forge:
            with pytest.raises(HostNotAllowed):
                await forge.do(RepositoryRef(f"https://{odd.host}/acme/shop", credential), GetRepository())
        assert odd.seen == []


async def test_ca_bundle_that_is_missing(place: Place, tmp_path: Path) -> None:
    async with GitHubForge(hosts=frozenset({place.host}), ca_bundle=tmp_path / "missing.crt") as forge:
        with pytest.raises(Unavailable) as caught:
            await forge.do(place.by_token(place.personal()), GetRepository())
    assert_no_credential(caught.value)


async def test_errors_of_every_kind_carry_no_credential(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    faults: list[dict[str, Any]] = [{"status": status} for status in (400, 401, 403, 404, 409, 410, 422, 429, 451, 500)]
    for fault in faults:
        place.control.answer_with(
            fault["status"], method="POST", path=PULLS, message=f"you sent {place.personal()} to me", times=2
        )
        with pytest.raises(ForgeError) as caught:
            await forge.do(place.by_token(place.personal()), DRAFT)
        assert_no_credential(caught.value)
        assert HIDDEN in caught.value.message
        place.control.clear_faults()


async def test_requests_are_noted_and_budgets_told(place: Place, clock: Clock) -> None:
    noted: list[tuple[str, str, str]] = []
    forge = GitHubForge(
        hosts=frozenset({place.host}),
        ca_bundle=place.control.address.ca_path,
        clock=clock,
        note=lambda *request: noted.append(request),
    )
    assert (forge.budgets.least_share, forge.budgets.blocked) == (1.0, 0)
    await forge.do(place.by_token(place.personal()), GetRepository())
    with pytest.raises(CredentialsRefused):
        await forge.do(place.by_token("nobody"), GetRepository())
    forge.close()
    assert noted == [(place.host, "GET", "200"), (place.host, "GET", "401")]
    assert 0 < forge.budgets.least_share < 1
