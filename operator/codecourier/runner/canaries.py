"""Searches what the agent leaves for the secret values that it was given."""

import base64
import os
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codecourier.runner.step import StepError
from codecourier.task import CANARY_ENV_PREFIX

__all__ = ["CANARY_MIN_BYTES", "Canaries"]

CANARY_MIN_BYTES = 8
"""Shorter values are not searched for: they occur in every tree by chance."""


@dataclass(frozen=True)
class Canaries:
    """The values to search for, each in all its forms."""

    forms: tuple[tuple[str, bytes], ...]
    """Name of the variable and one form of its value."""

    @classmethod
    def from_environment(cls, names: Iterable[str], environment: Mapping[str, str] = os.environ) -> "Canaries":
        """Take the values from collect's own environment.

        Raises
        ------
        StepError
            If one is missing: without it the search would prove nothing.
        """
        forms: list[tuple[str, bytes]] = []
        for name in names:
            value = environment.get(CANARY_ENV_PREFIX + name)
            if value is None:
                raise StepError("CanaryMissing", f"The value of {name} is missing, so it cannot be searched for.")
            raw = os.fsencode(value).strip()
            if len(raw) >= CANARY_MIN_BYTES:
                forms.extend((name, form) for form in sorted(_forms(raw)))
        return cls(tuple(forms))

    @property
    def overlap(self) -> int:
        """Bytes that one piece of a file must share with the next."""
        return max((len(form) for _, form in self.forms), default=1) - 1

    def find(self, data: bytes) -> str | None:
        """Return the name of a variable whose value is in the data, or None."""
        return next((name for name, form in self.forms if form in data), None)

    def check(self, data: bytes, where: str) -> None:
        """Refuse data that holds a value.

        Raises
        ------
        StepError
            If one is found.
        """
        if name := self.find(data):
            raise StepError(
                "SecretInOutput",
                f"The value of the secret variable {name} is in {where}; nothing was pushed. Replace that secret.",
            )


def _forms(raw: bytes) -> set[bytes]:
    quoted = {
        urllib.parse.quote(raw, safe=""),
        urllib.parse.quote(raw, safe="/"),
        urllib.parse.quote_plus(raw),
    }
    forms = {raw, *(form.encode() for form in quoted), *(_lower_escapes(form) for form in quoted)}
    for shift in range(3):
        # Only the digits that do not depend on the bytes before and after the value.
        digits = base64.b64encode(bytes(shift) + raw)[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        forms |= {digits, digits.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def _lower_escapes(form: str) -> bytes:
    parts = form.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])]).encode()
