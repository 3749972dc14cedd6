"""What every kind is built from: the base model, metadata, conditions and the annotations that become CRD schema.

A model declares everything about a field once: pydantic holds its type, bounds and docstring; `Rule`, `Immutable`,
`ListMap` and `KindInfo` add what only Kubernetes understands (CEL rules, list types, printer columns).
`codecourier.resources.crd` turns all of it into the manifests in `crds/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from codecourier.address import (
    ADDRESS_FORM,
    ADDRESS_MAX_LENGTH,
    ADDRESS_MIN_LENGTH,
    ADDRESS_PATTERN,
    ISSUE_ADDRESS_MAX_LENGTH,
    ISSUE_FORM,
    ISSUE_PATTERN,
    PULL_REQUEST_ADDRESS_MAX_LENGTH,
    PULL_REQUEST_FORM,
    PULL_REQUEST_PATTERN,
)

__all__ = [
    "API_VERSION",
    "GROUP",
    "IMMUTABLE_KEY",
    "KIND_ROLE_KEY",
    "LIST_TYPE_KEY",
    "RULES_KEY",
    "VERSION",
    "BranchName",
    "CommitSha",
    "Condition",
    "ConditionStatus",
    "CustomResource",
    "Date",
    "HasRole",
    "Immutable",
    "IssueUrl",
    "KindInfo",
    "KindName",
    "KindRole",
    "Labels",
    "ListMap",
    "ListSet",
    "LocalReference",
    "Message",
    "Model",
    "ObjectMeta",
    "ObjectName",
    "OwnerReference",
    "PrinterColumn",
    "Prompt",
    "PullRequestUrl",
    "ReasonWord",
    "RepositoryUrl",
    "Rule",
    "Status",
    "Time",
    "Uid",
]

GROUP = "codecourier.dev"
"""API group of every custom resource."""

VERSION = "v1alpha1"
"""The only served and stored version."""

API_VERSION = f"{GROUP}/{VERSION}"
"""The `apiVersion` in manifests."""

PROMPT_MAX_BYTES = 65_536
"""Longest prompt in UTF-8 bytes. `maxLength` counts code points, so a CEL rule counts the bytes."""

RULES_KEY = "x-kubernetes-validations"
"""Key of the CEL rules in a schema."""

LIST_TYPE_KEY = "x-kubernetes-list-type"
"""Key in a schema for how a list is merged."""

KIND_ROLE_KEY = "x-codecourier-kind-role"
"""Key in a model's JSON schema of a text that names a kind with a role; a CRD lists the kinds that have it."""

IMMUTABLE_KEY = "x-codecourier-immutable"
"""Key in a model's JSON schema of a field that never changes; a CRD has rules instead."""


@dataclass(frozen=True)
class Rule:
    """A CEL validation rule (`x-kubernetes-validations`).

    On a field it sees the field as `self`; in `Model.rules` it sees the object. A rule that names `oldSelf` is a
    transition rule and runs on updates only.
    """

    rule: str
    message: str
    field_path: str | None = None

    def to_schema(self) -> dict[str, Any]:
        """Return the rule in the form of a CRD."""
        entry = {"rule": self.rule, "message": self.message, "fieldPath": self.field_path}
        return {key: value for key, value in entry.items() if value is not None}

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        return schema | {RULES_KEY: [*schema.get(RULES_KEY, ()), self.to_schema()]}


@dataclass(frozen=True)
class Immutable:
    """The field keeps the value that it was created with; an optional one also stays absent."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core_schema) | {IMMUTABLE_KEY: True}


class KindRole(StrEnum):
    """Roles that a kind may have towards others; the values are fields of `KindInfo`."""

    MAKES_RUNS = "makes_runs"
    IS_REPORTED = "is_reported"


@dataclass(frozen=True)
class HasRole:
    """The text names a kind that has a role."""

    role: KindRole

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core_schema) | {KIND_ROLE_KEY: self.role.value}


@dataclass(frozen=True)
class ListMap:
    """`x-kubernetes-list-type: map`: items are merged and unique by these keys."""

    keys: tuple[str, ...]

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core_schema) | {LIST_TYPE_KEY: "map", "x-kubernetes-list-map-keys": list(self.keys)}


@dataclass(frozen=True)
class ListSet:
    """`x-kubernetes-list-type: set`: scalar items are unique."""

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(core_schema) | {LIST_TYPE_KEY: "set"}


@dataclass(frozen=True)
class PrinterColumn:
    """A column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True)
