"""What the API server does with a custom resource by its CRD: fill in defaults, prune, validate.

CEL rules are left to the real server: the CRD tests try each of them there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import orjson

from codecourier.kinds.registry import Registry
from codecourier.kube.api import Resource
from codecourier.resources.crd import build_crd

__all__ = [
    "Definition",
    "Schema",
    "binding_errors",
    "definition_of",
    "definitions_of",
    "event_errors",
    "lease_errors",
    "revision_errors",
]

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


class Schema:
    """A structural schema, compiled once.

    Parameters
    ----------
    source
        The `openAPIV3Schema`, or a part of it.
    """

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._type: str | None = source.get("type")
        self._nullable = bool(source.get("nullable"))
        self._open = bool(source.get("x-kubernetes-preserve-unknown-fields"))
        self._int_or_string = bool(source.get("x-kubernetes-int-or-string"))
        self._properties = {name: Schema(sub) for name, sub in (source.get("properties") or {}).items()}
        additional = source.get("additionalProperties")
        self._additional = Schema(additional) if isinstance(additional, dict) else None
        self._items = Schema(source["items"]) if "items" in source else None
        self._required: Sequence[str] = source.get("required") or ()
        self._default = orjson.dumps(source["default"]) if "default" in source else None
        self._with_defaults = [(name, sub) for name, sub in self._properties.items() if sub._default is not None]
        self._checks = _checks(source)

    def complete(self, value: Any) -> Any:
        """Fill in defaults and prune what the schema does not know, in place; return the value."""
        if isinstance(value, dict) and (self._properties or self._additional or not self._open):
            self._complete_object(value)
        elif isinstance(value, list) and self._items is not None:
            for item in value:
                self._items.complete(item)
        return value

    def errors(self, value: Any, path: str) -> list[str]:
        """Return what is wrong with a completed value, each with the path of the field."""
        if value is None:
            return [] if self._nullable else [f"{path}: Invalid value: null"]
        if self._int_or_string:
            return [] if isinstance(value, int | str) else [f"{path}: must be an integer or a string"]
        if self._type is not None and not _is_type(value, self._type):
            return [f"{path}: Invalid value: must be of type {self._type}"]
        found = [f"{path}: {message}" for check in self._checks if (message := check(value))]
        if isinstance(value, dict):
            found += self._object_errors(value, path)
        elif isinstance(value, list) and self._items is not None:
            for index, item in enumerate(value):
                found += self._items.errors(item, f"{path}[{index}]")
        return found

    def _complete_object(self, value: dict[str, Any]) -> None:
        for name, sub in self._with_defaults:
            if value.get(name) is None and (name not in value or not sub._nullable):
                value[name] = orjson.loads(sub._default or b"null")
        for name in list(value):
            known = self._properties.get(name) or self._additional
            if known is not None:
                if value[name] is None and not known._nullable and known._default is None:
                    # The API server drops nulls that a schema does not allow.
                    del value[name]
                else:
                    known.complete(value[name])
            elif not self._open:
                del value[name]

    def _object_errors(self, value: Mapping[str, Any], path: str) -> list[str]:
        found = [f"{path}.{name}: Required value" for name in self._required if name not in value]
        for name, item in value.items():
            sub = self._properties.get(name) or self._additional
            if sub is not None:
                found += sub.errors(item, f"{path}.{name}")
        return found


def _is_type(value: Any, type_: str) -> bool:
    if type_ != "boolean" and isinstance(value, bool):
        return False
    return isinstance(value, _TYPES[type_])


Check = Callable[[Any], str | None]


def _checks(source: Mapping[str, Any]) -> list[Check]:
    """Return a function for each bound of a schema; given a value it says what is wrong."""
    return [build(source[word]) for word, build in _BOUNDS.items() if word in source]


def _bound(test: Callable[[Any, Any], bool], sentence: str) -> Callable[[Any], Check]:
    def build(limit: Any) -> Check:
        return lambda value: None if test(value, limit) else sentence.format(limit)

    return build


def _pattern(pattern: str) -> Check:
    # RE2's and Python's dialects agree for what our schemas use, but for `$`, which in Python allows a newline.
    compiled = re.compile(re.sub(r"\$$", r"\\Z", pattern))
    return lambda value: None if compiled.search(value) else f"should match '{pattern}'"


_BOUNDS: Mapping[str, Callable[[Any], Check]] = {
    "enum": _bound(lambda value, limit: value in limit, "Unsupported value: supported values: {}"),
    "minimum": _bound(lambda value, limit: value >= limit, "should be greater than or equal to {}"),
    "maximum": _bound(lambda value, limit: value <= limit, "should be less than or equal to {}"),
    "minLength": _bound(lambda value, limit: len(value) >= limit, "should be at least {} chars long"),
    "maxLength": _bound(lambda value, limit: len(value) <= limit, "Too long: may not be more than {} characters"),
    "minItems": _bound(lambda value, limit: len(value) >= limit, "should have at least {} items"),
    "maxItems": _bound(lambda value, limit: len(value) <= limit, "Too many: must have at most {} items"),
    "minProperties": _bound(lambda value, limit: len(value) >= limit, "should have at least {} properties"),
    "maxProperties": _bound(lambda value, limit: len(value) <= limit, "Too many: must have at most {} properties"),
    "pattern": _pattern,
}


@dataclass(frozen=True)
class Definition:
    """A kind and how its objects behave.

    Parameters
    ----------
    resource
        The kind.
    has_status
        Whether status is a subresource.
    has_generation
        Whether the server counts changes of the spec.
    needs_version
        Whether a replacement without resourceVersion is refused.
    is_made_by_update
        Whether a replacement of what is not there creates it, unless it names a UID.
    schema
        What a custom resource has to look like; None: anything.
    rules
        What is wrong with an object of Kubernetes' own, each with the path of the field; None: nothing ever.
    """

    resource: Resource
    has_status: bool = False
    has_generation: bool = False
    needs_version: bool = False
    is_made_by_update: bool = False
    schema: Schema | None = field(default=None, compare=False)
    rules: Callable[[Mapping[str, Any]], Sequence[str]] | None = field(default=None, compare=False)


_EVENT_LENGTHS = {"reason": 128, "action": 128, "reportingInstance": 128, "reportingController": 253}
_NOTE_BYTES = 1024


def event_errors(obj: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an Event."""
    found = [f"{name}: Required value" for name in ("eventTime", *_EVENT_LENGTHS) if not obj.get(name)]
    for name, length in _EVENT_LENGTHS.items():
        if len(obj.get(name) or "") > length:
            found.append(f"{name}: Invalid value: can have at most {length} characters")
    if len(obj.get("note", "").encode()) > _NOTE_BYTES:
        # The server names the field as it is called in its older version.
        found.append(f"message: Invalid value: can have at most {_NOTE_BYTES} characters")
    if obj.get("type") not in ("Normal", "Warning"):
        found.append("type: Invalid value: has invalid value")
    return found


