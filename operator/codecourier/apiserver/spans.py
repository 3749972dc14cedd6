"""Ranges of time in queries: `startDate` and `endDate`, each a UTC day or an instant, both inclusive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from codecourier.apiserver.answers import PageQuery
from codecourier.apiserver.refusal import Detail, bad_request

__all__ = ["MOST_DAYS", "Span", "SpanQuery", "read_span"]

MOST_DAYS = 366
"""Longest range of a query in days."""

_USUAL_DAYS = 30
_YEARS = range(2000, 3000)
"""The years in which something may have happened; outside of them a date is a slip of the pen."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z", re.ASCII)
_LAST = time(23, 59, 59, 999_999)
_FORM = "must be a UTC day such as 2026-11-30, or an instant in UTC such as 2026-11-30T12:00:00Z"


def _reader(clock: time) -> Callable[[object], datetime]:
    """Return what reads a day as this time of it, and an instant as it is."""

    def read(text: object) -> datetime:
        if not isinstance(text, str) or not (_DAY.fullmatch(text) or _INSTANT.fullmatch(text)):
            raise ValueError(_FORM)
        try:
            is_day = _DAY.fullmatch(text) is not None
            found = datetime.combine(date.fromisoformat(text), clock, UTC) if is_day else datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{_FORM}; this one does not exist") from None
        if found.year not in _YEARS:
            raise ValueError(f"must be in one of the years {_YEARS[0]} to {_YEARS[-1]}")
        return found

    return read


_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^({_DAY.pattern}|{_INSTANT.pattern})$"})

_Start = Annotated[datetime, BeforeValidator(_reader(time())), _SCHEMA]
_End = Annotated[datetime, BeforeValidator(_reader(_LAST)), _SCHEMA]


class SpanQuery(PageQuery):
    """Which part of a list over a range of time is asked for."""

    start: Annotated[_Start | None, Field(alias="startDate")] = None
    """First UTC day or instant of the range; absent: 29 days before its last day."""

    end: Annotated[_End | None, Field(alias="endDate")] = None
    """Last UTC day or instant of the range, inclusive, at most 366 days; absent: today."""

    @field_validator("end")
    @classmethod
    def _check_range(cls, end: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start")
        if start is not None and end is not None and (problem := _find_problem(Span(start, end))):
            raise ValueError(problem)
        return end


class Span(NamedTuple):
    """A range of time, both ends inclusive."""

    start: datetime
    end: datetime

    @property
    def days(self) -> Iterator[date]:
        """The UTC days that have a part in it, in order."""
        first = self.start.date()
        return (first + timedelta(days=number) for number in range(self.day_count))

    @property
    def day_count(self) -> int:
        """How many these are."""
        return (self.end.date() - self.start.date()).days + 1


def read_span(query: SpanQuery, now: datetime) -> Span:
    """Return the range of a query.

    Raises
    ------
    Refusal
        400 if it ends before it starts, or is too long.
    """
    end = query.end or datetime.combine(now.astimezone(UTC).date(), _LAST, UTC)
    start = query.start or datetime.combine(end.date() - timedelta(days=_USUAL_DAYS - 1), time(), UTC)
    span = Span(start, end)
    if problem := _find_problem(span):
        raise bad_request(Detail(field="endDate", message=f"The range {problem}; without endDate it ends today."))
    return span


def _find_problem(span: Span) -> str:
    if span.start > span.end:
        return "must not end before startDate"
    if span.day_count > MOST_DAYS:
        return f"must have at most {MOST_DAYS} days"
    return ""
