"""What bodies have in common: strict types, no unknown field, texts that the cluster accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from codecourier.apiserver.refusal import Detail, details_of
from codecourier.resources.meta import PROMPT_MAX_BYTES, BranchName
from codecourier.zones import find_zone

__all__ = ["MOST_FIELDS", "Body", "BranchText", "PromptText", "Read", "Text", "ZoneName", "absent"]

B = TypeVar("B", bound=BaseModel)

MOST_FIELDS = 100
"""How many fields an object of a body may have: those that no model knows cost time and an entry of the answer each."""

_NO_BRANCH = re.compile(r"^[-/.]|[/.]$|\.\.|//|@\{|/\.|\.lock$|^refs/|^@$")
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Body(BaseModel):
    """Base of all bodies: nothing is converted, and an unknown field is a problem."""

    # Bodies are only parsed, and the name of a field in Python is no field of theirs.
    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
    )

    # Where a validator follows, the plugin of mypy complains of the aliases here.
    @model_validator(mode="before")  # type: ignore[pydantic-alias]
    @classmethod
    def _check_size(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and len(raw) > MOST_FIELDS:
            raise ValueError(f"must have at most {MOST_FIELDS} fields, not {len(raw)}")
        return raw


class Read(Generic[B]):
    """A body as far as its model accepts it: for operations that name problems of other sorts in the same answer.

    Parameters
    ----------
    raw
        The body as it came.
    body
        The body; None if it has problems.
    problems
        What the model does not accept.
    """

    # No dataclass: pydantic would read its fields from the body.
    def __init__(self, raw: Any, body: B | None, problems: Iterable[Detail] = ()) -> None:
        self.raw = raw
        self.body = body
        self.problems = tuple(problems)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Return the schema of the model, which refuses nothing."""
        (model,) = get_args(source)

        def read(raw: Any, parse: ValidatorFunctionWrapHandler) -> Read[B]:
            try:
                return cls(raw, parse(raw))
            except ValidationError as error:
                return cls(raw, None, details_of(error.errors()))

        return handler(Annotated[model, WrapValidator(read)])


def absent() -> Any:
    """Return the default of a field that may be left out but not be null: it is never read."""
    return None


def _check_prompt(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    if len(text.encode("utf-8", "replace")) > PROMPT_MAX_BYTES:
        raise ValueError(f"must be at most {PROMPT_MAX_BYTES} bytes of UTF-8")
    if _HIDDEN.search(text):
        raise ValueError("must not contain control characters other than tab, newline and carriage return")
    return text


def _check_branch(name: str) -> str:
    if _NO_BRANCH.search(name):
        raise ValueError("must be a branch name that git accepts (see git check-ref-format), without refs/heads/")
    return name


def _check_zone(name: str) -> str:
    if find_zone(name) is None:
        raise ValueError("must be the name of an IANA time zone, such as Europe/Berlin or UTC")
    return name


def _check_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain half of a surrogate pair") from None
    return text


Text = Annotated[str, AfterValidator(_check_text)]
"""A text that can be stored: JSON can spell halves of surrogate pairs, which UTF-8 cannot."""

PromptText = Annotated[Text, AfterValidator(_check_prompt)]
"""Text for an agent: 1 to 65,536 bytes of UTF-8, no control characters but tab, newline and return."""

ZoneName = Annotated[Text, Field(max_length=32), AfterValidator(_check_zone)]
"""IANA name of a time zone."""

BranchText = Annotated[BranchName, AfterValidator(_check_text), AfterValidator(_check_branch)]
"""Name of a branch."""
