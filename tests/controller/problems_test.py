"""What plans are told of errors: each error of the forge has a reason and a sentence that fits the operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from codecourier.controller.problems import problem_of_forge, problem_of_refusal
from codecourier.core.shared.facts import Problem, RepositoryAsk
from codecourier.core.shared.intents import OpenPullRequest
from codecourier.core.shared.reasons import Reason
from codecourier.github.address import RepositoryAddress
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    HostNotAllowed,
    RateLimited,
    Unavailable,
)
from codecourier.github.operations.create_pull_request import PullRequestExists, PullRequestRefused
from codecourier.kinds.api_resources import RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube import errors as kube
from codecourier.kube.api import PODS, SECRETS, Resource
from tests.simulation.clock import virtual
from tests.simulation.forge import MAIN
from tests.support.desk import Desk

URL = "https://forge.test/example/shop"
TIME = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "reason", "is_final"),
    [
        (RateLimited("slow", retry_at=TIME), Reason.RATE_LIMITED, False),
        (CredentialsRefused("expired"), Reason.CREDENTIALS_REFUSED, False),
        (ForgeNotFound("gone"), Reason.REPOSITORY_NOT_FOUND, False),
        (Unavailable("away", may_have_happened=True), Reason.FORGE_UNAVAILABLE, False),
        (ForgeRefused("418"), Reason.FORGE_REFUSED, True),
        (PullRequestExists("theirs"), Reason.PULL_REQUEST_TAKEN, False),
        (PullRequestRefused("no commits"), Reason.PULL_REQUEST_REFUSED, True),
    ],
)
def test_each_error_has_its_reason(error: ForgeError, reason: Reason, *, is_final: bool) -> None:
    problem = problem_of_forge(error, URL, "codecourier/fix")
    assert (problem.reason, problem.is_final) == (reason, is_final)
    assert error.message in problem.message
    assert ("codecourier/fix" if "PULL_REQUEST" in reason.name else URL) in problem.message
    assert problem.retry_time == (TIME if reason is Reason.RATE_LIMITED else None)


def test_a_host_that_is_not_allowed_is_named_with_what_to_do() -> None:
    problem = problem_of_forge(HostNotAllowed("evil.test may not be asked"), "https://evil.test/example/shop")
    assert (problem.reason, problem.is_final) == (Reason.HOST_NOT_ALLOWED, False)
    assert "to add evil.test to the operator's setting CODECOURIER_FORGE_HOSTS" in problem.message


def test_only_an_opened_pull_request_is_told_as_a_refused_one() -> None:
    names = {kind for kind in kinds_of(ForgeError) if reason_of(kind) is Reason.PULL_REQUEST_REFUSED}
    assert names == {PullRequestRefused}


def kinds_of(kind: type[ForgeError]) -> Iterator[type[ForgeError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from kinds_of(child)


def reason_of(kind: type[ForgeError]) -> Reason:
    error = kind.__new__(kind)
    ForgeError.__init__(error, "words")
    error.__dict__.setdefault("retry_at", TIME)
    return problem_of_forge(error, URL).reason


def test_an_address_that_is_none_is_no_refused_pull_request() -> None:
    with pytest.raises(ForgeRefused) as caught:
        RepositoryAddress.parse("https://gitlab.test/group/sub/shop")
    problem = problem_of_forge(caught.value, "https://gitlab.test/group/sub/shop")
    assert (problem.reason, problem.is_final) == (Reason.FORGE_REFUSED, True)
    assert "https://HOST[:PORT]/OWNER/NAME" in problem.message
    assert "pull request" not in problem.message


@virtual
async def test_a_refusal_that_a_look_up_meets_is_told_of_the_repository() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    desk.wire.refuse = lambda call: ForgeRefused("418 from a proxy") if call.client.endswith("@forge") else None
    asked = await desk.observer.answer(RepositoryAsk(desk.access))
    assert isinstance(asked, Problem)
    opened = await desk.effects.do(OpenPullRequest(desk.access, "Ours", "", "codecourier/fix", MAIN, False))
    assert isinstance(opened, Problem)
    for problem in (asked, opened):
        assert problem.reason is Reason.FORGE_REFUSED
        assert problem.message.startswith(f"A request for {URL} was refused")


@virtual
async def test_a_pull_request_that_the_forge_refuses_says_where_the_work_is() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    problem = await desk.effects.do(OpenPullRequest(desk.access, "Ours", "", "codecourier/gone", MAIN, False))
    assert isinstance(problem, Problem)
    assert (problem.reason, problem.is_final) == (Reason.PULL_REQUEST_REFUSED, True)
    assert "The work is on branch codecourier/gone" in problem.message


BODY = {"metadata": {"name": "fix-1", "namespace": "shop"}}
FAILED = 'Internal error occurred: failed calling webhook "v.example.com": failed to call webhook: Post "https://h:443"'
DENIED = 'admission webhook "policy.example.com" denied the request: [no-agents] not here'
POLICY = "is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
CANNOT = 'is forbidden: User "system:serviceaccount:a:b" cannot create resource "sandboxes" in API group "g"'
UNSERVED = "the server could not find the requested resource"
NO_OWNER = "is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource"
UNKNOWN = "status unknown for quota: few, resources: pods"
NAMED = 'pods "fix-quota-page" is forbidden: violates PodSecurity "restricted:latest"'
ENDING = {"causes": [{"reason": "NamespaceTerminating"}]}


def forbidden(message: str, details: Mapping[str, object] | None = None) -> kube.Forbidden:
    return kube.Forbidden(403, "Forbidden", message, details)


@pytest.mark.parametrize(
    ("error", "reason", "is_final", "is_refusal", "words"),
    [
        (forbidden("exceeded quota: few, used: pods=1"), Reason.QUOTA_EXCEEDED, False, True, "Raise the quota"),
        (
            forbidden(UNKNOWN),
            Reason.QUOTA_EXCEEDED,
            False,
            True,
            "quota of namespace shop",
        ),
        (forbidden("failed quota: few: must specify cpu"), Reason.QUOTA_EXCEEDED, False, True, "Raise the quota"),
        (forbidden(CANNOT), Reason.CREATION_REFUSED, False, True, "Give the operator's account the permissions"),
        (forbidden("not yet ready to handle request"), Reason.CREATION_REFUSED, False, True, "The operator retries."),
        (forbidden("it is being terminated", ENDING), Reason.CREATION_REFUSED, False, True, "is being deleted"),
        (forbidden(DENIED), Reason.CREATION_REFUSED, True, True, "Change the policy of the webhook"),
        (kube.ApiError(400, "", DENIED), Reason.CREATION_REFUSED, True, True, "Change the policy of the webhook"),
        (kube.ServerError(500, "", DENIED), Reason.CREATION_REFUSED, False, True, "Repair the webhook"),
        (kube.ServerError(500, "", FAILED), Reason.CREATION_REFUSED, False, True, "Repair the webhook"),
        (kube.Invalid(422, "Invalid", POLICY), Reason.CREATION_REFUSED, True, True, "Change the policy"),
        (kube.Invalid(422, "Invalid", "spec: Required"), Reason.CREATION_REFUSED, True, True, "spec: Required."),
        (kube.Unauthorized(401, "Unauthorized", POLICY), Reason.CREATION_REFUSED, True, True, "Change the policy"),
        (kube.NotFound(404, "", DENIED), Reason.CREATION_REFUSED, True, True, "Change the policy of the webhook"),
        (kube.Conflict(409, "", DENIED), Reason.CREATION_REFUSED, True, True, "Change the policy of the webhook"),
        (kube.Gone(410, "", DENIED), Reason.CREATION_REFUSED, True, True, "Change the policy of the webhook"),
        (kube.NotFound(404, "NotFound", UNSERVED), Reason.CREATION_REFUSED, False, True, "CustomResourceDefinitions"),
        (forbidden(NO_OWNER), Reason.CREATION_REFUSED, False, True, "Give the operator's account the permissions"),
        (forbidden("insufficient quota to match these scopes"), Reason.QUOTA_EXCEEDED, False, True, "Raise the quota"),
        (forbidden(NAMED), Reason.CREATION_REFUSED, True, True, "violates PodSecurity"),
        (kube.ApiError(413, "", "Request entity too large"), Reason.CREATION_REFUSED, True, True, "too large."),
        (kube.TooManyRequests(429, "", "slow"), Reason.CREATION_REFUSED, False, True, "The operator retries."),
        (kube.ServerError(500, "", "etcd: no leader"), Reason.CREATION_REFUSED, False, False, "The operator retries."),
        (kube.ServerError(504, "Timeout", ""), Reason.CREATION_REFUSED, False, False, "504 Timeout"),
    ],
)
def test_each_refusal_has_a_sentence_that_says_what_to_do(
    error: kube.ApiError, reason: Reason, words: str, *, is_final: bool, is_refusal: bool
) -> None:
    problem = problem_of_refusal(error, SANDBOXES, BODY)
    assert problem is not None
    assert (problem.reason, problem.is_final, problem.is_refusal) == (reason, is_final, is_refusal)
    assert "Sandbox fix-1" in problem.message
    assert words in problem.message


@pytest.mark.parametrize(
    "error",
    [
        kube.Conflict(409, "Conflict", "the object has been modified"),
        kube.AlreadyExists(409, "AlreadyExists", "already exists"),
        kube.NotFound(404, "NotFound", 'namespaces "shop" not found'),
        kube.Unauthorized(401, "Unauthorized", "Unauthorized"),
    ],
)
def test_what_is_no_refusal_of_the_object_is_no_problem(error: kube.ApiError) -> None:
    assert problem_of_refusal(error, SANDBOXES, BODY) is None


@pytest.mark.parametrize("resource", [RUNS, SANDBOXES, SECRETS, PODS, USAGE_RECORDS])
def test_a_refusal_has_the_reason_of_what_it_refuses(resource: Resource) -> None:
    problem = problem_of_refusal(forbidden(DENIED), resource, BODY)
    assert problem is not None
    assert problem.reason is (Reason.POD_REFUSED if resource == PODS else Reason.CREATION_REFUSED)


def test_the_advice_stays_however_much_a_webhook_says() -> None:
    problem = problem_of_refusal(forbidden(DENIED + "x" * 5000), SECRETS, BODY)
    assert problem is not None
    assert problem.message.endswith("Change the policy of the webhook, or what it refuses.")


def test_a_credential_that_a_webhook_repeats_is_hidden() -> None:
    problem = problem_of_refusal(forbidden(f"{DENIED} ghs_abcdefgh12345678"), SECRETS, BODY)
    assert problem is not None
    assert "ghs_" not in problem.message
