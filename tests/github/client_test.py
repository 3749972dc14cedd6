from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from codecourier.github.api import (
    AppInstallation,
    PullRequestDraft,
    PullRequestFacts,
    PullRequestState,
    RepositoryFacts,
    RepositoryRef,
    Revocation,
)
from codecourier.github.client import GitHubForge
from codecourier.github.errors import (
    AlreadyExists,
    CredentialsRefused,
    ForgeError,
    Invalid,
    NotFound,
    RateLimited,
    Unavailable,
)
from codecourier.github.secret import Secret
from codecourier.text import marker
from tests.github.conftest import PERMISSIONS, Clock, Place, assert_no_credential

pytestmark = pytest.mark.forge

MARKER = marker("0a1b2c3d-run", 1)
DRAFT = PullRequestDraft("Add the total", f"{MARKER}\nAdds it.\n", "feature/total", "main")
PULLS = r"/pulls$"


def create_ref(place: Place, token: Secret, branch: str) -> int:
    """Try to write contents with a token, apart from the code under test."""
    answer = requests.post(
        f"{place.control.address.api_url}/repos/{place.name}/git/refs",
        json={"ref": f"refs/heads/{branch}", "sha": place.sha},
        headers={"Authorization": f"Bearer {token.reveal()}"},
        verify=str(place.control.address.ca_path),
        timeout=30,
    )
    return answer.status_code


async def test_repository(forge: GitHubForge, place: Place) -> None:
    expected = RepositoryFacts(place.id, "main", f"{place.url}.git")
    assert await forge.repository(place.by_app) == expected
    assert await forge.repository(place.by_token(place.personal())) == expected
    assert await forge.repository(RepositoryRef(f"{place.url}.git", place.app)) == expected


async def test_branch_head(forge: GitHubForge, place: Place) -> None:
    sha = place.change("feature/total")
    assert await forge.branch_head(place.by_app, "main") == place.sha
    assert await forge.branch_head(place.by_app, "feature/total") == sha
    assert await forge.branch_head(place.by_app, "feature") is None
    assert await forge.branch_head(place.by_app, "a b?x=1#y%2f") is None


@pytest.mark.parametrize("branch", ["", "../../user", "a//b", "./a"])
async def test_branch_that_would_leave_its_place_is_refused(forge: GitHubForge, place: Place, branch: str) -> None:
    with pytest.raises(Invalid, match="no name of a branch"):
        await forge.branch_head(place.by_app, branch)


async def test_missing_branch_of_a_missing_repository_is_not_a_missing_branch(forge: GitHubForge, place: Place) -> None:
    gone = RepositoryRef(f"{place.url}-gone", place.by_token(place.personal()).credential)
    with pytest.raises(NotFound, match="check the address"):
        await forge.branch_head(gone, "main")


@pytest.mark.parametrize("is_draft", [False, True])
async def test_pull_request_is_opened_and_found_by_its_marker(
    forge: GitHubForge, place: Place, *, is_draft: bool
) -> None:
    sha = place.change("feature/total")
    draft = PullRequestDraft(DRAFT.title, DRAFT.body, DRAFT.head, DRAFT.base, is_draft)
    opened = await forge.open_pull_request(place.by_app, draft)
    assert opened == PullRequestFacts(
        number=1,
        url=f"{place.url}/pull/1",
        state=PullRequestState.OPEN,
        is_draft=is_draft,
        head_branch="feature/total",
        head_sha=sha,
        base_branch="main",
        has_marker=True,
        title="Add the total",
        created_at=opened.created_at,
    )
    assert opened.created_at.tzinfo is not None
    assert await forge.find_pull_requests(place.by_app, "feature/total", MARKER) == [opened]
    assert await forge.find_pull_requests(place.by_app, "main", MARKER) == []
    (foreign,) = await forge.find_pull_requests(place.by_app, "feature/total", marker("other", 1))
    assert not foreign.has_marker


