"""Long lists: whole and in order, in slices that let other requests through, with little memory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from codecourier.apiserver.answers import write_cursor
from codecourier.apiserver.listing import SLICE, ListAnswer, Part, Rows, merge_rows
from codecourier.apiserver.turns import Turns
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import Json
from tests.simulation.clock import run_virtual
from tests.support.asgi import NAMESPACE, Api, exchange, play_api

LONG = 5 * SLICE


class Numbers:
    """A list of numbers in falling order, of which those are shown that a divisor divides."""

    def __init__(self, count: int, divisor: int = 1, width: int = 0) -> None:
        self.count = count
        self.divisor = divisor
        self.width = width
        self.read: list[int] = []

    def rows(self, after: tuple[int] | None) -> Iterator[tuple[tuple[int], bytes | None]]:
        """See `Rows`."""
        for number in range(self.count if after is None else after[0], 0, -1):
            self.read.append(number)
            text = orjson.dumps([number, "x" * self.width])
            yield (number - 1,), text if number % self.divisor == 0 else None

    def answer(
        self, limit: int | None = None, after: int | None = None, turns: Turns | None = None
    ) -> ListAnswer[tuple[int]]:
        """Return the answer that shows a part of it."""
        part = Part(limit, None if after is None else (after,), write_cursor)
        return ListAnswer(self.rows, part, turns or Turns())

    @property
    def shown(self) -> list[int]:
        """What all of it shows."""
        return [number for number in range(self.count, 0, -1) if number % self.divisor == 0]


async def shown(answer: ListAnswer[tuple[int]]) -> tuple[list[int], str | None]:
    """Return the numbers that an answer shows, and its cursor."""
    status, _, content = await exchange(answer, "GET", "/", {}, b"")
    assert status == 200
    body = orjson.loads(content)
    return [number for number, _ in body["data"]], body["nextCursor"]


@given(st.integers(0, 3 * SLICE), st.integers(1, 7), st.none() | st.integers(1, 2 * SLICE))
def test_pages_hold_each_row_once_whatever_is_left_out(count: int, divisor: int, limit: int | None) -> None:
    async def main() -> None:
        numbers, found, after = Numbers(count, divisor), list[int](), None
        while True:
            page, cursor = await shown(numbers.answer(limit, after))
            assert limit is None or len(page) <= limit
            found += page
            if cursor is None:
                break
            assert limit is not None
            assert len(page) == limit, "only the last page may be shorter"
            after = page[-1] - 1
            assert cursor == write_cursor((after,))
        assert found == numbers.shown

    run_virtual(main)


def test_a_page_reads_one_row_more_than_it_shows() -> None:
    async def main() -> None:
        numbers = Numbers(LONG)
        await shown(numbers.answer(limit=5))
        assert numbers.read == list(range(LONG, LONG - 6, -1))

    run_virtual(main)


def test_a_long_list_is_read_in_turns() -> None:
    async def main() -> None:
        numbers, turns, seen = Numbers(LONG), Turns(1), list[int]()

        async def other() -> None:
            while len(numbers.read) < LONG:
                await turns.take()
                seen.append(len(numbers.read))

        (found, _), _ = await asyncio.gather(shown(numbers.answer(turns=turns)), other())
        assert found == numbers.shown
        assert max(now - before for before, now in pairwise(seen)) <= SLICE

    run_virtual(main)


def test_a_client_that_reads_slowly_makes_the_server_read_no_further() -> None:
    async def main() -> None:
        numbers, reads = Numbers(LONG, width=2000), list[int]()

        async def take(_part: bytes) -> None:
            await asyncio.sleep(1)
            reads.append(len(numbers.read))

        _, headers, content = await exchange(numbers.answer(), "GET", "/", {}, b"", took=take)
        assert reads[:4] == [SLICE, 2 * SLICE, 3 * SLICE, 4 * SLICE], "no part is made before the last one is taken"
        assert "content-length" not in headers
        assert len(orjson.loads(content)["data"]) == LONG

    run_virtual(main)


def test_a_list_goes_on_where_it_was_while_objects_are_deleted() -> None:
    async def scenario(api: Api) -> None:
        spec: Json = {"workflowRef": {"name": "build"}, "prompt": "x"}
        names = [f"run-{number:04}" for number in range(3 * SLICE, 0, -1)]
        for name in names:
            api.server.store.create(RUNS, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
        await api.settle()
        cache = api.served.store.cache(RUNS)
        order = [one["id"].removeprefix("r_") for one in (await api.ask("GET", "/runs")).data]
        assert sorted(order) == sorted(names)

        async def delete() -> None:
            # The first slice has been read by then: its first object, its last one, and one of the last slice.
            for gone in (order[0], order[SLICE - 1], order[-1]):
                obj = cache.get(NAMESPACE, gone)
                assert obj is not None
                cache.note_delete(NAMESPACE, gone, obj["metadata"]["uid"])

        (_, _, content), _ = await asyncio.gather(api.raw("GET", "/api/v1/runs"), delete())
        assert [one["id"].removeprefix("r_") for one in orjson.loads(content)["data"]] == order[:-1]

    play_api(scenario)


Places = set[tuple[str, str]]
PLACES = st.sets(st.tuples(st.sampled_from(["1", "2", "3"]), st.text("ab", min_size=1, max_size=2)), max_size=8)


@given(PLACES, PLACES)
def test_lists_of_two_kinds_are_one_from_each_of_its_places_on(runs: Places, jobs: Places) -> None:
    def rows(places: Places) -> Rows[tuple[str, str]]:
        return lambda after: ((place, b"x") for place in sorted(places, reverse=True) if after is None or place < after)

    merged = merge_rows({"r_": rows(runs), "mj_": rows(jobs)})
    prefixed = [(time, f"r_{name}") for time, name in runs] + [(time, f"mj_{name}") for time, name in jobs]
    whole = [place for place, _ in merged(None)]
    assert whole == sorted(prefixed, reverse=True)
    for number, after in enumerate(whole):
        assert [place for place, _ in merged(after)] == whole[number + 1 :]
