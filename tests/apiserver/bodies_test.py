"""Bodies that are too large, never end or break off, and what no JSON of any shape may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.types import Message

from codecourier.apiserver.bodies import MOST_FIELDS
from codecourier.apiserver.refusal import MOST_DETAILS, Detail, Refusal, bad_request, details_of
from codecourier.apiserver.route import BODY_MAX_BYTES, read_body
from codecourier.apiserver.views.recurring_task import TaskChange, TaskCreation, TaskToggle
from codecourier.apiserver.views.sprint_chain import ChainCreation
from tests.simulation.clock import run_virtual

JSON_TYPE = (b"content-type", b"application/json; charset=utf-8")


def read(messages: AsyncIterator[Message], *headers: tuple[bytes, bytes]) -> tuple[int, int, float]:
    """Read a body; return the status of its refusal (200: none), its length and how long that took."""
    found: list[tuple[int, int, float]] = []

    async def main() -> None:
        request = Request({"type": "http", "method": "POST", "headers": headers or (JSON_TYPE,)}, _receiving(messages))
        begin = asyncio.get_running_loop().time()
        status, length = 200, 0
        try:
            length = len(await read_body(request))
        except Refusal as refusal:
            status = refusal.status_code
        found.append((status, length, asyncio.get_running_loop().time() - begin))

    run_virtual(main)
    return found[0]


def _receiving(messages: AsyncIterator[Message]) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return await anext(messages)

    return receive


async def chunks(size: int, seconds: float = 0.0, count: int | None = None) -> AsyncIterator[Message]:
    """Yield parts of a body of a size each so many seconds; None: without an end."""
    number = 0
    while count is None or number < count:
        await asyncio.sleep(seconds)
        number += 1
        yield {"type": "http.request", "body": b" " * size, "more_body": number != count}


async def broken_off() -> AsyncIterator[Message]:
    """Yield a part of a body, then the end of the connection."""
    yield {"type": "http.request", "body": b"{", "more_body": True}
    yield {"type": "http.disconnect"}


def test_a_body_is_read_up_to_the_limit() -> None:
    assert read(chunks(BODY_MAX_BYTES // 16, count=16))[:2] == (200, BODY_MAX_BYTES)
    assert read(chunks(BODY_MAX_BYTES + 1, count=1))[0] == 413
    assert read(chunks(65_536))[0] == 413


def test_a_length_that_is_announced_is_refused_before_the_body_comes() -> None:
    announced = (b"content-length", str(BODY_MAX_BYTES + 1).encode())
    assert read(chunks(1, seconds=100), announced, JSON_TYPE) == (413, 0, 0.0)
    assert read(chunks(1, count=1), (b"content-length", b"-1"), JSON_TYPE)[0] == 200


def test_a_body_that_drips_or_hangs_is_given_up() -> None:
    for messages in (chunks(1, seconds=1.0), chunks(1, seconds=3600.0)):
        status, _, seconds = read(messages)
        assert status == 408
        assert seconds == pytest.approx(15.0)


def test_a_body_that_breaks_off_is_refused() -> None:
    assert read(broken_off())[0] == 400


@pytest.mark.parametrize("text", [b"text/plain", b"application/jsonx", b"", b"multipart/form-data; boundary=x"])
def test_another_type_of_body_is_refused(text: bytes) -> None:
    assert read(chunks(1, count=1), (b"content-type", text))[0] == 415


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(
    sorted({field.alias or "" for model in (TaskChange, ChainCreation) for field in model.model_fields.values()})
)


@pytest.mark.parametrize("model", [TaskCreation, TaskChange, TaskToggle, ChainCreation])
@given(st.data())
def test_json_of_any_shape_is_accepted_or_has_problems(model: Any, data: st.DataObject) -> None:
    body = data.draw(anything | st.dictionaries(fields, anything))
    with suppress(ValidationError):
        model.model_validate(body)


@pytest.mark.parametrize("count", [MOST_FIELDS + 1, 100_000])
def test_a_body_of_many_fields_has_one_problem(count: int) -> None:
    with pytest.raises(ValidationError) as refused:
        ChainCreation.model_validate({f"field{number}": 0 for number in range(count)})
    (detail,) = details_of(refused.value.errors())
    assert str(count) in detail.message


def test_an_answer_lists_a_hundred_problems_and_counts_all() -> None:
    refusal = bad_request(*(Detail(field=f"sprints.{number}", message="Wrong.") for number in range(1_000)))
    assert [detail.field for detail in refusal.details] == [f"sprints.{number}" for number in range(MOST_DETAILS)]
    assert refusal.detail == "The request has problems; details lists the first 100 of 1000."


def test_the_name_of_a_field_is_cut() -> None:
    with pytest.raises(ValidationError) as refused:
        ChainCreation.model_validate({"a" * 100_000: 0})
    assert max(len(detail.field) for detail in details_of(refused.value.errors())) == 256
