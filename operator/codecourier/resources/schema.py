"""From models to structural schemas: the part of a CRD that says what an object may hold.

pydantic writes the JSON schema of a model; this module turns it into what the API server accepts (no references,
nothing nullable, every keyword known) and refuses gaps: a field without a docstring, a string, list, map or number
without a bound, a pattern that Go and pydantic read differently, an immutability that an update can bypass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import BaseModel

from codecourier.resources.meta import IMMUTABLE_KEY, KIND_ROLE_KEY, LIST_TYPE_KEY, RULES_KEY, CustomResource, Rule

__all__ = ["Schema", "SchemaError", "structural_schema"]

Schema = dict[str, Any]

_KEYWORDS = {
    "object": ("properties", "required", "additionalProperties", "maxProperties", "minProperties"),
    "array": ("items", "minItems", "maxItems", LIST_TYPE_KEY, "x-kubernetes-list-map-keys"),
    "string": ("minLength", "maxLength", "pattern", "enum", "format"),
    "integer": ("minimum", "maximum"),
    "boolean": (),
}
"""Keywords that a schema of each type may have beside its description, default and rules."""

_NAME_PATH = ".metadata.name"
_INT32_MAX = 2**31 - 1
_DIALECT = re.compile(r"\\[sSdDwWbBpP]|\(\?")
"""Parts of a pattern that are ASCII in Go and Unicode in pydantic's engine, or that only one of them knows."""


class SchemaError(ValueError):
    """A model declares something that a CRD cannot express, or lacks something that ours must declare."""


@dataclass(frozen=True)
class _Place:
    """Where in an object a schema applies."""

    path: str
    in_status: bool = False
    is_pinned: bool = True
    """Whether every valid object has the place, so that a transition rule on it always runs."""

    def below(self, step: str, *, is_pinned: bool) -> _Place:
        """Return the place of a part of this one."""
        return replace(self, path=self.path + step, is_pinned=self.is_pinned and is_pinned)

    def error(self, text: str) -> SchemaError:
        """Return an error that names this place."""
        return SchemaError(f"{self.path}: {text}")


def structural_schema(kind: type[CustomResource], kinds: Sequence[type[CustomResource]]) -> Schema:
    """Return the `openAPIV3Schema` of a kind; `kinds` are those that its objects may name, in their order.

    Transition rules are left out below `status`: they guard what users declare, and the operator replaces a recorded
    copy of a spec as a whole.

    Raises
    ------
    SchemaError
        If a field has no docstring or no bound, or declares something that a CRD cannot express.
    """
    raw = kind.model_json_schema(by_alias=True)
    _list_kinds(raw, kinds)
    defs: Mapping[str, Schema] = raw.get("$defs", {})
    place = _Place(kind.info.kind)
    properties: Schema = {
        "apiVersion": {"type": "string", "description": CustomResource.model_fields["api_version"].description},
        "kind": {"type": "string", "description": CustomResource.model_fields["kind"].description},
        "metadata": {"type": "object"},
    }
    required = [name for name in raw.get("required", ()) if name in {"spec", "status"}]
    for name in ("spec", "status"):
        if name in raw["properties"]:
            part = replace(place.below(f".{name}", is_pinned=name in required), in_status=name == "status")
            _check_docstrings(kind.model_fields[name].annotation, part)
            node = _resolved(raw["properties"][name], defs, part)
            properties[name] = _schema(node, defs, part)
            _add_rules(properties[name], _own_immutability(node, name, part))
    if "status" in properties:
        properties["status"]["default"] = {"observedGeneration": -1}
    schema: Schema = {"type": "object", "description": _text(raw, place), "properties": properties}
    if required:
        schema["required"] = required
    rules = [*raw.get(RULES_KEY, ()), *(rule.to_schema() for rule in _name_rules(kind))]
    if any(rule.get("fieldPath") == _NAME_PATH for rule in rules):
        # A `fieldPath` may only name what the schema declares.
        properties["metadata"]["properties"] = {"name": {"type": "string"}}
    _add_rules(schema, rules)
    return schema


