"""Requests take turns: in order, all of them, and never so many at once that other work waits for long."""

from __future__ import annotations

import asyncio
from itertools import groupby

from codecourier.apiserver.turns import MOST_IN_A_ROUND, Turns
from tests.simulation.clock import run_virtual
from tests.support.asgi import Api, play_api

REQUESTS = 100


class Log:
    """Notes what runs, one after another; other work notes itself in each round of the loop."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def work_beside(self, rounds: int) -> None:
        """Do other work, which takes so many rounds."""
        for _ in range(rounds):
            self.done.append("beside")
            await asyncio.sleep(0)

    @property
    def most_between(self) -> int:
        """The most that was done between two rounds of the other work, while there was any."""
        last = len(self.done) - self.done[::-1].index("beside")
        groups = groupby(self.done[:last], key=lambda what: what == "beside")
        return max((len([*group]) for is_beside, group in groups if not is_beside), default=0)


def test_turns_are_given_in_order_and_few_in_each_round() -> None:
    async def main() -> None:
        log, turns = Log(), Turns()

        async def request(number: int) -> None:
            await turns.take()
            log.done.append(str(number))

        await asyncio.gather(log.work_beside(REQUESTS), *(request(number) for number in range(REQUESTS)))
        assert [what for what in log.done if what != "beside"] == [str(number) for number in range(REQUESTS)]
        assert 1 < log.most_between <= MOST_IN_A_ROUND

    run_virtual(main)


def test_a_client_that_leaves_takes_no_turn_of_others() -> None:
    async def main() -> None:
        turns, done = Turns(1), list[int]()

        async def request(number: int) -> None:
            await turns.take()
            done.append(number)

        tasks = [asyncio.ensure_future(request(number)) for number in range(5)]
        await asyncio.sleep(0)
        for number in (1, 3):
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert done == [0, 2, 4]
        await turns.take()

    run_virtual(main)


def test_a_crowd_of_requests_lets_other_work_go_on() -> None:
    async def scenario(api: Api) -> None:
        log = Log()

        async def ask() -> None:
            assert (await api.ask("GET", "/runs")).status == 200
            log.done.append("answer")

        await ask()
        await asyncio.gather(log.work_beside(REQUESTS), *(ask() for _ in range(REQUESTS)))
        assert log.most_between <= MOST_IN_A_ROUND

    play_api(scenario)


def test_probes_wait_for_no_turn() -> None:
    async def scenario(api: Api) -> None:
        log = Log()

        async def ask() -> None:
            await api.ask("GET", "/runs")
            log.done.append("answer")

        async def probe() -> None:
            await api.raw("GET", "/livez")
            log.done.append("probe")

        await asyncio.gather(*(ask() for _ in range(REQUESTS)), probe())
        assert log.done.index("probe") <= MOST_IN_A_ROUND

    play_api(scenario)
