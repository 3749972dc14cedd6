"""Which form of an answer a client of Kubernetes' API accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import NamedTuple

from codecourier.apiserver.refusal import Refusal

__all__ = ["JSON", "Form", "negotiate"]

_MOST_CLAUSES = 50
_MEANT = ("as", "g", "v")
"""Parameters that choose a form; others, such as a character set, change nothing."""


class Form(NamedTuple):
    """A form of JSON in which an answer can be given."""

    parameters: tuple[tuple[str, str], ...] = ()
    """What chooses it: `as`, `g` and `v`; nothing: plain JSON."""

    @property
    def content_type(self) -> str:
        """The header `Content-Type`, in the very order that Kubernetes' clients compare it in."""
        return ";".join(["application/json", *(f"{name}={value}" for name, value in self.parameters)])


JSON = Form()
"""JSON without more."""


def negotiate(accept: str, forms: Sequence[Form]) -> Form:
    """Return the first form that a client accepts.

    Parameters
    ----------
    accept
        The header `Accept`; empty: anything.
    forms
        What there is; the first one is given to clients that accept anything.

    Raises
    ------
    Refusal
        406 if it accepts none of them.
    """
    # Of equal quality the order counts; what is not understood is passed over.
    for media, parameters, _ in sorted(_clauses(accept or "*/*"), key=lambda clause: -clause[2]):
        if media in {"*/*", "application/*"}:
            return forms[0]
        meant = {name: value for name, value in parameters.items() if name in _MEANT}
        found = next((form for form in forms if media == "application/json" and dict(form.parameters) == meant), None)
        if found is not None:
            return found
    known = ", ".join(form.content_type for form in forms)
    raise Refusal(
        HTTPStatus.NOT_ACCEPTABLE, f"None of the forms that the header Accept names is there. There is: {known}."
    )


def _clauses(accept: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield media type, parameters and quality of each clause that may be used."""
    for clause in accept.split(",")[:_MOST_CLAUSES]:
        media, *rest = (part.strip() for part in clause.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        quality = _quality(parameters.pop("q", "1"))
        if media and quality > 0:
            yield media.lower(), parameters, quality


def _quality(text: str) -> float:
    try:
        return min(1.0, float(text))
    except ValueError:
        return 1.0
