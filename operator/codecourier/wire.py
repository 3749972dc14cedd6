"""Strict JSON for frozen dataclasses, in which the operator and a sandbox pod talk to each other.

Fields are camelCase in JSON. An unknown or missing field, a wrong type, a field given twice or too many bytes are
errors that name the field: what comes out of a pod is untrusted, and a pod must not misread its task.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

__all__ = ["COMMIT_ID", "Message", "TaskError", "check_line", "check_match", "check_range", "check_text"]

COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
"""For `check_match`: a full commit id, of SHA-1 or SHA-256, as git writes it."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TaskError(ValueError):
    """A task or a result is invalid; the message names the field."""


def _camel(name: str) -> str:
    """JSON name of a field."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


_FIELDS: dict[type[Any], Mapping[str, tuple[str, Any, bool]]] = {}
"""Read once for each class: evaluating its annotations takes longer than everything else about a message."""


def _fields(kind: type[Any]) -> Mapping[str, tuple[str, Any, bool]]:
    """Map the JSON name of each field to its name, type and whether it must be given."""
    if kind not in _FIELDS:
        _FIELDS[kind] = _read_fields(kind)
    return _FIELDS[kind]


def _read_fields(kind: type[Any]) -> Mapping[str, tuple[str, Any, bool]]:
    hints = typing.get_type_hints(kind)
    return {
        _camel(field.name): (
            field.name,
            hints[field.name],
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(kind)
    }


def _decode_object(kind: type[Any], value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise TaskError(f"{where}: must be an object, is {_json_type(value)}")
    fields = _fields(kind)
    if unknown := sorted(set(value) - set(fields)):
        raise TaskError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(fields))}")
    if missing := sorted(key for key, (_, _, required) in fields.items() if required and key not in value):
        raise TaskError(f"{where}: field {missing[0]!r} is missing")
    decoded = {fields[key][0]: _decode(fields[key][1], item, f"{where}.{key}") for key, item in value.items()}
    try:
        return kind(**decoded)
    except TaskError as error:
        raise TaskError(f"{where}.{error}") from None


def _decode(kind: Any, value: object, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _decode(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise TaskError(f"{where}: must be a list, is {_json_type(value)}")
        return tuple(_decode(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise TaskError(f"{where}: must be an object, is {_json_type(value)}")
        return {key: _decode(arguments[1], item, f"{where}[{key!r}]") for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return _decode_object(typing.cast("type[Any]", kind), value, where)
    return _decode_scalar(kind, value, where)


def _decode_scalar(kind: Any, value: object, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if value not in [member.value for member in kind]:
            raise TaskError(f"{where}: must be one of {', '.join(kind)}")
        return kind(value)
    if type(value) is not kind:
        raise TaskError(f"{where}: must be {_JSON_TYPES[kind]}, is {_json_type(value)}")
    if isinstance(value, str):
        _utf8(value, where)
    return value


_JSON_TYPES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def _json_type(value: object) -> str:
    return _JSON_TYPES.get(type(value), "null")


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            _camel(field.name): _encode(item)
            for field in dataclasses.fields(value)
            if (item := getattr(value, field.name)) is not None
        }
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in sorted(value.items())}
    return value


def _refuse_constant(name: str) -> Any:
    raise TaskError(f"JSON: {name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise TaskError("JSON: a field is given twice")
    return result


class Message:
    """Base of dataclasses that are sent as one JSON text of bounded size."""

    MAX_BYTES: typing.ClassVar[int]
    """Bytes of JSON."""

    CUT_FIELDS: typing.ClassVar[tuple[str, ...]] = ()
    """Texts that are halved, in this order, until the JSON fits."""

    def to_json(self) -> str:
        """Serialise to one line.

        Raises
        ------
        TaskError
            If it is larger than ``MAX_BYTES``.
        """
        try:
            return self._dump()
        except TaskError:
            for name in self.CUT_FIELDS:
                if text := getattr(self, name):
                    kept = text[: len(text) // 2]
                    return dataclasses.replace(self, **{name: kept}).to_json()  # type: ignore[type-var]
            raise

    def _dump(self) -> str:
        text = json.dumps(_encode(self), ensure_ascii=False, separators=(",", ":"))
        size = len(_utf8(text, type(self).__name__))
        if size > self.MAX_BYTES:
            raise TaskError(f"{type(self).__name__}: {size} bytes of JSON, more than {self.MAX_BYTES}")
        return text

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse strictly.

        Raises
        ------
        TaskError
            If it is too large, no JSON, or has an unknown, missing or wrong field.
        """
        name = cls.__name__
        if len(text) > cls.MAX_BYTES:
            raise TaskError(f"{name}: {len(text)} bytes of JSON, more than {cls.MAX_BYTES}")
        try:
            value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)
        except TaskError as error:
            raise TaskError(f"{name}: {error}") from None
        except (ValueError, RecursionError):
            raise TaskError(f"{name}: not JSON") from None
        return typing.cast("Self", _decode_object(cls, value, name))


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise TaskError(f"{where}: holds half of a surrogate pair, which has no UTF-8") from None


def check_text(where: str, text: str, *, maximum: int, minimum: int = 0) -> None:
    """Demand UTF-8 without NUL of a length in bytes.

    Raises
    ------
    TaskError
        Naming `where`.
    """
    size = len(_utf8(text, where))
    if not minimum <= size <= maximum:
        raise TaskError(f"{where}: {size} bytes, must be {minimum} to {maximum}")
    if "\0" in text:
        raise TaskError(f"{where}: holds a NUL")


def check_line(where: str, text: str, *, maximum: int, minimum: int = 1) -> None:
    """Demand one line of text without control characters, of a length in bytes.

    Raises
    ------
    TaskError
        Naming `where`.
    """
    check_text(where, text, maximum=maximum, minimum=minimum)
    if _CONTROL.search(text) or "\n" in text:
        raise TaskError(f"{where}: must be one line without control characters")


def check_range(where: str, value: int, minimum: int, maximum: int) -> None:
    """Demand a number between two bounds, both included.

    Raises
    ------
    TaskError
        Naming `where`.
    """
    if not minimum <= value <= maximum:
        raise TaskError(f"{where}: is {value}, must be {minimum} to {maximum}")


def check_match(where: str, value: str, pattern: re.Pattern[str], what: str) -> None:
    """Demand that a pattern matches the whole of a text.

    Raises
    ------
    TaskError
        Naming `where`.
    """
    if not pattern.fullmatch(value):
        raise TaskError(f"{where}: {value[:100]!r} is not {what}")
