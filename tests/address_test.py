"""The grammar of repository addresses: one for the CRDs, the forge's client and the task."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from codecourier.address import ADDRESS_FORM, ADDRESS_MAX_LENGTH, ADDRESS_MIN_LENGTH, ADDRESS_PATTERN, split_address
from codecourier.github.address import RepositoryAddress
from codecourier.github.errors import ForgeError
from codecourier.resources.meta import RULES_KEY, RepositoryUrl
from codecourier.task import TaskError
from tests.support.addresses import ADDRESSES, NO_ADDRESSES
from tests.support.sandbox import make_task

MODEL = TypeAdapter[str](RepositoryUrl)
PIECES = (
    *("https://", "HTTPS://", "http://", "h", "git.example.com", "127.0.0.1", "-", "_", "\u212a", "é", "A9"),
    *(":", ":443", ":0", "0", "65535", "65536", "/", "//", "a", "shop", ".git", ".", "..", "/../", "%2e"),
    *("@", "?", "#", " ", "\n", "\0", "\\", "x" * 500),
)


def refusals(url: str) -> list[str]:
    """Return what model, client and task say of an address, those of them that refuse it."""
    found = []
    try:
        MODEL.validate_python(url)
    except ValidationError:
        found.append(MODEL.json_schema()[RULES_KEY][0]["message"])
    try:
        RepositoryAddress.parse(url)
    except ForgeError as error:
        found.append(error.message)
    try:
        make_task(repository_url=url)
    except TaskError as error:
        found.append(str(error))
    return found


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_is_one_everywhere(url: str) -> None:
    assert refusals(url) == []


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_what_is_no_address_is_none_anywhere_and_the_form_is_said(url: str) -> None:
    assert [ADDRESS_FORM in said for said in refusals(url)] == [True] * 3


@given(
    st.from_regex(ADDRESS_PATTERN, fullmatch=True)
    | st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "https://" + "".join(pieces))
    | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
)
@example("https://h/o/" + "n" * (ADDRESS_MAX_LENGTH - 12))
@example("https://h/o/" + "n" * (ADDRESS_MAX_LENGTH - 11))
def test_model_client_and_task_accept_the_same(url: str) -> None:
    assert len(refusals(url)) in {0, 3}


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://GitHub.com:443/Example/shop.git", ("github.com", "Example", "shop")),
        ("https://localhost:4433/a/b.git.git", ("localhost:4433", "a", "b.git")),
        ("https://h/o/.git", ("h", "o", ".git")),
    ],
)
def test_equal_hosts_are_called_alike(url: str, parts: tuple[str, str, str]) -> None:
    assert split_address(url) == parts


def test_the_shortest_address_is_as_short_as_it_says() -> None:
    assert len("https://h/o/n") == ADDRESS_MIN_LENGTH
    assert split_address("https://h/o/n")
