"""What looks like a credential is hidden, whole and in linear time, and other words stay."""

from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.redaction import HIDDEN, LogRedaction, redact
from tests.support.credentials import CANARIES

FRAGMENTS = (
    *("eyJaaaaaaaa-", "eyJaaaaaaaa.", "eyJ-", "eyJ"),
    *("-----BEGIN ", "-----BEGIN A", "-----BEGIN PRIVATE KEY", "-----BEGIN PRIVATE KEY-----", "-----END ", "A "),
    *("authorization", "authorization:", "authorization: ", "authorization=b'", "authorization: bearer "),
    *("token", "token ", "bearer\n", "basic a"),
    *("x-access-token:", "x-access-token:@", "://", "://a", "://a:", "://a@", "@"),
    *("ghs_", "ghs_a.", "github_pat_", "cc_live_", "sk-ant-", "sk-proj-a", "glpat-", "xoxb-", "AKIA", "ASIA0"),
    *(" ", "a", ".", "-", "=", ":", "\\", "'", '"'),
)
"""What shapes begin with, and what they run over: repeated, it is the worst that a text can hold."""

SMALL_LENGTH, LARGE_LENGTH = 1 << 13, 1 << 16
MOST_GROWTH = 4 * LARGE_LENGTH // SMALL_LENGTH
"""Times that a text of eight times the length may take longer; a shape that begins anew everywhere takes 64 times."""


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
def test_a_credential_is_hidden_and_the_words_around_it_stay(canary: str) -> None:
    text = redact(f"before {canary} after")
    assert "CANARY" not in text
    assert HIDDEN in text
    assert text.startswith("before ")
    has_no_end = canary == CANARIES["half a private key"]
    assert text.endswith(HIDDEN if has_no_end else " after")


def test_the_rest_of_a_url_stays() -> None:
    assert redact("https://x-access-token:CANARY@github.com/a/b") == f"https://{HIDDEN}@github.com/a/b"


@pytest.mark.parametrize(
    "text",
    [
        "Run shop/fix-ghs-token failed",
        "Secret 'token' has no text in its key 'token'.",
        "https://github.com/example/shop has no branch 'x'",
        "a token of the project is missing; authorization is by RBAC",
        "codecourier/fix-0123abcd",
        "task-ant-hill and risk-project, AKIA of 12",
        "mail somebody@example.com, or see https://example.com/@example",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert redact(text) == text


@given(st.lists(st.sampled_from([*FRAGMENTS, *CANARIES.values()]), max_size=12).map("".join))
def test_what_is_hidden_once_is_hidden_for_good(text: str) -> None:
    hidden = redact(text)
    assert redact(hidden) == hidden


def seconds_for(text: str) -> float:
    """Return the least time of this thread, of three, that a text takes."""
    times = []
    for _ in range(3):
        start = thread_time()
        redact(text)
        times.append(thread_time() - start)
    return min(times)


def repeated(fragment: str, length: int) -> str:
    return fragment * (length // len(fragment))


@pytest.mark.parametrize("fragment", FRAGMENTS)
@pytest.mark.parametrize("before", ["", "eyJ", "-----BEGIN PRIVATE KEY-----", "authorization:", "token ", "://"])
def test_the_work_grows_with_the_length_and_not_with_its_square(before: str, fragment: str) -> None:
    small, large = (before + repeated(fragment, length) for length in (SMALL_LENGTH, LARGE_LENGTH))
    assert seconds_for(large) < MOST_GROWTH * seconds_for(small)


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_a_text_of_a_megabyte_is_searched(fragment: str) -> None:
    assert "CANARY" not in redact(repeated(fragment, 1 << 20) + " ghs_CANARY ")


def fed(text: str, size: int) -> str:
    """Return what a log shows that comes in parts of so many bytes."""
    redaction, data = LogRedaction(), text.encode()
    shown = [redaction.feed(data[start : start + size]) for start in range(0, len(data), size)]
    return b"".join([*shown, redaction.close()]).decode()


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
def test_a_log_in_parts_hides_the_same_and_shows_the_lines_around_it(canary: str, size: int) -> None:
    shown = fed(f"first\nbefore {canary} after\nlast\n", size)
    assert "CANARY" not in shown
    assert shown.startswith("first\nbefore ")
    if canary != CANARIES["half a private key"]:
        assert shown.endswith("last\n")


@given(st.lists(st.sampled_from(["plain", "", "a b", "token", "bearer ", "authorization:", "é"])), st.integers(1, 9))
def test_a_log_in_parts_keeps_every_line_that_hides_nothing(lines: list[str], size: int) -> None:
    text = "".join(f"{line}\n" for line in lines)
    assert fed(text, size) == redact(text)


def test_a_key_over_lines_is_hidden_to_its_end_and_a_word_that_names_a_token_hides_the_next_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nCANARY\nCANARY\n-----END PRIVATE KEY----- after\nlast"
    assert fed(f"{key}\n", 5) == f"{HIDDEN}\n after\nlast\n"
    assert fed("Authorization: Bearer\nCANARYcanaryCANARYcanary1234\nx\n", 5) == f"Authorization: {HIDDEN}\nx\n"
