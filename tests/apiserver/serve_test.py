"""The process serves as long as its caches follow the cluster."""

from __future__ import annotations

import asyncio

import pytest

from codecourier.apiserver.serve import serve_beside


async def test_it_ends_with_what_ended_a_follower() -> None:
    stopped, following = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        await stopped.wait()

    async def break_down() -> None:
        await following.wait()
        raise KeyError("broken")

    async def follow() -> None:
        following.set()
        await asyncio.Event().wait()

    with pytest.raises(KeyError, match="broken"):
        await serve_beside(serve(), stopped.set, follow(), break_down())
    assert stopped.is_set()


async def test_it_ends_its_followers_when_it_is_stopped() -> None:
    ended = asyncio.Event()

    async def follow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await serve_beside(asyncio.sleep(0), lambda: None, follow())
    assert ended.is_set()
