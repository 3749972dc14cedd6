"""Lists are in one order, newest first, and a page reads no more than it shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from codecourier.apiserver.answers import PageQuery, cut
from codecourier.apiserver.newest import Newest
from codecourier.kinds.api_resources import SPRINT_CHAINS
from codecourier.kube.api import Json
from codecourier.resources.learning import Learning, LearningSpec
from codecourier.resources.meta import ObjectMeta

CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from("abcdef"), st.integers(0, 3)), max_size=40)


def obj(name: str, second: int) -> Json:
    """Return an object of a second of creation."""
    return {"metadata": {"name": name, "namespace": "shop", "creationTimestamp": f"2026-01-01T00:00:0{second}Z"}}


@given(CHANGES)
def test_names_have_the_order_of_their_creation_whatever_comes_and_goes(changes: list[tuple[bool, str, int]]) -> None:
    newest, there = Newest(), dict[str, Json]()
    for is_made, name, second in changes:
        old = there.pop(name, None)
        if is_made:
            there[name] = obj(name, second)
        newest.changed(SPRINT_CHAINS, old, there.get(name))
    wanted = sorted(there, key=lambda name: (there[name]["metadata"]["creationTimestamp"], name), reverse=True)
    assert [*newest.names(SPRINT_CHAINS, "shop")] == wanted
    assert [*newest.names(SPRINT_CHAINS, "other")] == []


def test_a_page_reads_no_more_than_it_shows() -> None:
    read: list[str] = []

    def newest_first() -> Iterator[Learning]:
        for second in range(59, -1, -1):
            created = datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
            spec = LearningSpec(text="x", repository_url="https://h/o/n")
            read.append(f"l-{second:02}")
            yield Learning(metadata=ObjectMeta(name=read[-1], creation_timestamp=created), spec=spec)

    page, cursor = cut(newest_first(), PageQuery(limit=5))
    assert [found.name for found in page] == read[:5]
    assert len(read) == 6, "one more shows that there is a next page"
    rest, end = cut(newest_first(), PageQuery(cursor=cursor))
    assert (len(page) + len(rest), end) == (60, None)
    last, end = cut(newest_first(), PageQuery(limit=60))
    assert (len(last), end) == (60, None)
