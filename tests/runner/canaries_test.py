import base64
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.runner.canaries import Canaries
from codecourier.runner.step import StepError

_VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=60)


def _canaries(value: str) -> Canaries:
    return Canaries.from_environment(["KEY"], {"CODECOURIER_CANARY_KEY": value})


@given(value=_VALUE, before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_a_value_is_found_in_all_its_forms(value: str, before: bytes, after: bytes) -> None:
    canaries, raw = _canaries(value), value.encode()
    for data in (
        before + raw + after,
        b"x " + base64.b64encode(before + raw + after),
        base64.urlsafe_b64encode(before + raw + after),
        urllib.parse.quote(value, safe="").encode(),
        urllib.parse.quote_plus(value).encode(),
        urllib.parse.quote(value).encode(),
    ):
        assert canaries.find(data) == "KEY"


@given(data=st.binary(max_size=300))
def test_other_data_is_let_through(data: bytes) -> None:
    assert _canaries("a-secret-value-of-some-length").find(data) is None


def test_the_end_of_a_line_does_not_belong_to_a_value() -> None:
    assert _canaries("a-secret-value\n").find(b'key = "a-secret-value"') == "KEY"


def test_short_values_are_in_every_tree() -> None:
    assert _canaries("true").find(b"true") is None


def test_a_value_that_is_not_there_cannot_be_searched_for() -> None:
    with pytest.raises(StepError, match="CanaryMissing"):
        Canaries.from_environment(["KEY"], {"KEY": "a-secret-value"})