async def test_pull_requests_are_found_in_every_state(forge: GitHubForge, place: Place) -> None:
    repo = place.by_token(place.personal())
    made = requests.post(  # noqa: ASYNC210  nothing else waits for this loop
        f"{place.control.address.api_url}/repos/{place.name}/git/refs",
        json={"ref": "refs/heads/feature/total", "sha": place.sha},
        headers={"Authorization": f"Bearer {place.personal()}"},
        verify=str(place.control.address.ca_path),
        timeout=30,
    )
    assert made.ok, made.text
    for number, (body, state) in enumerate([({"state": "closed"}, "PATCH"), (None, "PUT")], start=1):
        place.control.commit(place.name, "feature/total", {f"{number}": "x"})
        opened = await forge.open_pull_request(repo, DRAFT)
        answer = requests.request(  # noqa: ASYNC210  nothing else waits for this loop
            state,
            f"{place.control.address.api_url}/repos/{place.name}/pulls/{opened.number}" + ("" if body else "/merge"),
            json=body or {},
            headers={"Authorization": f"Bearer {place.personal()}"},
            verify=str(place.control.address.ca_path),
            timeout=30,
        )
        assert answer.ok, answer.text
    found = await forge.find_pull_requests(repo, "feature/total", MARKER)
    assert [facts.state for facts in found] == [PullRequestState.MERGED, PullRequestState.CLOSED]


