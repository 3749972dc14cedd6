from __future__ import annotations

import hashlib

__all__ = ["Secret"]


class Secret:
    """A credential that appears in no log, message or representation; only `reveal` returns it.

    Parameters
    ----------
    value
        The credential.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential, for the one place that sends or mounts it."""
        return self._value

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that differ between credentials and reveal nothing else about them."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")
