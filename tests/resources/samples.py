"""Valid values made from the schemas of the CRDs, so that a new kind gets its tests for nothing."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from codecourier.address import ADDRESS_PATTERN, ISSUE_PATTERN, PULL_REQUEST_PATTERN
from codecourier.resources.crd import build_crd
from codecourier.resources.registry import KINDS

Json = dict[str, Any]


ABSENT = object()
"""Stands for taking a field away."""


@dataclass(frozen=True)
class Shape:
    """How texts that match a pattern are made: a head, letters that tell texts apart, a tail."""

    refused: str
    """A text of a permitted length that the pattern refuses."""
    head: str = ""
    tail: str = ""
    letters: str = "abcdef"
    longest: str | None = None
    """The longest text where it is not made by repeating letters."""


PATTERNS: Mapping[str, Shape] = {
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": Shape(refused="-a"),
    r"^[A-Za-z0-9-]+$": Shape(refused="a_b"),
    r"^([0-9a-f]{40}|[0-9a-f]{64})$": Shape(refused="A" * 40),
    r"^[^\x00-\x20\x7f~^:?*\[\\]+$": Shape(refused="a b"),
    ADDRESS_PATTERN: Shape(refused="https://user:token@example.com/a/b", head="https://", tail="/b/c"),
    ISSUE_PATTERN: Shape(refused="https://example.com/a/b/pull/1", head="https://", tail="/b/c/issues/1"),
    PULL_REQUEST_PATTERN: Shape(refused="https://example.com/a/b/issues/1", head="https://", tail="/b/c/pull/1"),
    r"^[0-9a-f]*$": Shape(refused="A"),
    r"^[0-9a-f]{64}$": Shape(refused="A" * 64),
    r"^[A-Za-z0-9][A-Za-z0-9._@-]*$": Shape(refused="a:b"),
    r"^([A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?)?$": Shape(refused="a b"),
    r"^[A-Z][A-Za-z]*$": Shape(refused="ready", head="A"),
    r"^[^<>\x00-\x1f\x7f]+$": Shape(refused="a<b"),
    r"^[^\x00-\x1f\x7f]+$": Shape(refused="a\tb"),
    r"^[^<>@\x00-\x20\x7f]+@[^<>@\x00-\x20\x7f]+$": Shape(refused="a b@c", tail="@b"),
    r"^[1-9][0-9]{0,5}m?$": Shape(refused="0", letters="123456", longest="123456m"),
    r"^[1-9][0-9]{0,5}(Mi|Gi)$": Shape(refused="0Gi", tail="Mi", letters="123456", longest="123456Gi"),
    r"^[A-Za-z_][A-Za-z0-9_]*$": Shape(refused="1a"),
    r"^[-._a-zA-Z0-9]+$": Shape(refused="a b"),
    r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$": Shape(refused="-a"),
    r"^[a-z]+$": Shape(refused="Agent"),
    r"^[A-Za-z]+$": Shape(refused="every day"),
    r"^[A-Za-z][A-Za-z0-9_+/-]*$": Shape(
        refused="+01:00", letters="0123456789", head="Etc/GMT-", longest="America/Argentina/ComodRivadavia"
    ),
    r"^[0-9a-f:.]+/[0-9]{1,3}$": Shape(
        refused="2001:DB8::/32",
        head="2001:db8::",
        tail="/128",
        letters="0123456789abcdef",
        longest="2001:0db8:0000:0000:0000:0000:0000:0000/128",
    ),
}
"""How texts for each pattern of the CRDs are made; a test says that none is missing or left over."""


def text(schema: Json, number: int = 0, length: int | None = None) -> str:
    """Make the `number`-th text of a string schema, of this length in characters or about the shortest."""
    shape = PATTERNS[schema["pattern"]] if "pattern" in schema else Shape(refused="")
    if shape.longest is not None and length == len(shape.longest):
        return shape.longest
    salt = _letters(number, shape.letters)
    if length is None:
        fixed = len(shape.head) + len(shape.tail)
        length = max(schema.get("minLength", 0), fixed + len(salt))
    return (shape.head + (salt + shape.tail).rjust(length - len(shape.head), shape.letters[0]))[:length]


def _letters(number: int, letters: str) -> str:
    digits = letters[number % len(letters)]
    while number := number // len(letters):
        digits = letters[number % len(letters)] + digits
    return digits


def sample(schema: Json, number: int = 0) -> Any:
    """Make the `number`-th value of a schema, with every optional part; the first ones are the smallest."""
    return _SAMPLES[schema["type"]](schema, number)


def _object_sample(schema: Json, number: int) -> Json:
    if "properties" in schema:
        return {name: sample(part, number) for name, part in schema["properties"].items()}
    return {f"key{number}": sample(schema["additionalProperties"], number)}


def _array_sample(schema: Json, number: int) -> list[Any]:
    return [sample(schema["items"], number + i) for i in range(max(1, schema.get("minItems", 0)))]


def _text_sample(schema: Json, number: int) -> str:
    if "enum" in schema:
        return str(schema["enum"][number % len(schema["enum"])])
    if schema.get("format") == "date-time":
        return f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    if schema.get("format") == "date":
        return f"2026-01-{number % 28 + 1:02}"
    return text(schema, number)


_SAMPLES: Mapping[str, Callable[[Json, int], Any]] = {
    "object": _object_sample,
    "array": _array_sample,
    "string": _text_sample,
    "integer": lambda schema, number: schema["minimum"] + number,
    "boolean": lambda _, number: bool(number % 2),
}


def _repositories(schema: Json, number: int) -> list[Json]:
    """One repository with each of the two credentials, of which it may have only one."""
    items = [sample(schema["items"], 2 * number + i) for i in range(2)]
    for item, name in zip(items, ("app", "credentialRef"), strict=True):
        del item[name]
        item["isDefault"] = False
    return items


def _weekly_task(schema: Json, number: int) -> Json:
    """A Weekly task, which has no day of the month."""
    spec: Json = sample(schema, number)
    del spec["dayOfMonth"]
    return spec | {"frequency": "Weekly"}


def _combine(schema: Json, number: int) -> Json:
    """A merge of mode Combine, without what is for Single only."""
    spec: Json = sample(schema, number)
    del spec["mergeStrategy"]
    return spec | {"mode": "Combine", "skipCiCheck": False}


EXCEPTIONS: Mapping[tuple[str, str], Callable[[Json, int], Any]] = {
    ("Project", "spec.repositories"): _repositories,
    ("RecurringTask", "spec"): _weekly_task,
    ("MergeJob", "spec"): _combine,
}
"""Parts of full objects that the schema alone does not tell, because a CEL rule binds fields together."""


SINGLE: Mapping[str, Any] = {
    "spec.mode": "Single",
    **dict.fromkeys(("spec.branchName", "spec.title", "spec.prompt", "spec.maxAttempts"), ABSENT),
    "spec.closeSources": False,
}
"""What makes a full MergeJob, which is a Combine, a Single."""


@cache
def crds() -> Mapping[str, Json]:
    """Return all CRDs by kind."""
    return {kind.info.kind: build_crd(kind) for kind in KINDS}


def schema_of(crd: Json) -> Json:
    """Return the schema of a CRD."""
    schema: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def manifest(crd: Json, number: int = 0) -> Json:
    """Make the `number`-th valid object of a kind, with every field set, its status too."""
    kind = crd["spec"]["names"]["kind"]
    properties = schema_of(crd)["properties"]
    result: Json = {
        "apiVersion": f"{crd['spec']['group']}/{crd['spec']['versions'][0]['name']}",
        "kind": kind,
        "metadata": {"name": "default" if kind == "Project" else f"full-{number}"},
    }
    for part in ("spec", "status"):
        if part in properties:
            result[part] = sample(properties[part], number)
    for (owner, path), make in EXCEPTIONS.items():
        if owner == kind:
            steps = tuple(path.split("."))
            change(result, steps, make(schema_at(crd, steps), number))
    return result


def schema_at(crd: Json, steps: tuple[str, ...]) -> Json:
    """Return the schema of a place; `[]` steps into a list and `*` into a map."""
    schema = schema_of(crd)
    for step in steps:
        schema = (
            schema[{"[]": "items", "*": "additionalProperties"}[step]]
            if step in "[]*"
            else (schema["properties"][step])
        )
    return schema


def change(target: Any, steps: tuple[str, ...], value: Any) -> str:
    """Put a value to a place, or take it away, and return the place as the API server names it.

    In a list the first item is taken that has the rest of the way, so that alternatives can stand side by side.
    """
    named = ""
    for position, step in enumerate(steps[:-1]):
        key = _key(target, step, steps[position + 1 :])
        named += f"[{key}]" if step == "[]" else f".{key}"
        target = target.setdefault(key, {}) if isinstance(target, dict) else target[key]
    key = _key(target, steps[-1], ())
    if value is ABSENT:
        del target[key]
    else:
        target[key] = value
    return f"{named}[{key}]".lstrip(".") if steps[-1] == "[]" else f"{named}.{key}".lstrip(".")


def _key(target: Any, step: str, rest: tuple[str, ...]) -> Any:
    if step == "[]":
        return next((i for i, item in enumerate(target) if _has(item, rest)), 0)
    return next(iter(target)) if step == "*" else step


def _has(target: Any, steps: tuple[str, ...]) -> bool:
    if not steps:
        return True
    if steps[0] == "[]":
        return bool(target) and _has(target[0], steps[1:])
    return isinstance(target, dict) and steps[0] in target and _has(target[steps[0]], steps[1:])


def value_at(target: Any, steps: tuple[str, ...]) -> Any:
    """Return what stands at a place; None where nothing does."""
    for position, step in enumerate(steps):
        key = _key(target, step, steps[position + 1 :])
        target = target.get(key) if isinstance(target, dict) else target[key]
    return target


def items_of(current: list[Any], schema: Json, count: int) -> list[Any]:
    """Make a list of this many items like the first of the current ones, told apart by what makes them unique."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if not keys and schema["x-kubernetes-list-type"] == "set":
        return [sample(schema["items"], i) for i in range(count)]
    items = [copy.deepcopy(current[0]) for _ in range(count)]
    for key in keys:
        for number, item in enumerate(items):
            item[key] = sample(schema["items"]["properties"][key], number)
    return items


def walk(schema: Json, steps: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Yield every schema below one, with its place."""
    yield steps, schema
    for name, part in schema.get("properties", {}).items():
        yield from walk(part, (*steps, name))
    if "items" in schema:
        yield from walk(schema["items"], (*steps, "[]"))
    if "additionalProperties" in schema:
        yield from walk(schema["additionalProperties"], (*steps, "*"))