def _list_kinds(node: Any, kinds: Sequence[type[CustomResource]]) -> None:
    """Replace each text that names a kind with a role by the list of the kinds that have it."""
    if isinstance(node, dict):
        role = node.pop(KIND_ROLE_KEY, None)
        if role is not None:
            for keyword in ("minLength", "maxLength", "pattern"):
                node.pop(keyword, None)
            node["enum"] = [kind.info.kind for kind in kinds if getattr(kind.info, role)]
            if not node["enum"]:
                raise SchemaError(f"no kind has the role {role!r} that a field needs")
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _list_kinds(part, kinds)


def _name_rules(kind: type[CustomResource]) -> Iterable[Rule]:
    """Limit names to fewer than Kubernetes' 253 characters where others are derived from them."""
    limit = kind.info.name_max_length
    if limit < 253:  # noqa: PLR2004  what Kubernetes itself allows
        yield Rule(f"size(self.metadata.name) <= {limit}", f"must be at most {limit} characters", field_path=_NAME_PATH)


def _check_docstrings(annotation: Any, place: _Place) -> None:
    """Refuse fields without a docstring of their own; the schema would use their type's instead."""
    for argument in get_args(annotation):
        _check_docstrings(argument, place)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            part = place.below(f".{field.alias or name}", is_pinned=True)
            if not field.description:
                raise part.error("has no docstring; `kubectl explain` shows it: give meaning, unit and range")
            _check_docstrings(field.annotation, part)


def _schema(node: Schema, defs: Mapping[str, Schema], place: _Place) -> Schema:
    type_ = node.get("type")
    if type_ not in _KEYWORDS:
        raise place.error(f"type {type_!r} is not supported in our CRDs; use one of {', '.join(_KEYWORDS)}")
    known = {"type", "title", "description", "default", "const", RULES_KEY, IMMUTABLE_KEY, *_KEYWORDS[type_]}
    if unknown := sorted(set(node) - known):
        raise place.error(f"{', '.join(unknown)} is not supported on type {type_!r} in a CRD")
    schema: Schema = {"type": type_}
    if "description" in node:
        schema["description"] = _text(node, place)
    _CONVERTERS[type_](node, schema, defs, place)
    rules = [rule for rule in node.get(RULES_KEY, ()) if not (place.in_status and _is_transition(rule))]
    _add_rules(schema, rules)
    if node.get("default") not in (None, "", [], {}):
        schema["default"] = node["default"]
    return schema


def _object(node: Schema, schema: Schema, defs: Mapping[str, Schema], place: _Place) -> None:
    if "additionalProperties" in node and "properties" not in node:
        _map(node, schema, defs, place)
        return
    required = list(node.get("required", ()))
    properties: dict[str, Schema] = {}
    parent_rules: list[Schema] = []
    for name, raw in node.get("properties", {}).items():
        always = name in required or raw.get("default") is not None or _is_default_object(raw, defs)
        part = place.below(f".{name}", is_pinned=always)
        child = _resolved(raw, defs, part)
        properties[name] = _schema(child, defs, part)
        if name not in required and child["type"] == "object" and "default" not in raw:
            properties[name]["default"] = {}
        _guard_transitions(child, name, part, parent=place)
        _add_rules(properties[name], _own_immutability(child, name, part))
        if not always and child.get(IMMUTABLE_KEY) and not place.in_status:
            parent_rules.append(_presence_rule(name))
    schema["properties"] = properties
    if required:
        schema["required"] = required
    _add_rules(schema, parent_rules)


def _map(node: Schema, schema: Schema, defs: Mapping[str, Schema], place: _Place) -> None:
    _need(node, "maxProperties", place)
    part = place.below(".*", is_pinned=False)
    schema["additionalProperties"] = _schema(_resolved(node["additionalProperties"], defs, part), defs, part)
    _take(node, schema, "minProperties", "maxProperties")


def _array(node: Schema, schema: Schema, defs: Mapping[str, Schema], place: _Place) -> None:
    _need(node, "maxItems", place)
    part = place.below("[]", is_pinned=False)
    schema["items"] = _schema(_resolved(node["items"], defs, part), defs, part)
    _take(node, schema, "minItems", "maxItems")
    schema[LIST_TYPE_KEY] = node.get(LIST_TYPE_KEY, "atomic")
    _take(node, schema, "x-kubernetes-list-map-keys")


def _string(node: Schema, schema: Schema, _: Mapping[str, Schema], place: _Place) -> None:
    if "enum" not in node and "format" not in node:
        _need(node, "maxLength", place)
    if "pattern" in node:
        _check_pattern(node["pattern"], place)
    _take(node, schema, *_KEYWORDS["string"])


