"""What bodies have in common: strict types, no unknown field, texts that the cluster accepts."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from codecourier.resources.meta import PROMPT_MAX_BYTES
from codecourier.zones import find_zone

__all__ = ["Body", "PromptText", "Text", "ZoneName", "absent"]

_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Body(BaseModel):
    """Base of all bodies: nothing is converted, and an unknown field is a problem."""

    # Bodies are only parsed, and the name of a field in Python is no field of theirs.
    model_config = ConfigDict(  # type: ignore[pydantic-alias]
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
    )


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