class KindInfo:
    """What Kubernetes needs to know about a kind beside its schema."""

    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    columns: tuple[PrinterColumn, ...] = ()
    selectable_fields: tuple[str, ...] = ()
    name_max_length: int = 253
    extra_categories: tuple[str, ...] = field(default_factory=tuple)
    makes_runs: bool = False
    """Whether its objects make Runs, so that a Run may name one as its origin."""

    is_reported: bool = False
    """Whether Notifications report on its objects."""

    is_trashable: bool = False
    """Whether users can put its objects into the trash; on others the label means nothing."""

    @property
    def singular(self) -> str:
        """The lower-case singular name."""
        return self.kind.lower()


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _rfc3339(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


Time = Annotated[datetime, AfterValidator(_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")]
"""An instant in UTC, RFC 3339 with `Z`."""

Date = Annotated[date, PlainSerializer(date.isoformat, return_type=str, when_used="json")]
"""A day of the calendar, such as `2026-11-30`."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
"""Name of a Kubernetes object: a lower-case DNS subdomain of 1 to 253 characters."""

Uid = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]+$")]
"""A Kubernetes UID."""

CommitSha = Annotated[str, Field(min_length=40, max_length=64, pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
"""A full Git commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits."""

BranchName = Annotated[
    str,
    Field(min_length=1, max_length=244, pattern=r"^[^\x00-\x20\x7f~^:?*\[\\]+$"),
    Rule(
        "!self.startsWith('-') && !self.startsWith('/') && !self.endsWith('/') && !self.endsWith('.')"
        " && !self.contains('..') && !self.contains('//') && !self.contains('@{') && !self.endsWith('.lock')"
        " && !self.contains('/.') && !self.startsWith('.') && !self.startsWith('refs/') && self != '@'",
        "must be a branch name that git accepts (see git check-ref-format), without refs/heads/",
    ),
]
"""A Git branch name without `refs/heads/`, of 1 to 244 characters."""

RepositoryUrl = Annotated[
    str,
    Field(min_length=ADDRESS_MIN_LENGTH, max_length=ADDRESS_MAX_LENGTH, pattern=ADDRESS_PATTERN),
    # Explains the pattern to people.
    Rule(f"self.matches('{ADDRESS_PATTERN}')", f"must be {ADDRESS_FORM}"),
]
"""Address of a repository: https, host, owner and name, without credentials, query or fragment."""

IssueUrl = Annotated[
    str,
    Field(max_length=ISSUE_ADDRESS_MAX_LENGTH, pattern=ISSUE_PATTERN),
    # Explains the pattern to people.
    Rule(f"self.matches('{ISSUE_PATTERN}')", f"must be {ISSUE_FORM}"),
]
"""Address of an issue: that of its repository, `/issues/` and its number, without a query or fragment."""

PullRequestUrl = Annotated[
    str,
    Field(max_length=PULL_REQUEST_ADDRESS_MAX_LENGTH, pattern=PULL_REQUEST_PATTERN),
    # Explains the pattern to people.
    Rule(f"self.matches('{PULL_REQUEST_PATTERN}')", f"must be {PULL_REQUEST_FORM}"),
]
"""Address of a pull request: that of its repository, `/pull/` and its number, without a query or fragment."""

Prompt = Annotated[
    str,
    Field(min_length=1, max_length=PROMPT_MAX_BYTES),
    Rule(f"size(bytes(self)) <= {PROMPT_MAX_BYTES}", f"must be at most {PROMPT_MAX_BYTES} bytes of UTF-8"),
    Rule(
        r"!self.matches('[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]')",
        "must not contain control characters other than tab, newline and carriage return",
    ),
]
"""Text for an agent: at most 65,536 bytes of UTF-8, no control characters but tab, newline and return."""

KindName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
"""Name of a kind in PascalCase, used with the role (`HasRole`) that the kind must have. Models accept any name, such as
that of a kind from a newer version; CRDs list the kinds."""

Message = Annotated[str, Field(max_length=4096)]
"""A sentence that a person can act on, up to 4,096 characters."""

ReasonWord = Annotated[str, Field(max_length=128, pattern=r"^([A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?)?$")]
"""A PascalCase word for programs, up to 128 characters."""


class Model(BaseModel):
    """Base of all models: camelCase outside, snake_case inside, immutable, docstrings of fields are descriptions.

    Unknown fields are ignored on reading: the API server has already pruned or refused them, and an operator that runs
    beside a newer one during an upgrade must not fail on fields that it does not know.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """CEL rules that see the whole object."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        if cls.rules:
            handler.resolve_ref_schema(schema)[RULES_KEY] = [rule.to_schema() for rule in cls.rules]
        return schema

    def to_json(self) -> dict[str, Any]:
        """Return the object as the API server accepts it: camelCase, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def updated(self, **changes: Any) -> Self:
        """Return a copy with these fields (snake_case names) changed.

        Only the changed fields are validated, strictly, and models in them are not validated again: every status write
        goes through here.

        Raises
        ------
        TypeError
            If the model has no field of a name.
        ValueError
            If a value has the wrong type or exceeds a bound of its field.
        """
        valid = {name: _validated(type(self), name, value) for name, value in changes.items()}
        return self.model_copy(update=valid)


@cache
def _validator(model: type[Model], name: str) -> Callable[..., object]:
    field = model.model_fields.get(name)
    if field is None:
        raise TypeError(f"{model.__name__} has no field {name!r}")
    bounded: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter[Any](bounded).validator.validate_python


def _validated(model: type[Model], name: str, value: object) -> object:
    try:
        return _validator(model, name)(value, strict=True)
    except ValidationError as error:
        problems = "; ".join(problem["msg"] for problem in error.errors(include_url=False, include_input=False))
        raise ValueError(f"{model.__name__}.{name}: {problems}") from None


class LocalReference(Model):
    """Reference to an object of the same namespace."""

    name: ObjectName
    """Name of the object that is referred to."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One observation of an object's state, as the Kubernetes API conventions define it."""

    type: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    """What is observed, in PascalCase; a condition list has each type once."""

    status: ConditionStatus
    """Whether it holds: True, False or Unknown."""

    reason: ReasonWord
    """Why, as one PascalCase word for programs."""

    message: Message
    """Why, as a sentence that a person can act on."""

    last_transition_time: Time
    """When `status` last changed."""

    observed_generation: Annotated[int, Field(ge=-1, le=2**53)] | None = None
    """The generation of the spec that was observed."""


Labels = dict[str, str]


class OwnerReference(Model):
    """The object whose deletion also deletes this one."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """The part of Kubernetes' object metadata that CodeCourier reads or writes."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 1
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    finalizers: tuple[str, ...] = ()
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()


class Status(Model):
    """What all kinds with a reconciler report.

    `observedGeneration` starts at -1 by a CRD default, so that kstatus never takes an object for current before the
    operator has seen it.
    """

    observed_generation: Annotated[int, Field(ge=-1, le=2**53)] = -1
    """The newest generation of the spec that the operator has acted on; -1 before it has seen the object."""

    generation_time: Time | None = None
    """When the operator observed `observedGeneration`; absent for the first generation, as old as the object."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=16), ListMap(("type",))] = ()
    """Ready: the object is accepted. Succeeded: the outcome of its work. Stalled: nothing more happens until a
    user changes the spec (present only while that is so)."""

    def condition(self, type_: str) -> Condition | None:
        """Return the condition of this type, or None when it was never written."""
        return next((c for c in self.conditions if c.type == type_), None)


class CustomResource(Model):
    """Base of all kinds; a subclass sets `info` and gives `spec` and, where it has one, `status` their types."""

    info: ClassVar[KindInfo]
    """Names, columns and limits of the kind."""

    api_version: str = API_VERSION
    """Version of the schema of this object: `codecourier.dev/v1alpha1`."""

    kind: str = ""
    """Which kind of object this is, in PascalCase."""

    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    """Name, namespace, labels and other metadata that Kubernetes keeps for every object."""

    def to_json(self) -> dict[str, Any]:
        """Return the object as the API server accepts it; its metadata has only what is set."""
        metadata = self.metadata.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        return super().to_json() | {"metadata": metadata}

    @property
    def name(self) -> str:
        """Name of the object."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """Namespace of the object, which is its project."""
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        """UID of the object."""
        return self.metadata.uid

    @property
    def is_deleting(self) -> bool:
        """Whether its deletion was requested."""
        return self.metadata.deletion_timestamp is not None

    @property
    def as_owner(self) -> OwnerReference:
        """The owner reference for objects to delete together with this one."""
        return OwnerReference(
            api_version=self.api_version,
            kind=self.info.kind,
            name=self.name,
            uid=self.uid,
            controller=True,
            block_owner_deletion=True,
        )
