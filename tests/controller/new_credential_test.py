"""An effect that failed for its credential is tried at once when that changes, however long it would have waited."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.core.shared.intents import MintTokens, Plan
from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES
from codecourier.core.shared.reasons import Reason
from codecourier.kinds.api_resources import SANDBOXES
from codecourier.kinds.registry import WorkKey
from codecourier.kube.api import SECRETS
from tests.simulation.clock import pass_time, virtual
from tests.simulation.forge import URL
from tests.support.desk import NAMESPACE, Desk

KEY = WorkKey(SANDBOXES, NAMESPACE, "fix-1")


async def tried(desk: Desk, effect: MintTokens) -> list[Reason]:
    """Carry a plan out that wants an effect; return why it does not work."""
    await desk.executor.clear(KEY, KEY, Plan(effects=(effect,)))
    await desk.settle()
    return [problem.reason for problem in desk.backlog.problems(KEY).values()]


async def failed(desk: Desk, effect: MintTokens) -> None:
    """Let an effect fail until it waits for long."""
    for _ in range(8):
        await pass_time(100.0)
        await tried(desk, effect)
    assert len(desk.backlog) == 1


@virtual
async def test_a_secret_that_is_made_or_fixed_ends_the_wait() -> None:
    desk = Desk()
    desk.make_project()
    desk.refresh()
    effect = desk.mint("uid-1")
    await failed(desk, effect)
    calls = len(desk.wire.calls)
    assert await tried(desk, effect) == [Reason.CREDENTIALS_MISSING]
    assert [call.resource for call in desk.wire.calls[calls:]] == [SECRETS], "it was looked at and not tried"
    desk.make_secret(token="wrong")
    assert await tried(desk, effect) == []
    assert desk.has(SECRETS, effect.secret)


@virtual
async def test_a_secret_whose_label_is_set_ends_the_wait() -> None:
    desk = Desk()
    desk.make_project()
    desk.refresh()
    desk.make_secret(labels={})
    effect = desk.mint("uid-1")
    await failed(desk, effect)
    assert await tried(desk, effect) == [Reason.SECRET_NOT_ALLOWED]
    labels = {"codecourier.dev/repository-credential": "true"}
    desk.server.store.patch(SECRETS, NAMESPACE, "token", {"metadata": {"labels": labels}})
    assert await tried(desk, effect) == []


@virtual
async def test_a_namespace_that_is_given_the_app_ends_the_wait() -> None:
    desk = Desk(is_app=True)
    desk.make_project()
    desk.allow_app("https://forge.test/other")
    desk.refresh()
    effect = desk.mint("uid-1")
    await failed(desk, effect)
    assert await tried(desk, effect) == [Reason.APP_NOT_ALLOWED]
    desk.allow_app(URL)
    desk.refresh()
    assert await tried(desk, effect) == [], f"its {ANNOTATION_APP_REPOSITORIES} has changed"


@pytest.mark.parametrize("is_there", [False, True])
def test_another_credential_in_the_project_leaves_nothing_of_the_failure(is_there: bool) -> None:  # noqa: FBT001
    @virtual
    async def scenario() -> None:
        desk = Desk()
        desk.make_project()
        desk.refresh()
        effect = desk.mint("uid-1")
        await failed(desk, effect)
        if is_there:
            desk.make_secret("other")
        other = replace(effect, repository=replace(desk.access, secret="other"))
        assert await tried(desk, other) == ([] if is_there else [Reason.CREDENTIALS_MISSING])
        assert set(desk.backlog.problems(KEY)) == (set() if is_there else {other})
        assert len(desk.backlog) == (0 if is_there else 1)

    scenario()
