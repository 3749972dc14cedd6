"""What is read of a forge's answer fits what statuses hold: anything else is an answer that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from codecourier.github.answers import Answer, Field
from codecourier.github.errors import Unavailable, scrub

READERS: dict[str, Callable[[Field], Any]] = {
    "text": lambda field: field.text(8),
    "branch": Field.branch,
    "commit": Field.commit,
    "number": Field.number,
}


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", "12345678"),
        ("branch", "main"),
        ("branch", "f" * 244),
        ("commit", "a" * 40),
        ("commit", "0" * 64),
        ("number", 1),
        ("number", 2**53),
    ],
)
def test_what_fits_is_read(reader: str, value: object) -> None:
    assert READERS[reader](Field("GET /x", value)) == value


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", ""),
        ("text", "123456789"),
        ("text", 5),
        ("branch", "f" * 245),
        ("branch", "a b"),
        ("branch", "a\nb"),
        ("branch", "a..b" + chr(0)),
        ("branch", None),
        ("commit", "A" * 40),
        ("commit", "a" * 41),
        ("commit", ""),
        ("number", 0),
        ("number", -1),
        ("number", 2**53 + 1),
        ("number", True),
        ("number", 1.5),
    ],
)
def test_what_does_not_fit_is_an_answer_that_cannot_be_read(reader: str, value: object) -> None:
    with pytest.raises(Unavailable, match=r"GET /x cannot be read \(body is not "):
        READERS[reader](Field("GET /x", value))


def test_a_long_text_is_shown_up_to_a_bound_and_without_the_beginning_of_a_credential() -> None:
    token = "ghp_" + "a" * 15_980
    shown = scrub(f"{token} {token[:4]}{'b' * 100} tail {'c' * 2_000_000}")
    assert shown == "***"
    assert len(scrub("d" * 2_000_000)) == 1000


def test_the_message_of_a_refusal_of_a_megabyte_is_not_read() -> None:
    def message(size: int) -> str:
        return Answer("GET /x", 422, {}, '{"message": "' + "a" * size + '"}').message

    assert message(1000) == "a" * 1000
    assert message(1_000_000) == ""
