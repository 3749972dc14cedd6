"""One accepted and one refused manifest for each bound, enum, pattern and required field of the CRDs."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.resources.samples import (
    ABSENT,
    PATTERNS,
    SINGLE,
    Json,
    change,
    items_of,
    manifest,
    sample,
    schema_of,
    text,
    value_at,
    walk,
)

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What the API server is asked, and what it must answer."""

    kind: str
    path: str
    """The place that the rule stands at, `[]` for items of a list."""
    keyword: str
    """What is tested; for a CEL rule its message."""
    new: Json
    old: Json | None = None
    """What is there before; the new manifest is then an update of its spec."""
    refusal: tuple[str, str] | None = None
    """The field and the text (a regular expression) that the answer names; None when it must be accepted."""
    known_as: str = field(default="")

    @property
    def is_status(self) -> bool:
        """Whether it goes to the status subresource."""
        return self.path.startswith("status")

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.keyword} {'refused' if self.refusal else 'accepted'} {self.known_as}"


@dataclass(frozen=True)
class Bound:
    """How one keyword of a schema is tried: values on either side of it, and what the refusal says."""

    accepted: Callable[[Json, Any], Any]
    refused: Callable[[Json, Any], Any]
    says: str


def _longer(schema: Json, _: Any) -> str:
    value = text(schema, length=schema["maxLength"])
    return value + value[-1]


_TIMES = {"date": "", "date-time": "T23:59:59.123456Z"}
"""What comes after the day in each format."""

BOUNDS: Mapping[str, Bound] = {
    "minLength": Bound(
        lambda schema, _: text(schema, length=schema["minLength"]),
        lambda schema, _: text(schema, length=schema["minLength"])[1:],
        r"should be at least {value} chars long",
    ),
    "maxLength": Bound(
        lambda schema, _: text(schema, length=schema["maxLength"]), _longer, r"may not be more than {value} bytes"
    ),
    "pattern": Bound(
        lambda schema, _: text(schema), lambda schema, _: PATTERNS[schema["pattern"]].refused, r"should match '"
    ),
    "enum": Bound(lambda schema, _: schema["enum"][-1], lambda *_: "Other", r"supported values: "),
    "format": Bound(
        lambda schema, _: "2026-02-28" + _TIMES[schema["format"]],
        lambda schema, _: "2026-02-29" + _TIMES[schema["format"]],
        r"must be of type {value}",
    ),
    "minimum": Bound(
        lambda schema, _: schema["minimum"],
        lambda schema, _: schema["minimum"] - 1,
        r"should be greater than or equal to {value}",
    ),
    "maximum": Bound(
        lambda schema, _: schema["maximum"],
        lambda schema, _: schema["maximum"] + 1,
        r"should be less than or equal to {value}",
    ),
    "minItems": Bound(
        lambda schema, now: items_of(now, schema, schema["minItems"]),
        lambda schema, now: items_of(now, schema, schema["minItems"] - 1),
        r"should have at least {value} items",
    ),
    "maxItems": Bound(
        lambda schema, now: items_of(now, schema, schema["maxItems"]),
        lambda schema, now: items_of(now, schema, schema["maxItems"] + 1),
        r"must have at most {value} items",
    ),
    "maxProperties": Bound(
        lambda schema, _: {f"key{i}": sample(schema["additionalProperties"]) for i in range(schema["maxProperties"])},
        lambda schema, _: {
            f"key{i}": sample(schema["additionalProperties"]) for i in range(schema["maxProperties"] + 1)
        },
        r"must have at most {value} items",
    ),
    "x-kubernetes-list-type": Bound(
        lambda schema, now: items_of(now, schema, min(2, schema["maxItems"])),
        lambda schema, now: items_of(now, schema, 1) * 2,
        r"Duplicate value",
    ),
}
"""Keywords that refuse values."""

HARMLESS = {
    "type", "description", "default", "properties", "items", "additionalProperties", "x-kubernetes-list-map-keys",
}  # fmt: skip
"""Keywords that refuse nothing that these tests are about."""