def _integer(node: Schema, schema: Schema, _: Mapping[str, Schema], place: _Place) -> None:
    _need(node, "minimum", place)
    _need(node, "maximum", place)
    schema["format"] = "int64" if node["maximum"] > _INT32_MAX else "int32"
    _take(node, schema, *_KEYWORDS["integer"])


def _boolean(_node: Schema, _schema: Schema, _defs: Mapping[str, Schema], _place: _Place) -> None:
    """Copy nothing: a boolean has no bounds."""


_CONVERTERS = {"object": _object, "array": _array, "string": _string, "integer": _integer, "boolean": _boolean}


def _resolved(node: Schema, defs: Mapping[str, Schema], place: _Place) -> Schema:
    """Replace references by what they refer to; an optional value becomes a plain one that is not required."""
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        if len(choices) != 1:
            raise place.error("is a union; a CRD field has one type")
        return _merged(_resolved(choices[0], defs, place), {k: v for k, v in node.items() if k != "anyOf"})
    if "$ref" in node:
        target = _resolved(defs[node["$ref"].rpartition("/")[2]], defs, place)
        return _merged(target, {k: v for k, v in node.items() if k != "$ref"})
    return node


def _merged(inner: Schema, outer: Schema) -> Schema:
    rules = [*inner.get(RULES_KEY, ()), *outer.get(RULES_KEY, ())]
    return inner | outer | ({RULES_KEY: rules} if rules else {})


def _is_default_object(node: Schema, defs: Mapping[str, Schema]) -> bool:
    """Return whether the API server defaults the field to an empty object, and then its fields."""
    return "$ref" in node and "default" not in node and defs[node["$ref"].rpartition("/")[2]].get("type") == "object"


def _own_immutability(node: Schema, name: str, place: _Place) -> list[Schema]:
    if not node.get(IMMUTABLE_KEY) or place.in_status:
        return []
    return [Rule("self == oldSelf", f"{name} is immutable").to_schema()]


def _presence_rule(name: str) -> Schema:
    """Return the rule for absence: `self == oldSelf` does not run where either side is absent."""
    rule = Rule(f"has(self.{name}) == has(oldSelf.{name})", f"{name} is immutable", field_path=f".{name}")
    return rule.to_schema()


def _guard_transitions(node: Schema, name: str, place: _Place, *, parent: _Place) -> None:
    if place.in_status:
        return
    if node.get(IMMUTABLE_KEY) and not parent.is_pinned:
        raise place.error(
            f"cannot be immutable: an update can remove {parent.path} and add it again with another {name};"
            " make that one immutable"
        )
    if not place.is_pinned and any(_is_transition(rule) for rule in node.get(RULES_KEY, ())):
        raise place.error(
            "has a transition rule, which an update bypasses by removing the field first;"
            " give it a default, use Immutable(), or put the rule on the object that holds it"
        )


def _is_transition(rule: Mapping[str, Any]) -> bool:
    return "oldSelf" in rule["rule"]


def _check_pattern(pattern: str, place: _Place) -> None:
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise place.error(f"pattern {pattern!r} must start with ^ and end with $, or it matches any part of a text")
    if found := _DIALECT.search(pattern):
        raise place.error(f"{found[0]} in pattern {pattern!r} means different things here and in Kubernetes")
    try:
        re.compile(pattern)
    except re.error as error:
        raise place.error(f"pattern {pattern!r} is not a regular expression: {error}") from error


def _need(node: Schema, keyword: str, place: _Place) -> None:
    if keyword not in node:
        raise place.error(f"has no {keyword}; every stored value needs a bound")


def _take(node: Schema, schema: Schema, *keywords: str) -> None:
    schema.update({keyword: node[keyword] for keyword in keywords if keyword in node})


def _add_rules(schema: Schema, rules: Iterable[Mapping[str, Any]]) -> None:
    for rule in rules:
        entry = {key: rule[key] for key in ("rule", "message", "fieldPath") if key in rule}
        schema.setdefault(RULES_KEY, []).append(entry)


def _text(node: Schema, place: _Place) -> str:
    """Return the docstring with one line per paragraph: `kubectl explain` wraps lines itself."""
    if not node.get("description"):
        raise place.error("has no docstring")
    paragraphs = re.split(r"\n\s*\n", node["description"].strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
