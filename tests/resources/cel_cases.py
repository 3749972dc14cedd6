"""Accepted and refused manifests for each CEL rule of the CRDs."""

import copy
import re
from collections.abc import Iterator
from typing import Any

from tests.resources.cases import Case, Steps
from tests.resources.cel_table import BASES, OBJECTS, VALUES, Changes, Update
from tests.resources.samples import ABSENT, Json, change, manifest, sample, schema_of, value_at, walk

_NAME_LENGTH = re.compile(r"must be at most (\d+) characters")


def cel_cases(crd: Json) -> Iterator[Case]:
    """Make the cases of each rule of a kind.

    Raises
    ------
    KeyError
        If a rule is in no table.
    """
    for steps, schema in walk(schema_of(crd)):
        for rule in schema.get("x-kubernetes-validations", ()):
            if rule["message"].endswith(" is immutable"):
                yield from _immutable(crd, steps, schema, rule)
            elif limit := _NAME_LENGTH.fullmatch(rule["message"]):
                yield from _name_length(crd, int(limit[1]), rule["message"])
            elif rule["message"] in VALUES:
                yield from _values(crd, steps, rule["message"])
            else:
                yield from _objects(crd, steps, rule["message"])


def uses_tables(crds: list[Json]) -> tuple[set[str], set[tuple[str, str, str]]]:
    """Return the keys of both tables that the rules of these CRDs ask for."""
    values, objects = set(), set()
    for crd in crds:
        for steps, schema in walk(schema_of(crd)):
            for rule in schema.get("x-kubernetes-validations", ()):
                message = rule["message"]
                if message in VALUES:
                    values.add(message)
                elif not message.endswith(" is immutable") and not _NAME_LENGTH.fullmatch(message):
                    objects.add((crd["spec"]["names"]["kind"], ".".join(steps), message))
    return values, objects


def _kind(crd: Json) -> str:
    kind: str = crd["spec"]["names"]["kind"]
    return kind


def _name_length(crd: Json, limit: int, message: str) -> Iterator[Case]:
    accepted, refused = manifest(crd), manifest(crd)
    accepted["metadata"]["name"] = "a" * limit
    refused["metadata"]["name"] = "a" * (limit + 1)
    yield Case(_kind(crd), "", message, accepted)
    yield Case(_kind(crd), "", message, refused, refusal=("metadata.name", re.escape(message)))


def _values(crd: Json, steps: Steps, message: str) -> Iterator[Case]:
    for verdict in ("accepted", "refused"):
        for value in getattr(VALUES[message], verdict):
            new = manifest(crd)
            named = change(new, steps, value)
            refusal = (named, re.escape(message)) if verdict == "refused" else None
            yield Case(_kind(crd), ".".join(steps), message, new, refusal=refusal, known_as=ascii(value)[:40])


def _objects(crd: Json, steps: Steps, message: str) -> Iterator[Case]:
    kind, path = _kind(crd), ".".join(steps)
    table = OBJECTS[kind, path, message]
    named = (path.replace(".[]", "[0]") + table.field_path).lstrip(".")
    for verdict in ("accepted", "refused"):
        for update in getattr(table, verdict):
            refusal = (named, re.escape(message)) if verdict == "refused" else None
            yield _update_case(crd, path, message, update, refusal)


def _update_case(crd: Json, path: str, message: str, update: Update, refusal: tuple[str, str] | None) -> Case:
    old = None if update.old is None else _changed(manifest(crd), update.old)
    new = _changed(copy.deepcopy(old) if old else manifest(crd), update.new)
    return Case(_kind(crd), path, message, new, old, refusal, known_as=f"{update.old} -> {update.new}"[:120])


def _changed(target: Json, changes: Changes) -> Json:
    for place, value in changes.items():
        change(target, tuple(place.split(".")), value)
    return target


def _immutable(crd: Json, steps: Steps, schema: Json, rule: Json) -> Iterator[Case]:
    """Try to change the field, to take it away and to add it; leaving it as it is is accepted."""
    path, message, field_path = ".".join(steps), rule["message"], rule.get("fieldPath", "")
    refusal = (path + field_path, re.escape(message))
    if not field_path:
        there: Any = value_at(manifest(crd), steps)
        other = Update({path: sample(schema, 1)}, old={})
        yield _update_case(crd, path, message, Update({path: there}, old={}), None)
        yield _update_case(crd, path, message, other, refusal)
        return
    place = path + field_path
    base = BASES.get((_kind(crd), place), {})
    others = {key: value for key, value in base.items() if key != place}
    # Where the base has to add the field, a full manifest lacks it.
    without = others if place in base else {**others, place: ABSENT}
    yield _update_case(crd, path, message, Update({}, old=without), None)
    yield _update_case(crd, path, message, Update({place: ABSENT}, old=base), refusal)
    added = value_at(_changed(manifest(crd), base), tuple(place.split(".")))
    yield _update_case(crd, path, message, Update({place: added}, old=without), refusal)
