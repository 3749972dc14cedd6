"""Objects that are held as text: the same as dictionaries to those who read them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from codecourier.kube.api import CONFIG_MAPS
from codecourier.kube.cache import Cache
from codecourier.kube.held import Held, PackedList

OBJECT: dict[str, Any] = {
    "metadata": {"name": "ä", "uid": "u", "resourceVersion": "9223372036854775807"},
    "spec": {"number": 2**53, "share": 0.5, "nothing": None, "list": [True, {}], "text": "\u2028\U0001f600"},
}


@pytest.mark.parametrize("is_packed", [True, False])
def test_an_object_is_read_as_it_was_put_in(*, is_packed: bool) -> None:
    held = Held({**OBJECT}, is_packed=is_packed)
    assert (held.uid, held.version, held.obj) == ("u", 2**63 - 1, OBJECT)


def test_texts_take_no_more_memory_than_they_need() -> None:
    text = {**OBJECT, "spec": {"text": "x" * 1000}}
    tracemalloc.start()
    try:
        packed = PackedList()
        packed.extend([text] * 100)
        held = [Held(text, is_packed=True) for _ in range(100)]
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(held) == len(packed)
    assert size < 200 * 1.5 * 1150


def test_a_packed_list_is_read_like_a_list() -> None:
    packed = PackedList()
    packed.extend([OBJECT, {"a": 1}])
    packed.extend([{"b": 2}])
    assert list(packed) == [OBJECT, {"a": 1}, {"b": 2}]
    assert (len(packed), packed[-1], packed[1:]) == (3, {"b": 2}, [{"a": 1}, {"b": 2}])
    packed[0]["metadata"].clear()
    assert packed[0] == OBJECT


def test_the_objects_of_a_first_list_are_parsed_once() -> None:
    class Counted(PackedList):
        reads = 0

        def __iter__(self) -> Iterator[dict[str, Any]]:
            self.reads += 1
            return super().__iter__()

    packed, cache = Counted(), Cache(CONFIG_MAPS)
    packed.extend([OBJECT])
    cache.replace_all(packed, str(2**63), cache.begin_list())
    assert (packed.reads, len(cache)) == (1, 1)
