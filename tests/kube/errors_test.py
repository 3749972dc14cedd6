"""From an HTTP status and a Status object to the error that callers know."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthorized,
    error_from_status,
    parse_retry_after,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", ApiError),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", ApiError),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (409, "", Conflict),
        (410, "Expired", Gone),
        (410, "Gone", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", ServerError),
        (599, "", ServerError),
    ],
)
def test_kinds(code: int, reason: str, kind: type[ApiError]) -> None:
    error = error_from_status(code, {"reason": reason, "message": "it says why"})
    assert type(error) is kind
    assert str(error) == f"{code} {reason}: it says why"


def test_the_header_counts_before_the_details() -> None:
    body = {"details": {"retryAfterSeconds": 3}}
    assert error_from_status(429, body).retry_after == 3.0
    assert error_from_status(429, body, 0.0).retry_after == 0.0
    assert error_from_status(429, {}).retry_after is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (7, 7.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("86400", 86_400.0),
        ("9" * 5_000, inf),
        (10**400, inf),
        (1e308, 1e308),
        ("-1", None),
        (-1, None),
        (nan, None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("\u0663", None),
        ("\u00b2", None),
        ("", None),
        (".", None),
        (True, None),
        ([7], None),
        (None, None),
    ],
)
def test_only_a_number_from_zero_says_when_to_retry(value: object, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


@given(st.text() | JSON)
def test_whatever_is_asked_for_is_no_error(value: object) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or seconds >= 0


def test_a_cause_is_found_by_its_reason() -> None:
    error = error_from_status(403, {"details": {"causes": [{"reason": "A"}, {"reason": "NamespaceTerminating"}]}})
    assert error.has_cause("NamespaceTerminating")
    assert not error.has_cause("B")


FIELDS = st.sampled_from(["reason", "message", "details", "code"])
DETAILS = st.dictionaries(st.sampled_from(["causes", "retryAfterSeconds", "name"]), JSON) | JSON


@given(st.integers(300, 599), st.dictionaries(FIELDS, DETAILS))
def test_whatever_the_body_it_is_an_error_with_its_code(code: int, body: dict[str, Any]) -> None:
    error = error_from_status(code, body)
    assert error.status == code
    assert error.message
    assert error.has_cause("none such") is False
    assert error.retry_after is None or error.retry_after >= 0
