"""The log: what a line holds, and that no credential gets through, whichever code logs it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from codecourier.logs import LogFormat, configure_logging, log_context
from tests.support.credentials import CANARIES

LOGGER = logging.getLogger("codecourier.test")


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Give the log back to pytest after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def written(format_: LogFormat = "json", level: str = "debug") -> io.StringIO:
    """Have the log written to where it can be read."""
    stream = io.StringIO()
    configure_logging(format_, level, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return what was written, parsed."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def log_error(error: Exception) -> None:
    """Log an error with its traceback."""

    def fail() -> None:
        raise error

    try:
        fail()
    except type(error):
        LOGGER.exception("unforeseen")


@pytest.mark.parametrize("canary", CANARIES.values(), ids=CANARIES)
@pytest.mark.parametrize("format_", ["json", "text"])
def test_no_credential_gets_through(canary: str, format_: LogFormat) -> None:
    stream = written(format_)
    LOGGER.info("a message with %s in it", canary)
    LOGGER.info("a field", extra={"request": canary})
    logging.getLogger("aiohttp.client").error("of a library: %r", {"text": canary})
    with log_context(name=canary):
        LOGGER.info("its key")
    log_error(ValueError(canary))
    text = stream.getvalue()
    assert "CANARY" not in text
    assert text.count("***") >= 5
    assert "a message with" in text
    assert " in it" in text or "PRIVATE" in canary


def test_a_line_says_when_who_and_what() -> None:
    stream = written()
    with log_context(kind="Run", namespace="shop", name="fix", uid="1-2", attempt=2):
        LOGGER.warning("failed: %s", "why\nso", extra={"reason": "AgentFailed", "error": "exit 1"})
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "codecourier.test",
        "message": "failed: why\nso",
        "kind": "Run",
        "namespace": "shop",
        "name": "fix",
        "uid": "1-2",
        "attempt": 2,
        "reason": "AgentFailed",
        "error": "exit 1",
    }


def test_an_error_is_a_field_and_a_traceback_in_the_same_line() -> None:
    stream = written()
    log_error(KeyError("spec"))
    (line,) = lines(stream)
    assert line["error"] == "KeyError: 'spec'"
    assert line["traceback"].splitlines()[-1] == line["error"]


def test_what_a_library_attaches_is_no_field() -> None:
    stream = written()
    LOGGER.info("x", extra={"settings": object(), "k8s_ref": {"a": 1}, "status": 200})
    (line,) = lines(stream)
    assert set(line) == {"time", "level", "logger", "message", "status"}


async def test_each_task_has_its_own_key_and_threads_have_their_callers() -> None:
    stream = written()
    together = asyncio.Barrier(2)

    async def work(name: str) -> None:
        with log_context(name=name):
            await together.wait()
            LOGGER.info("in %s", name)
            await asyncio.to_thread(LOGGER.info, "thread of %s", name)
        LOGGER.info("after %s", name)

    await asyncio.gather(work("one"), work("two"))
    told = {line["message"]: line.get("name") for line in lines(stream) if line["logger"] == LOGGER.name}
    assert told == {
        "in one": "one",
        "thread of one": "one",
        "after one": None,
        "in two": "two",
        "thread of two": "two",
        "after two": None,
    }


def test_text_is_one_line_whatever_the_message_holds() -> None:
    stream = written("text")
    LOGGER.info("evil\n2026-01-01 INFO forged\x1b[2J", extra={"reason": "a\rb"})
    assert stream.getvalue().count("\n") == 1
    assert "\\x0a2026-01-01 INFO forged\\x1b[2J reason=a\\x0db" in stream.getvalue()


def test_warnings_and_other_libraries_go_the_same_way_and_levels_hold() -> None:
    stream = written(level="warning")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", stacklevel=1)
        logging.captureWarnings(capture=False)
    logging.getLogger("kopf.activities").error("of kopf")
    LOGGER.info("too little")
    assert [line["logger"] for line in lines(stream)] == ["py.warnings", "kopf.activities"]


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_auto_is_text_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        configure_logging("auto", "info", stream)
        LOGGER.info("hello")
    assert not terminal.getvalue().startswith("{")
    assert json.loads(pipe.getvalue())["message"] == "hello"