def lease_errors(obj: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a Lease."""
    seconds = obj.get("spec", {}).get("leaseDurationSeconds")
    is_wrong = seconds is not None and seconds <= 0
    return ["spec.leaseDurationSeconds: Invalid value: must be greater than 0"] if is_wrong else []


def revision_errors(obj: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a ControllerRevision."""
    found = [] if isinstance(obj.get("data"), dict) else ["data: Required value: data is mandatory"]
    if obj.get("revision", 0) < 0:
        found.append("revision: Invalid value: must be greater than or equal to 0")
    return found


def binding_errors(obj: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a RoleBinding."""
    role = obj.get("roleRef") or {}
    found = [f"roleRef.{key}: Required value" for key in ("apiGroup", "kind", "name") if not role.get(key)]
    for index, subject in enumerate(obj.get("subjects") or ()):
        key = "namespace" if subject.get("kind") == "ServiceAccount" else "apiGroup"
        found += [f"subjects[{index}].{field}: Required value" for field in (key, "name") if not subject.get(field)]
    return found


def definition_of(crd: Mapping[str, Any]) -> Definition:
    """Return the kind that a CustomResourceDefinition defines, in its storage version."""
    spec = crd["spec"]
    version = next(version for version in spec["versions"] if version["storage"])
    names = spec["names"]
    return Definition(
        Resource(spec["group"], version["name"], names["plural"], names["kind"], spec["scope"] == "Namespaced"),
        has_status="status" in (version.get("subresources") or {}),
        has_generation=True,
        needs_version=True,
        schema=Schema(version["schema"]["openAPIV3Schema"]),
    )


@cache
def definitions_of(registry: Registry) -> Sequence[Definition]:
    """Return the kinds of a registry as their generated CRDs define them; made once, as simulations start often."""
    models = [kind.model for kind in registry.kinds]
    return tuple(definition_of(build_crd(model, models)) for model in models)
