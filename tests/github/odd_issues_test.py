"""Answers about issues that no forge of good faith gives, redirects to elsewhere, and what a token is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import AppInstallation, Credential, PersonalToken, RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeError, Moved, RateLimited, Unavailable
from codecourier.github.operations.get_issue import GetIssue, IssueFacts
from codecourier.github.operations.get_issue_comment import GetIssueComment
from codecourier.github.operations.issue import IssueNotFound, IssuesForbidden
from codecourier.github.operations.list_issue_comments import ListIssueComments
from codecourier.github.operations.write_issue_comment import WriteIssueComment
from codecourier.github.secret import Secret
from codecourier.issue import IssueState
from tests.support.odd_forge import OddForge, answer

TOKEN = PersonalToken(Secret("a-token"))
LIST = ListIssueComments(7, "mark", datetime(2026, 1, 1, tzinfo=UTC))
PAGE = "https://{host}/acme/shop/issues/7"


def issue(host: str, **changes: Any) -> dict[str, Any]:
    """Return issue 7, with changes."""
    texts = {"state": "open", "title": "Title", "body": "Text", "locked": False}
    return {"number": 7, "html_url": PAGE.format(host=host), "user": {"login": "alice"}, **texts, **changes}


def comment(host: str, **changes: Any) -> dict[str, Any]:
    """Return comment 5 of issue 7, with changes."""
    url = f"https://{host}/api/v3/repos/acme/shop/issues/7"
    known = {"id": 5, "issue_url": url, "html_url": f"{PAGE.format(host=host)}#issuecomment-5", "body": "a mark"}
    return {**known, "user": {"login": "alice"}, **changes}


async def outcome(
    folder: Path,
    operation: Operation[Any],
    make: Callable[[str], list[bytes]],
    credential: Credential = TOKEN,
) -> tuple[Any, OddForge]:
    """Return what an operation gives, or its error, with these answers of a host."""
    async with OddForge(folder, [b""]) as odd, GitHubForge(hosts=frozenset({odd.host}), ca_bundle=odd.ca_path) as forge:
        odd.scripts = [*make(odd.host)]
        if isinstance(credential, AppInstallation):
            credential = replace(credential, host=odd.host)
        try:
            return await forge.do(RepositoryRef(f"https://{odd.host}/acme/shop", credential), operation), odd
        except ForgeError as error:
            return error, odd


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 8},
        {"number": "7"},
        {"state": None},
        {"html_url": "https://evil.example/acme/shop/issues/7"},
        {"html_url": "javascript:alert(1)"},
        {"html_url": None},
        {"html_url": "https://{host}/a b"},
        {"user": []},
        {"user": {"login": ""}},
        {"user": {"login": "x" * 300}},
        {"body": 5},
        {"title": ["Title"]},
    ],
)
async def test_an_issue_that_cannot_be_read_is_an_unavailable_forge(tmp_path: Path, changes: dict[str, Any]) -> None:
    error, odd = await outcome(tmp_path, GetIssue(7), lambda host: [answer(200, issue(host, **changes))])
    assert type(error) is Unavailable
    assert len(odd.seen) == 1


@pytest.mark.parametrize("changes", [{}, {"locked": "yes"}, {"locked": None}, {"pull_request": None}])
async def test_an_issue_is_locked_or_a_pull_request_only_if_its_host_says_so(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    found, _ = await outcome(tmp_path, GetIssue(7), lambda host: [answer(200, issue(host, **changes))])
    assert (found.is_locked, found.is_pull_request, found.body) == (False, False, "Text")


async def test_halves_of_characters_do_not_survive(tmp_path: Path) -> None:
    found, _ = await outcome(
        tmp_path, GetIssue(7), lambda host: [answer(200, issue(host, title="a\ud800b", body="\ude00"))]
    )
    assert (found.title, found.body) == ("a?b", "?")


@pytest.mark.parametrize(
    "changes",
    [
        {"issue_url": "https://{host}/api/v3/repos/acme/shop/issues/77"},
        {"issue_url": "https://{host}/api/v3/repos/acme/shop/issues/7/x"},
        {"issue_url": "https://{host}/api/v3/repos/acme/shop/pulls/7"},
    ],
)
async def test_a_comment_of_another_issue_is_none(tmp_path: Path, changes: dict[str, Any]) -> None:
    found, _ = await outcome(tmp_path, GetIssueComment(7, 5), lambda host: [answer(200, comment(host, **changes))])
    assert found is None
    page, _ = await outcome(tmp_path, LIST, lambda host: [answer(200, [comment(host, **changes), comment(host)])])
    assert [item.id for item in page.marked] == [5]


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (GetIssueComment(7, 5), {"issue_url": 7}),
        (GetIssueComment(7, 5), []),
        (LIST, {"message": "hello"}),
        (LIST, [{"body": "mark"}]),
        (WriteIssueComment(7, "mark"), {"id": 5}),
    ],
)
async def test_comments_that_cannot_be_read_are_an_unavailable_forge(
    tmp_path: Path, operation: Operation[Any], body: object
) -> None:
    error, _ = await outcome(tmp_path, operation, lambda _: [answer(200, body)])
    assert type(error) is Unavailable


async def test_a_written_comment_whose_answer_makes_no_sense_may_be_there(tmp_path: Path) -> None:
    other = {"issue_url": "https://localhost/issues/8"}
    error, _ = await outcome(tmp_path, WriteIssueComment(7, "mark"), lambda host: [answer(201, comment(host, **other))])
    assert isinstance(error, Unavailable)
    assert error.may_have_happened


async def test_comments_of_others_need_not_make_sense(tmp_path: Path) -> None:
    theirs = [None, 5, {"body": None}, {"body": 7}, {"body": ["mark"]}, {"id": "x", "body": "theirs"}]
    page, odd = await outcome(tmp_path, LIST, lambda host: [answer(200, [*theirs, comment(host)])])
    assert [item.id for item in page.marked] == [5]
    line = "GET /api/v3/repos/acme/shop/issues/7/comments?page=1&per_page=100&since=2026-01-01T00%3A00%3A00Z"
    assert odd.seen[0].line == line


@pytest.mark.parametrize("operation", [GetIssue(7), GetIssueComment(7, 5)])
@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/api/v3/repositories/1/issues/7",
        "//evil.example/api/v3/repositories/1/issues/7",
        "https://{host}@evil.example/api/v3/repositories/1/issues/7",
        "https://localhost:1/api/v3/repositories/1/issues/7",
        "http://{host}/api/v3/repositories/1/issues/7",
        "https://{host}/api/v3/../../login?issues/7",
        "https://{host}/api/v3/repositories/1/issues/7?x=/",
        "https://{host}/api/v3/repositories/1/issues/7#x",
        "https://{host}/api/v3/repos/../user/issues/7",
        "https://{host}/api/v3/user/issues/7",
        "https://{host}/repositories/1/issues/7",
        "https://{host}/api/v3/repositories/1/issues/0",
        "https://{host}/api/v3/repositories/1/issues/\u0667",
        "https://status.example/maintenance",
        "",
    ],
)
async def test_no_credential_follows_a_redirect_to_elsewhere(
    tmp_path: Path, operation: Operation[Any], location: str
) -> None:
    def make(host: str) -> list[bytes]:
        target = location.format(host=host).encode().decode("latin-1")
        return [f"HTTP/1.1 301 Moved\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode("latin-1")]

    error, odd = await outcome(tmp_path, operation, make)
    assert type(error) is Moved
    assert len(odd.seen) == 1


def at(host: str, path: str) -> bytes:
    """Return a redirect to a path of the API."""
    return answer(301, location=f"https://{host}/api/v3{path}")


async def test_a_redirect_to_no_address_is_an_answer_without_sense(tmp_path: Path) -> None:
    error, odd = await outcome(tmp_path, GetIssue(7), lambda _: [answer(301, location="https://[")])
    assert type(error) is Unavailable
    assert len(odd.seen) == 1


async def test_another_number_is_another_issue_whichever_repository_it_is_of(tmp_path: Path) -> None:
    def make(host: str) -> list[bytes]:
        return [at(host, "/repositories/1/issues/9"), answer(200, issue(host, number=9))]

    found, odd = await outcome(tmp_path, GetIssue(7), make)
    assert found == IssueFacts(IssueState.TRANSFERRED, PAGE.format(host=odd.host))


async def test_a_redirect_within_the_renamed_repository_is_followed_once(tmp_path: Path) -> None:
    def make(host: str) -> list[bytes]:
        url = f"https://{host}/acme/store/issues/7"
        return [
            at(host, "/repositories/1/issues/7"),
            at(host, "/repositories/1"),
            answer(200, issue(host, html_url=url)),
        ]

    found, odd = await outcome(tmp_path, GetIssue(7), make)
    assert (found.state, found.title) == (IssueState.OPEN, "Title")
    assert [request.line.removeprefix("GET /api/v3") for request in odd.seen] == [
        "/repos/acme/shop/issues/7",
        "/repos/acme/shop",
        "/repositories/1/issues/7",
    ]
    assert {request.headers["authorization"] for request in odd.seen} == {"token a-token"}


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        # The repository is where it was, so the issue went to another one.
        (("/repositories/2/issues/7", {"id": 1}, 404), IssueFacts(IssueState.TRANSFERRED)),
        (("/repositories/2/issues/7", {"id": 1}, 403), IssueFacts(IssueState.TRANSFERRED)),
        (("/repositories/2/issues/7", {"id": 1}, 410), IssueFacts(IssueState.TRANSFERRED)),
        (("/repos/acme/other/issues/7", {"id": 1}, 451), IssueFacts(IssueState.TRANSFERRED)),
        # A repository under its own name or number is the same one.
        (("/repositories/1/issues/7", {"id": 1}, 410), IssueFacts(IssueState.DELETED)),
        (("/repos/Acme/Shop/issues/7", {"id": 1}, 410), IssueFacts(IssueState.DELETED)),
    ],
)
async def test_a_transferred_issue_is_told_from_a_renamed_repository(
    tmp_path: Path, scripts: tuple[str, dict[str, int], int], expected: IssueFacts
) -> None:
    path, repository, status = scripts
    found, odd = await outcome(
        tmp_path, GetIssue(7), lambda host: [at(host, path), answer(200, repository), answer(status, {"message": "No"})]
    )
    assert found == expected
    assert len(odd.seen) <= 3


async def test_redirects_that_go_round_end(tmp_path: Path) -> None:
    found, odd = await outcome(tmp_path, GetIssue(7), lambda host: [at(host, "/repositories/1/issues/7")])
    assert len(odd.seen) <= 3
    assert found == IssueFacts(IssueState.TRANSFERRED)
    error, odd = await outcome(
        tmp_path, GetIssueComment(7, 5), lambda host: [at(host, "/repositories/1/issues/comments/5")]
    )
    assert error is None
    assert len(odd.seen) <= 3


@pytest.mark.parametrize("script", [answer(429, retry_after="60"), answer(503, {"message": "No"})])
async def test_a_page_that_may_be_read_later_is_asked_for_again(tmp_path: Path, script: bytes) -> None:
    scripts = lambda host: [at(host, "/repositories/2/issues/9"), answer(200, {"id": 1}), script]  # noqa: E731
    error, _ = await outcome(tmp_path, GetIssue(7), scripts)
    assert isinstance(error, RateLimited | Unavailable)


async def test_a_missing_comment_is_told_from_an_issue_that_cannot_be_read(tmp_path: Path) -> None:
    gone = answer(404, {"message": "Not Found"})
    error, _ = await outcome(tmp_path, GetIssueComment(7, 5), lambda _: [gone])
    assert isinstance(error, IssueNotFound)
    found, odd = await outcome(tmp_path, GetIssueComment(7, 5), lambda host: [gone, answer(200, issue(host))])
    assert found is None
    assert len(odd.seen) == 2


@pytest.mark.parametrize("operation", [GetIssue(7), LIST, WriteIssueComment(7, "mark"), GetIssueComment(7, 5)])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Resource not accessible by integration", IssuesForbidden),
        ("Resource not accessible by personal access token", IssuesForbidden),
        ("Repository was archived so is read-only.", CredentialsRefused),
        ("Resource protected by organization SAML enforcement.", CredentialsRefused),
    ],
)
async def test_only_a_missing_permission_is_told_as_one(
    tmp_path: Path, operation: Operation[Any], message: str, expected: type[ForgeError]
) -> None:
    error, _ = await outcome(tmp_path, operation, lambda _: [answer(403, {"message": message})])
    assert type(error) is expected


@pytest.fixture(scope="module")
def app() -> AppInstallation:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return AppInstallation(1, Secret(pem), 2)


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        (GetIssue(7), {"issues": "read"}),
        (GetIssueComment(7, 5), {"issues": "read"}),
        (LIST, {"issues": "read"}),
        (WriteIssueComment(7, "mark"), {"issues": "write"}),
    ],
)
async def test_a_token_for_issues_is_asked_for_issues_alone(
    tmp_path: Path, app: AppInstallation, operation: Operation[Any], asked: dict[str, str]
) -> None:
    minted: dict[str, Any] = {
        "token": "ghs_odd",
        "expires_at": "2100-01-01T00:00:00Z",
        "permissions": {**asked, "metadata": "read"},
        "repositories": [{"id": 1, "full_name": "acme/shop"}],
    }
    wide = {**minted, "permissions": {**asked, "contents": "write"}}
    _, odd = await outcome(tmp_path, operation, lambda _: [answer(201, minted), answer(500)], app)
    assert odd.seen[0].body == {"repositories": ["shop"], "permissions": asked}
    assert odd.seen[1].headers["authorization"] == "token ghs_odd"
    error, odd = await outcome(tmp_path, operation, lambda _: [answer(201, wide), answer(204)], app)
    assert isinstance(error, CredentialsRefused)
    assert [request.line.split()[0] for request in odd.seen] == ["POST", "DELETE"], "it is revoked unused"
