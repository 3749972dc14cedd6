"""Tokens: until when their revocation is waited for, and what is said of those that could not be revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.sandbox.tokens import REVOCATION_LIMIT, Revocation, TokenSecret, describe_tokens, revocation_of
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Failures, RevokeTokens
from codecourier.core.shared.reasons import Reason
from codecourier.resources.meta import LocalReference
from codecourier.resources.project import AppCredential, Project
from tests.support.worlds import NOW, make_project, make_run, queued

EXPIRY = NOW + timedelta(hours=1)
SECRET = TokenSecret("fix-1-token", "1", EXPIRY)
REVOKE = RevokeTokens("shop", "fix-1-token")
FORCED = replace(REVOKE, is_forced=True)
BROKEN = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.", since=NOW)
LIMIT = NOW + REVOCATION_LIMIT


@pytest.mark.parametrize(
    ("problem", "minutes", "expected"),
    [
        (None, 0, Revocation(REVOKE, is_waited_for=True, look_again=None)),
        (BROKEN, 1, Revocation(REVOKE, is_waited_for=True, look_again=LIMIT)),
        (BROKEN, 2, Revocation(REVOKE, is_waited_for=False, look_again=EXPIRY)),
        (BROKEN, 59, Revocation(REVOKE, is_waited_for=False, look_again=EXPIRY)),
        (BROKEN, 60, Revocation(FORCED, is_waited_for=False, look_again=None)),
        (replace(BROKEN, is_final=True), 0, Revocation(FORCED, is_waited_for=False, look_again=None)),
    ],
    ids=["first", "waiting", "overdue", "until the end", "expired", "hopeless"],
)
def test_a_revocation_is_waited_for_only_so_long(problem: Problem | None, minutes: int, expected: Revocation) -> None:
    failures = Failures({} if problem is None else {REVOKE: problem})
    assert revocation_of("shop", SECRET, failures, NOW + timedelta(minutes=minutes)) == expected


def project_with(**credential: object) -> Project:
    """Return a Project whose only repository is reached in this way."""
    project = make_project()
    (repository,) = project.spec.repositories
    changed = repository.updated(**{"app": None, "credential_ref": None, **credential})
    return project.updated(spec=project.spec.updated(repositories=(changed,)))


def test_what_is_said_of_tokens_is_true_of_their_kind() -> None:
    run = queued(make_run())
    app = project_with(app=AppCredential(installation_id=1))
    personal = project_with(credential_ref=LocalReference(name="token"))
    assert describe_tokens(app, run, None) == "Its tokens were revoked, so it cannot push."
    assert "personal token" in describe_tokens(personal, run, None)
    assert describe_tokens(None, run, None) == "Its tokens were revoked where their kind allows it."
    left = describe_tokens(app, run, SECRET)
    assert "could not be revoked yet" in left
    assert EXPIRY.isoformat() in left