async def test_second_pull_request_for_the_branches_already_exists(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    await forge.open_pull_request(place.by_app, PullRequestDraft("By hand", "No marker", "feature/total", "main"))
    with pytest.raises(AlreadyExists, match="already exists"):
        await forge.open_pull_request(place.by_app, DRAFT)
    (by_hand,) = await forge.find_pull_requests(place.by_app, "feature/total", MARKER)
    assert not by_hand.has_marker
    assert place.control.counters().pulls_created[place.name] == 1


async def test_lost_answer_is_settled_by_looking(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    place.control.lose_answer(method="POST", path=PULLS, times=3)
    with pytest.raises(Unavailable) as caught:
        await forge.open_pull_request(place.by_app, DRAFT)
    assert caught.value.may_have_happened
    (found,) = await forge.find_pull_requests(place.by_app, "feature/total", MARKER)
    assert found.has_marker
    assert place.control.counters().pulls_created[place.name] == 1
    # Sent once: two of the three faults wait for a request that nobody sent.
    assert [fault["times"] for fault in place.control.pending_faults()] == [2]


async def test_lost_request_can_be_sent_again(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    place.control.lose_request(method="POST", path=PULLS)
    with pytest.raises(Unavailable):
        await forge.open_pull_request(place.by_app, DRAFT)
    assert await forge.find_pull_requests(place.by_app, "feature/total", MARKER) == []
    assert (await forge.open_pull_request(place.by_app, DRAFT)).number == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_server_errors_are_not_repeated(forge: GitHubForge, place: Place, status: int) -> None:
    place.change("feature/total")
    place.control.answer_with(status, method="POST", path=PULLS, times=20)
    with pytest.raises(Unavailable) as caught:
        await forge.open_pull_request(place.by_app, DRAFT)
    assert (caught.value.status, caught.value.may_have_happened) == (status, True)
    assert [fault["times"] for fault in place.control.pending_faults()] == [19]


async def test_reads_are_not_repeated(forge: GitHubForge, place: Place) -> None:
    place.control.answer_with(500, method="GET", path=r"/git/ref/", times=20)
    with pytest.raises(Unavailable) as caught:
        await forge.branch_head(place.by_app, "main")
    assert not caught.value.may_have_happened
    assert [fault["times"] for fault in place.control.pending_faults()] == [19]


async def test_refused_pull_request_names_the_field(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(Invalid, match=r"PullRequest\.head: invalid"):
        await forge.open_pull_request(place.by_app, DRAFT)


async def test_tokens_are_narrowed_to_repository_and_step(forge: GitHubForge, place: Place) -> None:
    other = place.control.create_repository(f"{place.name.split('/')[0]}/other", {"a": "b"})
    place.change("feature/total")
    pair = await forge.mint_tokens(place.by_app)
    assert pair.expires_at is not None
    for token in (pair.read, pair.write):
        assert await forge.branch_head(place.by_token(token), "main") == place.sha
        with pytest.raises(CredentialsRefused, match="lacks a permission"):
            await forge.open_pull_request(place.by_token(token), DRAFT)
        elsewhere = RepositoryRef(
            f"{place.control.address.base_url}/{other.full_name}", place.by_token(token).credential
        )
        with pytest.raises(NotFound):
            await forge.repository(elsewhere)
    assert create_ref(place, pair.read, "by-read") == 403
    assert create_ref(place, pair.write, "by-write") == 201


async def test_each_try_has_tokens_of_its_own_and_the_operator_keeps_one(forge: GitHubForge, place: Place) -> None:
    first, second = await forge.mint_tokens(place.by_app), await forge.mint_tokens(place.by_app)
    assert len({token.reveal() for pair in (first, second) for token in (pair.read, pair.write)}) == 4
    await forge.repository(place.by_app)
    assert place.control.counters().tokens_minted[str(place.installation_id)] == 5


async def test_operator_token_is_renewed_before_it_ends(forge: GitHubForge, place: Place, clock: Clock) -> None:
    await forge.repository(place.by_app)
    clock.advance(minutes=54)
    await forge.repository(place.by_app)
    assert place.control.counters().tokens_minted[str(place.installation_id)] == 1
    clock.advance(minutes=2)
    await forge.repository(place.by_app)
    assert place.control.counters().tokens_minted[str(place.installation_id)] == 2


async def test_revoked_token_stops_working(forge: GitHubForge, place: Place) -> None:
    pair = await forge.mint_tokens(place.by_app)
    assert await forge.revoke(place.by_app.url, pair.write) is Revocation.REVOKED
    assert create_ref(place, pair.write, "too-late") == 401
    assert await forge.branch_head(place.by_token(pair.read), "main") == place.sha
    assert await forge.revoke(place.by_app.url, pair.write) is Revocation.ALREADY_INVALID


async def test_expired_token_is_refused_and_its_revocation_is_no_error(forge: GitHubForge, place: Place) -> None:
    pair = await forge.mint_tokens(place.by_app)
    place.control.expire_installation(place.installation_id)
    with pytest.raises(CredentialsRefused, match="expired") as caught:
        await forge.branch_head(place.by_token(pair.read), "main")
    assert_no_credential(caught.value)
    assert await forge.revoke(place.by_app.url, pair.read) is Revocation.ALREADY_INVALID
    # The operator's own token ended, too: it is replaced without anybody noticing.
    assert await forge.branch_head(place.by_app, "main") == place.sha


async def test_personal_token_is_given_as_it_is(forge: GitHubForge, place: Place) -> None:
    token = place.personal()
    repo = place.by_token(token)
    pair = await forge.mint_tokens(repo)
    assert (pair.read.reveal(), pair.write.reveal(), pair.expires_at) == (token, token, None)
    assert await forge.branch_head(repo, "main") == place.sha


async def test_second_mint_that_fails_takes_the_first_token_back(forge: GitHubForge, place: Place) -> None:
    await forge.repository(place.by_app)
    place.control.answer_with(500, method="POST", path="/access_tokens$", passes=1)
    with pytest.raises(Unavailable):
        await forge.mint_tokens(place.by_app)
    counters = place.control.counters()
    assert counters.tokens_minted[str(place.installation_id)] == 2
    assert counters.tokens_revoked[str(place.installation_id)] == 1


async def test_installation_without_a_permission(forge: GitHubForge, place: Place) -> None:
    account = place.name.split("/")[0]
    poor = place.control.install_app(account, {"contents": "read", "pull_requests": "write"})
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, poor, app.host))
    with pytest.raises(CredentialsRefused, match="contents: write"):
        await forge.mint_tokens(repo)
    assert await forge.branch_head(repo, "main") == place.sha


async def test_installation_without_the_repository(forge: GitHubForge, place: Place) -> None:
    account = place.name.split("/")[0]
    other = place.control.create_repository(f"{account}/other", {"a": "b"})
    elsewhere = place.control.install_app(account, PERMISSIONS, repositories=[other.full_name])  # type: ignore[arg-type]
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, elsewhere, app.host))
    with pytest.raises(NotFound, match=f"installation {elsewhere} of the GitHub App 1 does not include {place.name}"):
        await forge.mint_tokens(repo)


