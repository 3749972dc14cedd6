"""Reviews, rights and settings as no forge should answer them: nothing odd lets a fork in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codecourier.checks import Approval, MergeStrategy
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import ForgeError
from codecourier.github.operations.find_approval import FindApproval
from codecourier.github.operations.get_merge_methods import GetMergeMethods
from codecourier.github.secret import Secret
from tests.support.odd_forge import OddForge, answer

HEAD = "a" * 40


def reach(odd: OddForge) -> tuple[GitHubForge, RepositoryRef]:
    """Return a client that trusts the server, and the repository there."""
    repo = RepositoryRef(f"https://{odd.host}/acme/shop", PersonalToken(Secret("a-token")))
    return GitHubForge(hosts=frozenset({odd.host}), ca_bundle=odd.ca_path), repo


def review(user: Any = 1, state: Any = "APPROVED", commit: Any = HEAD, kind: str = "User") -> dict[str, Any]:
    """Return a review as the forge has it."""
    known = None if user is None else {"id": user, "login": f"user-{user}", "type": kind}
    return {"id": 1, "user": known, "state": state, "commit_id": commit, "submitted_at": "2026-01-01T00:00:00Z"}


RIGHTS = {"permission": "write", "role_name": "write"}


@pytest.mark.parametrize(
    ("reviews", "right", "approval"),
    [
        ([review()], RIGHTS, Approval.GIVEN),
        ([review(None)], RIGHTS, Approval.MISSING),
        ([review(kind="Bot")], RIGHTS, Approval.MISSING),
        ([review(kind="Mannequin")], RIGHTS, Approval.MISSING),
        ([review(state="approved")], RIGHTS, Approval.MISSING),
        ([review(state="PENDING")], RIGHTS, Approval.MISSING),
        ([review(commit=None)], RIGHTS, Approval.OUTDATED),
        ([review(commit=HEAD.upper())], RIGHTS, Approval.OUTDATED),
        ([review(commit=HEAD[:12])], RIGHTS, Approval.OUTDATED),
        ([review()], {"permission": "triage"}, Approval.NOT_BY_WRITER),
        ([review()], {"permission": None}, Approval.NOT_BY_WRITER),
        ([review()], {"permission": ["write"]}, Approval.NOT_BY_WRITER),
        ([review(state=["APPROVED"])], RIGHTS, Approval.MISSING),
        ([review()], {}, Approval.NOT_BY_WRITER),
        ([review(number) for number in range(1, 12)], {"permission": "read"}, Approval.UNREAD),
    ],
)
async def test_only_a_plain_approval_counts(
    tmp_path: Path, reviews: list[Any], right: dict[str, Any], approval: Approval
) -> None:
    async with OddForge(tmp_path, [answer(200, reviews), answer(200, right)]) as odd:
        forge, repo = reach(odd)
        async with forge:
            found = await forge.do(repo, FindApproval(7, HEAD))
            assert found is approval


async def test_more_reviews_than_are_read_are_no_approval(tmp_path: Path) -> None:
    async with OddForge(tmp_path, [answer(200, [review()] * 100)]) as odd:
        forge, repo = reach(odd)
        async with forge:
            assert await forge.do(repo, FindApproval(7, HEAD)) is Approval.UNREAD
        assert len(odd.seen) == 5


@pytest.mark.parametrize("reviews", [{}, [review("x")], [{"state": "APPROVED", "user": {}}]])
async def test_what_cannot_be_read_is_an_error(tmp_path: Path, reviews: Any) -> None:
    async with OddForge(tmp_path, [answer(200, reviews)]) as odd:
        forge, repo = reach(odd)
        async with forge:
            with pytest.raises(ForgeError):
                await forge.do(repo, FindApproval(7, HEAD))


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        ({}, answer(404, {"message": "Not Found"})),
        ({"allow_squash_merge": None}, answer(403, {"message": "Upgrade"})),
        ({"allow_squash_merge": "no"}, answer(200, [{"type": "pull_request", "parameters": {}}])),
        ({}, answer(200, [{"type": "pull_request"}, {"type": None}, {}])),
    ],
)
async def test_what_a_host_does_not_say_forbids_no_strategy(
    tmp_path: Path, settings: dict[str, Any], rules: bytes
) -> None:
    async with OddForge(tmp_path, [answer(200, settings), rules]) as odd:
        forge, repo = reach(odd)
        async with forge:
            found = await forge.do(repo, GetMergeMethods("main"))
            assert (found.allowed, found.has_queue) == (frozenset(MergeStrategy), False)
