"""The operator's log: one line of JSON or text for each record, without anything that looks like a credential.

The records of every library go through the same formatter, so `redact` sees them too.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, TextIO

from codecourier.redaction import redact

__all__ = ["JsonFormatter", "LogFormat", "TextFormatter", "configure_logging", "log_context"]

LogFormat = Literal["auto", "json", "text"]

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROLS_OF_TRACEBACKS = {code: text for code, text in _CONTROLS.items() if code not in {0x09, 0x0A}}

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes of every record; any other is a field that the caller added."""

_CONTEXT: ContextVar[Mapping[str, str | int]] = ContextVar("codecourier_log", default=MappingProxyType({}))


@contextmanager
def log_context(**fields: str | int | None) -> Iterator[None]:
    """Add fields to every record that this block, and what it calls, writes; a field that is None is left out."""
    known = {key: value for key, value in fields.items() if value is not None}
    token = _CONTEXT.set({**_CONTEXT.get(), **known})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of the context and of the caller; objects that libraries attach are left out."""
    given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    fields = {key: value for key, value in given.items() if isinstance(value, str | int | float)}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        fields.setdefault("error", f"{type(error).__name__}: {error}")
    return {**_CONTEXT.get(), **fields}


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One JSON object in one line: time, level, logger, message, then the fields, then a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in _fields(record).items() if key not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({key: redact(v) if isinstance(v, str) else v for key, v in line.items()}, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people; control characters are escaped, so no message can look like several lines."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it a traceback if there is one."""
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        lines = redact(text).translate(_CONTROLS)
        if record.exc_info:
            lines += "\n" + redact(self.formatException(record.exc_info)).translate(_CONTROLS_OF_TRACEBACKS)
        return lines


def configure_logging(format_: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Send the records of every library, and Python's warnings, through one formatter.

    Parameters
    ----------
    format_
        `auto` is text on a terminal and JSON elsewhere.
    level
        The lowest level to write.
    stream
        Where the records go; None: standard error.
    """
    target = sys.stderr if stream is None else stream
    is_text = target.isatty() if format_ == "auto" else format_ == "text"
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter() if is_text else JsonFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