_MONTHLY = {"spec.frequency": "Monthly", "spec.dayOfWeek": ABSENT}


def _pull_requests(count: int) -> list[str]:
    return [f"https://h.test/a/b/pull/{number}" for number in range(1, count + 1)]


COMPANIONS: Mapping[tuple[str, str, str], Mapping[str, Any]] = {
    ("SprintChain", "spec.sprintRange.first", "maximum"): {"spec.sprintRange.last": 1_000_000},
    ("SprintChain", "spec.sprintRange.last", "maximum"): {"spec.sprintRange.first": 1_000_000},
    ("SprintChain", "spec.resumeFromSprint", "maximum"): {"spec.sprintRange.last": 99},
    ("MergeJob", "spec.mode", "enum"): SINGLE,
    ("MergeJob", "spec.mergeStrategy", "enum"): SINGLE,
    ("MergeJob", "spec.pullRequests", "maxItems"): {"spec.pullRequests": _pull_requests(50)},
    ("MergeJob", "spec.pullRequests", "x-kubernetes-list-type"): {"spec.pullRequests": _pull_requests(2)},
    ("RecurringTask", "spec.frequency", "enum"): {"spec.dayOfWeek": ABSENT},
    ("RecurringTask", "spec.dayOfMonth", "minimum"): _MONTHLY,
    ("RecurringTask", "spec.dayOfMonth", "maximum"): _MONTHLY,
}
"""What else an accepted manifest needs where a CEL rule binds fields together: (kind, path, keyword)."""


def is_bound(keyword: str, schema: Json) -> bool:
    """Whether a keyword refuses values; an unknown one fails the test that asks."""
    if keyword in HARMLESS:
        return False
    if keyword == "format":
        return bool(schema["type"] == "string")
    if keyword == "x-kubernetes-list-type":
        return bool(schema[keyword] != "atomic")
    return True


def count_bounds(schema: Json) -> Counter[str]:
    """Count what refuses values in a schema, without the machinery that makes the cases."""
    counts: Counter[str] = Counter()
    for keyword, value in schema.items():
        if keyword in {"properties", "items", "additionalProperties"}:
            parts = value.values() if keyword == "properties" else [value]
            for part in parts:
                counts += count_bounds(part)
        elif keyword in {"required", "x-kubernetes-validations"}:
            counts[keyword] += len(value)
        elif is_bound(keyword, schema):
            counts[keyword] += 1
    return counts


def bound_cases(crd: Json) -> Iterator[Case]:
    """Make an accepted and a refused manifest for each bound of a kind."""
    for steps, schema in walk(schema_of(crd)):
        for keyword in schema:
            if keyword == "required":
                yield from _required_cases(crd, steps, schema)
            elif keyword != "x-kubernetes-validations" and is_bound(keyword, schema):
                yield from _bound_cases(crd, steps, schema, keyword)


def _bound_cases(crd: Json, steps: Steps, schema: Json, keyword: str) -> Iterator[Case]:
    kind, path, bound = crd["spec"]["names"]["kind"], ".".join(steps), BOUNDS[keyword]
    accepted, refused = manifest(crd), manifest(crd)
    now = copy.deepcopy(value_at(accepted, steps))
    change(accepted, steps, bound.accepted(schema, now))
    for place, value in COMPANIONS.get((kind, path, keyword), {}).items():
        change(accepted, tuple(place.split(".")), value)
    yield Case(kind, path, keyword, accepted)
    named = change(refused, steps, bound.refused(schema, now))
    if keyword == "x-kubernetes-list-type":
        named += "[1]"
    yield Case(kind, path, keyword, refused, refusal=(named, bound.says.format(value=schema[keyword])))


def _required_cases(crd: Json, steps: Steps, schema: Json) -> Iterator[Case]:
    kind = crd["spec"]["names"]["kind"]
    for name in schema["required"]:
        path = ".".join((*steps, name))
        yield Case(kind, path, "required", manifest(crd))
        without = manifest(crd)
        named = change(without, (*steps, name), ABSENT)
        yield Case(kind, path, "required", without, refusal=(named, "Required value"))
