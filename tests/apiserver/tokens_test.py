"""Whose a token of the cluster is: asked once in a while, of a server that knows audiences."""

from __future__ import annotations

import asyncio

import pytest

from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.tokens import Tokens
from codecourier.core.shared.api_keys import Identity
from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import Forbidden, KubeError, Unanswered

BOB = {"authenticated": True, "user": {"username": "bob"}, "audiences": ["other", "codecourier"]}


class Authenticator:
    """An API server that only answers reviews of tokens."""

    def __init__(self) -> None:
        self.answer: Json | KubeError = {"status": BOB}
        self.asked: list[Json] = []
        self.going = asyncio.Event()
        self.going.set()

    async def create(self, _resource: Resource, review: Json) -> Json:
        """Answer a review, once answers are given."""
        self.asked.append(review["spec"])
        await self.going.wait()
        if isinstance(self.answer, KubeError):
            raise self.answer
        return self.answer


def tokens_of(server: Authenticator, now: list[float]) -> Tokens:
    """Return what asks that server at the time that the list holds."""
    return Tokens(server, lambda: now[0], "codecourier")  # type: ignore[arg-type]  # one method of it is asked


async def test_an_answer_counts_for_ten_seconds() -> None:
    server, now = Authenticator(), [0.0]
    tokens = tokens_of(server, now)
    assert await tokens.identify("t") == Identity("bob", ())
    server.answer = {"status": {"authenticated": False}}
    assert await tokens.identify("t") == Identity("bob", ())
    assert await tokens.identify("other") is None
    now[0] = 10.0
    assert await tokens.identify("t") is None
    assert len(server.asked) == 3
    assert {len(key) for key in tokens._answers} == {32}, "only hashes are kept"


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {**BOB, "authenticated": "true"},
        {**BOB, "audiences": []},
        {**BOB, "audiences": ["https://kubernetes.default.svc"]},
        {"authenticated": True, "user": {"username": "bob"}},
        {**BOB, "user": {}},
        {**BOB, "user": None},
    ],
)
async def test_nobody_is_believed_without_a_full_answer(status: Json | None) -> None:
    server = Authenticator()
    server.answer = {"status": status}
    assert await tokens_of(server, [0.0]).identify("t") is None


@pytest.mark.parametrize("error", [Unanswered("away"), Forbidden(403, "Forbidden", "no right to ask")])
async def test_without_an_answer_nobody_is_believed_and_the_next_request_asks_again(error: KubeError) -> None:
    server = Authenticator()
    tokens = tokens_of(server, [0.0])
    server.answer = error
    with pytest.raises(Refusal) as refused:
        await tokens.identify("t")
    assert refused.value.status_code == 503
    server.answer = {"status": BOB}
    assert await tokens.identify("t") == Identity("bob", ())


async def test_no_more_than_so_many_tokens_are_asked_about_at_one_time() -> None:
    server = Authenticator()
    tokens = tokens_of(server, [0.0])
    server.going.clear()
    asking = [asyncio.create_task(tokens.identify(f"t-{number}")) for number in range(32)]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await tokens.identify("one more")
    assert (refused.value.status_code, len(server.asked)) == (503, 32)
    server.going.set()
    assert set(await asyncio.gather(*asking)) == {Identity("bob", ())}
    assert await tokens.identify("one more") == Identity("bob", ())


async def test_what_is_remembered_is_bounded() -> None:
    tokens = tokens_of(Authenticator(), [0.0])
    for number in range(10_010):
        await tokens.identify(str(number))
    assert len(tokens._answers) == 10_000