async def test_unknown_installation(forge: GitHubForge, place: Place) -> None:
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(app.app_id, app.private_key, 999999, app.host))
    with pytest.raises(CredentialsRefused, match="there is no installation 999999"):
        await forge.repository(repo)


async def test_key_of_another_app(forge: GitHubForge, place: Place) -> None:
    app = place.app
    repo = RepositoryRef(place.url, AppInstallation(77, app.private_key, app.installation_id, app.host))
    with pytest.raises(CredentialsRefused) as caught:
        await forge.repository(repo)
    assert caught.value.status == 401
    assert_no_credential(caught.value)


@pytest.mark.parametrize(
    "key", ["", "not a key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
async def test_unusable_key_is_said_without_quoting_it(forge: GitHubForge, place: Place, key: str) -> None:
    repo = RepositoryRef(place.url, AppInstallation(1, Secret(key), place.installation_id, place.host))
    with pytest.raises(CredentialsRefused, match="must be the RSA key in PEM") as caught:
        await forge.repository(repo)
    assert_no_credential(caught.value)


async def test_app_signs_for_its_own_host_only(forge: GitHubForge, place: Place) -> None:
    before = place.control.counters().requests
    app = AppInstallation(place.app.app_id, place.app.private_key, place.installation_id)
    with pytest.raises(CredentialsRefused, match=r"registered at github\.com and its key signs for no other host"):
        await forge.repository(RepositoryRef(place.url, app))
    assert place.control.counters().requests == before


async def test_personal_token_that_is_wrong(forge: GitHubForge, place: Place) -> None:
    with pytest.raises(CredentialsRefused, match="wrong, expired or revoked") as caught:
        await forge.repository(place.by_token("github_pat_11AAAAAAA0_nobodyknowsthis"))
    assert caught.value.status == 401
    assert_no_credential(caught.value)


@pytest.mark.parametrize("token", ["", "github_pat_11AAAAAAA0\n", "with space", "ünïcode"])
async def test_personal_token_that_no_header_can_carry(forge: GitHubForge, place: Place, token: str) -> None:
    with pytest.raises(CredentialsRefused, match="store it again") as caught:
        await forge.repository(place.by_token(token))
    assert_no_credential(caught.value)


async def test_personal_token_without_the_permission(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    with pytest.raises(CredentialsRefused, match="lacks a permission") as caught:
        await forge.open_pull_request(place.by_token(place.personal(contents="read")), DRAFT)
    assert caught.value.status == 403


@pytest.mark.parametrize("path", ["", "/only-owner", "/a/b/c", "/a/..", "/a/b?x=1"])
async def test_address_that_is_no_repository(forge: GitHubForge, place: Place, path: str) -> None:
    repo = RepositoryRef(place.control.address.base_url + path, place.app)
    with pytest.raises(Invalid, match="must have the form"):
        await forge.repository(repo)


async def test_retry_after_stops_everything_until_its_time(forge: GitHubForge, place: Place, clock: Clock) -> None:
    repo = place.by_token(place.personal())
    place.control.answer_with(429, method="GET", path="/git/ref/", retry_after_seconds=90, message="Too many requests")
    with pytest.raises(RateLimited) as caught:
        await forge.branch_head(repo, "main")
    assert caught.value.retry_at == clock() + timedelta(seconds=90)
    await assert_nothing_is_sent(forge, repo, place, until=90, clock=clock)
    assert await forge.branch_head(repo, "main") == place.sha


async def assert_nothing_is_sent(
    forge: GitHubForge, repo: RepositoryRef, place: Place, *, until: float, clock: Clock
) -> None:
    """Expect that requests are refused here, up to the last second, and go out afterwards."""
    before = place.control.counters().requests
    clock.advance(seconds=until - 1)
    with pytest.raises(RateLimited, match="not sent") as refused:
        await forge.open_pull_request(repo, DRAFT)
    assert refused.value.retry_at == clock() + timedelta(seconds=1)
    assert place.control.counters().requests == before
    clock.advance(seconds=1)


@pytest.mark.parametrize(("retry_after", "seconds"), [(30, 30), (None, 60)])
async def test_secondary_limit(
    forge: GitHubForge, place: Place, clock: Clock, retry_after: int | None, seconds: int
) -> None:
    place.change("feature/total")
    repo = place.by_token(place.personal())
    place.control.limit_secondary(method="POST", path=PULLS, retry_after_seconds=retry_after)
    with pytest.raises(RateLimited, match="secondary") as caught:
        await forge.open_pull_request(repo, DRAFT)
    assert caught.value.retry_at == clock() + timedelta(seconds=seconds)
    await assert_nothing_is_sent(forge, repo, place, until=seconds, clock=clock)
    assert (await forge.open_pull_request(repo, DRAFT)).number == 1


async def test_primary_limit_keeps_the_last_requests_for_writes(forge: GitHubForge, place: Place, clock: Clock) -> None:
    place.change("feature/total")
    token = place.personal()
    repo = place.by_token(token)
    place.control.set_rate(token, limit=20, remaining=4, reset_seconds=600)
    for _ in range(2):
        await forge.branch_head(repo, "main")
    with pytest.raises(RateLimited, match="not sent") as refused:
        await forge.branch_head(repo, "main")
    assert refused.value.retry_at > clock()
    assert (await forge.open_pull_request(repo, DRAFT)).number == 1
    with pytest.raises(AlreadyExists):
        await forge.open_pull_request(repo, DRAFT)
    with pytest.raises(RateLimited, match="not sent"):
        await forge.open_pull_request(repo, DRAFT)


async def test_primary_limit_that_the_forge_tells_first(forge: GitHubForge, place: Place, clock: Clock) -> None:
    token = place.personal()
    place.control.set_rate(token, limit=20, remaining=0, reset_seconds=600)
    with pytest.raises(RateLimited, match="rate limit exceeded") as caught:
        await forge.branch_head(place.by_token(token), "main")
    assert caught.value.status == 403
    assert caught.value.retry_at > clock() + timedelta(seconds=300)


async def test_one_credential_s_limit_does_not_stop_another(forge: GitHubForge, place: Place) -> None:
    place.control.limit_secondary(method="GET", path="/git/ref/")
    with pytest.raises(RateLimited):
        await forge.branch_head(place.by_token(place.personal()), "main")
    assert await forge.branch_head(place.by_token(place.personal()), "main") == place.sha


async def test_forge_whose_certificate_is_not_trusted(place: Place) -> None:
    async with GitHubForge() as forge:
        with pytest.raises(Unavailable, match="CA bundle") as caught:
            await forge.repository(place.by_token(place.personal()))
    assert not caught.value.may_have_happened
    assert_no_credential(caught.value)


async def test_ca_bundle_that_is_missing(place: Place, tmp_path: Path) -> None:
    async with GitHubForge(ca_bundle=tmp_path / "missing.crt") as forge:
        with pytest.raises(Unavailable) as caught:
            await forge.repository(place.by_token(place.personal()))
    assert_no_credential(caught.value)


async def test_errors_of_every_kind_carry_no_credential(forge: GitHubForge, place: Place) -> None:
    place.change("feature/total")
    faults: list[dict[str, Any]] = [{"status": status} for status in (400, 401, 403, 404, 409, 410, 422, 429, 451, 500)]
    for fault in faults:
        place.control.answer_with(
            fault["status"], method="POST", path=PULLS, message=f"you sent {place.personal()} to me", times=2
        )
        with pytest.raises(ForgeError) as caught:
            await forge.open_pull_request(place.by_token(place.personal()), DRAFT)
        assert_no_credential(caught.value)
        assert "(hidden)" in caught.value.message
        place.control.clear_faults()


async def test_requests_are_noted_and_budgets_told(place: Place, clock: Clock) -> None:
    noted: list[tuple[str, str, str]] = []
    forge = GitHubForge(
        ca_bundle=place.control.address.ca_path, clock=clock, note=lambda *request: noted.append(request)
    )
    assert (forge.budgets.least_share, forge.budgets.blocked) == (1.0, 0)
    await forge.repository(place.by_token(place.personal()))
    with pytest.raises(CredentialsRefused):
        await forge.repository(place.by_token("nobody"))
    forge.close()
    assert noted == [(place.host, "GET", "200"), (place.host, "GET", "401")]
    assert 0 < forge.budgets.least_share < 1
