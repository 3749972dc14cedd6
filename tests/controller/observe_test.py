"""What plans ask of the world outside the caches."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.controller.observe import LOG_SECONDS, PROBLEM_SECONDS, _Reached
from codecourier.core.shared.facts import (
    AgentSecretsAsk,
    AgentSecretsFact,
    BranchHeadAsk,
    BranchHeadFact,
    LogAsk,
    LogFact,
    Problem,
    PullRequestsAsk,
    PullRequestsFact,
    RepositoryAccess,
    RepositoryAsk,
    RepositoryFact,
    UnreadableSecret,
)
from codecourier.core.shared.naming import LABEL_AGENT_READABLE
from codecourier.core.shared.reasons import Reason
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.kube.api import SECRETS
from codecourier.kube.errors import KubeError, ServerError, TooManyRequests, Unanswered
from codecourier.text import marker
from tests.simulation.clock import pass_time, virtual
from tests.simulation.forge import MAIN, URL
from tests.support.desk import NAMESPACE, Desk

ACCESS = RepositoryAccess(NAMESPACE, URL, secret="token")
REPOSITORY = RepositoryAsk(ACCESS)
PULLS = PullRequestsAsk(ACCESS, "codecourier/fix", "run-uid", 2)


def make() -> Desk:
    desk = Desk()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    return desk


def forge_calls(desk: Desk) -> int:
    return len([call for call in desk.wire.calls if call.client.endswith("@forge")])


def cut_forge(desk: Desk) -> None:
    desk.wire.refuse = lambda call: Unanswered("away") if call.client.endswith("@forge") else None


@virtual
async def test_a_repository_that_was_reached_is_not_asked_for_again_at_once() -> None:
    desk = make()
    for _ in range(3):
        assert await desk.observer.answer(REPOSITORY) == RepositoryFact(MAIN)
    assert forge_calls(desk) == 1
    await pass_time(REPOSITORY.age_seconds)
    await desk.observer.answer(REPOSITORY)
    assert forge_calls(desk) == 2


@virtual
async def test_how_old_an_answer_may_be_is_a_part_of_the_question() -> None:
    desk = make()
    old = replace(REPOSITORY, age_seconds=900.0)
    await desk.observer.answer(old)
    await pass_time(700.0)
    assert desk.observer.recall(old) == RepositoryFact(MAIN)
    assert desk.observer.recall(REPOSITORY) is None
    await desk.observer.answer(REPOSITORY)
    await pass_time(700.0)
    assert desk.observer.recall(old) == RepositoryFact(MAIN), "the newer answer serves both"
    await pass_time(200.0)
    assert desk.observer.recall(old) is None
    assert forge_calls(desk) == 2


@virtual
async def test_repositories_that_were_asked_for_together_are_asked_for_again_at_different_times() -> None:
    desk = make()
    asks = [RepositoryAsk(replace(ACCESS, url=f"{URL}{number}"), 900.0) for number in range(20)]
    desk.wire.refuse = lambda _: None
    for ask in asks:
        assert isinstance(ask.repository, RepositoryAccess)
        desk.observer._repositories[ask.repository] = _Reached(0.0, RepositoryFact(MAIN), None)
    known = []
    for _ in range(9):
        known.append(sum(desk.observer.recall(ask) is not None for ask in asks))
        await pass_time(100.0)
    assert known[:8] == [20] * 8
    assert 0 < known[8] < 20


@virtual
async def test_a_repository_whose_credential_fails_otherwise_is_asked_for_again() -> None:
    desk = make()
    old = replace(REPOSITORY, age_seconds=900.0)
    await desk.observer.answer(old)
    desk.forge.tokens.clear()
    problem = await desk.observer.answer(BranchHeadAsk(ACCESS, MAIN))
    assert isinstance(problem, Problem)
    assert desk.observer.recall(old) is None


@virtual
async def test_a_repository_that_was_not_reached_is_tried_again_soon() -> None:
    desk = make()
    cut_forge(desk)
    for _ in range(3):
        problem = await desk.observer.answer(REPOSITORY)
        assert isinstance(problem, Problem)
        assert problem.reason is Reason.FORGE_UNAVAILABLE
    assert forge_calls(desk) == 1
    desk.wire.refuse = lambda _: None
    await pass_time(PROBLEM_SECONDS)
    assert await desk.observer.answer(REPOSITORY) == RepositoryFact(MAIN)


@virtual
async def test_a_repository_with_another_credential_is_looked_at_anew() -> None:
    desk = make()
    desk.make_secret("other")
    await desk.observer.answer(REPOSITORY)
    await desk.observer.answer(RepositoryAsk(replace(ACCESS, secret="other")))
    assert forge_calls(desk) == 2


@virtual
async def test_what_stands_in_the_way_of_every_request_is_the_answer_and_nothing_is_asked() -> None:
    desk = make()
    problem = Problem(Reason.PROJECT_NOT_FOUND, "There is no Project.")
    for ask in (RepositoryAsk(problem), BranchHeadAsk(problem, MAIN), replace(PULLS, repository=problem)):
        assert await desk.observer.answer(ask) == problem
    assert desk.wire.calls == []


@virtual
async def test_a_credential_that_is_missing_is_the_answer() -> None:
    desk = Desk()
    desk.make_project()
    desk.refresh()
    for ask in (REPOSITORY, BranchHeadAsk(ACCESS, MAIN), PULLS):
        problem = await desk.observer.answer(ask)
        assert isinstance(problem, Problem)
        assert problem.reason is Reason.CREDENTIALS_MISSING
    assert forge_calls(desk) == 0


@virtual
async def test_the_head_of_a_branch_is_looked_up_each_time() -> None:
    desk = make()
    ask = BranchHeadAsk(ACCESS, MAIN)
    assert await desk.observer.answer(ask) == BranchHeadFact(desk.forge.branches[MAIN])
    desk.forge.branches[MAIN] = desk.forge.history.commit(desk.forge.branches[MAIN], {"a": "b"}).sha
    assert await desk.observer.answer(ask) == BranchHeadFact(desk.forge.branches[MAIN])
    assert await desk.observer.answer(BranchHeadAsk(ACCESS, "none")) == BranchHeadFact(None)


@virtual
async def test_only_pull_requests_with_our_marker_are_ours_oldest_first() -> None:
    desk = make()
    desk.forge.branches["codecourier/fix"] = desk.forge.branches[MAIN]
    for base, body in ((MAIN, "theirs"), ("b1", marker("run-uid", 2)), ("b2", marker("run-uid", 1)), ("b3", "")):
        desk.forge.branches[base] = desk.forge.branches[MAIN]
        desk.forge.open(CreatePullRequest("t", body, "codecourier/fix", base))
    desk.forge.branches["b4"] = desk.forge.branches[MAIN]
    desk.forge.open(CreatePullRequest("t", marker("run-uid", 2), "codecourier/fix", "b4", is_draft=True))
    found = await desk.observer.answer(PULLS)
    assert isinstance(found, PullRequestsFact)
    assert [(item.number, item.is_draft) for item in found.items] == [(2, False), (5, True)]


@virtual
async def test_a_forge_that_is_away_is_a_problem() -> None:
    desk = make()
    cut_forge(desk)
    for ask in (BranchHeadAsk(ACCESS, MAIN), PULLS):
        problem = await desk.observer.answer(ask)
        assert isinstance(problem, Problem)
        assert problem.reason is Reason.FORGE_UNAVAILABLE


@virtual
async def test_a_log_is_its_last_lines_or_lost() -> None:
    desk = make()
    ask = LogAsk(NAMESPACE, "fix-1", "u", "agent")
    assert await desk.observer.answer(ask) == LogFact(None)
    desk.make_pod("fix-1")
    desk.server.logs[NAMESPACE, "fix-1", "agent"] = "".join(f"line {number}\n" for number in range(300))
    found = await desk.observer.answer(ask)
    assert isinstance(found, LogFact)
    assert found.text is not None
    assert found.text.splitlines()[0] == "line 100"
    assert found.text.splitlines()[-1] == "line 299"


@virtual
@pytest.mark.parametrize(
    "error",
    [Unanswered("away"), ServerError(500, "", "the node does not answer"), TooManyRequests(429, "", "slow down")],
)
async def test_a_log_that_is_kept_back_is_asked_for_again_for_a_bounded_time(error: KubeError) -> None:
    desk = make()
    desk.make_pod("fix-1")
    desk.server.logs[NAMESPACE, "fix-1", "agent"] = "words"
    ask = LogAsk(NAMESPACE, "fix-1", "u", "agent")
    desk.wire.refuse = lambda _: error
    for _ in range(2):
        delayed = await desk.observer.answer(ask)
        assert isinstance(delayed, Problem)
        assert delayed.reason is Reason.LOG_DELAYED
        await pass_time(LOG_SECONDS / 2)
    assert await desk.observer.answer(ask) == LogFact(None), "its node may never answer again"
    desk.wire.refuse = lambda _: None
    assert await desk.observer.answer(ask) == LogFact("words")


@virtual
async def test_agents_may_read_what_people_labelled() -> None:
    desk = make()
    desk.make_secret("open", {LABEL_AGENT_READABLE: "true"}, key="x", empty="")
    desk.make_secret("closed", {LABEL_AGENT_READABLE: "yes"}, key="x")
    keys = (("open", "key"), ("open", "empty"), ("open", "none"), ("closed", "key"), ("none", "key"))
    found = await desk.observer.answer(AgentSecretsAsk(NAMESPACE, keys))
    details = ("that key has no text.", "it has no key 'none'; it has: empty, key.", "it has no such label.")
    why = (*details, "it is not there.")
    assert found == AgentSecretsFact(tuple(UnreadableSecret(*key, d) for key, d in zip(keys[1:], why, strict=True)))


def reads(desk: Desk) -> int:
    return sum(call.verb == "get" and call.resource.kind == "Secret" for call in desk.wire.calls)


@virtual
async def test_a_repository_is_asked_for_again_with_another_version_of_its_secret() -> None:
    desk = make()
    first, second = (replace(ACCESS, secret_version=version) for version in ("1", "2"))
    for access in (first, first, second, second):
        assert await desk.observer.answer(RepositoryAsk(access)) == RepositoryFact(MAIN)
    assert forge_calls(desk) == 2


@virtual
async def test_a_secret_is_read_once_for_all_its_keys() -> None:
    desk = Desk()
    desk.make_secret("model", {LABEL_AGENT_READABLE: "true"}, one="a", two="b")
    keys = (("model", "one"), ("model", "two"), ("model", "three"))
    answer = await desk.observer.answer(AgentSecretsAsk(NAMESPACE, keys))
    assert isinstance(answer, AgentSecretsFact)
    assert [fault.key for fault in answer.unreadable] == ["three"]
    assert reads(desk) == 1


@virtual
async def test_a_secret_that_many_workflows_name_is_read_once_for_each_version() -> None:
    desk = Desk()
    secret = desk.make_secret("model", {LABEL_AGENT_READABLE: "true"}, one="a")
    ask = AgentSecretsAsk(NAMESPACE, (("model", "one"),), (secret["metadata"]["resourceVersion"],))
    for _ in range(1000):
        assert await desk.observer.answer(ask) == AgentSecretsFact()
    assert reads(desk) == 1
    assert await desk.observer.answer(replace(ask, versions=())) == AgentSecretsFact()
    assert reads(desk) == 2, "where a pod is about to use it"
    changed = desk.server.edit(SECRETS, NAMESPACE, "model", lambda found: found.update(data={}))
    ask = replace(ask, versions=(changed["metadata"]["resourceVersion"],))
    for _ in range(2):
        answer = await desk.observer.answer(ask)
        assert isinstance(answer, AgentSecretsFact)
        assert [fault.detail for fault in answer.unreadable] == ["it has no keys."]
    assert reads(desk) == 3


@virtual
async def test_what_was_read_before_the_watch_told_of_it_counts_for_its_own_version() -> None:
    desk = Desk()
    desk.make_secret("model", {LABEL_AGENT_READABLE: "true"}, one="a")
    ask = AgentSecretsAsk(NAMESPACE, (("model", "one"),), ("1",))
    for _ in range(2):
        assert await desk.observer.answer(ask) == AgentSecretsFact()
    assert reads(desk) == 2
