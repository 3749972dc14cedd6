"""No answer is older than the documented bound, whatever happens to lists and watches."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from codecourier.apiserver.freshness import FAILING_SECONDS, SILENT_SECONDS
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import Resource
from codecourier.kube.errors import Forbidden, KubeError, Unanswered
from tests.simulation.network import Call, Network
from tests.support.asgi import NAMESPACE, Api, play_api

PAGE = Path(__file__).parents[2] / "docs" / "rest-api.md"


class Links(Network):
    """A network on which the watches of a kind stall without a sign, and calls about it fail."""

    stalled: Resource | None = None
    error: KubeError | None = None
    lists = 0

    async def before(self, call: Call) -> None:
        """See `Network.before`."""
        if call.resource == RUNS and call.client == "rest":
            self.lists += call.verb == "list"
            if self.error is not None and call.verb in {"list", "watch", "current_version"}:
                raise self.error
        await super().before(call)

    def event_delay(self, client: str, resource: Resource) -> float:
        """See `Network.event_delay`."""
        return 1e9 if resource == self.stalled else super().event_delay(client, resource)


def play_links(scenario: Callable[[Api, Links], Awaitable[None]]) -> None:
    """Run a scenario over such a network."""

    async def begin(api: Api) -> None:
        links = api.network
        assert isinstance(links, Links)
        await scenario(api, links)

    play_api(begin, Links)


async def probe(api: Api) -> tuple[int, str]:
    """Return what `/readyz` answers."""
    status, _, text = await api.raw("GET", "/readyz")
    return status, text.decode()


def make_run(api: Api, name: str) -> None:
    """Create a Run of which the REST API may not hear."""
    spec = {"workflowRef": {"name": "build"}, "prompt": "x"}
    api.server.store.create(RUNS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})


async def wait_until(api: Api, status: int, seconds: float) -> float:
    """Return after how many seconds, at most so many, a list of runs is answered with a status."""
    begin = asyncio.get_running_loop().time()
    while (await api.ask("GET", "/runs")).status != status:
        assert asyncio.get_running_loop().time() - begin < seconds
        await asyncio.sleep(0.5)
    return asyncio.get_running_loop().time() - begin


def test_a_watch_that_stalls_without_a_sign_makes_no_answer_older_than_the_bound() -> None:
    async def scenario(api: Api, links: Links) -> None:
        links.stalled = RUNS
        for number in range(3):
            make_run(api, f"unheard-{number}")
            await asyncio.sleep(SILENT_SECONDS)
            assert len((await api.ask("GET", "/runs")).data) == number + 1
            assert (await probe(api))[0] == 200

    play_links(scenario)


def test_beyond_the_bound_nothing_is_answered_and_then_it_is_again() -> None:
    async def scenario(api: Api, links: Links) -> None:
        links.stalled = RUNS
        make_run(api, "unheard")
        links.error = Unanswered("the network is gone")
        assert (await api.ask("GET", "/runs")).data == []
        assert await wait_until(api, 503, SILENT_SECONDS + 1) <= SILENT_SECONDS
        answer = await api.ask("GET", "/sprint-chains")
        assert (answer.status, answer.code, int(answer.headers["retry-after"])) == (503, "unavailable", 5)
        assert "Run" in answer.body["error"]["message"]
        assert await probe(api) == (503, "not heard of for too long: Run")
        assert (await api.raw("GET", "/livez"))[0] == 200
        links.error = None
        await wait_until(api, 200, 15)
        assert len((await api.ask("GET", "/runs")).data) == 1
        assert (await probe(api))[0] == 200

    play_links(scenario)


def test_a_watch_that_is_known_to_fail_has_a_shorter_bound() -> None:
    async def scenario(api: Api, links: Links) -> None:
        for error in (Unanswered("no route"), Forbidden(403, "Forbidden", "no right")):
            links.error = error
            api.server.cut_watches("rest", RUNS)
            make_run(api, type(error).__name__.lower())
            assert await wait_until(api, 503, FAILING_SECONDS + 2) > FAILING_SECONDS / 2
            links.error = None
            await wait_until(api, 200, 15)

    play_links(scenario)


def test_watches_that_are_cut_and_come_back_are_nothing_to_report() -> None:
    async def scenario(api: Api, _links: Links) -> None:
        for _ in range(30):
            api.server.cut_watches("rest")
            await asyncio.sleep(7)
            assert (await api.ask("GET", "/runs")).status == 200
            assert (await probe(api))[0] == 200

    play_links(scenario)


def test_a_healthy_watch_costs_no_lists() -> None:
    async def scenario(api: Api, links: Links) -> None:
        before = links.lists
        for number in range(60):
            make_run(api, f"run-{number}")
            await asyncio.sleep(60)
            assert (await probe(api))[0] == 200
        assert links.lists == before

    play_links(scenario)


def test_the_page_says_the_bounds() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    found = re.search(r"at most (\d+) seconds old; (\d+) seconds after", text)
    assert found is not None
    assert [float(seconds) for seconds in found.groups()] == [SILENT_SECONDS, FAILING_SECONDS]
