"""From an address to a repository that can be called, or a sentence that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.core.shared.facts import AgentSecretsAsk, AgentSecretsFact, Problem, UnreadableSecret
from codecourier.core.shared.naming import LABEL_AGENT_READABLE, PROJECT_NAME
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_access
from codecourier.github.credentials import AppInstallation, PersonalToken, RepositoryRef
from codecourier.github.secret import Secret
from codecourier.hosts.credentials import UnknownNamespaceError, decode_key
from codecourier.kinds.api_resources import PROJECTS
from codecourier.kinds.sources import PROJECT_SOURCE
from codecourier.kube.api import SECRETS, Json
from codecourier.kube.errors import Forbidden, Unanswered
from tests.simulation.clock import virtual
from tests.simulation.forge import URL
from tests.support.desk import CREDENTIAL, NAMESPACE, TOKEN, Desk

EVIL = "https://forge.test.evil/example/shop"


async def find(desk: Desk, url: str = URL) -> RepositoryRef | Problem:
    desk.refresh()
    project = desk.store.get(PROJECT_SOURCE, NAMESPACE, PROJECT_NAME)
    return await desk.credentials.find(find_access(project, NAMESPACE, url))


@virtual
async def test_a_personal_token_is_read_from_its_secret() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret(token=f"  {TOKEN}\n")
    assert await find(desk) == RepositoryRef(URL, PersonalToken(Secret(TOKEN)))


@virtual
async def test_a_secret_that_the_operator_may_not_read_is_named() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    refused = Forbidden(403, "Forbidden", 'cannot get resource "secrets" in API group ""')
    desk.wire.refuse = lambda call: refused if call.resource == SECRETS else None
    problem = await find(desk)
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.CREDENTIALS_MISSING
    assert "the account of the operator may not read Secret 'token'" in problem.message
    agent = await desk.observer.answer(AgentSecretsAsk(NAMESPACE, (("token", "key"),)))
    assert agent == AgentSecretsFact((UnreadableSecret("token", "key", "the operator's account may not read it."),))


@virtual
async def test_a_mended_secret_is_seen_at_once() -> None:
    desk = Desk()
    desk.make_project()
    assert isinstance(await find(desk), Problem)
    desk.make_secret()
    assert isinstance(await find(desk), RepositoryRef)


@virtual
async def test_an_app_needs_no_secret() -> None:
    desk = Desk(is_app=True)
    desk.make_project()
    found = await find(desk)
    assert isinstance(found, RepositoryRef)
    assert found.credential == AppInstallation(1, Secret("cc-canary-key"), 1, "forge.test")
    assert desk.wire.calls == []


@virtual
async def test_the_address_is_the_projects_own() -> None:
    desk = Desk(is_app=True)
    desk.make_project()
    found = await find(desk, f"{URL.upper().replace('HTTPS', 'https')}.git")
    assert isinstance(found, RepositoryRef)
    assert found.url == URL


@virtual
async def test_without_a_project_there_is_nothing() -> None:
    problem = await find(Desk())
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.PROJECT_NOT_FOUND


@virtual
async def test_a_repository_that_the_project_does_not_name_is_refused() -> None:
    desk = Desk()
    desk.make_project()
    problem = await find(desk, "https://forge.test/example/other")
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.REPOSITORY_NOT_ALLOWED
    assert desk.wire.calls == [], "no Secret is read for it"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "Secret 'token' is not there"),
        ({"password": "x"}, "has no text in its key 'token'"),
        ({"token": ""}, "has no text in its key 'token'"),
        ({"token": " \n"}, "has no text in its key 'token'"),
    ],
    ids=["absent", "other key", "empty", "blank"],
)
def test_what_is_missing_is_named(secret: dict[str, str] | None, words: str) -> None:
    @virtual
    async def scenario() -> None:
        desk = Desk()
        desk.make_project()
        if secret is not None:
            desk.make_secret(**secret)  # type: ignore[arg-type]
        problem = await find(desk)
        assert isinstance(problem, Problem)
        assert problem.reason is Reason.CREDENTIALS_MISSING
        assert words in problem.message
        assert URL in problem.message

    scenario()


@pytest.mark.parametrize(
    ("labels", "words"),
    [({}, "it is not meant for repositories"), ({**CREDENTIAL, LABEL_AGENT_READABLE: "true"}, "agents may read it")],
)
def test_a_secret_that_is_not_meant_for_repositories_is_not_used(labels: dict[str, str], words: str) -> None:
    @virtual
    async def scenario() -> None:
        desk = Desk()
        desk.make_project()
        desk.make_secret(labels=labels)
        problem = await find(desk)
        assert isinstance(problem, Problem)
        assert problem.reason is Reason.SECRET_NOT_ALLOWED
        assert words in problem.message

    scenario()


@virtual
async def test_a_secret_without_consent_does_not_show_which_keys_it_has() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret("token", {})
    said = await find(desk)
    desk.server.store.patch(SECRETS, NAMESPACE, "token", {"data": {"token": None, "other": "YWJj"}})
    assert await find(desk) == said


@virtual
async def test_the_answer_of_the_api_server_is_what_decides_not_the_cache() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    assert isinstance(await find(desk), RepositoryRef)
    desk.server.store.patch(SECRETS, NAMESPACE, "token", {"metadata": {"labels": None}})
    assert isinstance(await find(desk), Problem)


@virtual
async def test_no_secret_is_read_for_a_host_that_is_not_allowed() -> None:
    desk = Desk()
    desk.make_secret()
    desk.make(PROJECTS, "default", {"repositories": [{"url": EVIL, "credentialRef": {"name": "token"}}]})
    problem = await find(desk, EVIL)
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.HOST_NOT_ALLOWED
    assert desk.wire.calls == []


@virtual
async def test_the_app_is_used_only_for_what_the_namespace_was_given() -> None:
    desk = Desk(is_app=True)
    desk.make_project()
    desk.allow_app("https://forge.test/other")
    problem = await find(desk)
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.APP_NOT_ALLOWED
    desk.allow_app(None)
    assert isinstance(await find(desk), Problem)
    desk.allow_app(URL)
    assert isinstance(await find(desk), RepositoryRef)


@virtual
async def test_a_namespace_that_is_not_known_yet_is_no_reason_to_refuse_the_app() -> None:
    desk = Desk(is_app=True)
    desk.allow_app(URL)
    with pytest.raises(UnknownNamespaceError):
        await desk.credentials.find(desk.access)
    desk.refresh()
    assert isinstance(await desk.credentials.find(desk.access), RepositoryRef)


@virtual
async def test_an_app_that_the_operator_has_not_is_named() -> None:
    desk = Desk()
    desk.make_project(app={"installationId": 1})
    problem = await find(desk)
    assert isinstance(problem, Problem)
    assert problem.reason is Reason.CREDENTIALS_MISSING
    assert "GitHub App" in problem.message


@virtual
async def test_a_server_that_does_not_answer_is_no_missing_secret() -> None:
    desk = Desk()
    desk.make_project()
    desk.wire.refuse = lambda call: Unanswered("away") if call.resource == SECRETS else None
    with pytest.raises(Unanswered):
        await find(desk)


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ({"data": {"token": "YWJj"}}, "abc"),
        ({"data": {"token": "IGFiYwo="}}, "abc"),
        ({"data": {"token": "YWJ"}}, ""),
        ({"data": {"token": "/w=="}}, ""),
        ({"data": {"other": "YWJj"}}, ""),
        ({"data": None}, ""),
        ({}, ""),
    ],
)
def test_a_key_is_text_or_nothing(secret: Json, text: str) -> None:
    assert decode_key(secret, "token") == text


@virtual
async def test_nothing_shows_the_token() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    found: Any = await find(desk)
    assert TOKEN not in repr(found)
    assert TOKEN not in str(found)
